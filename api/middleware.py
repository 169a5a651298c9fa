"""What surrounds every request: its id, its line in the log, its last line of defence, and a cap on its body."""

import logging
import re
import time
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import logs
from api.errors import ContentTooLarge
from api.problems import problem_response

REQUEST_ID_HEADER = "X-Request-Id"
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

logger = logging.getLogger("api.request")


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
        token, no_caller = logs.request_id.set(request_id), logs.caller.set(None)
        status: int | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:
            logger.exception("unexpected error")
            # Once a response has begun, the server notices its missing end and closes the connection.
            if status is None:
                await problem_response(scope, error)(scope, receive, send_with_id)
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


class BodyLimit:
    """Refuses a body over its limit: by its declared length before a byte is read, else while it is read."""

    def __init__(self, app: ASGIApp, *, default: int, by_path: dict[str, int]) -> None:
        self._app = app
        self._default = default
        self._by_path = by_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._by_path.get(scope["path"], self._default)
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            await problem_response(scope, ContentTooLarge(limit))(scope, receive, send)
            return
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise ContentTooLarge(limit)
            return message

        await self._app(scope, receive_within_limit, send)
