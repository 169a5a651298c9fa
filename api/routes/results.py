"""What came of a fit besides its file: pictures of it, its numbers, and the states on the way."""

from typing import Any

from fastapi import Request, Response

from api import errors
from api.dependencies import CheckpointId, FitId, InjectedServices, Tenant, Wait
from api.errors import problems
from api.routing import Routes
from api.schemas.results import (
    CHECKPOINT_MEDIA_TYPE,
    CheckpointList,
    CheckpointView,
    Format,
    MetricsView,
    Region,
    Scale,
    ViewStatus,
)
from api.services.downloads import StoredFile, download, file_responses
from api.services.views import Wish
from store import errors as store
from store.render_spec import View
from store.repositories.fits import Fits
from store.repositories.representations import Representations

router = Routes(prefix="/fits", tags=["results"])

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_VIEW: dict[str, Any] = {
    "response_class": Response,
    "responses": {
        **file_responses({"image/png": _BINARY, "application/x-npy": _BINARY}),
        202: {
            "model": ViewStatus,
            "description": "It is being drawn: ask again after Retry-After, or wait with `Prefer: wait=n`",
            "headers": {name: {"schema": {"type": "string"}} for name in ("Location", "Retry-After")},
        },
        **problems(
            store.FitNotFound,
            store.RepresentationNotReady,
            errors.PreconditionFailed,
            errors.RangeNotSatisfiable,
            errors.InvalidRequest,
            errors.ViewTooLarge,
            errors.ViewFailed,
            errors.TooBusy,
            store.BlobMissing,
            store.BlobDamaged,
            store.BlobsUnavailable,
        ),
    },
}


@router.get("/{fit_id}/reconstruction", **_VIEW)
async def get_reconstruction(
    request: Request,
    services: InjectedServices,
    tenant: Tenant,
    fit_id: FitId,
    wait: Wait,
    scale: Scale = 1.0,
    region: Region = None,
    format: Format = None,  # noqa: A002  the parameter's name on the wire
) -> Response:
    """The signal as the compressed file holds it, whole or a region, at any scale."""
    wish = Wish(view=View.RECONSTRUCTION, format=format, scale=scale, region=region)
    return await services.views.answer(request, tenant, fit_id, wish, wait=wait)


@router.get("/{fit_id}/gradient", **_VIEW)
async def get_gradient(
    request: Request,
    services: InjectedServices,
    tenant: Tenant,
    fit_id: FitId,
    wait: Wait,
    scale: Scale = 1.0,
    region: Region = None,
    format: Format = None,  # noqa: A002
) -> Response:
    """Magnitude of the exact derivative, per sample of the signal; as a picture, the steepest place is white."""
    wish = Wish(view=View.GRADIENT, format=format, scale=scale, region=region)
    return await services.views.answer(request, tenant, fit_id, wish, wait=wait)


@router.get("/{fit_id}/spectrum", **_VIEW)
async def get_spectrum(
    request: Request,
    services: InjectedServices,
    tenant: Tenant,
    fit_id: FitId,
    wait: Wait,
    format: Format = None,  # noqa: A002
) -> Response:
    """Fourier transform of the reconstruction, zero frequency in the middle.

    As a picture log(1 + magnitude), scaled to black and white; as numbers the magnitude itself.
    """
    return await services.views.answer(request, tenant, fit_id, Wish(view=View.SPECTRUM, format=format), wait=wait)


@router.get("/{fit_id}/metrics", responses=problems(store.FitNotFound, store.RepresentationNotReady))
def get_metrics(services: InjectedServices, tenant: Tenant, fit_id: FitId) -> MetricsView:
    """How good and how small the result is."""
    with services.database.reading() as session:
        return MetricsView.of(Representations(session).of_fit(tenant, fit_id))


@router.get("/{fit_id}/checkpoints", responses=problems(store.FitNotFound))
def list_checkpoints(services: InjectedServices, tenant: Tenant, fit_id: FitId) -> CheckpointList:
    """States from which training can go on. A fit that has ended keeps none."""
    with services.database.reading() as session:
        fits = Fits(session)
        fits.get(tenant, fit_id)
        return CheckpointList(data=[CheckpointView.of(row) for row in fits.checkpoints(fit_id)])


_CHECKPOINT: dict[str, Any] = {
    "response_class": Response,
    "responses": {
        **file_responses({CHECKPOINT_MEDIA_TYPE: _BINARY}),
        **problems(
            store.FitNotFound,
            store.CheckpointNotFound,
            errors.PreconditionFailed,
            errors.RangeNotSatisfiable,
            store.BlobMissing,
            store.BlobDamaged,
            store.BlobsUnavailable,
        ),
    },
}


@router.get("/{fit_id}/checkpoints/{checkpoint_id}", **_CHECKPOINT)
def get_checkpoint(
    request: Request, services: InjectedServices, tenant: Tenant, fit_id: FitId, checkpoint_id: CheckpointId
) -> Response:
    """A state of training: named tensors in the safetensors format."""
    with services.database.reading() as session:
        checkpoint = Representations(session).checkpoint(tenant, fit_id, checkpoint_id)
    file = StoredFile(
        key=checkpoint.object_key,
        sha256=checkpoint.sha256,
        byte_count=checkpoint.byte_count,
        media_type=CHECKPOINT_MEDIA_TYPE,
        filename=f"{fit_id}-{checkpoint.step}.safetensors",
    )
    return download(request, services.blobs, file)
