"""Views of representations that were asked for: each is worked out once, lies in the bucket, and may be made again."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from store.models import NOW, Base, Fit, _new_id, _one_of

RENDER_STATUSES = ("queued", "running", "ready", "failed")


class Render(Base):
    """One view of one representation, known by the hash of what it is made of."""

    __tablename__ = "renders"
    __table_args__ = (
        UniqueConstraint("tenant", "recipe_sha256"),
        CheckConstraint(_one_of("status", RENDER_STATUSES), name="status_known"),
        Index("ix_renders_waiting", "id", postgresql_where=text("status = 'queued'")),
        Index("ix_renders_fit_id", "fit_id"),
        Index("ix_renders_tenant_claimed_at", "tenant", "claimed_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, server_default=_new_id("rnd"))
    tenant: Mapped[str]
    fit_id: Mapped[str] = mapped_column(ForeignKey("fits.id", ondelete="CASCADE"))
    recipe: Mapped[dict[str, Any]]  # a RenderSpec as JSON
    recipe_sha256: Mapped[str]  # of the recipe and the representation's own hash
    status: Mapped[str] = mapped_column(server_default="queued")
    tries: Mapped[int] = mapped_column(server_default=text("0"))  # counted before the work, and the fencing number
    lease_until: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]  # when a worker last began to draw it
    object_key: Mapped[str | None]
    sha256: Mapped[str | None]
    byte_count: Mapped[int | None] = mapped_column(BigInteger)
    media_type: Mapped[str | None]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    used_at: Mapped[datetime] = mapped_column(server_default=NOW)  # when it was last asked for, to the hour

    fit: Mapped[Fit] = relationship(lazy="joined", innerjoin=True)
