"""The compressed file of a fit."""

from pathlib import PurePath
from typing import Any

from fastapi import Request, Response

from api import errors
from api.dependencies import FitId, InjectedServices, Tenant
from api.errors import problems
from api.routing import Routes
from api.schemas.representations import EXTENSION, MEDIA_TYPE
from api.services.downloads import StoredFile, download, file_responses
from store import errors as store
from store.repositories.representations import Representations

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
