"""How far a fit is: what it tells its caller after every step, what the caller may answer, and the clock of it all.

A step is one change of the network by its training algorithm; between two steps a fit can be shown, stopped or saved.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tuner.fit.config import Budget
from tuner.fit.state import FitState


class Verdict(StrEnum):
    """What the caller wants after a step."""

    CONTINUE = "continue"
    STOP = "stop"


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Where a fit stands after a step.

    Attributes:
        step: number of steps taken so far, those before a resume included.
        total_steps: number of steps that there will be: of one fit the largest that its budget allows, of a search what
            is planned now, which may change.
        loss: mean squared error, as the last step reported it.
        psnr_db: quality in dB that this mean squared error stands for; an estimate where the error is one. The quality
            in the result is exact.
        seconds: time spent in steps so far, in seconds, that before a resume included.
        eta_seconds: time until the budget is used up, in seconds, at the present pace, or in a search until there is a
            file; None where nobody can tell.
        held_out_psnr_db: quality in dB on the watched samples, which the fit does not learn from, when it was last
            measured; None where none are watched or none has been measured yet.
        capture: returns a checkpoint of the fit at this very step; to be called before the caller answers, since the
            fit moves on then.
    """

    step: int
    total_steps: int
    loss: float
    psnr_db: float
    seconds: float
    eta_seconds: float | None
    capture: Callable[[], FitState]
    held_out_psnr_db: float | None = None


class Clock:
    """Steps and seconds that one fit has used of its budget.

    The loop moves it on after each step. An algorithm whose phases shrink with the budget, such as one that rounds
    weights in the last quarter of a fit, holds the same clock and reads from it how far the fit is.

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
