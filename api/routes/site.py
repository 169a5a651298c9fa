"""The service's page for people."""

from fastapi import Request, Response
from starlette.exceptions import HTTPException

from api import headers
from api.dependencies import InjectedServices
from api.routing import Routes
from api.services.sites import SITE, part

router = Routes(include_in_schema=False)

# Scripts and styles from here only, none within the page. The core is WebAssembly, and a worker decodes each file.
_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src blob:; connect-src 'self' {storage}; worker-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


@router.get(SITE)
@router.get(SITE + "/{name}")
@router.get(SITE + "/web/{name}")
@router.get(SITE + "/web/viewer/{name}")
def show(request: Request, services: InjectedServices) -> Response:
    """The page, or a file that it consists of."""
    path = request.url.path.removeprefix(SITE).removeprefix("/")
    found = part(path or "index.html")
    if found is None or path == "index.html":
        raise HTTPException(404)
    # Large files go to the storage without a detour, by addresses that are signed for them.
    described = {
        "ETag": found.etag,
        "Cache-Control": "no-cache",
        "Content-Security-Policy": _POLICY.format(storage=services.large_uploads.storage_origin),
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    if headers.none_match(request.headers.get("if-none-match"), found.etag):
        return Response(status_code=304, headers=described)
    return Response(found.content, headers=described, media_type=found.media_type)
