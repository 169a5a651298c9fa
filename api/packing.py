"""Long JSON answers are sent as gzip to who takes it; a list of a hundred fits becomes a tenth as long.

Only answers to GET, and only JSON: files are compressed already, and a stream would wait for its end. That a packed
length can give away a secret that stands beside what an attacker chooses (BREACH) needs a secret in the answer and a
browser that sends its own credentials along. Answers to GET hold no secret (keys and webhook secrets are shown in the
answer to the POST that makes them), keys are sent in a header and not as cookies, and pages of others are refused.
"""

import re
import zlib

from anyio import to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LEAST_BYTES = 1024  # a shorter answer is one packet either way
LEVEL = 5
AT_ONCE_BYTES = 64 * 1024  # what is longer is packed in a thread


class Packing:
    """Packs answers that are JSON, whole and long."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        accepted = takes_gzip(",".join(Headers(scope=scope).getlist("accept-encoding")))
        start: Message | None = None

        async def send_packed(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_json(message):
                start = message  # what it says depends on the body
                return
            if start is not None:
                begun, start = start, None
                headers = MutableHeaders(scope=begun)
                headers.add_vary_header("Accept-Encoding")
                body = message.get("body", b"")
                if accepted and len(body) >= LEAST_BYTES and not message.get("more_body", False):
                    message = {**message, "body": await _packed(body)}
                    headers["Content-Encoding"] = "gzip"
                    headers["Content-Length"] = str(len(message["body"]))
                    if headers.get("etag", "").startswith('"'):
                        headers["ETag"] = f"W/{headers['etag']}"  # the same document in other bytes
                await send(begun)
            await send(message)

        await self._app(scope, receive, send_packed)


def takes_gzip(accept_encoding: str) -> bool:
    """Whether a client takes gzip, by what its Accept-Encoding says (RFC 9110 section 12.5.3)."""
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        found = re.fullmatch(r"\s*([a-z0-9*_-]+)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?", part)
        if found:
            weights[found[1]] = float(found[2] or 1)
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


async def _packed(body: bytes) -> bytes:
    return _pack(body) if len(body) < AT_ONCE_BYTES else await to_thread.run_sync(_pack, body)


def _pack(body: bytes) -> bytes:
    packer = zlib.compressobj(LEVEL, wbits=16 + zlib.MAX_WBITS)  # without a time: equal documents are equal bytes
    return packer.compress(body) + packer.flush()


def _is_json(start: Message) -> bool:
    headers = Headers(raw=start["headers"])
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return start["status"] == 200 and media_type == "application/json" and "content-encoding" not in headers
