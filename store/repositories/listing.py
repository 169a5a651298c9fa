"""Lists of a tenant's fits, by what a client may ask for.

A tenant may have millions of fits, so each question is put where an index answers it: each status is a list of its own
in the order of ids, and several are merged, so that of a million fits no more are looked at than a page has for each
status. Ids are ordered by the time at which they were drawn, so that a time is a place among them. Labels are looked up
in their own index. What is counted is counted to an end that does not depend on how many there are.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, tuple_, union_all
from sqlalchemy.orm import Session, aliased

from store.models import Fit
from store.status import FitStatus

MOST_COUNTED = 10_000

# An id is drawn a little after `created_at`, the beginning of its transaction; and clocks are set back now and then.
_SLACK = timedelta(hours=1)


class FitOrder(StrEnum):
    """What comes first in a list."""

    NEWEST = "newest"
    OLDEST = "oldest"
    UPDATED = "updated"  # what was changed longest ago: whoever reads on from the last one hears of every change


@dataclass(frozen=True, kw_only=True, slots=True)
class FitFilter:
    """Which fits; None and what is empty leave them all.

    Attributes:
        statuses: statuses of which the fits are in one; empty for any.
        signal_id: signal of which the fits are; None for any.
        labels: labels all of which the fits carry.
        created_after: earliest moment at which a fit was made, itself included.
        created_before: moment before which a fit was made, itself excluded.
        updated_after: earliest moment at which a fit was last changed, itself included.
    """

    statuses: tuple[FitStatus, ...] = ()
    signal_id: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    created_after: datetime | None = None
    created_before: datetime | None = None
    updated_after: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A place in a list: that of one fit.

    Attributes:
        fit_id: id of the fit.
        updated_at: time of the last change of the fit, as it was listed; needed in the order of changes only.
    """

    fit_id: str
    updated_at: datetime | None = None


def list_fits(
    session: Session,
    tenant: str,
    wanted: FitFilter,
    *,
    limit: int,
    after: Place | None = None,
    order: FitOrder = FitOrder.NEWEST,
) -> list[Fit]:
    """Up to `limit` fits in an order, those that come after a place in it."""
    page = _ids(tenant, wanted, limit=limit, after=after, order=order).subquery()
    query = select(Fit).join(page, page.c.id == Fit.id).order_by(*_columns(Fit, order))
    return list(session.scalars(query))


def fit_ids(session: Session, tenant: str, wanted: FitFilter, *, limit: int) -> list[str]:
    """Ids of up to `limit` fits, oldest first."""
    page = _ids(tenant, wanted, limit=limit, after=None, order=FitOrder.OLDEST).subquery()
    return list(session.scalars(select(page.c.id).order_by(page.c.id)))


def count_fits(session: Session, tenant: str, wanted: FitFilter) -> tuple[int, bool]:
    """How many fits there are, and whether that is all: counting ends at 10 000."""
    counted = select(Fit.id).where(*_conditions(tenant, wanted, wanted.statuses)).limit(MOST_COUNTED + 1).subquery()
    found = session.scalar(select(func.count()).select_from(counted)) or 0
    return min(found, MOST_COUNTED), found <= MOST_COUNTED


def _ids(tenant: str, wanted: FitFilter, *, limit: int, after: Place | None, order: FitOrder) -> Select[Any]:
    """Ids of a page, and the time of the last change where the order is by that."""
    if order is FitOrder.UPDATED:
        # One walk along the times of change: which status a fit was in is looked at on the way.
        return _part(Fit, tenant, wanted, wanted.statuses, limit, after, order)
    parts: list[tuple[FitStatus, ...]] = [(status,) for status in dict.fromkeys(wanted.statuses)] or [()]
    if len(parts) == 1:
        return _part(Fit, tenant, wanted, parts[0], limit, after, order)
    merged = union_all(
        *(
            select(one.subquery())
            for one in (_part(aliased(Fit), tenant, wanted, part, limit, after, order) for part in parts)
        )
    ).subquery()
    direction = merged.c.id.desc() if order is FitOrder.NEWEST else merged.c.id
    return select(merged.c.id).order_by(direction).limit(limit)


def _part(
    fit: Any,
    tenant: str,
    wanted: FitFilter,
    statuses: tuple[FitStatus, ...],
    limit: int,
    after: Place | None,
    order: FitOrder,
) -> Select[Any]:
    query = select(fit.id).where(*_conditions(tenant, wanted, statuses, fit))
    if after is not None:
        if order is FitOrder.NEWEST:
            query = query.where(fit.id < after.fit_id)
        elif order is FitOrder.OLDEST:
            query = query.where(fit.id > after.fit_id)
        else:
            query = query.where(tuple_(fit.updated_at, fit.id) > tuple_(after.updated_at, after.fit_id))
    return query.order_by(*_columns(fit, order)).limit(limit)


def _columns(fit: Any, order: FitOrder) -> list[Any]:
    match order:
        case FitOrder.NEWEST:
            return [fit.id.desc()]
        case FitOrder.OLDEST:
            return [fit.id]
        case FitOrder.UPDATED:
            return [fit.updated_at, fit.id]


def _conditions(
    tenant: str, wanted: FitFilter, statuses: tuple[FitStatus, ...], fit: Any = Fit
) -> list[ColumnElement[bool]]:
    found = [fit.tenant == tenant]
    if len(statuses) == 1:
        found.append(fit.status == statuses[0])
    elif statuses:
        found.append(fit.status.in_(statuses))
    if wanted.signal_id is not None:
        found.append(fit.signal_id == wanted.signal_id)
    if wanted.labels:
        found.append(fit.labels.contains(wanted.labels))
    if wanted.created_after is not None:
        found += [fit.created_at >= wanted.created_after, fit.id >= _place_of(wanted.created_after, -_SLACK)]
    if wanted.created_before is not None:
        found += [fit.created_at < wanted.created_before, fit.id < _place_of(wanted.created_before, _SLACK)]
    if wanted.updated_after is not None:
        found.append(fit.updated_at >= wanted.updated_after)
    return found


def _place_of(moment: datetime, slack: timedelta) -> str:
    """What an id drawn at a moment begins with, give or take: UUIDv7 begins with 48 bits of milliseconds."""
    milliseconds = (moment.timestamp() + slack.total_seconds()) * 1000
    return f"fit_{min(max(round(milliseconds), 0), (1 << 48) - 1):012x}"
