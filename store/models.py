"""The tables of fits: signals, uploads, fits with attempts and events, checkpoints, representations, idempotency keys.

Ids carry a prefix and are ordered by time (UUIDv7, drawn by PostgreSQL 18). All times are the database's own:
processes on several machines never compare their clocks. Tables of other matters (API keys, views, webhooks, turns) are
in the modules beside this one, `models_…`. `migrations/` follows them all, and a test finds no difference.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Enum,
    ForeignKey,
    Index,
    MetaData,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from store.status import HELD, WAITING, FitStatus

type_annotations: dict[Any, Any] = {
    str: Text(),
    datetime: DateTime(timezone=True),
    dict[str, Any]: JSONB(),
    FitStatus: Enum(
        FitStatus, native_enum=False, length=16, values_callable=lambda words: [word.value for word in words]
    ),
}

NOW = text("now()")


def _new_id(prefix: str) -> Any:
    return text(f"'{prefix}_' || replace(uuidv7()::text, '-', '')")


def _one_of(column: str, words: Sequence[str]) -> str:
    return f"{column} IN ({', '.join(repr(str(word)) for word in words)})"


class Base(DeclarativeBase):
    """Carries the naming rule of constraints, so that a migration can name what it changes."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = type_annotations
    # Values that the database computes come back with the statement, so that rows stay readable after the session.
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012


