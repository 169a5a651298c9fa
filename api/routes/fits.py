"""Fits: ask for one, find those there are, read one, delete one.

What else a client may do with a fit is in `api.routes.fit_moves`, what it can hear of it in `api.routes.fit_events`.
"""

import hashlib
import re
from typing import Annotated

from fastapi import Depends, Header, Query, Request, Response
from pydantic import AwareDatetime, BeforeValidator, Field

from api import errors, headers
from api.answers import ACCEPTED, ENDED, TEXT_HEADER, awaited, say_accepted, view_of
from api.dependencies import CallerNow, FitId, InjectedServices, Tenant, Wait, json_body
from api.errors import problems
from api.routing import Routes
from api.schemas.estimates import EstimateView
from api.schemas.fits import (
    MAX_LABELS,
    FitChange,
    FitCount,
    FitCursor,
    FitOverrides,
    FitPage,
    FitRequest,
    FitSummary,
    FitView,
    cursor_of,
    place_of,
)
from api.schemas.pages import DEFAULT_LIMIT, Limit
from api.schemas.problems import Fault
from api.schemas.signals import ID_PATTERN as SIGNAL_ID_PATTERN
from api.services.removal import delete_fit as delete_now
from api.services.webhooks import check_named
from store import errors as store
from store.repositories import listing
from store.repositories.fits import Fits
from store.repositories.listing import FitFilter, FitOrder
from store.status import FitStatus

router = Routes(prefix="/fits", tags=["fits"])

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


def _is_written_out(moment: str) -> str:
    # Pydantic would take a number for seconds since 1970, which the document does not promise.
    if not re.match(r"\d{4}-\d{2}-\d{2}[Tt ]", moment):
        raise ValueError("expected a date, a time and an offset, such as 2026-01-31T12:00:00Z")
    return moment


Moment = Annotated[AwareDatetime, BeforeValidator(_is_written_out)]

_UNREADABLE = (store.SpecNewer, store.SpecInvalid)
ASK_PROBLEMS = (
    errors.MalformedJson,
    errors.ContentTooLarge,
    errors.UnsupportedMediaType,
    errors.InvalidRequest,
    store.SignalNotFound,
    store.IdempotencyConflict,
    errors.FitTooLarge,
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
            "headers": {"Preference-Applied": TEXT_HEADER},
        },
        **ACCEPTED,
        **problems(*ASK_PROBLEMS),
    },
)
async def create_fit(
    body: FitRequest,
    response: Response,
    services: InjectedServices,
    tenant: Tenant,
    caller: CallerNow,
    wait: Wait,
    idempotency_key: IdempotencyKey = None,
    validate_only: Annotated[
        bool, Query(description="store nothing: say what the fit would weigh, reach and take")
    ] = False,
) -> FitView | EstimateView:
    """Ask for a representation of a signal. It is made in the background: poll the fit, or follow its events."""
    check_named(body.webhook, caller.scopes, services.private_networks)
    if validate_only:
        response.status_code = 200
        return await services.estimator.estimate(tenant, body.signal_id, body.spec())
    fit, created = await services.threads.in_thread(tenant, services.submissions.submit, tenant, body, idempotency_key)
    say_accepted(response, fit, created=created)
    return await awaited(response, services, tenant, fit, wait)


@router.post(
    "/{fit_id}/clone",
    status_code=202,
    dependencies=[Depends(json_body)],
    responses={**ACCEPTED, **ENDED, **problems(*_UNREADABLE, *ASK_PROBLEMS, store.FitNotFound)},
)
async def clone_fit(
    body: FitOverrides,
    response: Response,
    services: InjectedServices,
    tenant: Tenant,
    caller: CallerNow,
    fit_id: FitId,
    wait: Wait,
    idempotency_key: IdempotencyKey = None,
) -> FitView:
    """Queue a new fit of the same signal, like this one but for what the body says; with a webhook like its own."""
    check_named(body.webhook, caller.scopes, services.private_networks)
    fit, created = await services.threads.in_thread(
        tenant, services.submissions.clone, tenant, fit_id, body, idempotency_key
    )
    say_accepted(response, fit, created=created)
    return await awaited(response, services, tenant, fit, wait)


