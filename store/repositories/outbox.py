"""Webhook messages of what happens to fits, as rows that a process sends later (the transactional outbox).

They are written in the transaction that moves the fit, so that neither is there without the other.
"""

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Insert, Select, Text, bindparam, cast, func, insert, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session, aliased
from sqlalchemy.types import TypeEngine

from store.models import Fit
from store.models_webhooks import PROGRESS_EVENT, WebhookDelivery, WebhookEndpoint
from store.status import FitStatus


def messages_of(fit: Fit, event_type: str, status: FitStatus) -> dict[str, Any]:
    """What `messages` says of this fit.

    Args:
        fit: the fit.
        event_type: name of the event, as endpoints ask for it.
        status: status of the fit that is told of.
    """
    here = f"/fits/{fit.id}"
    return {
        "tenant": fit.tenant,
        "event_type": event_type,
        "event_types": [event_type],
        "of_fit": fit.id,
        "signal_id": fit.signal_id,
        "status": str(status),
        "labels": fit.labels,
        "fit": here,
        "events": f"{here}/events",
    }


def announce_progress(session: Session, fit: Fit) -> None:
    """Write a message for each endpoint that wants to hear how far this fit is, and has heard the last; one statement.

    A receiver that is slower than a fit gets fewer of them, not a queue.
    """
    session.execute(_of_progress(), messages_of(fit, PROGRESS_EVENT, fit.status) | {"progress": fit.progress})


@cache
def _of_progress() -> Select[int]:
    # Within a SELECT, whose values are those above: those of an INSERT would be taken for columns.
    written = messages(has_progress=True).returning(WebhookDelivery.id).cte("written")
    return select(func.count(written.c.id))


def messages(*, has_progress: bool = False) -> Insert:
    """Writes a message for each endpoint that wants to hear of an event of a fit, whose values are `messages_of` it."""
    # Thin: whoever hears of it reads the fit, with a key of their own, and so can tell an old message from a new one.
    # The labels are the client's own words, by which it knows what the message is about.
    words = ("signal_id", "status", "labels", "fit", "events", *(("progress",) if has_progress else ()))
    fit_id = _value("of_fit", Text())
    members = {name: _value(name, JSONB() if name in {"labels", "progress"} else Text()) for name in words}
    members = {"fit_id": fit_id} | members
    payload = func.jsonb_build_object(
        "type",
        _value("event_type", Text()),
        "timestamp",
        func.to_char(func.timezone("UTC", func.now()), 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        "data",
        func.jsonb_build_object(*(part for name, value in members.items() for part in (name, value))),
        type_=JSONB,
    )
    wanted = select(WebhookEndpoint.id, _value("event_type", Text()), payload).where(
        WebhookEndpoint.tenant == bindparam("tenant"),
        or_(WebhookEndpoint.fit_id.is_(None), WebhookEndpoint.fit_id == fit_id),
        WebhookEndpoint.disabled_at.is_(None),
        WebhookEndpoint.event_types.contains(bindparam("event_types", type_=ARRAY(Text()))),
    )
    if has_progress:
        earlier = aliased(WebhookDelivery)
        waiting = select(earlier.id).where(
            earlier.endpoint_id == WebhookEndpoint.id,
            earlier.status == "pending",
            earlier.event_type == PROGRESS_EVENT,
            earlier.payload["data"]["fit_id"].astext == fit_id,
        )
        wanted = wanted.where(~waiting.exists())
    return insert(WebhookDelivery).from_select(["endpoint_id", "event_type", "payload"], wanted)


def _value(name: str, kind: TypeEngine[Any]) -> ColumnElement[Any]:
    """A value that each message has of its own; cast, since arguments of a JSON function have no type to be told by."""
    return cast(bindparam(name, type_=kind), kind)
