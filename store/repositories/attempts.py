"""What a worker does with fits: claim one, report, keep checkpoints, and end the attempt in one of several ways.

Each write names its claim, and finds nothing to write to once another attempt holds the fit; see
`store.repositories.moves`.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Literal

from sqlalchemy import Select, bindparam, func, select, update
from sqlalchemy.orm import Session, lazyload

from store.classes import EVERY_CLASS, WorkerClass
from store.errors import SpecInvalid, SpecNewer
from store.models import Checkpoint, Fit, FitAttempt, Signal
from store.models_webhooks import STARTED_EVENT
from store.repositories.allowances import used_up
from store.repositories.deleted import DeletedObjects
from store.repositories.moves import Along, Claim, Excuse, Moves, ended, is_due, order_of
from store.repositories.outbox import announce_progress, messages_of
from store.repositories.quotas import Quotas
from store.repositories.turns import claim_alone, next_in_turn
from store.spec import FitSpec, read_spec
from store.status import HELD, FitStatus, Order

logger = logging.getLogger(__name__)

LONGEST_RETRY_WAIT_SECONDS = 300.0
_LOOK_AHEAD = 500
_of_newer: set[str] = set()  # ids of fits whose spec this process cannot read


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimedFit:
    """What a worker needs to know to start, and where the fit comes from: `request_id` and `traceparent`, if known."""

    claim: Claim
    tenant: str
    worker_class: WorkerClass
    spec: FitSpec
    signal: Signal
    origin: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredObject:
    """An object that is in the bucket, as its row will describe it."""

    key: str
    sha256: str
    byte_count: int


class Attempts(Moves):
    """The worker's side."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._is_alone = False  # among all that claim

    def claim_next(
        self,
        worker: str,
        *,
        lease_seconds: float,
        classes: Collection[WorkerClass] = EVERY_CLASS,
        max_running_per_tenant: int | None = None,
        max_run_seconds: float | None = None,
        is_wanted: Callable[[Fit, FitSpec], bool] | None = None,
    ) -> ClaimedFit | None:
        """Take the fit that should run next, or None if none is queued for the worker, all wait, or it is not wanted.

        The turn is the tenant's with the fewest fits running, among those the one's that was served longest ago; of its
        fits the most urgent one goes first, among equals the oldest, so that a fit whose worker was lost does not wait
        behind all that came after it. The message that woke the worker names a fit only as a hint, which is why
        messages may be lost, repeated or reordered.

        Args:
            worker: name of the worker that claims, for people who look at the history.
            lease_seconds: seconds until the fit is taken away from a worker that is silent.
            classes: classes of fits that the worker serves.
            max_running_per_tenant: number of fits of one tenant that may be held at a time; None for any number.
            max_run_seconds: longest time that any fit may be held, all attempts together, in seconds; a fit's own spec
                may allow less. One that was paused when its time was used up fails here. None for no limit but its own.
            is_wanted: asked of the fit whose turn it is, with what it asks for. One that is not wanted is left where it
                is, and nothing is claimed in its place: it is its turn. None for any fit.
        """
        if not self._is_alone:
            claim_alone(self._session)
            self._is_alone = True
        while True:
            fit_id = next_in_turn(
                self._session, classes=classes, max_running=max_running_per_tenant, passed_over=sorted(_of_newer)
            )
            if fit_id is None:
                return None
            fit = self._first(_taken(), {"fit_id": fit_id})
            assert fit is not None  # noqa: S101  it is locked
            try:
                spec = read_spec(fit.spec)
            except SpecNewer as error:
                logger.warning("%s is left to a newer worker: %s", fit.id, error)
                self._pass_over(fit_id)
            except SpecInvalid as error:
                claim = self._begin(fit, worker, lease_seconds)
                self.fail(claim, code=error.code, message=str(error))
            else:
                if is_wanted is not None and not is_wanted(fit, spec):
                    return None
                claim = self._begin(fit, worker, lease_seconds)
                allowed = self._used_up(claim, max_run_seconds)
                if allowed is not None:
                    self._fail_overdue(claim, fit, allowed)
                    continue
                return ClaimedFit(
                    claim=claim,
                    tenant=fit.tenant,
                    worker_class=WorkerClass(fit.worker_class),
                    spec=spec,
                    signal=fit.signal,
                    origin=fit.origin or {},
                )

    def _begin(self, fit: Fit, worker: str, lease_seconds: float) -> Claim:
        fit.attempt += 1
        # Counted before the work starts: a fit that kills its worker cannot come back for ever.
        fit.tries += 1
        fit.worker = worker
        fit.started_at = fit.started_at or self._now
        along: Along = {"turn": {"tenant": fit.tenant}, "attempt": {"by": worker}}
        if fit.attempt == 1:
            along = {**along, "messages": messages_of(fit, STARTED_EVENT, FitStatus.RUNNING)}
        self._move(fit, FitStatus.RUNNING, {"worker": worker}, lease_seconds=lease_seconds, along=along)
        return Claim(fit.id, fit.attempt)

    def _used_up(self, claim: Claim, max_run_seconds: float | None) -> float | None:
        """The seconds that a fit was allowed, if it has been worked on for longer."""
        if claim.attempt == 1:
            return None
        seconds: float | None = self._session.scalar(used_up(max_run_seconds), {"fit_id": claim.fit_id})
        return seconds

    def _pass_over(self, fit_id: str) -> None:
        """Never look at a row of a newer version again, nor at those like it that wait next, in this process.

        What it cannot read now it will never be able to: it has the words that it was started with.
        """
        _of_newer.add(fit_id)
        waiting = select(Fit.id, Fit.spec).where(Fit.status == FitStatus.QUEUED, is_due(), Fit.id.not_in(_of_newer))
        for next_id, row in self._session.execute(waiting.order_by(Fit.priority.desc(), Fit.id).limit(_LOOK_AHEAD)):
            with suppress(SpecInvalid):
                try:
                    read_spec(row)
                except SpecNewer:
                    _of_newer.add(next_id)

    def count_held(self, tenant: str) -> int:
        """How many fits of a tenant workers hold."""
        held = select(func.count()).where(Fit.tenant == tenant, Fit.status.in_(HELD))
        return self._session.scalar(held) or 0

    def expect_held(self, claim: Claim) -> None:
        """Lock the fit until the unit of work ends.

        Raises:
            LeaseLost: if the claim no longer holds the fit.
        """
        self._held(claim)

    def beat(self, claim: Claim, *, lease_seconds: float) -> Order:
        """Extend the lease.

        Returns:
            What the worker is to do.

        Raises:
            LeaseLost: if the claim no longer holds the fit.
        """
        fit = self._held(claim)
        fit.lease_until = self._later(lease_seconds)
        return order_of(fit)

    def report_progress(
        self,
        claim: Claim,
        progress: dict[str, Any],
        *,
        kind: Literal["progress", "phase"] = "progress",
        resolved: dict[str, Any] | None = None,
        announce: bool = False,
    ) -> Order:
        """Publish how far a fit is.

        Args:
            claim: the attempt.
            progress: what clients see of it.
            kind: kind of the event: "progress" after a step, "phase" for a phase that begins or lasts.
            resolved: the settings that the attempt has chosen; None to leave them as they were.
            announce: whether webhooks that want to hear of progress are told, too.

        Returns:
            What the worker is to do, as `beat` does.

        Raises:
            LeaseLost: if the claim no longer holds the fit.
        """
        fit = self._held(claim)
        fit.progress = progress
        if resolved is not None:
            fit.resolved = resolved
        self._record(fit, kind, progress)
        if announce:
            announce_progress(self._session, fit)
        return order_of(fit)

    def note_resolved(self, claim: Claim, resolved: dict[str, Any]) -> None:
        """Write down which settings the attempt has chosen, with an end that came before any report.

        Raises:
            LeaseLost: if the claim no longer holds the fit.
        """
        self._held(claim).resolved = resolved

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
        """Checkpoints of a fit, the latest first.

        An attempt goes on from the latest one that is of use. What an earlier attempt left at a later step was not, or
        there would be no later attempt's before it: it is the first to be forgotten, and the last to be tried again.
        """
        query = select(Checkpoint).where(Checkpoint.fit_id == fit_id, Checkpoint.part.is_(None))
        return list(self._session.scalars(query.order_by(Checkpoint.attempt.desc(), Checkpoint.step.desc())))

    def forget_checkpoints(self, checkpoint_ids: Sequence[str]) -> list[str]:
        """Delete rows of checkpoints; returns the keys of their objects, which the caller removes after the commit."""
        wanted = select(Checkpoint, Fit.tenant).join(Fit, Fit.id == Checkpoint.fit_id)
        deleted, keys = DeletedObjects(self._session), []
        # Upkeep and a worker may forget the same one: whoever comes second finds no row, and does not note it again.
        wanted = wanted.where(Checkpoint.id.in_(checkpoint_ids)).order_by(Checkpoint.id)
        for checkpoint, tenant in self._session.execute(wanted.with_for_update(of=Checkpoint)):
            keys += deleted.note(tenant, [(checkpoint.object_key, checkpoint.byte_count)])
            self._session.delete(checkpoint)
        return keys

    def succeed(
        self,
        claim: Claim,
        *,
        stored: StoredObject,
        psnr_db: float | None,
        facts: dict[str, Any],
        outcome: str,
        progress: dict[str, Any] | None = None,
        max_stored_bytes: int | None = None,
    ) -> None:
        """Switch the fit to its stored and verified representation.

        Args:
            claim: the attempt.
            stored: the object of the representation.
            psnr_db: how close the decoded file is; None where it is exact.
            facts: what else is known of the file.
            outcome: how training ended, as a sentence.
            progress: what clients see last of how far the fit is; None to leave it as it was.
            max_stored_bytes: largest number of bytes that the tenant may have with it; None for any number.

        Raises:
            LeaseLost: if the claim no longer holds the fit.
            IllegalMove: if a cancel was acknowledged meanwhile.
            StorageFull: if it is more than the tenant may have.
        """
        fit = self._held(claim)
        fit.outcome = outcome
        if progress is not None:
            fit.progress = progress
        told = {"bytes": stored.byte_count, "psnr_db": psnr_db}
        result = {
            "byte_count": stored.byte_count,
            "sha256": stored.sha256,
            "object_key": stored.key,
            "psnr_db": psnr_db,
            "facts": facts,
        }
        self._move(fit, FitStatus.SUCCEEDED, told, along={**ended("succeeded"), "result": result})
        Quotas(self._session).check_stored_bytes(fit.tenant, max_stored_bytes)

    def fail(self, claim: Claim, *, code: str, message: str) -> None:
        """Give up for good, with a reason that the client reads.

        Raises:
            LeaseLost: if the claim no longer holds the fit.
        """
        self._fail(self._held(claim), code, message, along=ended("failed"))

    def confirm_cancel(self, claim: Claim) -> None:
        """The worker has stopped, as it was asked to.

        Raises:
            LeaseLost: if the claim no longer holds the fit.
        """
        self._move(self._held(claim), FitStatus.CANCELLED, along=ended("cancelled"))

    def retry(self, claim: Claim, *, code: str, message: str, max_failures: int, wait_seconds: float) -> None:
        """The attempt failed for a reason that may pass and is not the fit's: queue it again, or give up.

        Args:
            claim: the attempt.
            code: code of the failure, which the client reads if this was the last attempt.
            message: the failure as a sentence, for the same reader.
            max_failures: number of attempts that may fail like this within an hour. They do not count as lost workers.
            wait_seconds: seconds from the first failure to the next attempt; twice as long after each further one.

        Raises:
            LeaseLost: if the claim no longer holds the fit.
        """
        fit = self._held(claim)
        fit.tries -= 1
        self._end_attempt(claim, "failed")
        failures = self._count_lately(fit, "failed")
        if fit.status is FitStatus.RUNNING and failures >= max_failures:
            self._fail(fit, code, f"{message} (tried {failures} times)")
            return
        wait = min(wait_seconds * 2 ** min(failures - 1, 16), LONGEST_RETRY_WAIT_SECONDS)
        fit.not_before = self._later(wait)
        self._give_back(fit, code)

    def give_up_hung(self, claim: Claim, *, max_hangs: int, stall_seconds: float) -> None:
        """The computation made no step for a long time: queue the fit again, from its last checkpoint, or give up.

        Args:
            claim: the attempt.
            max_hangs: number of attempts that may end like this within an hour. They do not count as lost workers.
            stall_seconds: time in seconds without a step, for the client who reads of it.

        Raises:
            LeaseLost: if the claim no longer holds the fit.
        """
        fit = self._held(claim)
        fit.tries -= 1
        hangs = self._count_lately(fit, "hung") + 1
        if fit.status is FitStatus.RUNNING and hangs >= max_hangs:
            self._fail(
                fit,
                "worker_hung",
                f"training made no step for {stall_seconds:g} s, {hangs} times within an hour: ask for a smaller "
                "network or another trainer, or let whoever runs the service look at its log",
            )
        else:
            self._give_back(fit, "worker_hung")
        self._end_attempt(claim, "hung")

    def excuse(self, claim: Claim, end: Excuse) -> None:
        """The worker of an attempt lives after all, and says why nothing was heard of it: then it is no dead worker.

        Nothing of the fit changes if another attempt has it, or it has ended, but what it has cost.

        Args:
            claim: the attempt, which may be past.
            end: what the worker says of it.
        """
        locked = select(Fit).where(Fit.id == claim.fit_id).with_for_update(of=Fit)
        fit = self._session.scalar(locked.execution_options(populate_existing=True))
        if fit is None or fit.status.is_terminal:
            return
        if fit.attempt == claim.attempt and fit.status in HELD:
            fit.tries -= 1  # nobody has missed it yet
            self._give_back(fit, end)
            self._end_attempt(claim, end)
            return
        counted = update(FitAttempt).where(
            FitAttempt.fit_id == claim.fit_id, FitAttempt.attempt == claim.attempt, FitAttempt.ended_as == "lost"
        )
        if self._session.scalar(counted.values(ended_as=end).returning(FitAttempt.attempt)) is not None:
            fit.tries -= 1

    def release(self, claim: Claim) -> None:
        """Hand the fit back because the worker is leaving or the client wants a pause; the attempt does not count.

        Raises:
            LeaseLost: if the claim no longer holds the fit.
        """
        fit = self._held(claim)
        fit.tries -= 1
        self._give_back(fit, "worker_drained")
        self._end_attempt(claim, "paused" if fit.status is FitStatus.PAUSED else "drained")


@cache
def _taken() -> "Select[Fit, datetime]":
    """The fit that a claim has locked, with its signal; a result it has none."""
    taken = select(Fit, func.now()).options(lazyload(Fit.representation)).where(Fit.id == bindparam("fit_id"))
    return taken.execution_options(populate_existing=True)
