"""Signals: upload one, look at it, get its bytes back."""

from pathlib import PurePath
from typing import Annotated, Any

from fastapi import Query, Request, Response

from api import errors
from api.dependencies import InjectedServices, SignalId, Tenant
from api.errors import problems
from api.routing import Routes
from api.schemas.pages import DEFAULT_LIMIT, Limit, page_of
from api.schemas.signals import SignalCursor, SignalPage, SignalView
from api.services.downloads import StoredFile, download
from store import errors as store
from store.models import Signal
from store.repositories.signals import Signals

router = Routes(prefix="/signals", tags=["signals"])

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "Picture, sound, volume, video, mesh or array: as field `file` of a form, or as the body itself",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
            **{f"{kind}/*": _BINARY for kind in ("image", "audio", "video", "model")},
            "application/octet-stream": _BINARY,
        },
    }
}


@router.post(
    "",
    status_code=201,
    openapi_extra=_UPLOAD_BODY,
    responses={
        200: {"model": SignalView, "description": "These bytes were sent before: the signal that they are"},
        201: {"description": "A new signal", "headers": {"Location": {"schema": {"type": "string"}}}},
        **problems(
            errors.MalformedUpload,
            errors.UploadTimeout,
            errors.ContentTooLarge,
            errors.SignalTooLarge,
            errors.UnsupportedMediaType,
            errors.UnsupportedFormat,
            errors.InvalidRequest,
            errors.MissingFile,
            errors.EmptyUpload,
            errors.DamagedSignal,
            errors.InvalidSignal,
            errors.UndecodableSignal,
            errors.TooBusy,
            store.StorageFull,
            store.BlobsUnavailable,
        ),
    },
)
async def create_signal(
    request: Request,
    response: Response,
    services: InjectedServices,
    tenant: Tenant,
    filename: Annotated[
        str | None, Query(max_length=1000, description="name of a file that is sent as the body")
    ] = None,
) -> SignalView:
    """Upload a signal. The same bytes twice are the same signal."""
    signal, created = await services.uploads.accept(tenant, request, filename=filename)
    if not created:
        response.status_code = 200
    response.headers["Location"] = f"/signals/{signal.id}"
    return SignalView.of(signal)


@router.get("", responses=problems(errors.InvalidRequest))
def list_signals(
    services: InjectedServices, tenant: Tenant, limit: Limit = DEFAULT_LIMIT, cursor: SignalCursor = None
) -> SignalPage:
    """Signals, newest first."""
    with services.database.unit_of_work() as session:
        found = Signals(session).page(tenant, limit=limit + 1, before=cursor)
    return page_of(SignalPage, SignalView.of, found, limit)


@router.get("/{signal_id}", responses=problems(store.SignalNotFound))
def get_signal(services: InjectedServices, tenant: Tenant, signal_id: SignalId) -> SignalView:
    """One signal."""
    return SignalView.of(_signal(services, tenant, signal_id))


@router.delete("/{signal_id}", status_code=204, responses=problems(store.SignalNotFound, store.SignalInUse))
def delete_signal(services: InjectedServices, tenant: Tenant, signal_id: SignalId) -> None:
    """Delete a signal and its bytes; representations that were made of it stay. Asking again changes nothing."""
    services.uploads.delete(tenant, signal_id)


_CONTENT: dict[str, Any] = {
    "response_class": Response,
    "responses": {
        200: {"description": "The file, byte for byte", "content": {"image/*": _BINARY}},
        206: {"description": "The bytes that Range asked for"},
        304: {"description": "The client has them already"},
        **problems(
            store.SignalNotFound,
            errors.PreconditionFailed,
            errors.RangeNotSatisfiable,
            store.BlobMissing,
            store.BlobDamaged,
            store.BlobsUnavailable,
        ),
    },
}


@router.get("/{signal_id}/content", **_CONTENT)
def get_signal_content(request: Request, services: InjectedServices, tenant: Tenant, signal_id: SignalId) -> Response:
    """The uploaded file, byte for byte."""
    return _content(request, services, tenant, signal_id)


def _signal(services: InjectedServices, tenant: str, signal_id: str) -> Signal:
    with services.database.unit_of_work() as session:
        return Signals(session).get(tenant, signal_id)


def _content(request: Request, services: InjectedServices, tenant: str, signal_id: str) -> Response:
    signal = _signal(services, tenant, signal_id)
    file = StoredFile(
        key=signal.object_key,
        sha256=signal.sha256,
        byte_count=signal.byte_count,
        media_type=signal.media_type,
        filename=signal.filename or str(PurePath(signal.id).with_suffix(f".{signal.facts.get('format', 'bin')}")),
    )
    return download(request, services.blobs, file)
