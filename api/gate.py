"""What a request passes before anything else is looked at: who asks, whether they may, and how often.

Before the body: FastAPI reads and parses a body before it asks its dependencies, and a stranger's body is not worth
reading. The first part of a path names what it is about, and with the method that gives the scope that a key needs. A
path that is about nothing of a tenant's (health, documents) is open to all.
"""

import ipaddress
import math
from typing import cast

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import PROBLEMS, KeysRequired, RateLimited, ScopeMissing
from api.problems import problem_response
from api.services.access import Access, Caller
from api.services.rates import Rates
from api.settings import ApiSettings
from store import logs

# The first part of a path, and what of a tenant's it is about.
NOUNS = {
    "signals": "signals",
    "uploads": "signals",
    "fits": "fits",
    "usage": "fits",
    "fleet": "fits",
    "workers": "fits",
    "webhooks": "webhooks",
    "keys": "keys",
    "metrics": "fits",  # nothing of a tenant's, but names of machines and sums over all tenants: not for strangers
}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_EXPECTED = tuple(PROBLEMS.keys() - {Exception})


def scope_needed(method: str, path: str) -> str | None:
    """The scope that a request needs; None where nobody is asked."""
    noun = NOUNS.get(path.removeprefix("/").partition("/")[0])
    return None if noun is None else f"{noun}:{'read' if method in SAFE_METHODS else 'write'}"


def adds_something(method: str, path: str) -> bool:
    """Whether a request may need room on the disk; what ends or deletes something, or only asks, does not."""
    return method not in SAFE_METHODS | {"DELETE"} and not path.rstrip("/").endswith(("/cancel", "/pause"))


class Gate:
    """Lets a request through as its caller's, or answers 401, 403 or 429."""

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._app = app
        self._open_to_all = settings.require_keys or settings.open_without_keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        needed = scope_needed(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if needed is None:
            await self._app(scope, receive, send)
            return
        services = scope["app"].state.services
        told: dict[str, str] = {}

        async def send_with_rate(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(told)
            await send(message)

        try:
            caller = await self._admit(scope, needed, services.access, services.rates, told)
            if adds_something(scope["method"], scope["path"]):
                services.disk.check()
        except _EXPECTED as error:
            await problem_response(scope, error)(scope, receive, send_with_rate)
            return
        scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send_with_rate)

    async def _admit(self, scope: Scope, needed: str, access: Access, rates: Rates, told: dict[str, str]) -> Caller:
        if not self._open_to_all and not _came_from_here(scope):
            raise KeysRequired(
                "without API keys this service answers on its own machine only: set TUNER_REQUIRE_KEYS=1"
            )
        caller = await access.identify(Headers(scope=scope).get("authorization"))
        logs.caller.set(caller.tenant if caller.key_prefix is None else f"{caller.tenant} tnr_{caller.key_prefix}")
        if needed not in caller.scopes:
            raise ScopeMissing(needed)
        # Without keys there is one tenant, who needs no protection from the others.
        verdict = None if caller.key_prefix is None else await rates.take(caller.tenant)
        if verdict is not None:
            told |= verdict.headers()
            if not verdict.allowed:
                raise RateLimited(verdict.limit, verdict.window_seconds, retry_after=math.ceil(verdict.retry_seconds))
        return caller


def _came_from_here(scope: Scope) -> bool:
    """Whether the address that was connected to is a loopback one, or a socket in the file system."""
    address = cast("tuple[str, int | None] | None", scope.get("server"))
    try:
        return address is None or ipaddress.ip_address(address[0]).is_loopback
    except ValueError:
        return True
