"""What upkeep does with fits: end what no worker is left to end, and find what nobody needs or nobody announced.

Rows that somebody else is writing to are passed over and seen to in the next round, so that any number of processes may
run.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Integer, Select, bindparam, func, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.dml import ReturningUpdate

from store.classes import EVERY_CLASS, WorkerClass
from store.intervals import as_interval
from store.models import Checkpoint, Fit, Representation
from store.repositories.allowances import allowed_seconds, time_spent
from store.repositories.moves import Claim, Moves, is_due
from store.status import ENDED, HELD, FitStatus

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """Fits that a worker could claim now.

    Attributes:
        fits: number of fits, those of classes that only a newer release knows included.
        by_class: number of fits of each class of workers, 0 where there is none.
        oldest_seconds: time in seconds since the first of them was queued; None if there is none.
    """

    fits: int
    by_class: dict[WorkerClass, int]
    oldest_seconds: float | None


class Repairs(Moves):
    """Upkeep's side. Each row is seen to in a savepoint of its own, so that none holds up the others."""

    @contextmanager
    def _alone(self, fit: Fit) -> Iterator[None]:
        """What goes wrong with one row is undone for this row, logged, and tried again in the next round."""
        fit_id = fit.id
        try:
            with self._session.begin_nested():
                yield
        except Exception as error:
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise
            logger.exception("%s is passed over in this round of upkeep", fit_id)

    def reap_expired_leases(self, *, max_tries: int) -> list[str]:
        """End the attempts whose lease has run out.

        Their fits are queued again, cancelled, or failed after `max_tries` attempts within an hour whose workers died:
        one that was only cut off, or overtaken, says so when it can (`Attempts.excuse`), and no longer counts.

        Returns:
            Ids of the fits that are queued again.
        """
        requeued: list[str] = []
        for fit in self._session.scalars(_lease_is_over()).all():
            with self._alone(fit):
                deaths = self._count_lately(fit, "lost") + 1 if fit.tries >= max_tries else 0
                if fit.status is FitStatus.RUNNING and deaths >= max_tries:
                    self._fail(
                        fit,
                        "worker_lost",
                        f"{deaths} workers died within an hour while fitting this signal, most often for want of "
                        "memory: ask for a smaller network or a smaller signal",
                    )
                else:
                    self._give_back(fit, "worker_lost")
                self._end_attempt(Claim(fit.id, fit.attempt), "lost")
                if fit.status is FitStatus.QUEUED:
                    requeued.append(fit.id)
        return requeued

    def fail_overdue(self, *, max_run_seconds: float) -> list[str]:
        """Give up on fits that were worked on for too long, all attempts together; their workers find out.

        Args:
            max_run_seconds: longest time that any fit may be held, in seconds; a fit's own spec may allow less.

        Returns:
            Their ids.
        """
        fits: list[Fit] = []
        for fit, seconds in self._session.execute(_overdue(max_run_seconds)).all():
            with self._alone(fit):
                self._fail_overdue(Claim(fit.id, fit.attempt), fit, seconds)
                fits.append(fit)
        return [fit.id for fit in fits]

    def end_stuck_cancels(self, *, older_than_seconds: float) -> list[str]:
        """Cancel for good what a worker should have stopped long ago; whatever it writes from now on finds no row.

        Returns:
            Ids of those fits.
        """
        fits = self._session.scalars(_stuck(older_than_seconds)).all()
        for fit in fits:
            with self._alone(fit):
                self._move(fit, FitStatus.CANCELLED, {"reason": "worker_did_not_answer"})
                self._end_attempt(Claim(fit.id, fit.attempt), "lost")
        return [fit.id for fit in fits]

    def count_claimable(self) -> dict[WorkerClass, int]:
        """How many fits a worker of each class could claim now; no class of which there is none."""
        return {WorkerClass(each): count for each, count in self._session.execute(_CLAIMABLE)}

    def claimable_classes(self, tenant: str) -> list[WorkerClass]:
        """Classes of workers that could claim a fit of a tenant now, if the tenant had a place left."""
        return [WorkerClass(each) for each, _ in self._session.execute(_CLAIMABLE_OF_TENANT, {"tenant": tenant})]

    def waiting(self) -> Waiting:
        """Fits that a worker could claim now, and for how long they have waited."""
        found = self._session.execute(_WAITING).all()
        counts = {each: count for each, count, _ in found}
        return Waiting(
            fits=sum(counts.values()),
            by_class={each: counts.get(each, 0) for each in EVERY_CLASS},
            oldest_seconds=max((round(float(seconds), 1) for _, _, seconds in found), default=None),
        )

    def take_unpublished(
        self, *, older_than_seconds: float, worker_class: WorkerClass = WorkerClass.ANY, limit: int = 100
    ) -> list[str]:
        """Queued fits of a class without a message in the last seconds: whoever takes them sends each a message.

        They are marked before their messages are sent, and never after: a claim skips a row that somebody else is
        writing to, so a mark that coincides with the claim would waste the message and leave the fit waiting.
        """
        return list(self._session.scalars(_unpublished(older_than_seconds), {"class": worker_class, "most": limit}))

    def expire_waiting(self, *, older_than_seconds: float) -> int:
        """Give up on fits that nobody claimed in time, or in the shorter one of their spec; returns how many."""
        fits = self._session.execute(_waiting_too_long(older_than_seconds)).all()
        for fit, seconds in fits:
            with self._alone(fit):
                fit.error_code = "queue_timeout"
                fit.error_message = f"no worker was free within {seconds:g} s: submit it again, or start more workers"
                self._move(fit, FitStatus.EXPIRED)
        return len(fits)

    def finished_checkpoints(self, *, limit: int = 100) -> list[Checkpoint]:
        """Checkpoints of fits that have ended: nobody will resume from them."""
        return list(self._session.scalars(_finished_checkpoints(limit)))

    def knows_object(self, key: str) -> bool:
        """Whether a representation or a checkpoint lies under this key."""
        return any(
            self._session.scalar(select(table.id).where(table.object_key == key)) is not None
            for table in (Representation, Checkpoint)
        )


