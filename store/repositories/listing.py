"""Lists of a tenant's fits, by what a client may ask for."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from store.models import Fit
from store.status import FitStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class FitFilter:
    """Which fits; None and an empty map leave them all.

    Attributes:
        status: status that the fits are in; None for any.
        signal_id: signal of which the fits are; None for any.
        labels: labels all of which the fits carry.
        created_after: earliest moment at which a fit was made, itself included.
        created_before: moment before which a fit was made, itself excluded.
    """

    status: FitStatus | None = None
    signal_id: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    created_after: datetime | None = None
    created_before: datetime | None = None


def list_fits(session: Session, tenant: str, wanted: FitFilter, *, limit: int, before: str | None) -> list[Fit]:
    """Up to `limit` fits, newest first, older than the id `before`."""
    query = select(Fit).where(Fit.tenant == tenant).order_by(Fit.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Fit.id < before)
    if wanted.status is not None:
        query = query.where(Fit.status == wanted.status)
    if wanted.signal_id is not None:
        query = query.where(Fit.signal_id == wanted.signal_id)
    if wanted.labels:
        query = query.where(Fit.labels.contains(wanted.labels))
    if wanted.created_after is not None:
        query = query.where(Fit.created_at >= wanted.created_after)
    if wanted.created_before is not None:
        query = query.where(Fit.created_at < wanted.created_before)
    return list(session.scalars(query))
