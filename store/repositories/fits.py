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
from store.status import HELD, LEGAL_MOVES, FitStatus, Order

EVENTS_CHANNEL = "fit_events"  # PostgreSQL notifies listeners here, with the fit's id, when an event is committed

AttemptEnd = Literal["succeeded", "failed", "cancelled", "paused", "drained", "lost"]

LONGEST_RETRY_WAIT_SECONDS = 300.0


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

    # Clients: submit, read, cancel, pause, resume, retry.

    def submit(
        self,
        *,
        tenant: str,
        signal_id: str,
        spec: FitSpec,
        priority: int = 0,
        labels: dict[str, str] | None = None,
        idempotency: tuple[str, str] | None = None,
    ) -> tuple[Fit, bool]:
        """Queue a fit of the tenant's signal, or find the one that an earlier request with the same key queued.

        Args:
            tenant: whose signal and fit.
            signal_id: an existing signal of that tenant, checked by the caller.
            spec: what is asked for.
            priority: higher is claimed earlier.
            labels: the client's own words about it.
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
            labels=labels or {},
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
        fit = self._locked(tenant, fit_id)
        match fit.status:
            case FitStatus.CANCELLING | FitStatus.CANCELLED:
                pass
            case FitStatus.QUEUED | FitStatus.PAUSED:
                self._move(fit, FitStatus.CANCELLED)
            case _:
                self._move(fit, FitStatus.CANCELLING)
        return fit

    def request_pause(self, tenant: str, fit_id: str) -> Fit:
        """Take a queued fit out of the queue; ask the worker of a running one to save it and hand it back.

        Asking again changes nothing.

        Raises:
            FitNotFound: if the tenant has no such fit.
            IllegalMove: if the fit has ended or is being cancelled.
        """
        fit = self._locked(tenant, fit_id)
        match fit.status:
            case FitStatus.PAUSED:
                pass
            case FitStatus.RUNNING:
                self._wish_pause(fit, True)
            case _:
                self._move(fit, FitStatus.PAUSED)
        return fit

    def request_resume(self, tenant: str, fit_id: str) -> tuple[Fit, bool]:
        """Let a paused fit go on from its last checkpoint. Asking again changes nothing.

        Returns:
            The row, and whether the caller has to announce it after the commit.

        Raises:
            FitNotFound: if the tenant has no such fit.
            IllegalMove: if the fit has ended or is being cancelled.
        """
        fit = self._locked(tenant, fit_id)
        match fit.status:
            case FitStatus.QUEUED:
                return fit, False
            case FitStatus.RUNNING:
                self._wish_pause(fit, False)
                return fit, False
            case _:
                self._move(fit, FitStatus.QUEUED, {"reason": "resumed"})
                fit.queued_at = fit.published_at = func.now()
                fit.not_before = None
                self._session.flush()
                return fit, True

    def submit_again(self, tenant: str, fit_id: str) -> tuple[Fit, bool]:
        """Queue a new fit like one that came to nothing; that one stays as it is. Asking again finds the same new fit.

        Returns:
            The new row, and whether it is new with this call.

        Raises:
            FitNotFound: if the tenant has no such fit.
            IllegalMove: unless the fit failed, expired or was cancelled.
        """
        old = self.get(tenant, fit_id)
        if old.status not in {FitStatus.FAILED, FitStatus.EXPIRED, FitStatus.CANCELLED}:
            raise IllegalMove(
                f"fit {fit_id} is {old.status}: only one that failed, expired or was cancelled is retried"
            )
        return self.submit(
            tenant=tenant,
            signal_id=old.signal_id,
            spec=FitSpec.model_validate(old.spec),
            priority=old.priority,
            labels=old.labels,
            # No client can choose this key: theirs have no spaces.
            idempotency=(f"retry of {fit_id}", "retry"),
        )

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
            .where(Fit.status == FitStatus.QUEUED, _is_due())
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

    def beat(self, claim: Claim, *, lease_seconds: float) -> Order:
        """Extend the lease.

        Returns:
            What the worker is to do.

        Raises:
            LeaseLost: if the claim no longer holds the fit.
        """
        fit = self._held(claim)
        fit.lease_until = func.now() + _seconds(lease_seconds)
        return _order(fit)

    def report_progress(self, claim: Claim, progress: dict[str, Any]) -> Order:
        """Publish how far training is.

        Returns:
            What the worker is to do, as `beat` does.

        Raises:
            LeaseLost: if the claim no longer holds the fit.
        """
        fit = self._held(claim)
        fit.progress = progress
        self._record(fit, "progress", progress)
        return _order(fit)

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

    def retry(self, claim: Claim, *, code: str, message: str, max_failures: int, wait_seconds: float) -> None:
        """The attempt failed for a reason that may pass and is not the fit's: queue it again, or give up.

        Args:
            claim: the attempt.
            code: what the client reads if this was the last time.
            message: the same as a sentence.
            max_failures: how many attempts may fail like this. They do not count as lost workers.
            wait_seconds: until the next attempt, after the first failure; twice as long after each further one.

        Raises:
            LeaseLost: if the claim no longer holds the fit.
        """
        fit = self._held(claim)
        fit.tries -= 1
        self._end_attempt(claim, "failed")
        failures = self._session.scalar(
            select(func.count()).where(FitAttempt.fit_id == fit.id, FitAttempt.ended_as == "failed")
        )
        if fit.status is FitStatus.RUNNING and failures is not None and failures >= max_failures:
            self._fail(fit, code, f"{message} (tried {failures} times)")
            return
        wait = min(wait_seconds * 2 ** min((failures or 1) - 1, 16), LONGEST_RETRY_WAIT_SECONDS)
        fit.not_before = func.now() + _seconds(wait)
        self._give_back(fit, code)

    def release(self, claim: Claim) -> None:
        """Hand the fit back because the worker is leaving or the client wants a pause; the attempt does not count.

        Raises:
            LeaseLost: if the claim no longer holds the fit.
        """
        fit = self._held(claim)
        fit.tries -= 1
        self._give_back(fit, "worker_drained")
        self._end_attempt(claim, "paused" if fit.status is FitStatus.PAUSED else "drained")

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
            if fit.status is FitStatus.RUNNING and fit.tries >= max_tries:
                self._fail(
                    fit,
                    "worker_lost",
                    "the worker was lost while fitting this signal, most often for want of memory: ask for a smaller "
                    f"network or a smaller signal (tried {fit.tries} times)",
                )
            else:
                self._give_back(fit, "worker_lost")
            self._end_attempt(Claim(fit.id, fit.attempt), "lost")
            if fit.status is FitStatus.QUEUED:
                requeued.append(fit.id)
        return requeued

    def fail_overdue(self, *, max_run_seconds: float) -> list[str]:
        """Give up on fits that were worked on for too long, all attempts together; their workers find out.

        Returns:
            Their ids.
        """
        spent = (
            select(func.sum(func.coalesce(FitAttempt.ended_at, func.now()) - FitAttempt.started_at))
            .where(FitAttempt.fit_id == Fit.id)
            .scalar_subquery()
        )
        overdue = select(Fit).where(Fit.status == FitStatus.RUNNING, spent > _seconds(max_run_seconds))
        fits = self._session.scalars(overdue.with_for_update(of=Fit, skip_locked=True)).all()
        for fit in fits:
            message = (
                f"it was worked on for {max_run_seconds:g} s without an end: ask for fewer steps or a smaller network"
            )
            self._fail(fit, "deadline_exceeded", message)
            self._end_attempt(Claim(fit.id, fit.attempt), "failed")
        return [fit.id for fit in fits]

    def end_stuck_cancels(self, *, older_than_seconds: float) -> list[str]:
        """Cancel for good what a worker should have stopped long ago; whatever it writes from now on finds no row.

        Returns:
            Ids of those fits.
        """
        stuck = select(Fit).where(
            Fit.status == FitStatus.CANCELLING, Fit.updated_at < func.now() - _seconds(older_than_seconds)
        )
        fits = self._session.scalars(stuck.with_for_update(of=Fit, skip_locked=True)).all()
        for fit in fits:
            self._move(fit, FitStatus.CANCELLED, {"reason": "worker_did_not_answer"})
            self._end_attempt(Claim(fit.id, fit.attempt), "lost")
        return [fit.id for fit in fits]

    def count_claimable(self) -> int:
        """How many fits a worker could claim now."""
        return self._session.scalar(select(func.count()).where(Fit.status == FitStatus.QUEUED, _is_due())) or 0

    def take_unpublished(self, *, older_than_seconds: float, limit: int = 100) -> list[str]:
        """Queued fits for which no message was sent in the last seconds: whoever takes them sends each a message.

        They are marked before their messages are sent, and never after: a claim skips a row that somebody else is
        writing to, so a mark that coincides with the claim would waste the message and leave the fit waiting.
        """
        cutoff = func.now() - _seconds(older_than_seconds)
        due = (
            select(Fit.id)
            .where(Fit.status == FitStatus.QUEUED, _is_due(), Fit.published_at.is_(None) | (Fit.published_at < cutoff))
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

    def knows_object(self, key: str) -> bool:
        """Whether a representation or a checkpoint lies under this key."""
        return any(
            self._session.scalar(select(table.id).where(table.object_key == key)) is not None
            for table in (Representation, Checkpoint)
        )

    # What every move has in common.

    def _locked(self, tenant: str, fit_id: str) -> Fit:
        fit = self._session.scalar(
            select(Fit)
            .filter_by(tenant=tenant, id=fit_id)
            .with_for_update(of=Fit)
            .execution_options(populate_existing=True)
        )
        if fit is None:
            raise FitNotFound(f"no fit {fit_id!r}: GET /fits lists yours")
        return fit

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
            fit.pause_requested = False
        if status.is_terminal:
            fit.finished_at = func.now()
        self._record(fit, status, data)

    def _wish_pause(self, fit: Fit, wish: bool) -> None:
        if fit.pause_requested is not wish:
            fit.pause_requested = wish
            self._record(fit, "pause_requested" if wish else "pause_withdrawn")

    def _give_back(self, fit: Fit, reason: str) -> None:
        """The attempt is over, the fit is not, unless the client wishes otherwise."""
        if fit.status is FitStatus.CANCELLING:
            self._move(fit, FitStatus.CANCELLED, {"reason": reason})
            return
        fit.worker = None
        if fit.pause_requested:
            self._move(fit, FitStatus.PAUSED)
            return
        fit.published_at = None
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


def _order(fit: Fit) -> Order:
    if fit.status is FitStatus.CANCELLING:
        return Order.CANCEL
    return Order.PAUSE if fit.pause_requested else Order.CONTINUE


def _is_due() -> ColumnElement[bool]:
    return Fit.not_before.is_(None) | (Fit.not_before <= func.now())


def _seconds(seconds: float) -> ColumnElement[Any]:
    return func.make_interval(text(f"secs => {float(seconds)!r}"), type_=Interval)
