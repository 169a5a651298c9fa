"""Fits: ask for one, watch it, stop it, let it go on."""

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from anyio import to_thread
from fastapi import Depends, Header, Query, Request, Response
from pydantic import AwareDatetime, BeforeValidator, Field

from api import errors, headers
from api.dependencies import FitId, InjectedServices, Services, Tenant, Wait, json_body
from api.errors import problems
from api.routing import Routes
from api.schemas.estimates import EstimateView
from api.schemas.fits import (
    MAX_LABELS,
    MAX_SEQ,
    EventPage,
    EventView,
    FitCursor,
    FitOverrides,
    FitPage,
    FitRequest,
    FitSummary,
    FitView,
)
from api.schemas.pages import DEFAULT_LIMIT, Limit, next_cursor
from api.schemas.signals import ID_PATTERN as SIGNAL_ID_PATTERN
from api.services import submission
from api.services.events import EventStream
from store import errors as store
from store.models import Fit, FitEvent
from store.repositories import listing
from store.repositories.fits import Fits
from store.repositories.listing import FitFilter
from store.status import FitStatus

router = Routes(prefix="/fits", tags=["fits"])

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
LabelFilter = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}=[^\x00-\x1f\x7f]{0,100}$")]
_TEXT_HEADER = {"schema": {"type": "string"}}
_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "Queued, or queued before by the same request",
        "headers": {"Location": _TEXT_HEADER, "Retry-After": _TEXT_HEADER, "Idempotent-Replayed": _TEXT_HEADER},
    }
}
_WAITED: dict[int | str, dict[str, Any]] = {200: {"headers": {"Preference-Applied": _TEXT_HEADER}}}
_ENDED: dict[int | str, dict[str, Any]] = {
    200: {
        "model": FitView,
        "description": "The fit, if it has ended within the time of Prefer",
        "headers": {"Preference-Applied": _TEXT_HEADER},
    }
}


def _is_written_out(moment: str) -> str:
    # Pydantic would take a number for seconds since 1970, which the document does not promise.
    if not re.match(r"\d{4}-\d{2}-\d{2}[Tt ]", moment):
        raise ValueError("expected a date, a time and an offset, such as 2026-01-31T12:00:00Z")
    return moment


Moment = Annotated[AwareDatetime, BeforeValidator(_is_written_out)]

_UNREADABLE = (store.SpecNewer, store.SpecInvalid)
_ASK_PROBLEMS = (
    errors.MalformedJson,
    errors.ContentTooLarge,
    errors.UnsupportedMediaType,
    errors.InvalidRequest,
    errors.FitTooLarge,
    store.SignalNotFound,
    store.IdempotencyConflict,
    store.TooManyFits,
    store.StorageFull,
)


@router.post(
    "",
    status_code=202,
    response_model=FitView | EstimateView,
    dependencies=[Depends(json_body)],
    responses={
        200: {
            "model": FitView | EstimateView,
            "description": "The fit, if it has ended within the time of Prefer; with validate_only the estimate",
            "headers": {"Preference-Applied": _TEXT_HEADER},
        },
        **_ACCEPTED,
        **problems(*_ASK_PROBLEMS),
    },
)
async def create_fit(
    body: FitRequest,
    response: Response,
    services: InjectedServices,
    tenant: Tenant,
    wait: Wait,
    idempotency_key: IdempotencyKey = None,
    validate_only: Annotated[
        bool, Query(description="store nothing: say what the fit would weigh, reach and take")
    ] = False,
) -> FitView | EstimateView:
    """Ask for a representation of a signal. It is made in the background: poll the fit, or follow its events."""
    if validate_only:
        response.status_code = 200
        return await services.estimator.estimate(tenant, body.signal_id, body.spec())
    fit, created = await to_thread.run_sync(
        lambda: submission.submit_fit(
            services.database,
            services.publisher,
            tenant,
            body,
            idempotency_key=idempotency_key,
            terms=submission.Terms.of(services.settings),
        )
    )
    _accepted(response, fit, created=created)
    return await _awaited(response, services, tenant, fit, wait)


