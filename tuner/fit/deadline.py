"""A limit of seconds that holds from the first moment on: one clock, made at the entry. No torch here."""

from collections.abc import Callable
from time import monotonic

Now = Callable[[], float]


class Deadline:
    """The moment by which whatever is done for one request should be over.

    Whoever is about to begin something that can be left out asks it first. Nothing is interrupted, so that work is late
    by as much as what had begun still takes.

    Args:
        seconds: time that the request may take, in seconds; None for no limit.
        now: returns the time in seconds, from any origin.
    """

    def __init__(self, seconds: float | None, *, now: Now | None = None) -> None:
        self._seconds, self._now = seconds, monotonic if now is None else now
        self._began = self._now()

    def resume(self, spent: float) -> None:
        """Count the seconds, too, that the request took before it was interrupted."""
        self._began -= spent

    @property
    def spent(self) -> float:
        """Time since the request began, in seconds, without the time that it lay interrupted."""
        return self._now() - self._began

    @property
    def left(self) -> float | None:
        """Time until the deadline in seconds, below 0 after it; None if there is no limit."""
        return None if self._seconds is None else self._seconds - self.spent

    @property
    def is_over(self) -> bool:
        """Whether nothing more should begin."""
        left = self.left
        return left is not None and left <= 0.0

    def earlier(self, seconds: float) -> "Deadline":
        """One of the same clock that is over some seconds before this one."""
        other = Deadline(None if self._seconds is None else self._seconds - seconds, now=self._now)
        other._began = self._began
        return other
