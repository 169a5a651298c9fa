"""What is forgotten once nobody asks for it any more: steps of training, attempts, and keys of requests.

Moves of a fit stay as long as the fit, so that its history remains a path of legal ones; a fit has few of them, and of
reports of progress one a second.
"""

from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from store.intervals import as_interval
from store.models import Fit, FitAttempt, FitEvent, IdempotencyKey

_STEPS = ("progress", "checkpoint")


class Retention:
    """Deletes in pieces, each within one unit of work and so within the time-out of a statement."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def ended(self, *, seconds: float, after_id: str, limit: int) -> list[str]:
        """Ids of fits that ended longer ago than this, in order.

        Args:
            seconds: time in seconds since they ended, at least.
            after_id: id behind which to look.
            limit: number of ids at most.
        """
        old = Fit.finished_at < func.now() - as_interval(seconds)
        return list(self._session.scalars(select(Fit.id).where(old, Fit.id > after_id).order_by(Fit.id).limit(limit)))

    def drop_steps(self, fit_ids: Sequence[str]) -> int:
        """Forget the reports of progress and checkpoints of these fits; returns how many events that were."""
        steps = delete(FitEvent).where(FitEvent.fit_id.in_(fit_ids), FitEvent.kind.in_(_STEPS))
        return len(self._session.scalars(steps.returning(FitEvent.seq)).all())

    def drop_attempts(self, fit_ids: Sequence[str]) -> int:
        """Forget which workers held these fits, and how each attempt ended; returns how many there were."""
        attempts = delete(FitAttempt).where(FitAttempt.fit_id.in_(fit_ids))
        return len(self._session.scalars(attempts.returning(FitAttempt.attempt)).all())

    def drop_keys(self, *, seconds: float, limit: int) -> int:
        """Forget idempotency keys that are older than this; returns how many, at most `limit`."""
        old = (
            select(IdempotencyKey.tenant, IdempotencyKey.key)
            .where(IdempotencyKey.created_at < func.now() - as_interval(seconds))
            .limit(limit)
            .subquery()
        )
        gone = delete(IdempotencyKey).where(IdempotencyKey.tenant == old.c.tenant, IdempotencyKey.key == old.c.key)
        return len(self._session.scalars(gone.returning(IdempotencyKey.key)).all())
