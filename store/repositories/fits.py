"""Every question about fits and every move they make.

A worker's claim carries a fencing number, `attempt`. Whatever the worker writes goes through `_held`, which locks the
row and compares that number: a worker whose lease has passed to another finds nothing to write to and stops. The lock
also orders the events of a fit, so that their sequence numbers have neither gap nor repeat.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Interval, func, select, text, update
from sqlalchemy.orm import Session, aliased

from store.errors import FitNotFound, IdempotencyConflict, IllegalMove, LeaseLost
from store.models import Checkpoint, Fit, FitAttempt, FitEvent, IdempotencyKey, Representation, Signal
from store.spec import FitSpec
from store.status import HELD, LEGAL_MOVES, FitStatus

EVENTS_CHANNEL = "fit_events"  # PostgreSQL notifies listeners here, with the fit's id, when an event is committed

AttemptEnd = Literal["succeeded", "failed", "cancelled", "drained", "lost"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's hold on a fit; `attempt` is its fencing number."""

    fit_id: str
    attempt: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimedFit:
    """What a worker needs to know to start."""

    claim: Claim
    tenant: str
    spec: FitSpec
    signal: Signal


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredObject:
    """An object that is in the bucket, as its row will describe it."""

    key: str
    sha256: str
    byte_count: int


