"""What surrounds every request: its id, its line in the log, its last line of defence, limits of size, strict JSON."""

import asyncio
import json
import logging
import re
import time
from collections.abc import Mapping
from typing import Any, NoReturn
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import ContentTooLarge, HeadTooLarge, InvalidRequest, MalformedJson, UploadTimeout
from api.problems import problem_response
from api.schemas.problems import Fault
from store import logs

REQUEST_ID_HEADER = "X-Request-Id"
MAX_HEAD_BYTES = 16 * 1024  # path, query and headers; the server itself stops at 64 kB, if they come in pieces
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

# Nothing that the api sends is a page of its own, except the documentation, which says so itself.
_OF_EVERY_ANSWER = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

logger = logging.getLogger("api.request")


def add_headers(scope: Scope, headers: Mapping[str, str]) -> None:
    """Have headers sent with the answer to a request, whoever makes it; one that the answer has already stays."""
    scope.setdefault("state", {}).setdefault("answer_headers", {}).update(headers)


class RequestContext:
    """Gives each request an id, answers what nobody handled with a 500 problem, and writes one line per request.

    A client's own `X-Request-Id` is kept if it consists of 1 to 128 letters, digits, dots, dashes and underscores.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        offered = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        request_id = offered if _SANE_ID.fullmatch(offered) else f"req_{uuid4().hex}"
        scope.setdefault("state", {})["request_id"] = request_id
        scope["state"]["answer_headers"] = {}
        add_headers(scope, _OF_EVERY_ANSWER | {REQUEST_ID_HEADER: request_id})
        token, no_caller = logs.request_id.set(request_id), logs.caller.set(None)
        status: int | None = None

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in scope["state"]["answer_headers"].items():
                    if name == "Vary":
                        headers.add_vary_header(value)
                    else:
                        headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            logger.exception("unexpected error")
            # Once a response has begun, the server notices its missing end and closes the connection.
            if status is None:
                await problem_response(scope, error)(scope, receive, send_with_headers)
        finally:
            route = scope.get("route")
            fields = {
                "method": scope["method"],
                "route": getattr(route, "path", None),
                "path": scope["path"],
                "status": status,
                "ms": round((time.monotonic() - started) * 1000, 1),
            }
            logger.info("request", extra={"fields": fields})
            logs.request_id.reset(token)
            logs.caller.reset(no_caller)


class OneLinePerHeader:
    """Joins what came in several lines, as RFC 9110 section 5.3 allows, and refuses two of what there is one of.

    Otherwise only one of them would be looked at: `Prefer: respond-async` would hide the `Prefer: wait=10` after it,
    and of two keys nobody could say which one was meant. A length beside a body in chunks is two lengths: a proxy that
    goes by the other one takes the rest for a request of its own (RFC 9112 section 6.1), so the connection ends, too.
    """

    LISTS = frozenset({b"accept", b"if-match", b"if-none-match", b"prefer"})
    LENGTHS = frozenset({b"content-length", b"transfer-encoding"})
    SINGLE = frozenset({b"authorization", b"content-type", b"idempotency-key", b"if-range", b"last-event-id", b"range"})

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        lines: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            lines.setdefault(name, []).append(value)
        repeated = {name for name, values in lines.items() if len(values) > 1}
        if twice := sorted(repeated & self.SINGLE):
            names = [name.decode().title() for name in twice]
            faults = [Fault(parameter=name, location="header", code="repeated", detail="say it once") for name in names]
            error = InvalidRequest(f"sent more than once: {', '.join(names)}", errors=faults)
            await problem_response(scope, error)(scope, receive, send)
            return
        if lines.keys() >= self.LENGTHS:
            names = [name.decode().title() for name in sorted(self.LENGTHS)]
            faults = [Fault(parameter=name, location="header", code="repeated", detail="say one") for name in names]
            error = InvalidRequest(f"the length is said twice: {' and '.join(names)}", errors=faults)
            add_headers(scope, {"Connection": "close"})
            await problem_response(scope, error)(scope, receive, send)
            return
        if joined := repeated & self.LISTS:
            others = [line for line in scope["headers"] if line[0] not in joined]
            scope["headers"] = others + [(name, b", ".join(lines[name])) for name in sorted(joined)]
        await self._app(scope, receive, send)


class BodyLimit:
    """Refuses a head or a body over its limit: a body by its declared length, else while it is read.

    And a body that does not come to its end in time, however steadily it drips. Long bodies, which have a limit of
    their own, are given that time by whoever reads them.
    """

    def __init__(self, app: ASGIApp, *, default: int, by_path: dict[str, int], seconds: float) -> None:
        self._app = app
        self._default = default
        self._by_path = by_path
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _head_bytes(scope) > MAX_HEAD_BYTES:
            await problem_response(scope, HeadTooLarge(MAX_HEAD_BYTES))(scope, receive, send)
            return
        limit = self._by_path.get(scope["path"], self._default)
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            await problem_response(scope, ContentTooLarge(limit))(scope, receive, send)
            return
        received, complete = 0, scope["path"] in self._by_path
        deadline = asyncio.get_running_loop().time() + self._seconds

        async def receive_within_limit() -> Message:
            nonlocal received, complete
            try:
                # After the body, what is waited for is that the client goes away: that has no deadline.
                async with asyncio.timeout_at(None if complete else deadline):
                    message = await receive()
            except TimeoutError as error:
                raise UploadTimeout(self._seconds) from error
            complete = complete or not message.get("more_body", False)
            received += len(message.get("body", b""))
            if received > limit:
                raise ContentTooLarge(limit)
            return message

        await self._app(scope, receive_within_limit, send)


def _head_bytes(scope: Scope) -> int:
    return len(scope["path"]) + len(scope["query_string"]) + sum(len(n) + len(v) for n, v in scope["headers"])


class StrictJson:
    """Refuses JSON that two readers could read differently: names that repeat, NaN, encodings other than UTF-8.

    Python's reader takes the last of several members with one name, and a gateway that looked at the first has then
    checked another request than the one that is served. What nests too deeply, or holds a number of too many digits,
    ends here, too.
    """

    def __init__(self, app: ASGIApp, *, except_paths: set[str]) -> None:
        self._app = app
        self._except_paths = except_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._except_paths or not _is_json(scope):
            await self._app(scope, receive, send)
            return
        messages: list[Message] = []
        try:
            body = await _read(receive, messages)
            check_json(body)
        except (ContentTooLarge, MalformedJson, UploadTimeout) as error:
            await problem_response(scope, error)(scope, receive, send)
            return

        async def receive_again() -> Message:
            return messages.pop(0) if messages else await receive()

        await self._app(scope, receive_again, send)


def check_json(body: bytes) -> None:
    """See whether there is nothing, or JSON that has only one meaning.

    Raises:
        MalformedJson: if not.
    """
    if not body:
        return
    try:
        json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise MalformedJson(f"the body is not UTF-8: byte {error.start} cannot be read") from error
    except RecursionError as error:
        raise MalformedJson("the body nests too deeply") from error
    except ValueError as error:
        raise MalformedJson(f"the body is not JSON: {error}") from error


async def _read(receive: Receive, messages: list[Message]) -> bytes:
    while True:
        messages.append(await receive())
        if not messages[-1].get("more_body", False):
            return b"".join(message.get("body", b"") for message in messages)


def _is_json(scope: Scope) -> bool:
    return Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name occurs twice in one object")
    return members


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")