@router.get("", responses=problems(errors.InvalidRequest))
def list_fits(
    services: InjectedServices,
    tenant: Tenant,
    limit: Limit = DEFAULT_LIMIT,
    cursor: FitCursor = None,
    status: Annotated[
        list[FitStatus] | None,
        Query(max_length=len(FitStatus), description="only fits in this status; may be repeated, for one of several"),
    ] = None,
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
    updated_after: Annotated[
        Moment | None,
        Query(description="earliest moment of the last change of a fit, itself included; progress is a change, too"),
    ] = None,
    order: Annotated[
        FitOrder,
        Query(
            description="what comes first. `updated`: what was changed longest ago; to hear of all changes, go on "
            "from the last page, a minute earlier in `updated_after`, since a change is seen when it is committed"
        ),
    ] = FitOrder.NEWEST,
    total: Annotated[bool, Query(description="count the fits of all pages, too, as far as 10 000")] = False,
) -> FitPage:
    """Fits, newest first if nothing else is said."""
    try:
        after = None if cursor is None else place_of(cursor, order)
    except (ValueError, OverflowError) as error:
        fault = Fault(parameter="cursor", location="query", code="value_error", detail=str(error))
        raise errors.InvalidRequest(f"cursor: {error}", errors=[fault]) from error
    wanted = FitFilter(
        statuses=tuple(status or ()),
        signal_id=signal_id,
        labels=dict(word.split("=", 1) for word in label or ()),
        created_after=created_after,
        created_before=created_before,
        updated_after=updated_after,
    )
    with services.database.reading() as session:
        found = listing.list_fits(session, tenant, wanted, limit=limit + 1, after=after, order=order)
        counted = listing.count_fits(session, tenant, wanted) if total else None
    return FitPage(
        data=[FitSummary.of(fit) for fit in found[:limit]],
        next_cursor=cursor_of(found[limit - 1], order) if len(found) > limit else None,
        total=None if counted is None else FitCount(fits=counted[0], is_exact=counted[1]),
    )


@router.get(
    "/{fit_id}",
    response_model=FitView,
    responses={
        200: {"headers": {"ETag": TEXT_HEADER, "Preference-Applied": TEXT_HEADER}},
        304: {"description": "Nothing changed since the version in If-None-Match"},
        **problems(store.FitNotFound),
    },
)
async def get_fit(request: Request, services: InjectedServices, tenant: Tenant, fit_id: FitId, wait: Wait) -> Response:
    """Status, progress and result of one fit. Send the ETag back in If-None-Match to poll cheaply."""
    waited = Response()
    fit = await services.threads.in_thread(tenant, view_of, services, tenant, fit_id)
    if not fit.status.is_terminal:
        fit = await awaited(waited, services, tenant, fit, wait)
    content = fit.model_dump_json().encode()
    # Weak: it names the document, which may be sent packed or as it is.
    described = {"ETag": f'W/"{hashlib.sha256(content).hexdigest()[:32]}"', "Cache-Control": "private, no-cache"}
    if "preference-applied" in waited.headers:
        described["Preference-Applied"] = waited.headers["preference-applied"]
    if headers.none_match(request.headers.get("if-none-match"), described["ETag"]):
        return Response(status_code=304, headers=described)
    return Response(content, headers=described, media_type="application/json")


@router.patch(
    "/{fit_id}",
    dependencies=[Depends(json_body)],
    responses=problems(
        errors.MalformedJson,
        errors.ContentTooLarge,
        errors.UnsupportedMediaType,
        errors.InvalidRequest,
        store.FitNotFound,
    ),
)
def change_fit(body: FitChange, services: InjectedServices, tenant: Tenant, fit_id: FitId) -> FitSummary:
    """Change the labels of a fit, whatever its status: a JSON merge patch (RFC 7396)."""
    with services.database.unit_of_work() as session:
        if "labels" not in body.model_fields_set:
            return FitSummary.of(Fits(session).get(tenant, fit_id))
        fit = Fits(session).change_labels(tenant, fit_id, body.labels)
        if len(fit.labels) > MAX_LABELS:
            detail = f"with these there are {len(fit.labels)} labels, expected at most {MAX_LABELS}: remove some"
            fault = Fault(pointer="#/labels", code="too_long", detail=detail)
            raise errors.InvalidRequest(f"#/labels: {detail}", errors=[fault])
        return FitSummary.of(fit)


@router.delete("/{fit_id}", status_code=204, responses=problems(store.FitNotFound, store.IllegalMove))
def delete_fit(services: InjectedServices, tenant: Tenant, fit_id: FitId) -> None:
    """Delete a fit that has ended: its representation, views, checkpoints, events and idempotency keys.

    One that has not ended is cancelled first. Afterwards it is as if it had never been, and its bytes no longer count.
    """
    delete_now(services.database, services.blobs, tenant, fit_id)
