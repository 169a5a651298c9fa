"""The time that one attempt at a fit may take, held by a thread: a computation cannot be asked in the middle of a step.

The deadline of all attempts together is upkeep's (`TUNER_WORKER_MAX_RUN_SECONDS`), which needs a worker that listens.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from types import TracebackType
from typing import Self


class Deadline:
    """Use as a context manager around everything that a process does for one fit; only work counts.

    Args:
        seconds: longest time on the wall that the work may take, with all pauses left out.
        on_breach: called once, from a thread of its own, when it is over.
    """

    def __init__(self, seconds: float, on_breach: Callable[[], None]) -> None:
        self._seconds = seconds
        self._on_breach = on_breach
        self._worked_seconds = 0.0
        self._works_since: float | None = None
        self._is_done = False

    def __enter__(self) -> Self:
        self._look()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_done = True
        self._timer.cancel()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count the time meanwhile."""
        self._works_since = time.monotonic()
        try:
            yield
        finally:
            began, self._works_since = self._works_since, None
            self._worked_seconds += time.monotonic() - began

    def _look(self) -> None:
        """Come back when it may be over at the earliest: one thread is enough, however often the work pauses."""
        since = self._works_since
        worked = self._worked_seconds + (0.0 if since is None else time.monotonic() - since)
        if worked < self._seconds and not self._is_done:
            self._timer = Timer(self._seconds - worked, self._look)
            self._timer.name, self._timer.daemon = "deadline", True
            self._timer.start()
        elif not self._is_done:
            self._on_breach()
