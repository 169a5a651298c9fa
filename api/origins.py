"""Which web pages may use the service: what a browser says of itself is looked at before anything else.

A service without keys trusts whoever reaches its socket, and a page from anywhere reaches it through the browser of
somebody who sits here. Three headers tell such requests apart, and no page can choose them: `Host` (a name of the
page's own that was pointed at this address later: DNS rebinding), `Origin`, and `Sec-Fetch-Site`. With keys a page
would have to know one, and only what is configured is looked at. Pages that are allowed get what CORS asks for.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import ApiError, CrossSite, HostRefused, OriginRefused
from api.gate import SAFE_METHODS, scope_needed
from api.middleware import add_headers
from api.problems import problem_response
from api.settings import ApiSettings

_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+)(?::(?P<port>\d{1,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_FORWARDING = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
_FORWARDED_HOST = re.compile(r'(?:^|[;,])\s*host\s*=\s*"?([^";,]*)"?', re.IGNORECASE)
_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
_SHOWN_TO_PAGES = (
    "Accept-Ranges, Allow, Content-Disposition, Content-Range, ETag, Idempotent-Replayed, Location, "
    "Preference-Applied, RateLimit, RateLimit-Policy, Repr-Digest, Retry-After, WWW-Authenticate, X-Request-Id"
)
_PREFLIGHT_SECONDS = 600
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Authority:
    """A host and the port behind it, as a Host header or an origin names them; no port is the scheme's own."""

    host: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> "Authority | None":
        """Read `host` or `host:port`; None if it is neither."""
        found = _AUTHORITY.fullmatch(text.strip())
        if found is None:
            return None
        return cls(found["host"].lower().removesuffix("."), int(found["port"]) if found["port"] else None)

    @property
    def is_loopback(self) -> bool:
        """Whether it can only be this machine, whatever a name server says."""
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host == "localhost"

    def origin(self, scheme: str) -> str:
        """The origin of the pages that are served there, as browsers write it."""
        is_default = self.port is None or self.port == _DEFAULT_PORTS.get(scheme)
        return f"{scheme}://{self.host}" + ("" if is_default else f":{self.port}")


class Origins:
    """Answers what comes from a page that may not ask, and tells the browsers of those that may."""

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._app = app
        self._is_keyless = not settings.require_keys
        self._hosts = frozenset(settings.allowed_hosts)
        self._origins = frozenset(settings.allowed_origins)
        bound = Authority.parse(f"[{settings.host}]" if ":" in settings.host else settings.host)
        # An address that was bound by its number is a name that nobody else can point here.
        self._bound = None if bound is None or settings.host in {"0.0.0.0", "::"} else bound.host  # noqa: S104

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        is_allowed = origin is not None and ("*" in self._origins or origin in self._origins)
        if self._origins:
            # Whatever lies between must not hand one page's answer to another.
            add_headers(scope, {"Vary": "Origin"})
        if is_allowed:
            add_headers(scope, _for_pages(str(origin)))
        is_preflight = scope["method"] == "OPTIONS" and "access-control-request-method" in headers
        try:
            self._check(scope, headers, is_allowed=is_allowed, is_preflight=is_preflight)
        except ApiError as error:
            await problem_response(scope, error)(scope, receive, send)
            return
        if is_preflight:
            await Response(status_code=204, headers=_preflight(headers))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope, headers: Headers, *, is_allowed: bool, is_preflight: bool) -> None:
        """See whether the request may go on.

        Raises:
            HostRefused: if it asks for another host than this one.
            OriginRefused: if a page sent it that is not allowed to.
            CrossSite: if another site made a browser send it.
        """
        names: list[Authority] = []
        if self._is_keyless or self._hosts:
            names = self._named_hosts(headers)
        if is_allowed or not (self._is_keyless or is_preflight):
            return
        own = {name.origin(scope.get("scheme", "http")) for name in names}
        for origin in headers.getlist("origin"):
            if origin not in own or is_preflight:
                raise OriginRefused(
                    f"pages of {origin[:_SHOWN]!r} may not use this service: list it in TUNER_ALLOWED_ORIGINS if they "
                    "should, and if it is this service's own name behind a proxy"
                )
        if _is_cross_site(headers) and not _is_visit(scope, headers):
            raise CrossSite(
                "a page of another site sent this: use the service itself, or list the page's origin in "
                "TUNER_ALLOWED_ORIGINS and have it ask with CORS"
            )

    def _named_hosts(self, headers: Headers) -> list[Authority]:
        """The hosts that a request was sent to, if each that it names, its proxy's headers included, is this service's.

        Raises:
            HostRefused: if one is not, or if a proxy hides which one was asked for.
        """
        is_forwarded = any(name in headers for name in _FORWARDING)
        asked = headers.getlist("host") or [""]
        for line in headers.getlist("x-forwarded-host"):
            asked += line.split(",")
        for line in headers.getlist("forwarded"):
            asked += _FORWARDED_HOST.findall(line)
        names = [Authority.parse(text) for text in asked]
        # A proxy on this machine may say "localhost" to whoever it speaks for: what was asked for is the last name.
        outermost = names[1:] if is_forwarded and len(names) > 1 else names
        for text, name in zip(asked, names, strict=True):
            is_ours = name is not None and (name.host in self._hosts or name.is_loopback or name.host == self._bound)
            if not is_ours:
                raise HostRefused(
                    f"this service is not {text[:_SHOWN]!r}: use the address that it listens on, or add the name to "
                    "TUNER_ALLOWED_HOSTS"
                )
        if is_forwarded and not all(name is not None and name.host in self._hosts for name in outermost):
            raise HostRefused(
                "a proxy passed this on, and TUNER_ALLOWED_HOSTS does not have the name that it was asked by: add the "
                "service's public name there, and have the proxy send it as Host or X-Forwarded-Host"
            )
        return [name for name in outermost if name is not None]


def _is_cross_site(headers: Headers) -> bool:
    return any(value.strip() not in {"same-origin", "none"} for value in headers.getlist("sec-fetch-site"))


def _is_visit(scope: Scope, headers: Headers) -> bool:
    """Whether somebody follows a link to what belongs to nobody, such as the documentation."""
    is_navigation = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    is_safe = scope["method"] in SAFE_METHODS
    return is_navigation and is_safe and scope_needed(scope["method"], scope["path"]) is None


def _for_pages(origin: str) -> Mapping[str, str]:
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": _SHOWN_TO_PAGES}


def _preflight(headers: Headers) -> dict[str, str]:
    """What an allowed page may send: any method and header, but nothing that the browser would add by itself."""
    answer = {
        "Access-Control-Allow-Methods": ", ".join(_METHODS),
        "Access-Control-Max-Age": str(_PREFLIGHT_SECONDS),
    }
    if asked := headers.get("access-control-request-headers"):
        answer["Access-Control-Allow-Headers"] = asked
    if headers.get("access-control-request-private-network") == "true":
        answer["Access-Control-Allow-Private-Network"] = "true"
    return answer