@router.post(
    "/{fit_id}/clone",
    status_code=202,
    dependencies=[Depends(json_body)],
    responses={**_ACCEPTED, **_ENDED, **problems(*_UNREADABLE, *_ASK_PROBLEMS, store.FitNotFound)},
)
async def clone_fit(
    body: FitOverrides,
    response: Response,
    services: InjectedServices,
    tenant: Tenant,
    fit_id: FitId,
    wait: Wait,
    idempotency_key: IdempotencyKey = None,
) -> FitView:
    """Queue a new fit of the same signal, like this one but for what the body says."""
    fit, created = await to_thread.run_sync(
        lambda: submission.clone_fit(
            services.database,
            services.publisher,
            tenant,
            fit_id,
            body,
            idempotency_key=idempotency_key,
            terms=submission.Terms.of(services.settings),
        )
    )
    _accepted(response, fit, created=created)
    return await _awaited(response, services, tenant, fit, wait)


@router.get("", responses=problems(errors.InvalidRequest))
def list_fits(
    services: InjectedServices,
    tenant: Tenant,
    limit: Limit = DEFAULT_LIMIT,
    cursor: FitCursor = None,
    status: Annotated[FitStatus | None, Query(description="only fits in this status")] = None,
    signal_id: Annotated[str | None, Query(pattern=SIGNAL_ID_PATTERN, description="only fits of this signal")] = None,
    label: Annotated[
        list[LabelFilter] | None,
        Query(max_length=MAX_LABELS, description="only fits with this label, as `name=value`; may be repeated"),
    ] = None,
    created_after: Annotated[
        Moment | None, Query(description="earliest moment at which a fit was asked for, itself included")
    ] = None,
    created_before: Annotated[
        Moment | None, Query(description="moment before which a fit was asked for, itself excluded")
    ] = None,
) -> FitPage:
    """Fits, newest first."""
    wanted = FitFilter(
        status=status,
        signal_id=signal_id,
        labels=dict(word.split("=", 1) for word in label or ()),
        created_after=created_after,
        created_before=created_before,
    )
    with services.database.reading() as session:
        found = listing.list_fits(session, tenant, wanted, limit=limit + 1, before=cursor)
    return FitPage(
        data=[FitSummary.of(fit) for fit in found[:limit]],
        next_cursor=next_cursor([fit.id for fit in found], limit),
    )


