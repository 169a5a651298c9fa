"""Turns at what only a few may do at the same time, of which no tenant takes all."""

from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar, TypeVarTuple

from anyio import CapacityLimiter, Event, to_thread

ResultT = TypeVar("ResultT")
ArgsT = TypeVarTuple("ArgsT")


class Turns:
    """Who comes waits, holding no thread, until it is its turn; use it from the event loop alone.

    A turn that is free goes to the tenant that has the fewest of those who wait, and among these to the one that was
    served longest ago. One place is kept for others, so that nobody waits for all that one tenant has begun.

    Args:
        places: largest number of turns that all tenants have at the same time.
        is_shared: whether there is more than one tenant; a single one may have every place.
    """

    def __init__(self, places: int, *, is_shared: bool) -> None:
        self._places = places
        self._share = max(1, places - 1) if is_shared else places
        self._threads = CapacityLimiter(places)  # of their own, so that who has a turn never waits for a thread
        self._taken: Counter[str] = Counter()
        self._waiting: dict[str, deque[Event]] = {}
        self._served: dict[str, None] = {}  # tenants with a turn, the one that was served last at the end

    @property
    def is_idle(self) -> bool:
        """Whether nothing is kept of anybody."""
        return not (self._taken or self._waiting or self._served)

    @asynccontextmanager
    async def turn(self, tenant: str) -> AsyncIterator[None]:
        """Wait for a turn of the tenant, and have it while the block runs."""
        called = Event()
        self._waiting.setdefault(tenant, deque()).append(called)
        self._call()
        try:
            await called.wait()
        except BaseException:
            self._leave(tenant, called)
            raise
        try:
            yield
        finally:
            self._give_back(tenant)

    async def in_thread(self, tenant: str, call: Callable[[*ArgsT], ResultT], *args: *ArgsT) -> ResultT:
        """Wait for a turn of the tenant and make a call in a thread; returns what the call returns."""
        async with self.turn(tenant):
            return await to_thread.run_sync(call, *args, limiter=self._threads)

    def _call(self) -> None:
        """Give the places that are free to those who wait."""
        while self._taken.total() < self._places:
            able = [tenant for tenant in self._waiting if self._taken[tenant] < self._share]
            if not able:
                return
            latest = {tenant: at for at, tenant in enumerate(self._served)}
            tenant = min(able, key=lambda one: (self._taken[one], latest.get(one, -1)))
            self._served.pop(tenant, None)
            self._served[tenant] = None
            self._taken[tenant] += 1
            called = self._waiting[tenant].popleft()
            if not self._waiting[tenant]:
                del self._waiting[tenant]
            called.set()

    def _leave(self, tenant: str, called: Event) -> None:
        """Wait no longer; a turn that came at the same moment goes to the next."""
        if called.is_set():
            self._give_back(tenant)
            return
        self._waiting[tenant].remove(called)
        if not self._waiting[tenant]:
            del self._waiting[tenant]

    def _give_back(self, tenant: str) -> None:
        self._taken[tenant] -= 1
        if not self._taken[tenant]:
            del self._taken[tenant]
            if tenant not in self._waiting:
                self._served.pop(tenant, None)
        self._call()
