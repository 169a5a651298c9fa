"""How routes of fits answer: at once, with what there is by now, or when what the client waits for has come about.

A client says how long it prefers to wait in the header `Prefer` (`wait=n`); without it the answer is the fit as it is.
"""

from collections.abc import Callable
from typing import Any

from fastapi import Response

from api.dependencies import Services
from api.schemas.fits import FitView
from api.services.waiting import seen
from store.repositories.fits import Fits
from store.status import FitStatus

POLL_SECONDS = 1

TEXT_HEADER = {"schema": {"type": "string"}}
# What the document says of such answers.
ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "Queued, or queued before by the same request",
        "headers": {"Location": TEXT_HEADER, "Retry-After": TEXT_HEADER, "Idempotent-Replayed": TEXT_HEADER},
    }
}
WAITED: dict[int | str, dict[str, Any]] = {200: {"headers": {"Preference-Applied": TEXT_HEADER}}}
ENDED: dict[int | str, dict[str, Any]] = {
    200: {
        "model": FitView,
        "description": "The fit, if it has ended within the time of Prefer",
        "headers": {"Preference-Applied": TEXT_HEADER},
    }
}


def say_accepted(response: Response, fit: FitView, *, created: bool) -> None:
    """Say in the headers where the fit is, when to ask again, and whether an earlier request made it."""
    response.headers["Location"] = f"/fits/{fit.id}"
    response.headers["Retry-After"] = str(POLL_SECONDS)
    if not created:
        response.headers["Idempotent-Replayed"] = "true"


def has_ended(status: FitStatus) -> bool:
    """Whether a fit in this status goes nowhere any more."""
    return status.is_terminal


def rests(status: FitStatus) -> bool:
    """Whether no worker touches a fit in this status until its client wants it to go on, if ever."""
    return status.is_terminal or status is FitStatus.PAUSED


async def awaited(
    response: Response,
    services: Services,
    tenant: str,
    fit: FitView,
    wait: int | None,
    reached: Callable[[FitStatus], bool] = has_ended,
) -> FitView:
    """The fit as it is when its status is what the client waits for, or when the time for that is over.

    Args:
        response: answer whose status becomes 200 if the wait was worth it, and whose headers say that there was one.
        services: services of this process.
        tenant: owner of the fit.
        fit: the fit as it is now.
        wait: number of seconds that the client prefers to wait; None to be answered at once.
        reached: whether a status is what the client waits for.
    """
    if wait is None or not services.events.has_room(tenant):
        return fit
    response.headers["Preference-Applied"] = f"wait={wait}"
    if await services.events.wait_for(tenant, fit.id, reached, seconds=wait):
        response.status_code = 200
    return await services.threads.in_thread(tenant, view_of, services, tenant, fit.id)


def view_of(services: Services, tenant: str, fit_id: str) -> FitView:
    """The fit as its client sees it, with its place in the queue."""
    with services.database.reading() as session:
        return seen(session, Fits(session).get_alone(tenant, fit_id))