@router.get(
    "/{fit_id}",
    response_model=FitView,
    responses={
        200: {"headers": {"ETag": _TEXT_HEADER, "Preference-Applied": _TEXT_HEADER}},
        304: {"description": "Nothing changed since the version in If-None-Match"},
        **problems(store.FitNotFound),
    },
)
async def get_fit(request: Request, services: InjectedServices, tenant: Tenant, fit_id: FitId, wait: Wait) -> Response:
    """Status, progress and result of one fit. Send the ETag back in If-None-Match to poll cheaply."""
    waited = Response()
    fit = await to_thread.run_sync(_view, services, tenant, fit_id)
    if not fit.status.is_terminal:
        fit = await _awaited(waited, services, tenant, fit, wait)
    content = fit.model_dump_json().encode()
    described = {"ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"', "Cache-Control": "private, no-cache"}
    if "preference-applied" in waited.headers:
        described["Preference-Applied"] = waited.headers["preference-applied"]
    if headers.none_match(request.headers.get("if-none-match"), described["ETag"]):
        return Response(status_code=304, headers=described)
    return Response(content, headers=described, media_type="application/json")


@router.delete("/{fit_id}", status_code=204, responses=problems(store.FitNotFound, store.IllegalMove))
def delete_fit(services: InjectedServices, tenant: Tenant, fit_id: FitId) -> None:
    """Delete a fit that has ended: its representation, views, checkpoints, events and idempotency keys.

    One that has not ended is cancelled first. Afterwards it is as if it had never been, and its bytes no longer count.
    """
    submission.delete_fit(services.database, services.blobs, tenant, fit_id)


@router.post("/{fit_id}/cancel", responses=_WAITED | problems(store.FitNotFound, store.IllegalMove))
async def cancel_fit(
    response: Response, services: InjectedServices, tenant: Tenant, fit_id: FitId, wait: Wait
) -> FitView:
    """Stop a fit. One that is running says `cancelling` until its worker has let go. Asking again changes nothing."""
    fit = await to_thread.run_sync(_moved, services, tenant, fit_id, Fits.request_cancel)
    return await _awaited(response, services, tenant, fit, wait)


@router.post("/{fit_id}/pause", responses=_WAITED | problems(store.FitNotFound, store.IllegalMove))
async def pause_fit(
    response: Response, services: InjectedServices, tenant: Tenant, fit_id: FitId, wait: Wait
) -> FitView:
    """Take a fit off its worker, or out of the queue, until it is resumed. Asking again changes nothing."""
    fit = await to_thread.run_sync(_moved, services, tenant, fit_id, Fits.request_pause)
    return await _awaited(response, services, tenant, fit, wait, _rests)


@router.post("/{fit_id}/resume", responses=_WAITED | problems(store.FitNotFound, store.IllegalMove))
async def resume_fit(
    response: Response, services: InjectedServices, tenant: Tenant, fit_id: FitId, wait: Wait
) -> FitView:
    """Let a paused fit go on from where it was. Asking again changes nothing."""
    fit = await to_thread.run_sync(submission.resume_fit, services.database, services.publisher, tenant, fit_id)
    return await _awaited(response, services, tenant, fit, wait)


@router.post(
    "/{fit_id}/retry",
    status_code=202,
    responses=_ACCEPTED
    | _ENDED
    | problems(
        *_UNREADABLE,
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
    fit, created = await to_thread.run_sync(
        lambda: submission.retry_fit(
            services.database,
            services.blobs,
            services.publisher,
            tenant,
            fit_id,
            terms=submission.Terms.of(services.settings),
        )
    )
    _accepted(response, fit, created=created)
    return await _awaited(response, services, tenant, fit, wait)


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


def _accepted(response: Response, fit: FitView, *, created: bool) -> FitView:
    response.headers["Location"] = f"/fits/{fit.id}"
    response.headers["Retry-After"] = str(POLL_SECONDS)
    if not created:
        response.headers["Idempotent-Replayed"] = "true"
    return fit


def _has_ended(status: FitStatus) -> bool:
    return status.is_terminal


def _rests(status: FitStatus) -> bool:
    return status.is_terminal or status is FitStatus.PAUSED


async def _awaited(
    response: Response,
    services: Services,
    tenant: str,
    fit: FitView,
    wait: int | None,
    reached: Callable[[FitStatus], bool] = _has_ended,
) -> FitView:
    """The fit as it is when it has ended, or when the time that the client prefers to wait is over."""
    if wait is None or not services.events.has_room(tenant):
        return fit
    response.headers["Preference-Applied"] = f"wait={wait}"
    if await services.events.wait_for(tenant, fit.id, reached, seconds=wait):
        response.status_code = 200
    return await to_thread.run_sync(_view, services, tenant, fit.id)


def _moved(services: Services, tenant: str, fit_id: str, move: Callable[[Fits, str, str], Fit]) -> FitView:
    with services.database.unit_of_work() as session:
        return FitView.at(move(Fits(session), tenant, fit_id), queue_position=None)


def _view(services: Services, tenant: str, fit_id: str) -> FitView:
    with services.database.reading() as session:
        fit, position = Fits(session).get_with_position(tenant, fit_id)
        return FitView.at(fit, queue_position=position)


def _events(services: Services, tenant: str, fit_id: str, *, after: int, limit: int) -> tuple[Fit, Sequence[FitEvent]]:
    with services.database.reading() as session:
        fits = Fits(session)
        # The status first: if it is terminal, the last event is among the rows.
        fit = fits.get(tenant, fit_id)
        return fit, fits.events(fit_id, after=after, limit=limit)
