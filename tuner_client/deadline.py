"""A time by which something is over, whatever the other side does: says nothing, or a byte now and then."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from tuner_client.errors import WaitedTooLong

Step = TypeVar("Step")


class Deadline:
    """Begins when it is made, within a running event loop.

    Args:
        seconds: time until it is over in seconds, or None for no limit; infinity is none, too.
        what: what is not done when time is up, for the error.

    Raises:
        ValueError: if no time can be meant.
    """

    def __init__(self, seconds: float | None, what: str) -> None:
        if seconds is not None and not seconds >= 0:
            raise ValueError(f"timeout is {seconds!r}, expected seconds, 0 or more, or None")
        limitless = seconds is None or seconds == float("inf")
        self._moment = None if seconds is None or limitless else asyncio.get_running_loop().time() + seconds
        self._error = f"{what} was not done within {seconds} s"

    def left(self) -> float:
        """Seconds that are left."""
        return float("inf") if self._moment is None else self._moment - asyncio.get_running_loop().time()

    @asynccontextmanager
    async def holds(self) -> AsyncIterator[None]:
        """Break off what is done in here when time is up.

        Raises:
            WaitedTooLong: when it is.
        """
        try:
            async with asyncio.timeout_at(self._moment) as patience:
                yield
        except TimeoutError:
            if not patience.expired():
                raise
            raise WaitedTooLong(self._error) from None


async def within(steps: AsyncGenerator[Step, None], seconds: float | None, what: str) -> AsyncGenerator[Step, None]:
    """Yield what comes until time is up; each step may be asked for in another task."""
    try:
        deadline = Deadline(seconds, what)
        while True:
            async with deadline.holds():
                try:
                    step = await anext(steps)
                except StopAsyncIteration:
                    return
            yield step
    finally:
        await steps.aclose()
