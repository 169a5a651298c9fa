"""What a tenant may have at most, held however many ask at the same time.

Whoever adds something adds it first, then asks here, all in one unit of work: requests of one tenant wait for each
other at an advisory lock from the question to the commit, so each counts what all before it have added. If it is too
much, the error takes the addition back with it. Far from its limit a count needs no lock.

Bytes are those that lie in the bucket: whatever a row names, what a deleted row has left there, and what was promised
to large uploads under way. What a running fit keeps to resume from is counted and never refused.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, func, or_, select
from sqlalchemy.orm import Session

from store.errors import StorageFull, TooManyFits
from store.models import Checkpoint, Fit, FitAttempt, Representation, Signal, Upload
from store.models_deleted import DeletedObject
from store.models_renders import Render
from store.repositories.listing import MOST_COUNTED
from store.status import ENDED, WAITING, FitStatus

# More requests of one tenant than are ever between their first statement and their commit: pools are far smaller.
_UNDER_WAY = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """Bytes of one tenant.

    Attributes:
        signals: uploaded files that can be fitted.
        representations: files that fits ended in.
        checkpoints: states of training.
        leftovers: the part of those whose fits have ended, which upkeep removes within seconds.
        views: drawn views of representations.
        deleted: objects whose rows are gone and which storage has not removed yet.
        reserved: large uploads under way, as announced, or as they lie in storage where that is more.
    """

    signals: int
    representations: int
    checkpoints: int
    leftovers: int
    views: int
    deleted: int
    reserved: int

    @property
    def stored(self) -> int:
        """What lies in the bucket as objects."""
        return self.signals + self.representations + self.checkpoints + self.views + self.deleted

    @property
    def counted(self) -> int:
        """What is held against the limit."""
        return self.stored - self.leftovers + self.reserved


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What workers did for one tenant in a month.

    Attributes:
        since: beginning of the month, in UTC.
        attempts: number of times that a worker had a fit in it, of fits that have not been deleted.
        seconds: time for which workers had fits in it, of fits that have not been deleted.
    """

    since: datetime
    attempts: int
    seconds: float


class Quotas:
    """Counts what a tenant has, within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def check_waiting_fits(self, tenant: str, limit: int | None) -> None:
        """See whether the tenant's queued and paused fits, those just added among them, are within the limit.

        Raises:
            TooManyFits: if they are not.
        """
        if limit is None:
            return
        if self._waiting(tenant, limit) <= limit - _UNDER_WAY:
            return
        self._take_turn(tenant)
        if self._waiting(tenant, limit) > limit:
            raise TooManyFits(f"{limit} fits are queued or paused, the most that are allowed: wait, or cancel some")

    def check_stored_bytes(self, tenant: str, limit: int | None) -> None:
        """See whether all that the tenant has stored, what was just added among it, is within the limit.

        Raises:
            StorageFull: if it is not.
        """
        if limit is None:
            return
        self._take_turn(tenant)
        if self.usage(tenant).counted > limit:
            raise StorageFull(
                f"with this, more than the {limit} bytes that are allowed would be stored: delete signals, fits or "
                "uploads under way"
            )

    def check_room(self, tenant: str, limit: int | None) -> None:
        """See whether anything more may be stored, before work begins whose result will be.

        Raises:
            StorageFull: if it may not.
        """
        if limit is not None and self.usage(tenant).counted >= limit:
            raise StorageFull(
                f"all of the {limit} bytes that are allowed are stored, and the result would be more: delete signals, "
                "fits or uploads under way"
            )

    def usage(self, tenant: str) -> Usage:
        """What the tenant has at this moment."""
        of_fit = (Fit.id == Checkpoint.fit_id, Fit.tenant == tenant)
        sums = {
            "signals": _sum(Signal.byte_count, Signal.tenant == tenant, Signal.deleted_at.is_(None)),
            "representations": _sum(Representation.byte_count, Fit.id == Representation.fit_id, Fit.tenant == tenant),
            "checkpoints": _sum(Checkpoint.byte_count, *of_fit),
            "leftovers": _sum(Checkpoint.byte_count, *of_fit, Fit.status.in_(ENDED)),
            "views": _sum(Render.byte_count, Render.tenant == tenant),
            "deleted": _sum(DeletedObject.byte_count, DeletedObject.tenant == tenant),
            "reserved": _sum(
                func.greatest(Upload.byte_count, Upload.received_bytes),
                Upload.tenant == tenant,
                Upload.signal_id.is_(None),
            ),
        }
        found = self._session.execute(select(*(query.label(name) for name, query in sums.items()))).one()
        return Usage(**{name: int(total) for name, total in found._mapping.items()})

    def fits_by_status(self, tenant: str, *, most: int = MOST_COUNTED) -> dict[FitStatus, int]:
        """How many fits of the tenant are in each status, or one more than the most that are counted.

        Each status is a walk along an index of its own that ends there, so that this takes as long for a tenant with
        a million fits as for one with a few ten thousand.

        Args:
            tenant: owner of the fits.
            most: number of fits of one status at which counting ends.
        """
        counts = [
            select(func.count())
            .select_from(select(Fit.id).where(Fit.tenant == tenant, Fit.status == status).limit(most + 1).subquery())
            .scalar_subquery()
            for status in FitStatus
        ]
        return dict(zip(FitStatus, self._session.execute(select(*counts)).one(), strict=True))

    def waiting_fits(self, tenant: str, limit: int | None) -> int:
        """How many fits wait, queued or paused, as far as the limit and the most that are counted; no further.

        Args:
            tenant: owner of the fits.
            limit: number of fits that may wait; None for any number.
        """
        return self._waiting(tenant, max(limit or 0, MOST_COUNTED))

    def work_of_month(self, tenant: str) -> Work:
        """What workers did for the tenant since the first of this month, UTC."""
        since = func.timezone("UTC", func.date_trunc("month", func.timezone("UTC", func.now())))
        end, start = func.coalesce(FitAttempt.ended_at, func.now()), func.greatest(FitAttempt.started_at, since)
        query = (
            select(since, func.count(), func.coalesce(func.sum(func.extract("epoch", end - start)), 0))
            .select_from(FitAttempt)
            .join(Fit, Fit.id == FitAttempt.fit_id)
            .where(Fit.tenant == tenant, or_(FitAttempt.ended_at.is_(None), FitAttempt.ended_at >= since))
        )
        month, attempts, seconds = self._session.execute(query).one()
        return Work(since=month, attempts=attempts, seconds=float(seconds))

    def _waiting(self, tenant: str, limit: int) -> int:
        """How many wait, or more than the limit."""
        waiting = select(Fit.id).where(Fit.tenant == tenant, Fit.status.in_(WAITING)).limit(limit + 1).subquery()
        return self._session.scalar(select(func.count()).select_from(waiting)) or 0

    def _take_turn(self, tenant: str) -> None:
        self._session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"quota\n{tenant}", 0))))


def _sum(column: Any, *conditions: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.coalesce(func.sum(column), 0)).where(*conditions).scalar_subquery()
