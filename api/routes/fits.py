"""Fits: ask for one, watch it, stop it, let it go on."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from api import errors, headers
from api.dependencies import FitId, InjectedServices, Services, Tenant, json_body
from api.errors import problems
from api.schemas.fits import MAX_SEQ, EventPage, EventView, FitCursor, FitPage, FitRequest, FitSummary, FitView
from api.schemas.pages import DEFAULT_LIMIT, Limit, next_cursor
from api.services import submission
from api.services.events import EventStream
from store import errors as store
from store.models import Fit, FitEvent
from store.repositories.fits import Fits
from store.status import FitStatus

router = APIRouter(prefix="/fits", tags=["fits"])

POLL_SECONDS = 1
STREAM = "text/event-stream"
EVENTS_LIMIT = 1000

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="your own name for this request: sent again with the same key, it starts nothing new",
    ),
]
_TEXT_HEADER = {"schema": {"type": "string"}}
_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "Queued, or queued before by the same request",
        "headers": {"Location": _TEXT_HEADER, "Retry-After": _TEXT_HEADER, "Idempotent-Replayed": _TEXT_HEADER},
    }
}


@router.post(
    "",
    status_code=202,
    dependencies=[Depends(json_body)],
    responses={
        **_ACCEPTED,
        **problems(
            errors.MalformedJson,
            errors.ContentTooLarge,
            errors.UnsupportedMediaType,
            errors.InvalidRequest,
            store.SignalNotFound,
            store.IdempotencyConflict,
            store.TooManyFits,
        ),
    },
)
def create_fit(
    body: FitRequest,
    response: Response,
    services: InjectedServices,
    tenant: Tenant,
    idempotency_key: IdempotencyKey = None,
) -> FitView:
    """Ask for a representation of a signal. It is made in the background: poll the fit, or follow its events."""
    fit, created = submission.submit_fit(
        services.database,
        services.publisher,
        tenant,
        body,
        idempotency_key=idempotency_key,
        max_waiting=services.settings.max_waiting_fits,
    )
    return _accepted(response, fit, created=created)


@router.get("", responses=problems(errors.InvalidRequest))
def list_fits(
    services: InjectedServices,
    tenant: Tenant,
    limit: Limit = DEFAULT_LIMIT,
    cursor: FitCursor = None,
    status: Annotated[FitStatus | None, Query(description="only fits in this status")] = None,
) -> FitPage:
    """Fits, newest first."""
    with services.database.reading() as session:
        found = Fits(session).page(tenant, limit=limit + 1, before=cursor, status=status)
    return FitPage(
        data=[FitSummary.of(fit) for fit in found[:limit]],
        next_cursor=next_cursor([fit.id for fit in found], limit),
    )


@router.get(
    "/{fit_id}",
    response_model=FitView,
    responses={
        200: {"headers": {"ETag": _TEXT_HEADER}},
        304: {"description": "Nothing changed since the version in If-None-Match"},
        **problems(store.FitNotFound),
    },
)
def get_fit(request: Request, services: InjectedServices, tenant: Tenant, fit_id: FitId) -> Response:
    """Status, progress and result of one fit. Send the ETag back in If-None-Match to poll cheaply."""
    content = _view(services, tenant, fit_id).model_dump_json().encode()
    validators = {"ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"', "Cache-Control": "private, no-cache"}
    if headers.none_match(request.headers.get("if-none-match"), validators["ETag"]):
        return Response(status_code=304, headers=validators)
    return Response(content, headers=validators, media_type="application/json")


@router.post("/{fit_id}/cancel", responses=problems(store.FitNotFound, store.IllegalMove))
def cancel_fit(services: InjectedServices, tenant: Tenant, fit_id: FitId) -> FitView:
    """Stop a fit. One that is running says `cancelling` until its worker has let go. Asking again changes nothing."""
    with services.database.unit_of_work() as session:
        fit = Fits(session).request_cancel(tenant, fit_id)
        return FitView.at(fit, queue_position=None)


@router.post("/{fit_id}/pause", responses=problems(store.FitNotFound, store.IllegalMove))
def pause_fit(services: InjectedServices, tenant: Tenant, fit_id: FitId) -> FitView:
    """Take a fit off its worker, or out of the queue, until it is resumed. Asking again changes nothing."""
    with services.database.unit_of_work() as session:
        return FitView.at(Fits(session).request_pause(tenant, fit_id), queue_position=None)


@router.post("/{fit_id}/resume", responses=problems(store.FitNotFound, store.IllegalMove))
def resume_fit(services: InjectedServices, tenant: Tenant, fit_id: FitId) -> FitView:
    """Let a paused fit go on from where it was. Asking again changes nothing."""
    return submission.resume_fit(services.database, services.publisher, tenant, fit_id)


@router.post(
    "/{fit_id}/retry",
    status_code=202,
    responses=_ACCEPTED | problems(store.FitNotFound, store.IllegalMove, store.TooManyFits),
)
def retry_fit(response: Response, services: InjectedServices, tenant: Tenant, fit_id: FitId) -> FitView:
    """Queue a new fit like one that failed, expired or was cancelled. Asking again returns the same new fit."""
    fit, created = submission.retry_fit(
        services.database, services.publisher, tenant, fit_id, max_waiting=services.settings.max_waiting_fits
    )
    return _accepted(response, fit, created=created)


_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": EventPage,
        "description": f"A page of events or, with `Accept: {STREAM}`, all of them as they happen",
        "content": {STREAM: {"schema": {"type": "string"}, "example": "id: 1\nevent: queued\ndata: {…}\n\n"}},
    },
    204: {"description": "The fit has ended and the stream has nothing more to say: do not reconnect"},
    **problems(store.FitNotFound, errors.InvalidRequest, errors.TooBusy),
}


@router.get("/{fit_id}/events", response_model=EventPage, responses=_EVENTS)
def list_fit_events(
    services: InjectedServices,
    tenant: Tenant,
    fit_id: FitId,
    after: Annotated[int, Query(ge=0, le=MAX_SEQ, description="only events with a higher sequence number")] = 0,
    limit: Annotated[int, Query(ge=1, le=EVENTS_LIMIT, description="how many at most; a page, not a stream")] = 100,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
    last_event_id: Annotated[int | None, Header(ge=0, le=MAX_SEQ, description="as `after`, for streams")] = None,
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
    services.events.check_room()
    return EventStream(services.events.follow(tenant, fit_id, after=after))


def _accepted(response: Response, fit: FitView, *, created: bool) -> FitView:
    response.headers["Location"] = f"/fits/{fit.id}"
    response.headers["Retry-After"] = str(POLL_SECONDS)
    if not created:
        response.headers["Idempotent-Replayed"] = "true"
    return fit


def _view(services: Services, tenant: str, fit_id: str) -> FitView:
    with services.database.reading() as session:
        fits = Fits(session)
        fit = fits.get(tenant, fit_id)
        return FitView.at(fit, queue_position=fits.queue_position(fit))


def _events(services: Services, tenant: str, fit_id: str, *, after: int, limit: int) -> tuple[Fit, Sequence[FitEvent]]:
    with services.database.reading() as session:
        fits = Fits(session)
        # The status first: if it is terminal, the last event is among the rows.
        fit = fits.get(tenant, fit_id)
        return fit, fits.events(fit_id, after=after, limit=limit)
