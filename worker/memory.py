"""The memory that one fit, or some small ones at once, may take, held by the system and watched from a thread.

Two lines, since neither holds alone. The system refuses allocations beyond the budget and a margin (`RLIMIT_DATA`: what
is private and writable, unlike address space, of which torch reserves much that it never uses); training then goes on
in smaller parts, or ends with an error. But some libraries, such as OpenBLAS, end the process when a small allocation
fails. So whatever creeps over the budget itself is seen by the thread while the margin still lasts, and whoever asked
is told.

Linux only: elsewhere nothing says how much a process holds, and there is no limit.
"""

import resource
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from threading import Event, Thread
from types import TracebackType

from tuner.memory import data_bytes
from worker.device import device_of
from worker.settings import WorkerSettings

MARGIN_BYTES = 256 << 20
LOOK_SECONDS = 0.05


class MemoryBudget:
    """Use as a context manager around everything that a process does for one fit.

    Args:
        budget_bytes: memory that may be taken beyond what the process holds when it begins.
        on_breach: called once, from a thread of its own, when more than that is held.
    """

    def __init__(self, budget_bytes: int, on_breach: Callable[[], None]) -> None:
        self._budget_bytes = budget_bytes
        self._on_breach = on_breach
        self._limits: tuple[int, int] | None = None
        self._done = Event()
        self._most_bytes = 0
        self._thread = Thread(target=self._watch, name="memory budget", daemon=True)

    def __enter__(self) -> "MemoryBudget":
        held_bytes = data_bytes()
        if held_bytes is None:
            return self
        self._most_bytes = held_bytes + self._budget_bytes
        # Before the limit, which a thread that cannot be started would otherwise be the first to meet.
        self._thread.start()
        self._limits = before = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = self._most_bytes + MARGIN_BYTES
        known = [limit for limit in before if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min([wanted, *known]), before[1]))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._limits is None:
            return
        resource.setrlimit(resource.RLIMIT_DATA, self._limits)
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(LOOK_SECONDS):
            if (data_bytes() or 0) > self._most_bytes:
                self._on_breach()
                return


def memory_budget(settings: WorkerSettings, on_breach: Callable[[], None]) -> AbstractContextManager[object]:
    """The budget of memory; on a GPU none, whose driver maps more than it uses."""
    return MemoryBudget(settings.fit_memory_bytes, on_breach) if device_of(settings.device) == "cpu" else nullcontext()
