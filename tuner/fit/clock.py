"""How much of a budget of steps and seconds a fit has used, and what is left of it.

The loop moves the clock on after each step. An algorithm whose phases shrink with the budget, such as one that rounds
weights in the last quarter of a fit, holds the same clock and reads from it how far the fit is.
"""

from tuner.fit.config import Budget


class Clock:
    """Steps and seconds of one fit.

    Args:
        budget: limits of steps and seconds against which the clock runs.

    Attributes:
        budget: limits of steps and seconds against which the clock runs.
        steps: number of steps taken, those before a resume included.
        seconds: time spent in steps, in seconds, that before a resume included.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.steps, self.seconds = 0, 0.0
        self._steps_before, self._seconds_before = 0, 0.0

    def set(self, steps: int, seconds: float) -> None:
        """Begin where an interrupted fit stood; the pace is measured from here on."""
        self.steps = self._steps_before = steps
        self.seconds = self._seconds_before = seconds

    def tick(self, seconds: float) -> None:
        """Count one more step, which took so many seconds."""
        self.steps += 1
        self.seconds += seconds

    @property
    def share(self) -> float:
        """How much of the fit is done, from 0 to 1, by steps or by time, whichever is more."""
        share, limit = self.steps / self.budget.max_steps, self.budget.max_seconds
        return share if limit is None else max(share, self.seconds / limit)

    @property
    def eta_seconds(self) -> float | None:
        """Seconds until the budget is used up, at the pace since the fit began or was resumed; None before a step."""
        if self.steps == self._steps_before:
            return None
        pace = (self.seconds - self._seconds_before) / (self.steps - self._steps_before)
        eta, limit = pace * (self.budget.max_steps - self.steps), self.budget.max_seconds
        return eta if limit is None else max(0.0, min(eta, limit - self.seconds))
