"""An end to waiting for a database that says nothing.

Limits on the server's side bind a server that can be reached. When the line falls silent, with the connection still
there for both, nobody tells a client anything, and TCP may wait for hours. So each connection that is in use has a
deadline: it is pushed on by every statement that begins and every answer that comes, and never beyond the longest time
of a unit of work. Whoever misses it has the socket shut under them, and the driver wakes up with a broken connection,
which SQLAlchemy replaces together with all others of the pool: they ended in the same silence.
"""

import logging
import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from threading import Condition, Thread
from typing import Any

from sqlalchemy import Engine, event

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Use:
    connection: Any
    due: float
    end: float
    is_shut: bool = False


class Deadlines:
    """Watches the connections of one engine, in a thread that begins with the first one."""

    def __init__(self, engine: Engine, *, silence_seconds: float, unit_seconds: float) -> None:
        """Begin.

        Args:
            engine: SQLAlchemy engine whose connections are watched.
            silence_seconds: longest time in seconds between two answers; over the server's own limits, which tell
                more.
            unit_seconds: longest time in seconds from taking a connection to giving it back.
        """
        self._silence_seconds, self._unit_seconds = silence_seconds, unit_seconds
        self._uses: dict[int, _Use] = {}
        self._changed = Condition()
        self._wakes_at = inf  # moment at which the thread looks again by itself
        self._thread: Thread | None = None
        event.listen(engine, "checkout", self._on_checkout)
        event.listen(engine, "checkin", self._on_checkin)
        event.listen(engine, "invalidate", self._on_checkin)
        event.listen(engine, "before_cursor_execute", self._on_statement)
        event.listen(engine, "after_cursor_execute", self._on_statement)

    def _on_checkout(self, connection: Any, _record: Any, _proxy: Any) -> None:
        now = time.monotonic()
        use = _Use(connection, now + self._silence_seconds, now + self._unit_seconds)
        with self._changed:
            self._uses[id(connection)] = use
            if self._thread is None:
                self._thread = Thread(target=self._watch, name="database deadlines", daemon=True)
                self._thread.start()
            if use.due < self._wakes_at:  # seldom: others are due earlier, and nobody is woken for each request
                self._changed.notify()

    def _on_checkin(self, connection: Any, _record: Any, _error: Any = None) -> None:
        with self._changed:
            self._uses.pop(id(connection), None)

    def _on_statement(self, used: Any, *_: Any) -> None:
        with self._changed:
            use = self._uses.get(id(used.connection.dbapi_connection))
            if use is not None:
                use.due = min(time.monotonic() + self._silence_seconds, use.end)

    def _watch(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for use in self._uses.values():
                    if use.due <= now and not use.is_shut:
                        use.is_shut = True
                        logger.warning("the database has not answered in time: the connection is broken off")
                        _shut(use.connection)
                self._wakes_at = min((use.due for use in self._uses.values() if not use.is_shut), default=inf)
                self._changed.wait(None if self._wakes_at == inf else max(0.01, self._wakes_at - now))


def _shut(connection: Any) -> None:
    """Wake up whoever waits on the socket; whoever owns it closes it."""
    with suppress(Exception), socket.socket(fileno=os.dup(connection.fileno())) as same:
        same.shutdown(socket.SHUT_RDWR)