class Fits:
    """The fits table, its attempts, events and results, within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    # Clients: submit, read, cancel.

    def submit(
        self,
        *,
        tenant: str,
        signal_id: str,
        spec: FitSpec,
        priority: int = 0,
        idempotency: tuple[str, str] | None = None,
    ) -> tuple[Fit, bool]:
        """Queue a fit of the tenant's signal, or find the one that an earlier request with the same key queued.

        Args:
            tenant: whose signal and fit.
            signal_id: an existing signal of that tenant, checked by the caller.
            spec: what is asked for.
            priority: higher is claimed earlier.
            idempotency: the client's key and the hash of its request.

        Returns:
            The row, and whether it is new.

        Raises:
            IdempotencyConflict: if the key was used with another request.
        """
        if idempotency is not None:
            # Concurrent requests with one key wait here for each other, so that the first one's row is seen by the
            # rest.
            self._session.execute(
                select(func.pg_advisory_xact_lock(func.hashtextextended(f"{tenant}\n{idempotency[0]}", 0)))
            )
            known = self._session.get(IdempotencyKey, (tenant, idempotency[0]))
            if known is not None:
                if known.request_sha256 != idempotency[1]:
                    raise IdempotencyConflict(
                        f"the Idempotency-Key {idempotency[0]!r} belongs to another request: take a new key"
                    )
                return self.get(tenant, known.fit_id), False
        fit = Fit(
            tenant=tenant,
            signal_id=signal_id,
            spec=spec.model_dump(mode="json"),
            priority=priority,
            published_at=func.now(),  # by the caller, after the commit; if that fails the reaper does it later
        )
        self._session.add(fit)
        self._session.flush()
        if idempotency is not None:
            self._session.add(
                IdempotencyKey(tenant=tenant, key=idempotency[0], request_sha256=idempotency[1], fit_id=fit.id)
            )
        self._record(fit, FitStatus.QUEUED)
        self._session.refresh(fit)
        return fit, True

    def get(self, tenant: str, fit_id: str) -> Fit:
        """The tenant's fit with this id.

        Raises:
            FitNotFound: if there is none; another tenant's fit is as absent as one that never was.
        """
        fit = self._session.scalar(select(Fit).filter_by(tenant=tenant, id=fit_id))
        if fit is None:
            raise FitNotFound(f"no fit {fit_id!r}: POST /fits returns the id of a new one, GET /fits lists yours")
        return fit

    def page(self, tenant: str, *, limit: int, before: str | None, status: FitStatus | None = None) -> list[Fit]:
        """Up to `limit` fits, newest first, older than the id `before`."""
        query = select(Fit).filter_by(tenant=tenant).order_by(Fit.id.desc()).limit(limit)
        if before is not None:
            query = query.where(Fit.id < before)
        if status is not None:
            query = query.where(Fit.status == status)
        return list(self._session.scalars(query))

    def queue_position(self, fit: Fit) -> int | None:
        """How many queued fits are older or more urgent than this one, or None if it is not queued."""
        if fit.status is not FitStatus.QUEUED:
            return None
        ahead = select(func.count()).where(
            Fit.status == FitStatus.QUEUED,
            (Fit.priority > fit.priority) | ((Fit.priority == fit.priority) & (Fit.id < fit.id)),
        )
        return self._session.scalar(ahead)

    def events(self, fit_id: str, *, after: int = 0, limit: int = 1000) -> list[FitEvent]:
        """Events with a sequence number over `after`, in order."""
        query = select(FitEvent).where(FitEvent.fit_id == fit_id, FitEvent.seq > after)
        return list(self._session.scalars(query.order_by(FitEvent.seq).limit(limit)))

    def request_cancel(self, tenant: str, fit_id: str) -> Fit:
        """Cancel a queued fit at once; ask the worker of a running one to stop. Asking again changes nothing.

        Raises:
            FitNotFound: if the tenant has no such fit.
            IllegalMove: if the fit has already succeeded, failed or expired.
        """
        fit = self._session.scalar(select(Fit).filter_by(tenant=tenant, id=fit_id).with_for_update(of=Fit))
        if fit is None:
            raise FitNotFound(f"no fit {fit_id!r}: GET /fits lists yours")
        match fit.status:
            case FitStatus.CANCELLING | FitStatus.CANCELLED:
                pass
            case FitStatus.QUEUED:
                self._move(fit, FitStatus.CANCELLED)
            case _:
                self._move(fit, FitStatus.CANCELLING)
        return fit

    # Workers: claim, report, finish.

    def claim_next(self, worker: str, *, lease_seconds: float) -> ClaimedFit | None:
        """Take the fit that should run next, or None if none is queued.

        Urgent ones first; among equals the tenant with the fewest fits running; among those the oldest, so that a fit
        whose worker was lost does not wait behind all that came after it. The message that woke the worker names a
        fit only as a hint, which is why messages may be lost, repeated or reordered.
        """
        running = aliased(Fit)
        held_by_tenant = (
            select(func.count()).where(running.tenant == Fit.tenant, running.status.in_(HELD)).scalar_subquery()
        )
        fit = self._session.scalar(
            select(Fit)
            .where(Fit.status == FitStatus.QUEUED)
            .order_by(Fit.priority.desc(), held_by_tenant, Fit.id)
            .limit(1)
            .with_for_update(of=Fit, skip_locked=True)
        )
        if fit is None:
            return None
        fit.attempt += 1
        # Counted before the work starts: a fit that kills its worker cannot come back for ever.
        fit.tries += 1
        fit.worker = worker
        fit.started_at = fit.started_at or func.now()
        self._move(fit, FitStatus.RUNNING, {"worker": worker}, lease_seconds=lease_seconds)
        self._session.add(FitAttempt(fit_id=fit.id, attempt=fit.attempt, worker=worker))
        return ClaimedFit(
            claim=Claim(fit.id, fit.attempt),
            tenant=fit.tenant,
            spec=FitSpec.model_validate(fit.spec),
            signal=fit.signal,
        )

    def beat(self, claim: Claim, *, lease_seconds: float) -> FitStatus:
        """Extend the lease.

        Returns:
            The status: `cancelling` tells the worker to stop.

        Raises:
            LeaseLost: if the claim no longer holds the fit.
        """
        fit = self._held(claim)
        fit.lease_until = func.now() + _seconds(lease_seconds)
        return fit.status

    def report_progress(self, claim: Claim, progress: dict[str, Any]) -> FitStatus:
        """Publish how far training is.

        Returns:
            The status, as `beat` does.

        Raises:
            LeaseLost: if the claim no longer holds the fit.
        """
        fit = self._held(claim)
        fit.progress = progress
        self._record(fit, "progress", progress)
        return fit.status

    def add_checkpoint(self, claim: Claim, *, step: int, stored: StoredObject) -> None:
        """Record a checkpoint whose object is already stored.

        Raises:
            LeaseLost: if the claim no longer holds the fit.
        """
        fit = self._held(claim)
        self._session.add(
            Checkpoint(
                fit_id=fit.id,
                attempt=claim.attempt,
                step=step,
                byte_count=stored.byte_count,
                sha256=stored.sha256,
                object_key=stored.key,
            )
        )
        self._record(fit, "checkpoint", {"step": step, "bytes": stored.byte_count})

    def checkpoints(self, fit_id: str) -> list[Checkpoint]:
        """Checkpoints of a fit, the one with most training first."""
        query = select(Checkpoint).filter_by(fit_id=fit_id)
        return list(self._session.scalars(query.order_by(Checkpoint.step.desc(), Checkpoint.attempt.desc())))

    def forget_checkpoints(self, checkpoint_ids: Sequence[str]) -> None:
        """Delete rows of checkpoints; their objects go next."""
        for checkpoint in self._session.scalars(select(Checkpoint).where(Checkpoint.id.in_(checkpoint_ids))):
            self._session.delete(checkpoint)

    def succeed(
        self, claim: Claim, *, stored: StoredObject, psnr_db: float | None, facts: dict[str, Any], outcome: str
    ) -> None:
        """Switch the fit to its stored and verified representation.

        Raises:
            LeaseLost: if the claim no longer holds the fit.
            IllegalMove: if a cancel was acknowledged meanwhile.
        """
        fit = self._held(claim)
        self._session.add(
            Representation(
                fit_id=fit.id,
                attempt=claim.attempt,
                byte_count=stored.byte_count,
                sha256=stored.sha256,
                object_key=stored.key,
                psnr_db=psnr_db,
                facts=facts,
            )
        )
        fit.outcome = outcome
        self._move(fit, FitStatus.SUCCEEDED, {"bytes": stored.byte_count, "psnr_db": psnr_db})
        self._end_attempt(claim, "succeeded")

    def fail(self, claim: Claim, *, code: str, message: str) -> None:
        """Give up for good, with a reason that the client reads.

        Raises:
            LeaseLost: if the claim no longer holds the fit.
        """
        self._fail(self._held(claim), code, message)
        self._end_attempt(claim, "failed")

    def confirm_cancel(self, claim: Claim) -> None:
        """The worker has stopped, as it was asked to.

        Raises:
            LeaseLost: if the claim no longer holds the fit.
        """
        self._move(self._held(claim), FitStatus.CANCELLED)
        self._end_attempt(claim, "cancelled")

    def retry(self, claim: Claim, *, code: str, message: str, max_tries: int) -> None:
        """The attempt failed for a reason that may pass: queue the fit again, or give up after `max_tries`.

        Raises:
            LeaseLost: if the claim no longer holds the fit.
        """
        self._retry_or_fail(self._held(claim), code, message, max_tries)
        self._end_attempt(claim, "failed")

    def release(self, claim: Claim) -> None:
        """Hand the fit back because the worker is leaving; the attempt does not count.

        Raises:
            LeaseLost: if the claim no longer holds the fit.
        """
        fit = self._held(claim)
        fit.tries -= 1
        self._requeue_or_cancel(fit, "worker_drained")
        self._end_attempt(claim, "drained")

    # The reaper: what no worker is left to do.

    def reap_expired_leases(self, *, max_tries: int) -> list[str]:
        """End the attempts whose lease has run out.

        Their fits are queued again, cancelled, or failed after `max_tries` attempts.

        Returns:
            Ids of the fits that are queued again.
        """
        requeued: list[str] = []
        expired = select(Fit).where(Fit.status.in_(HELD), Fit.lease_until < func.now())
        for fit in self._session.scalars(expired.with_for_update(of=Fit, skip_locked=True)).all():
            self._retry_or_fail(
                fit,
                "worker_lost",
                "the worker was lost while fitting this signal, most often for want of memory: "
                "ask for a smaller network or a smaller signal",
                max_tries,
            )
            self._end_attempt(Claim(fit.id, fit.attempt), "lost")
            if fit.status is FitStatus.QUEUED:
                requeued.append(fit.id)
        return requeued

    def take_unpublished(self, *, older_than_seconds: float, limit: int = 100) -> list[str]:
        """Queued fits for which no message was sent in the last seconds: whoever takes them sends each a message.

        They are marked before their messages are sent, and never after: a claim skips a row that somebody else is
        writing to, so a mark that coincides with the claim would waste the message and leave the fit waiting.
        """
        cutoff = func.now() - _seconds(older_than_seconds)
        due = (
            select(Fit.id)
            .where(Fit.status == FitStatus.QUEUED, Fit.published_at.is_(None) | (Fit.published_at < cutoff))
            .order_by(Fit.queued_at)
            .limit(limit)
            .with_for_update(of=Fit, skip_locked=True)
        )
        taken = update(Fit).where(Fit.id.in_(due)).values(published_at=func.now()).returning(Fit.id)
        return list(self._session.scalars(taken.execution_options(synchronize_session=False)))

    def expire_waiting(self, *, older_than_seconds: float) -> int:
        """Give up on fits that nobody claimed in time; returns how many."""
        waiting = select(Fit).where(
            Fit.status == FitStatus.QUEUED, Fit.queued_at < func.now() - _seconds(older_than_seconds)
        )
        fits = self._session.scalars(waiting.with_for_update(of=Fit, skip_locked=True)).all()
        for fit in fits:
            fit.error_code = "queue_timeout"
            fit.error_message = (
                f"no worker was free within {older_than_seconds:g} s: submit it again, or start more workers"
            )
            self._move(fit, FitStatus.EXPIRED)
        return len(fits)

    def finished_checkpoints(self, *, limit: int = 100) -> list[Checkpoint]:
        """Checkpoints of fits that have ended: nobody will resume from them."""
        ended = [status for status in FitStatus if status.is_terminal]
        query = select(Checkpoint).join(Fit, Fit.id == Checkpoint.fit_id).where(Fit.status.in_(ended)).limit(limit)
        return list(self._session.scalars(query))

    # What every move has in common.

    def _held(self, claim: Claim) -> Fit:
        fit = self._session.scalar(
            select(Fit)
            .where(Fit.id == claim.fit_id, Fit.attempt == claim.attempt, Fit.status.in_(HELD))
            .with_for_update(of=Fit)
            .execution_options(populate_existing=True)
        )
        if fit is None:
            raise LeaseLost(f"attempt {claim.attempt} no longer holds {claim.fit_id}: stop and write nothing")
        return fit

    def _move(
        self, fit: Fit, status: FitStatus, data: dict[str, Any] | None = None, *, lease_seconds: float | None = None
    ) -> None:
        if status not in LEGAL_MOVES[fit.status]:
            raise IllegalMove(f"fit {fit.id} is {fit.status}: it cannot become {status}")
        fit.status = status
        if status is FitStatus.RUNNING and lease_seconds is not None:
            fit.lease_until = func.now() + _seconds(lease_seconds)
        elif not status.is_held:
            fit.lease_until = None
        if status.is_terminal:
            fit.finished_at = func.now()
        self._record(fit, status, data)

    def _retry_or_fail(self, fit: Fit, code: str, message: str, max_tries: int) -> None:
        if fit.status is FitStatus.RUNNING and fit.tries >= max_tries:
            self._fail(fit, code, f"{message} (tried {fit.tries} times)")
        else:
            self._requeue_or_cancel(fit, code)

    def _requeue_or_cancel(self, fit: Fit, reason: str) -> None:
        if fit.status is FitStatus.CANCELLING:
            self._move(fit, FitStatus.CANCELLED, {"reason": reason})
            return
        fit.published_at = None
        fit.worker = None
        fit.queued_at = func.now()
        self._move(fit, FitStatus.QUEUED, {"reason": reason})

    def _fail(self, fit: Fit, code: str, message: str) -> None:
        fit.error_code, fit.error_message = code, message
        self._move(fit, FitStatus.FAILED, {"code": code, "message": message})

    def _record(self, fit: Fit, kind: str, data: dict[str, Any] | None = None) -> None:
        fit.event_seq += 1
        fit.updated_at = func.now()
        self._session.add(
            FitEvent(fit_id=fit.id, seq=fit.event_seq, kind=str(kind), attempt=fit.attempt, data=data or {})
        )
        self._session.flush()
        self._session.execute(select(func.pg_notify(EVENTS_CHANNEL, fit.id)))

    def _end_attempt(self, claim: Claim, end: AttemptEnd) -> None:
        self._session.execute(
            update(FitAttempt)
            .where(
                FitAttempt.fit_id == claim.fit_id, FitAttempt.attempt == claim.attempt, FitAttempt.ended_at.is_(None)
            )
            .values(ended_at=func.now(), ended_as=end)
        )


def _seconds(seconds: float) -> ColumnElement[Any]:
    return func.make_interval(text(f"secs => {float(seconds)!r}"), type_=Interval)
