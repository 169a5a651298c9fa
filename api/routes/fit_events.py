"""What happens to fits: of one a page of its events or all of them as they happen, of all each change."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from api import errors
from api.dependencies import FitId, InjectedServices, Services, Tenant
from api.errors import problems
from api.routing import Routes
from api.schemas.fits import MAX_SEQ, EventPage, EventView
from api.services.events import EventStream
from store import errors as store
from store.models import Fit, FitEvent
from store.repositories.fits import Fits

router = Routes(prefix="/fits", tags=["fits"])

STREAM = "text/event-stream"
EVENTS_LIMIT = 1000

_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": EventPage,
        "description": f"A page of events or, with `Accept: {STREAM}`, all of them as they happen",
        "content": {STREAM: {"schema": {"type": "string"}, "example": "id: 1\nevent: queued\ndata: {…}\n\n"}},
    },
    204: {"description": "The fit has ended and the stream has nothing more to say: do not reconnect"},
    **problems(store.FitNotFound, errors.InvalidRequest, errors.TooBusy),
}


_CHANGES: dict[str, Any] = {
    "response_class": StreamingResponse,
    "responses": {
        200: {
            "description": f"A stream (`Accept: {STREAM}`) without an end: `hello`, then `fit` with each change",
            "content": {STREAM: {"schema": {"type": "string"}, "example": "event: fit\ndata: {…}\n\n"}},
        },
        **problems(errors.InvalidRequest, errors.TooBusy),
    },
}


@router.get("/changes", **_CHANGES)
def follow_fits(request: Request, services: InjectedServices, tenant: Tenant) -> Response:
    """Every fit as it is after each change, from `hello` on: one stream for all fits.

    Who has read `hello` reads the lists once, and has missed nothing. A stream that broke off does not go on where it
    was: it is opened anew.
    """
    if STREAM not in request.headers.get("accept", "").lower():
        raise errors.InvalidRequest(f"there is nothing here but a stream: send Accept: {STREAM}")
    if request.method == "HEAD":
        return Response(media_type=STREAM)
    services.events.check_room(tenant)
    return EventStream(services.events.follow_changes(tenant))


@router.get("/{fit_id}/events", response_model=EventPage, responses=_EVENTS)
def list_fit_events(
    request: Request,
    services: InjectedServices,
    tenant: Tenant,
    fit_id: FitId,
    after: Annotated[int, Query(ge=0, le=MAX_SEQ, description="only events with a higher sequence number")] = 0,
    limit: Annotated[
        int, Query(ge=1, le=EVENTS_LIMIT, description="largest number of events; makes the answer a page, not a stream")
    ] = 100,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
    last_event_id: Annotated[
        int | None,
        Header(
            ge=0,
            le=MAX_SEQ,
            description="sequence number of the last event seen, which a stream that is opened again goes on from",
        ),
    ] = None,
) -> Response | EventPage:
    """What happened to a fit: a page of events, or a stream that ends after the last one."""
    streamed = STREAM in accept.lower()
    if streamed and last_event_id is not None:
        after = last_event_id
    fit, events = _events(services, tenant, fit_id, after=after, limit=limit + 1)
    if not streamed:
        more = len(events) > limit
        shown = [EventView.of(event) for event in events[:limit]]
        return EventPage(data=shown, next_after=shown[-1].seq if more else None)
    if fit.status.is_terminal and not events:
        return Response(status_code=204)
    if request.method == "HEAD":
        return Response(media_type=STREAM)  # and not when the stream ends
    services.events.check_room(tenant)
    return EventStream(services.events.follow(tenant, fit_id, after=after))


def _events(services: Services, tenant: str, fit_id: str, *, after: int, limit: int) -> tuple[Fit, Sequence[FitEvent]]:
    with services.database.reading() as session:
        fits = Fits(session)
        # The status first: if it is terminal, the last event is among the rows.
        fit = fits.get(tenant, fit_id)
        return fit, fits.events(fit_id, after=after, limit=limit)
