"""Wait for what happens a little later."""

import time
from collections.abc import Callable


def eventually(true: Callable[[], bool], *, seconds: float = 15) -> None:
    """Return as soon as it is true; fail if it is not in time."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)
