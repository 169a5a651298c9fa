"""Hints to the broker, sent from a thread of their own: no request waits for the broker, or notices that it is away."""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from threading import Thread

from store.classes import class_of
from store.hints import Hint
from store.queue import FitQueue

MOST_WAITING = 1000
CLOSE_SECONDS = 2.0
QUIET_SECONDS = 5.0  # after a failed publish, none is tried for so long

logger = logging.getLogger(__name__)


class Publisher:
    """Sends hints that a fit is queued, or that a view is wanted.

    A hint that is lost on the way, or with this process, is sent again by upkeep. A broker that does not answer is
    left alone for a while, and what cannot be sent soon is not kept.
    """

    def __init__(self, queue: FitQueue) -> None:
        self._queue = queue
        self._waiting: SimpleQueue[tuple[Callable[[], bool], str] | None] = SimpleQueue()
        self._quiet_until = 0.0
        self._thread = Thread(target=self._send, name="publisher", daemon=True)
        self._thread.start()

    def publish(self, fit_id: str, worker_class: str) -> None:
        """Have a hint sent that a fit is queued for workers of a class."""
        self._put(partial(self._queue.publish, fit_id, class_of(worker_class)), fit_id)

    def publish_all(self, hints: Sequence[Hint]) -> None:
        """Have hints sent together."""
        self._put(partial(self._queue.publish_all, hints), hints[0].fit_id)

    def publish_view(self, render_id: str) -> None:
        """Have a hint sent that a view is wanted."""
        self._put(partial(self._queue.publish_view, render_id), render_id)

    def close(self) -> None:
        """Send what waits, and end."""
        self._waiting.put(None)
        self._thread.join(CLOSE_SECONDS)

    def _put(self, send: Callable[[], bool], row_id: str) -> None:
        if time.monotonic() >= self._quiet_until and self._waiting.qsize() < MOST_WAITING:
            self._waiting.put((send, row_id))

    def _send(self) -> None:
        while (hint := self._waiting.get()) is not None:
            send, row_id = hint
            if time.monotonic() < self._quiet_until:
                continue
            try:
                sent = send()
            except Exception:  # this thread is the only one that sends, and does not end over what nobody foresaw
                logger.exception("upkeep will send a message that was not sent", extra={"fields": {"id": row_id}})
                continue
            if sent:
                continue
            self._quiet_until = time.monotonic() + QUIET_SECONDS
            logger.warning("the broker does not answer; upkeep will send the message", extra={"fields": {"id": row_id}})
