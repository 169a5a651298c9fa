"""Webhook messages of what happens to fits, as rows that a process sends later (the transactional outbox).

They are written in the transaction that moves the fit, so that neither is there without the other.
"""

from typing import Any

from sqlalchemy import String, cast, func, insert, literal, or_, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, aliased

from store.models import Fit
from store.models_webhooks import PROGRESS_EVENT, STARTED_EVENT, WebhookDelivery, WebhookEndpoint


def announce_end(session: Session, fit: Fit) -> None:
    """Write a message for each endpoint that wants to hear of the end of this fit; one statement."""
    _announce(session, fit, f"fit.{fit.status}", str(fit.status))


def announce_start(session: Session, fit: Fit) -> None:
    """Write a message for each endpoint that wants to hear that a worker has begun with this fit; one statement."""
    _announce(session, fit, STARTED_EVENT, str(fit.status))


def announce_progress(session: Session, fit: Fit) -> None:
    """Write a message for each endpoint that wants to hear how far this fit is, and has heard the last; one statement.

    A receiver that is slower than a fit gets fewer of them, not a queue.
    """
    _announce(session, fit, PROGRESS_EVENT, str(fit.status), progress=fit.progress)


def _announce(
    session: Session, fit: Fit, event_type: str, status: str, *, progress: dict[str, Any] | None = None
) -> None:
    here = f"/fits/{fit.id}"
    # Thin: whoever hears of it reads the fit, with a key of their own, and so can tell an old message from a new one.
    # The labels are the client's own words, by which it knows what the message is about.
    members = {
        "fit_id": fit.id,
        "signal_id": fit.signal_id,
        "status": status,
        "labels": cast(fit.labels, JSONB),
        "fit": here,
        "events": f"{here}/events",
    }
    if progress is not None:
        members["progress"] = cast(progress, JSONB)
    payload = func.jsonb_build_object(
        "type",
        event_type,
        "timestamp",
        func.to_char(func.timezone("UTC", func.now()), 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        "data",
        func.jsonb_build_object(*(part for name, value in members.items() for part in (name, value))),
        type_=JSONB,
    )
    wanted = select(WebhookEndpoint.id, literal(event_type), payload).where(
        WebhookEndpoint.tenant == fit.tenant,
        or_(WebhookEndpoint.fit_id.is_(None), WebhookEndpoint.fit_id == fit.id),
        WebhookEndpoint.disabled_at.is_(None),
        WebhookEndpoint.event_types.contains([event_type]),
    )
    if event_type == PROGRESS_EVENT:
        earlier = aliased(WebhookDelivery)
        waiting = select(earlier.id).where(
            earlier.endpoint_id == WebhookEndpoint.id,
            earlier.status == "pending",
            earlier.event_type == PROGRESS_EVENT,
            earlier.payload["data"]["fit_id"].astext == cast(fit.id, String),
        )
        wanted = wanted.where(~waiting.exists())
    session.execute(insert(WebhookDelivery).from_select(["endpoint_id", "event_type", "payload"], wanted))
