"""What a tenant may have at most, held however many ask at the same time.

Whoever adds something adds it first, then asks here, all in one unit of work: requests of one tenant wait for each
other at an advisory lock from the question to the commit, so each counts what all before it have added. If it is too
much, the error takes the addition back with it. Far from its limit a count needs no lock.
"""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from store.errors import StorageFull, TooManyFits
from store.models import Fit, Representation, Signal
from store.status import WAITING

# More requests of one tenant than are ever between their first statement and their commit: pools are far smaller.
_UNDER_WAY = 200


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
        """See whether the tenant's signals and representations, those just added among them, are within the limit.

        Raises:
            StorageFull: if they are not.
        """
        if limit is None:
            return
        self._take_turn(tenant)
        signals = self._session.scalar(select(func.sum(Signal.byte_count)).filter_by(tenant=tenant)) or 0
        results = self._session.scalar(
            select(func.sum(Representation.byte_count))
            .join(Fit, Fit.id == Representation.fit_id)
            .where(Fit.tenant == tenant)
        )
        if signals + (results or 0) > limit:
            raise StorageFull(
                f"with this, more than the {limit} bytes that are allowed would be stored: delete something"
            )

    def _waiting(self, tenant: str, limit: int) -> int:
        """How many wait, or more than the limit."""
        waiting = select(Fit.id).where(Fit.tenant == tenant, Fit.status.in_(WAITING)).limit(limit + 1).subquery()
        return self._session.scalar(select(func.count()).select_from(waiting)) or 0

    def _take_turn(self, tenant: str) -> None:
        self._session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"quota\n{tenant}", 0))))
