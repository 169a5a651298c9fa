"""Webhooks: whom to tell, what is to be told, and each time it was tried."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from store.models import NOW, Base, _new_id, _one_of

DELIVERY_STATUSES = ("pending", "delivered", "failed")
STARTED_EVENT, PROGRESS_EVENT = "fit.started", "fit.progress"


class WebhookEndpoint(Base):
    """An address that a tenant wants to be told at, and the secret that messages to it are signed with."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        Index("ix_webhook_endpoints_registered", "tenant", "id", postgresql_where=text("fit_id IS NULL")),
        Index("ix_webhook_endpoints_fit_id", "fit_id", unique=True, postgresql_where=text("fit_id IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True, server_default=_new_id("whe"))
    tenant: Mapped[str]
    # The one fit that it hears of, and with which it goes; None for all of the tenant's.
    fit_id: Mapped[str | None] = mapped_column(ForeignKey("fits.id", ondelete="CASCADE"))
    url: Mapped[str]
    description: Mapped[str | None]
    event_types: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    secret: Mapped[str]  # whsec_…: needed in full to sign, so it cannot be kept as a hash
    previous_secret: Mapped[str | None]  # signs along for a while after a rotation
    previous_secret_until: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]  # first failure after the last success
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)


class WebhookDelivery(Base):
    """One message for one endpoint: written with the move that it tells of, so that neither is without the other."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint(_one_of("status", DELIVERY_STATUSES), name="status_known"),
        Index("ix_webhook_deliveries_due", "next_try_at", postgresql_where=text("status = 'pending'")),
        Index("ix_webhook_deliveries_endpoint_id_id", "endpoint_id", "id"),
        Index("ix_webhook_deliveries_sending", "sending_until", postgresql_where=text("sending_until IS NOT NULL")),
        Index(
            "ix_webhook_deliveries_progress",
            "endpoint_id",
            postgresql_where=text(f"status = 'pending' AND event_type = '{PROGRESS_EVENT}'"),
        ),
        Index("ix_webhook_deliveries_asked", "asked_at", postgresql_where=text("asked_at IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True, server_default=_new_id("msg"))
    endpoint_id: Mapped[str] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    event_type: Mapped[str]
    payload: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(server_default="pending")
    tries: Mapped[int] = mapped_column(server_default=text("0"))  # since it was last queued, for the pause between two
    attempts: Mapped[int] = mapped_column(server_default=text("0"))  # in all
    next_try_at: Mapped[datetime] = mapped_column(server_default=NOW)  # while one is under way: when it is given up
    sending_until: Mapped[datetime | None]  # while a try is under way: when its sender must be gone
    asked_at: Mapped[datetime | None]  # when its owner last wanted it sent, as a test or once more
    delivered_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)

    endpoint: Mapped[WebhookEndpoint] = relationship(lazy="joined", innerjoin=True)


class WebhookAttempt(Base):
    """One try to deliver a message, and what came of it."""

    __tablename__ = "webhook_attempts"

    delivery_id: Mapped[str] = mapped_column(ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    status_code: Mapped[int | None]  # None if there was no answer
    error: Mapped[str | None]
    milliseconds: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
