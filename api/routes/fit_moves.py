"""Moves of a fit that its client asks for: stop it, let it rest, let it go on, try it again."""

from collections.abc import Callable

from fastapi import Response

from api import errors
from api.answers import ACCEPTED, ENDED, WAITED, awaited, rests, say_accepted
from api.dependencies import FitId, InjectedServices, Services, Tenant, Wait
from api.errors import problems
from api.routing import Routes
from api.schemas.fits import FitView
from store import errors as store
from store.models import Fit
from store.repositories.fits import Fits

router = Routes(prefix="/fits", tags=["fits"])


@router.post("/{fit_id}/cancel", responses=WAITED | problems(store.FitNotFound, store.IllegalMove))
async def cancel_fit(
    response: Response, services: InjectedServices, tenant: Tenant, fit_id: FitId, wait: Wait
) -> FitView:
    """Stop a fit. One that is running says `cancelling` until its worker has let go. Asking again changes nothing."""
    fit = await services.threads.in_thread(tenant, _moved, services, tenant, fit_id, Fits.request_cancel)
    return await awaited(response, services, tenant, fit, wait)


@router.post("/{fit_id}/pause", responses=WAITED | problems(store.FitNotFound, store.IllegalMove))
async def pause_fit(
    response: Response, services: InjectedServices, tenant: Tenant, fit_id: FitId, wait: Wait
) -> FitView:
    """Take a fit off its worker, or out of the queue, until it is resumed. Asking again changes nothing."""
    fit = await services.threads.in_thread(tenant, _moved, services, tenant, fit_id, Fits.request_pause)
    return await awaited(response, services, tenant, fit, wait, rests)


@router.post("/{fit_id}/resume", responses=WAITED | problems(store.FitNotFound, store.IllegalMove))
async def resume_fit(
    response: Response, services: InjectedServices, tenant: Tenant, fit_id: FitId, wait: Wait
) -> FitView:
    """Let a paused fit go on from where it was. Asking again changes nothing."""
    fit = await services.threads.in_thread(tenant, services.submissions.resume, tenant, fit_id)
    return await awaited(response, services, tenant, fit, wait)


@router.post(
    "/{fit_id}/retry",
    status_code=202,
    responses=ACCEPTED
    | ENDED
    | problems(
        store.SpecNewer,
        store.SpecInvalid,
        store.FitNotFound,
        store.SignalNotFound,
        store.IllegalMove,
        errors.FitTooLarge,
        store.TooManyFits,
        store.StorageFull,
        store.BlobsUnavailable,
    ),
)
async def retry_fit(
    response: Response, services: InjectedServices, tenant: Tenant, fit_id: FitId, wait: Wait
) -> FitView:
    """Queue a new fit like one that failed, expired or was cancelled. Asking again returns the same new fit.

    One that succeeded is retried, too, if the bytes of its result are missing or damaged in storage.
    """
    fit, created = await services.threads.in_thread(tenant, services.submissions.retry, tenant, fit_id)
    say_accepted(response, fit, created=created)
    return await awaited(response, services, tenant, fit, wait)


def _moved(services: Services, tenant: str, fit_id: str, move: Callable[[Fits, str, str], Fit]) -> FitView:
    with services.database.unit_of_work() as session:
        return FitView.at(move(Fits(session), tenant, fit_id), queue_position=None)
