"""A deadline that holds whatever the other side does: the waiting is done elsewhere, and left alone when time is up."""

import threading
import time
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

from tuner_client.errors import WaitedTooLong

SLACK_SECONDS: Final = 0.5  # for an answer that is on its way when the time is up

Step = TypeVar("Step")


def within(steps: Iterator[Step], seconds: float, fit_id: str) -> Iterator[Step]:
    """Yield what an iterator yields, until time is up, even while the iterator itself does not come back.

    No time-out of a socket does this: a byte now and then keeps every one of them content. The thread that is left
    behind ends with the next step that it sees, or with its connection.

    Args:
        steps: run in a thread of its own.
        seconds: time that all steps together may take, in seconds.
        fit_id: id of the fit that is waited for, to be named in the error.

    Yields:
        Each step.

    Raises:
        WaitedTooLong: if time is up before the last step.
    """
    deadline = time.monotonic() + seconds + SLACK_SECONDS
    arrived: SimpleQueue[Step | BaseException | None] = SimpleQueue()
    stopped = threading.Event()

    def run() -> None:
        try:
            for step in steps:
                if stopped.is_set():
                    return
                arrived.put(step)
            arrived.put(None)
        except BaseException as error:  # raised again where it is waited for
            arrived.put(error)

    threading.Thread(target=run, name=f"waiting for {fit_id}", daemon=True).start()
    try:
        while True:
            try:
                step = arrived.get(timeout=max(deadline - time.monotonic(), 0.0))
            except Empty:
                raise WaitedTooLong(f"{fit_id} did not end within {seconds:g} s: it goes on") from None
            if step is None:
                return
            if isinstance(step, BaseException):
                raise step
            yield step
    finally:
        stopped.set()
