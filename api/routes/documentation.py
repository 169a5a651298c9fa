"""Pages for people: the document of the API to try out and to read, from this service and without the internet."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from api import headers
from api.routing import Routes

router = Routes(include_in_schema=False)

_OWN = files("api") / "pages"
# The scripts as their makers publish them, in a package that is made for services without the internet.
_THEIRS = files("fastapi_offline") / "static"


@dataclass(frozen=True, slots=True)
class Page:
    """A page or a part of one, as it is sent."""

    content: bytes
    media_type: str
    etag: str


_MEDIA_TYPES = {"html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8", "css": "text/css"}
_PARTS = {
    "/docs": _OWN / "docs.html",
    "/docs/operations.js": _OWN / "operations.js",
    "/docs/swagger-ui-bundle.js": _THEIRS / "swagger-ui-bundle.js",
    "/docs/swagger-ui.css": _THEIRS / "swagger-ui.css",
    "/redoc": _OWN / "redoc.html",
    "/redoc/reference.js": _OWN / "reference.js",
    "/redoc/reference.css": _OWN / "reference.css",
    "/redoc/redoc.standalone.js": _THEIRS / "redoc.standalone.js",
}
# Scripts from here only, and none within a page; pictures may be in the text of styles. One of the two makers writes
# styles into the page, and searches in a thread of its own.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'{styles}; img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self'; worker-src {workers}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_POLICIES = {
    "docs": _POLICY.format(styles="", workers="'none'"),
    "redoc": _POLICY.format(styles=" 'unsafe-inline'", workers="blob:"),
}


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """The document, for programs."""
    content, etag = _document(request.app)
    described = {"ETag": etag, "Cache-Control": "no-cache"}
    if headers.none_match(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=described)
    return Response(content, headers=described, media_type="application/json")


@router.get("/docs")
@router.get("/docs/{name}")
@router.get("/redoc")
@router.get("/redoc/{name}")
def show(request: Request) -> Response:
    """A page, or what it consists of."""
    path = request.url.path
    if path not in _PARTS:
        raise HTTPException(404)
    page = _page(path)
    described = {
        "ETag": page.etag,
        "Cache-Control": "no-cache",
        "Content-Security-Policy": _POLICIES[path.split("/")[1]],
    }
    described |= {"Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin"}
    if headers.none_match(request.headers.get("if-none-match"), page.etag):
        return Response(status_code=304, headers=described)
    return Response(page.content, headers=described, media_type=page.media_type)


@cache
def _document(app: FastAPI) -> tuple[bytes, str]:
    content = json.dumps(app.openapi(), ensure_ascii=False, separators=(",", ":")).encode()
    return content, _etag(content)


def _etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


@cache
def _page(path: str) -> Page:
    content = _PARTS[path].read_bytes()
    media_type = _MEDIA_TYPES[_PARTS[path].name.rpartition(".")[2]]
    return Page(content, media_type, _etag(content))