# Statements of every round, built once.
_IS_CLAIMABLE = (Fit.status == FitStatus.QUEUED, is_due())
_CLAIMABLE = (
    select(Fit.worker_class, func.count())
    .where(*_IS_CLAIMABLE, Fit.worker_class.in_(EVERY_CLASS))
    .group_by(Fit.worker_class)
)
_CLAIMABLE_OF_TENANT = _CLAIMABLE.where(Fit.tenant == bindparam("tenant"))
_WAITING = (
    select(Fit.worker_class, func.count(), func.extract("epoch", func.now() - func.min(Fit.queued_at)))
    .where(*_IS_CLAIMABLE)
    .group_by(Fit.worker_class)
)


@cache
def _lease_is_over() -> Select[Fit]:
    expired = select(Fit).where(Fit.status.in_(sorted(HELD)), Fit.lease_until < func.now())
    return expired.with_for_update(of=Fit, skip_locked=True)


@cache
def _overdue(max_run_seconds: float) -> Select[Fit, float]:
    """Fits that run and were worked on for too long, with the seconds that they were allowed."""
    allowed = allowed_seconds("max_run_seconds", max_run_seconds)
    overdue = select(Fit, allowed).where(Fit.status == FitStatus.RUNNING, time_spent() > as_interval(allowed))
    return overdue.with_for_update(of=Fit, skip_locked=True)


@cache
def _stuck(older_than_seconds: float) -> Select[Fit]:
    # Not by the last change, which progress is, and labels are, whoever sets them again and again.
    since = func.coalesce(Fit.cancel_requested_at, Fit.updated_at)
    stuck = select(Fit).where(Fit.status == FitStatus.CANCELLING, since < func.now() - as_interval(older_than_seconds))
    return stuck.with_for_update(of=Fit, skip_locked=True)


@cache
def _unpublished(older_than_seconds: float) -> ReturningUpdate[str]:
    cutoff = func.now() - as_interval(older_than_seconds)
    due = (
        select(Fit.id)
        .where(
            *_IS_CLAIMABLE,
            Fit.worker_class == bindparam("class"),
            Fit.published_at.is_(None) | (Fit.published_at < cutoff),
        )
        .order_by(Fit.queued_at)
        .limit(bindparam("most", type_=Integer))
        .with_for_update(of=Fit, skip_locked=True)
    )
    taken = update(Fit).where(Fit.id.in_(due)).values(published_at=func.now()).returning(Fit.id)
    return taken.execution_options(synchronize_session=False)


@cache
def _waiting_too_long(older_than_seconds: float) -> Select[Fit, float]:
    """Queued fits that nobody claimed in time, with the seconds that they were allowed."""
    allowed = allowed_seconds("max_queue_seconds", older_than_seconds)
    waiting = select(Fit, allowed).where(
        Fit.status == FitStatus.QUEUED, Fit.queued_at < func.now() - as_interval(allowed)
    )
    return waiting.with_for_update(of=Fit, skip_locked=True)


@cache
def _finished_checkpoints(limit: int) -> Select[Checkpoint]:
    return select(Checkpoint).join(Fit, Fit.id == Checkpoint.fit_id).where(Fit.status.in_(ENDED)).limit(limit)
