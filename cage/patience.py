"""How long the side that asks waits for a process in the cage, and who may call it away meanwhile."""

import select
import time
from collections.abc import Callable

from cage.limits import OverBudget

HEED_SECONDS = 0.25


class Patience:
    """Waits for descriptors until the time of one file is over.

    Args:
        seconds: time from now on, for all that is waited for together.
        heed: called several times a second; what it raises ends the waiting.
    """

    def __init__(self, seconds: float, heed: Callable[[], None]) -> None:
        self._seconds, self._heed = seconds, heed
        self._deadline = time.monotonic() + seconds

    def wait(self, descriptor: int, events: int) -> None:
        """Wait until a descriptor can be read or written, or its other side is gone.

        Args:
            descriptor: what is waited for.
            events: `select.POLLIN` or `select.POLLOUT`.

        Raises:
            OverBudget: if the time is over.
        """
        waits = select.poll()
        waits.register(descriptor, events)
        while True:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise OverBudget(f"it took more than {self._seconds:g} s")
            if waits.poll(1000 * min(left, HEED_SECONDS)):
                return
            self._heed()
