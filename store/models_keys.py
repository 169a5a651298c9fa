"""API keys: who may ask for what, without the secret that proves it."""

from datetime import datetime

from sqlalchemy import ARRAY, CheckConstraint, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from store.models import NOW, Base, _new_id


class ApiKey(Base):
    """A key of a tenant; of its secret only the hash is here."""

    __tablename__ = "api_keys"
    __table_args__ = (
        # Tenants are part of object keys.
        CheckConstraint("tenant ~ '^[a-z0-9][a-z0-9-]{0,62}$'", name="tenant_plain"),
        Index("ix_api_keys_tenant_id", "tenant", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, server_default=_new_id("key"))
    tenant: Mapped[str]
    name: Mapped[str] = mapped_column(server_default=text("''"))  # what its owner calls it
    prefix: Mapped[str] = mapped_column(unique=True)  # the readable part of the key: finds the row, proves nothing
    secret_sha256: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]  # to the minute: a write for every request would cost more than it tells
