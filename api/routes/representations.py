"""The compressed file of a fit."""

import hashlib
from pathlib import PurePath
from typing import Any

from fastapi import Request, Response

from api import errors, headers
from api.dependencies import FitId, InjectedServices, Services, Tenant
from api.errors import problems
from api.routing import Routes
from api.schemas.representations import EXTENSION, MEDIA_TYPE
from api.services.downloads import StoredFile, download, file_responses
from api.services.sites import view_template
from store import errors as store
from store.repositories.representations import Representations

MOST_PAGE_BYTES = 32 << 20  # of a file that is put into a page; it is in memory as text meanwhile

router = Routes(prefix="/fits", tags=["representations"])

_FILE: dict[str, Any] = {
    "response_class": Response,
    "responses": {
        **file_responses({MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}),
        **problems(
            store.FitNotFound,
            store.RepresentationNotReady,
            errors.PreconditionFailed,
            errors.RangeNotSatisfiable,
            store.BlobMissing,
            store.BlobDamaged,
            store.BlobsUnavailable,
        ),
    },
}


@router.get("/{fit_id}/representation", **_FILE)
def get_representation(request: Request, services: InjectedServices, tenant: Tenant, fit_id: FitId) -> Response:
    """Download the compressed file; an interrupted download goes on with Range and If-Range."""
    with services.database.reading() as session:
        representation = Representations(session).of_fit(tenant, fit_id)
        filename = representation.fit.signal.filename
    file = StoredFile(
        key=representation.object_key,
        sha256=representation.sha256,
        byte_count=representation.byte_count,
        media_type=MEDIA_TYPE,
        filename=(PurePath(filename).stem if filename else fit_id) + EXTENSION,
    )
    return download(request, services.blobs, file)


_PAGE: dict[str, Any] = {
    "response_class": Response,
    "responses": {
        200: {
            "description": "The page",
            "content": {"text/html": {"schema": {"type": "string"}, "example": "<!doctype html>…"}},
            "headers": {name: {"schema": {"type": "string"}} for name in ("ETag", "Repr-Digest")},
        },
        304: {"description": "The client has it already"},
        **problems(
            store.FitNotFound,
            store.RepresentationNotReady,
            errors.ViewTooLarge,
            errors.TooBusy,
            store.BlobMissing,
            store.BlobDamaged,
            store.BlobsUnavailable,
        ),
    },
}


@router.get("/{fit_id}/view.html", **_PAGE)
async def get_view_page(request: Request, services: InjectedServices, tenant: Tenant, fit_id: FitId) -> Response:
    """The result as a page of HTML that holds the file and its decoder, and opens anywhere, offline."""
    services.pages.check_room(tenant)
    with services.pages.place(tenant):
        content, policy = await services.threads.in_thread(tenant, _view_page, services, tenant, fit_id)
    sha256 = hashlib.sha256(content).hexdigest()
    described = {
        "ETag": f'"{sha256}"',
        # The page is somebody's file: it may run its own script, and is nobody of this origin.
        "Content-Security-Policy": f"{policy}; frame-ancestors 'none'; sandbox allow-scripts allow-downloads",
        "Cache-Control": "private, no-cache",
        "Referrer-Policy": "no-referrer",
    }
    if headers.none_match(request.headers.get("if-none-match"), described["ETag"]):
        return Response(status_code=304, headers=described)
    described["Repr-Digest"] = headers.digest(sha256)
    return Response(content, headers=described, media_type="text/html; charset=utf-8")


def _view_page(services: Services, tenant: str, fit_id: str) -> tuple[bytes, str]:
    """The page of a fit's result, and the policy that it states about itself."""
    with services.database.reading() as session:
        representation = Representations(session).of_fit(tenant, fit_id)
        filename = representation.fit.signal.filename
    if representation.byte_count > MOST_PAGE_BYTES:
        raise errors.ViewTooLarge(
            f"the file has {representation.byte_count} bytes, and a page holds {MOST_PAGE_BYTES} at most: download the "
            "file and have `tuner view` make the page"
        )
    content = services.blobs.read(
        representation.object_key, sha256=representation.sha256, max_bytes=representation.byte_count
    )
    template = view_template()
    name = (PurePath(filename).stem if filename else fit_id) + EXTENSION
    return template.page(content, name), template.policy
