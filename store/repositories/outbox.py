"""Webhook messages of fits that have ended, as rows that a process sends later (the transactional outbox).

They are written in the transaction that ends the fit, so that neither is there without the other.
"""

from sqlalchemy import func, insert, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from store.models import Fit
from store.models_webhooks import WebhookDelivery, WebhookEndpoint


def announce_end(session: Session, fit: Fit) -> None:
    """Write a message for each of the tenant's endpoints that wants to hear of this; one statement."""
    event_type = f"fit.{fit.status}"
    here = f"/fits/{fit.id}"
    # Thin: whoever hears of it reads the fit, with a key of their own, and so can tell an old message from a new one.
    payload = func.jsonb_build_object(
        "type",
        event_type,
        "timestamp",
        func.to_char(func.timezone("UTC", func.now()), 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        "data",
        func.jsonb_build_object(
            "fit_id",
            fit.id,
            "signal_id",
            fit.signal_id,
            "status",
            str(fit.status),
            "fit",
            here,
            "events",
            f"{here}/events",
        ),
        type_=JSONB,
    )
    wanted = select(WebhookEndpoint.id, literal(event_type), payload).where(
        WebhookEndpoint.tenant == fit.tenant,
        WebhookEndpoint.disabled_at.is_(None),
        WebhookEndpoint.event_types.contains([event_type]),
    )
    session.execute(insert(WebhookDelivery).from_select(["endpoint_id", "event_type", "payload"], wanted))