class Signal(Base):
    """An uploaded file that was decoded once and found good; its bytes lie in the bucket."""

    __tablename__ = "signals"
    __table_args__ = (
        # A deleted signal's row stays for the fits that name it; its bytes may come again as a new signal.
        Index("ix_signals_content", "tenant", "sha256", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("ix_signals_expires_at", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
        Index("ix_signals_damage", "damage", postgresql_where=text("damage IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True, server_default=_new_id("sig"))
    tenant: Mapped[str]
    sha256: Mapped[str]
    byte_count: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str]
    filename: Mapped[str | None]  # as the client named it; for display and downloads, never for keys
    facts: Mapped[dict[str, Any]]  # kind, format, width, height, channels, sample_format …
    object_key: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    deleted_at: Mapped[datetime | None]  # since when no new fit may use it
    expires_at: Mapped[datetime | None]  # when it is deleted, or as soon as no fit needs it any more; None: never
    damage: Mapped[str | None]  # blob_missing or blob_damaged, as the last comparison with its object found
    # SHA-256 of what reading the file gives, as its inspection found; null of large signals and of older rows.
    decoded_sha256: Mapped[str | None]

    @property
    def grid_shape(self) -> tuple[int, ...]:
        """Number of samples of the signal along each axis, as inspection found it."""
        return tuple(self.facts.get("shape") or (self.facts["height"], self.facts["width"]))


class Upload(Base):
    """A large file on its way to the bucket, in parts that its client sends there itself."""

    __tablename__ = "uploads"
    __table_args__ = (Index("ix_uploads_expires_at", "expires_at"),)

    id: Mapped[str] = mapped_column(primary_key=True, server_default=_new_id("upl"))
    tenant: Mapped[str]
    byte_count: Mapped[int] = mapped_column(BigInteger)  # as declared
    part_bytes: Mapped[int] = mapped_column(BigInteger)
    # Of the parts in storage, as last listed. A part that is sent twice may lie there twice until all are joined.
    received_bytes: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    filename: Mapped[str | None]
    storage_id: Mapped[str]  # of the multipart upload, as storage knows it
    signal_id: Mapped[str | None] = mapped_column(ForeignKey("signals.id"))  # once it is complete
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    expires_at: Mapped[datetime]


class Fit(Base):
    """One request to turn a signal into a representation: the truth about a job, and the outbox of its message.

    An outbox is a list of messages that are to be sent, kept in the database, so that it changes in one transaction
    with what the messages are about. Here `published_at` is all there is of it: a queued fit that is still waiting long
    after that time is sent another message.
    """

    __tablename__ = "fits"
    __table_args__ = (
        CheckConstraint(_one_of("status", list(FitStatus)), name="status_known"),
        CheckConstraint("(status IN ('running', 'cancelling')) = (lease_until IS NOT NULL)", name="lease_iff_held"),
        Index(
            "ix_fits_turns",
            "tenant",
            "worker_class",
            text("priority DESC"),
            "id",
            postgresql_where=text("status = 'queued'"),
        ),
        Index("ix_fits_held", "tenant", postgresql_where=text(_one_of("status", sorted(HELD)))),
        Index("ix_fits_waiting", "tenant", postgresql_where=text(_one_of("status", sorted(WAITING)))),
        Index("ix_fits_tenant_id", "tenant", "id"),
        Index("ix_fits_status", "tenant", "status", "id"),
        Index("ix_fits_updated", "tenant", "updated_at", "id"),
        Index("ix_fits_signal_id", "signal_id"),
        Index("ix_fits_labels", "labels", postgresql_using="gin"),
        Index("ix_fits_expires_at", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True, server_default=_new_id("fit"))
    tenant: Mapped[str]
    signal_id: Mapped[str] = mapped_column(ForeignKey("signals.id"))
    spec: Mapped[dict[str, Any]]  # a FitSpec as JSON
    status: Mapped[FitStatus] = mapped_column(server_default=FitStatus.QUEUED.value)
    priority: Mapped[int] = mapped_column(server_default=text("0"))
    worker_class: Mapped[str] = mapped_column(server_default=text("'any'"))  # a WorkerClass: which workers may take it
    labels: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))  # words to words, the client's own

    # The fencing number: it grows with every claim, and who writes under an older one is refused.
    attempt: Mapped[int] = mapped_column(server_default=text("0"))
    # Claims that count; an attempt that was drained gives its own back.
    tries: Mapped[int] = mapped_column(server_default=text("0"))
    worker: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    published_at: Mapped[datetime | None]  # when a message for it was last sent, or was about to be; None: send one
    not_before: Mapped[datetime | None]  # queued, but not to be claimed before this time
    pause_requested: Mapped[bool] = mapped_column(server_default=text("false"))  # the client's wish while it runs
    cancel_requested_at: Mapped[
        datetime | None
    ]  # since when its worker is to stop; None also if an older version asked
    event_seq: Mapped[int] = mapped_column(server_default=text("0"))  # sequence number of the last event

    origin: Mapped[dict[str, Any] | None]  # the request that asked for it: request_id, traceparent
    has_webhook: Mapped[bool] = mapped_column(server_default=text("false"))  # an endpoint of its own was asked for
    resolved: Mapped[dict[str, Any] | None]  # what the latest attempt chose where the spec left it open
    progress: Mapped[dict[str, Any] | None]  # phase, step, total_steps, psnr_db, seconds, eta_seconds
    outcome: Mapped[str | None]  # how training ended, as one sentence
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]

    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    queued_at: Mapped[datetime] = mapped_column(server_default=NOW)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)  # of the last event, or change of labels
    kept_seconds: Mapped[float | None]  # from its end until it is deleted; None: for ever
    expires_at: Mapped[datetime | None]  # when that will be, known once it has ended

    signal: Mapped[Signal] = relationship(lazy="joined", innerjoin=True)
    representation: Mapped["Representation | None"] = relationship(lazy="joined", back_populates="fit")


class FitAttempt(Base):
    """One worker's hold on a fit, from claim to end."""

    __tablename__ = "fit_attempts"
    __table_args__ = (Index("ix_fit_attempts_ended_at", "ended_at"),)

    fit_id: Mapped[str] = mapped_column(ForeignKey("fits.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    worker: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(server_default=NOW)
    ended_at: Mapped[datetime | None]
    ended_as: Mapped[str | None]  # an AttemptEnd


class FitEvent(Base):
    """One thing that happened to a fit; `seq` runs 1, 2, 3 … without gap or repeat."""

    __tablename__ = "fit_events"

    fit_id: Mapped[str] = mapped_column(ForeignKey("fits.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]  # a FitStatus for a move; else "progress", "phase", "checkpoint", "pause_requested" …
    attempt: Mapped[int]
    data: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class Checkpoint(Base):
    """A state that training can go on from, or what came of one part; its row is written after its object."""

    __tablename__ = "checkpoints"
    __table_args__ = (UniqueConstraint("fit_id", "attempt", "step", "part", postgresql_nulls_not_distinct=True),)

    id: Mapped[str] = mapped_column(primary_key=True, server_default=_new_id("chk"))
    fit_id: Mapped[str] = mapped_column(ForeignKey("fits.id", ondelete="CASCADE"))
    attempt: Mapped[int]
    step: Mapped[int]
    part: Mapped[int | None]  # of which it is all that came; then `attempt` is one at the part
    byte_count: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    object_key: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class Representation(Base):
    """The compressed file that a fit ended in."""

    __tablename__ = "representations"
    __table_args__ = (
        UniqueConstraint("fit_id"),
        Index("ix_representations_damage", "damage", postgresql_where=text("damage IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True, server_default=_new_id("rep"))
    fit_id: Mapped[str] = mapped_column(ForeignKey("fits.id", ondelete="CASCADE"))
    attempt: Mapped[int]
    byte_count: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    object_key: Mapped[str]
    psnr_db: Mapped[float | None]  # of the decoded file; None where it is infinite
    facts: Mapped[dict[str, Any]]  # weights, bits per sample, format version …
    damage: Mapped[str | None]  # blob_missing or blob_damaged, as the last comparison with its object found
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)

    fit: Mapped[Fit] = relationship(back_populates="representation")


class IdempotencyKey(Base):
    """A client's own name for one request, so that a retry finds the first one's fit."""

    __tablename__ = "idempotency_keys"

    tenant: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_sha256: Mapped[str]
    fit_id: Mapped[str] = mapped_column(ForeignKey("fits.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
