"""Large signals, in parts that the client sends to storage itself."""

from typing import Any

from fastapi import Depends, Response

from api import errors
from api.dependencies import InjectedServices, Tenant, UploadId, json_body
from api.errors import problems
from api.routing import Routes
from api.schemas.signals import SignalView
from api.schemas.uploads import UploadCompletion, UploadRequest, UploadView
from store import errors as store

router = Routes(prefix="/uploads", tags=["signals"])

_LOCATION: dict[str, Any] = {"headers": {"Location": {"schema": {"type": "string"}}}}
_BODY_PROBLEMS = (
    errors.MalformedJson,
    errors.ContentTooLarge,
    errors.UnsupportedMediaType,
    errors.InvalidRequest,
    store.BlobsUnavailable,
)


@router.post(
    "",
    status_code=201,
    dependencies=[Depends(json_body)],
    responses={201: _LOCATION, **problems(*_BODY_PROBLEMS, errors.TooManyUploads, store.StorageFull)},
)
def create_upload(body: UploadRequest, response: Response, services: InjectedServices, tenant: Tenant) -> UploadView:
    """Announce a large file; PUT each of its parts to the part's URL, in any order, then complete it."""
    upload = services.large_uploads.begin(tenant, body)
    response.headers["Location"] = f"/uploads/{upload.id}"
    return upload


@router.get("/{upload_id}", responses=problems(store.UploadNotFound, errors.UploadMismatch, store.BlobsUnavailable))
def get_upload(services: InjectedServices, tenant: Tenant, upload_id: UploadId) -> UploadView:
    """Which parts have arrived, and fresh URLs."""
    return services.large_uploads.look(tenant, upload_id)


@router.post(
    "/{upload_id}/complete",
    status_code=201,
    dependencies=[Depends(json_body)],
    responses={
        200: {"model": SignalView, "description": "Completed before, or these bytes were sent before: the signal"},
        201: {"description": "A new signal", **_LOCATION},
        **problems(
            *_BODY_PROBLEMS,
            store.UploadNotFound,
            errors.UploadIncomplete,
            errors.UploadMismatch,
            errors.SignalTooLarge,
            errors.UnsupportedFormat,
            errors.DamagedSignal,
            errors.InvalidSignal,
            errors.UndecodableSignal,
            errors.TooBusy,
            store.StorageFull,
        ),
    },
)
async def complete_upload(
    body: UploadCompletion, response: Response, services: InjectedServices, tenant: Tenant, upload_id: UploadId
) -> SignalView:
    """Make a signal of the parts, once they are found to be the file that is declared here."""
    signal, created = await services.large_uploads.complete(tenant, upload_id, body)
    if not created:
        response.status_code = 200
    response.headers["Location"] = f"/signals/{signal.id}"
    return SignalView.of(signal)


@router.delete("/{upload_id}", status_code=204, responses=problems(store.UploadNotFound, store.BlobsUnavailable))
def delete_upload(services: InjectedServices, tenant: Tenant, upload_id: UploadId) -> None:
    """Give an upload up, and free its parts."""
    services.large_uploads.abort(tenant, upload_id)
