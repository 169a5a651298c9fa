"""What never becomes a request: bytes that are no HTTP, headers without end, heads that never come to an end.

All of it is answered like every other error. A connection is either served or on the clock: from its first moment, and
again from the first byte after an answer, the next head has to arrive within a time; so has the rest of a body that
nobody wanted to read. While a request is served, its body has a deadline of its own (`api.middleware.BodyLimit`).

An answer that its client does not take waits in memory. It has to move at a least rate, or its connection is broken
off; and all that waits in a process has a limit, beyond which the connection goes that has waited longest.
"""

import asyncio
from http import HTTPStatus
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.errors import MEDIA_TYPE, Kind
from api.problems import HEAD_TIMEOUT, MALFORMED_HTTP, RETRY_AFTER_SECONDS, TOO_MANY_CONNECTIONS, problem_document
from api.settings import ApiSettings


class ProblemProtocol(H11Protocol):
    """Uvicorn's HTTP/1.1, with deadlines, and with a problem document where it has a line of text."""

    head_seconds: ClassVar[float] = 10.0
    max_connections: ClassVar[int] = 4000
    answer_seconds: ClassVar[float] = 30.0
    answer_bytes_per_second: ClassVar[float] = 1024.0
    max_untaken_bytes: ClassVar[int] = 256 << 20
    # Connections of this process whose answer waits, the one that has waited longest first.
    untaken: ClassVar[dict["ProblemProtocol", None]] = {}

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._deadline: asyncio.TimerHandle | None = None
        self._has_spoken = False
        self._look: asyncio.TimerHandle | None = None
        self._left_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or send it away if there are too many."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # whatever waits, however little, is seen by `pause_writing`
        if len(self.connections) > self.max_connections:
            self._refuse(TOO_MANY_CONNECTIONS)
            return
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._unwatch()
        self._is_taken()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Hold the rest of an answer back: its client takes it more slowly than it is made."""
        super().pause_writing()
        self.untaken[self] = None
        self._look_later()
        while sum(one.transport.get_write_buffer_size() for one in self.untaken) > self.max_untaken_bytes:
            next(iter(self.untaken)).break_off()

    def resume_writing(self) -> None:
        """Go on with an answer."""
        self._is_taken()
        super().resume_writing()

    def break_off(self) -> None:
        """Forget what waits, and hang up."""
        self._is_taken()
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read on, by the clock unless this completes a request."""
        self._has_spoken = True
        super().data_received(data)
        if self._is_served:
            self._unwatch()
        elif not self.transport.is_closing():
            self._watch()

    def on_response_complete(self) -> None:
        """Go on with what has arrived meanwhile; the next head has all of its time."""
        self._unwatch()
        self._has_spoken = False
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  as uvicorn calls it
        """Answer and hang up."""
        self._refuse(MALFORMED_HTTP)

    @property
    def _is_served(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _watch(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.head_seconds, self._is_late)

    def _unwatch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _is_late(self) -> None:
        self._deadline = None
        if self._is_served or self.transport.is_closing():
            return
        # An answer only where a head has begun: before it nobody listens, and within an unread body it was given.
        if self._has_spoken and self.conn.our_state is h11.IDLE:
            self._refuse(HEAD_TIMEOUT)
        else:
            self.transport.close()

    def _look_later(self) -> None:
        self._left_bytes = self.transport.get_write_buffer_size()
        self._look = self.loop.call_later(self.answer_seconds, self._look_now)

    def _look_now(self) -> None:
        taken = self._left_bytes - self.transport.get_write_buffer_size()
        if taken < self.answer_bytes_per_second * self.answer_seconds:
            self.break_off()
        else:
            self._look_later()

    def _is_taken(self) -> None:
        self.untaken.pop(self, None)
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def _refuse(self, kind: Kind) -> None:
        body = problem_document(
            status=kind.status,
            title=kind.title,
            code=str(kind.code),
            detail=str(kind.detail),
            instance="",
            request_id="",
        )
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        if kind.status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append((b"retry-after", str(RETRY_AFTER_SECONDS).encode()))
        answer = h11.Response(status_code=kind.status, headers=headers, reason=HTTPStatus(kind.status).phrase.encode())
        for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def protocol_for(settings: ApiSettings) -> type[ProblemProtocol]:
    """The protocol with the limits of this service."""
    limits = {
        "head_seconds": settings.head_seconds,
        "max_connections": settings.max_connections,
        "answer_seconds": settings.answer_seconds,
        "answer_bytes_per_second": settings.answer_bytes_per_second,
        "max_untaken_bytes": settings.max_untaken_bytes,
        "untaken": {},
    }
    return type("LimitedProtocol", (ProblemProtocol,), limits)
