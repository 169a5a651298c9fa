"""The time that one attempt at a fit may take, held by a thread: a computation cannot be asked in the middle of a step.

The deadline of all attempts together is upkeep's (`TUNER_WORKER_MAX_RUN_SECONDS`), which needs a worker that listens.
"""

from collections.abc import Callable
from threading import Timer
from types import TracebackType


class Deadline:
    """Use as a context manager around everything that a process does for one fit.

    Args:
        seconds: longest time on the wall.
        on_breach: called once, from a thread of its own, when it is over.
    """

    def __init__(self, seconds: float, on_breach: Callable[[], None]) -> None:
        self._timer = Timer(seconds, on_breach)
        self._timer.name, self._timer.daemon = "deadline", True

    def __enter__(self) -> "Deadline":
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
