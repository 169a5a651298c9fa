"""One attempt at a fit, stage by stage: its signal is read, it is fitted, its file is checked and stored.

Whatever happens ends in one of five ways: succeeded, failed with a reason, cancelled, handed back to the queue, or,
when the lease is gone, nothing at all, because somebody else has the fit by then. The signal is a file of a stranger
and is read in the cage, a process that can open nothing else.

Between two stages a worker may do something for another attempt (`worker.together`). What an attempt is told, what it
may spend and what it writes to the log are its own: nothing that waits can hang, and only its own work takes its time.
"""

import logging
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from contextvars import copy_context

from sqlalchemy.exc import SQLAlchemyError

from store.blobs import sha256_hex
from store.database import is_passing
from store.errors import BlobDamaged, BlobMissing, BlobsUnavailable, LeaseLost
from store.keys import representation_key
from store.logs import about
from store.repositories.fits import ClaimedFit, Excuse, Fits, StoredObject
from store.status import Order
from store.tracing import span
from tuner.codec.decode import decode
from tuner.codec.encode import MEDIA_TYPE
from tuner.errors import OutOfMemory, StateMismatch, TunerError
from tuner.fit.sines.memory import DeviceFault, device_fault
from tuner.signal.large import LargeSignal
from tuner.signal.signal import Signal
from tuner.targets.ask import Ask, TilesAsk
from tuner.targets.result import TargetResult
from tuner.targets.search import fit_to_target
from worker.checkpoints import load_checkpoints
from worker.crew import Colleagues
from worker.deadline import Deadline
from worker.device import device_of
from worker.ends import (
    End,
    broken_device,
    cancelled,
    excuse,
    failed,
    handed_back,
    not_recorded,
    out_of_memory,
    out_of_time,
    persist,
    without_engines,
    write_once,
)
from worker.facts import file_facts, file_quality_db, slope_quality_db
from worker.lease import Lease, end_process
from worker.progress import Interrupted, Reporter, finite
from worker.reading import SignalTooCostly, held, read_caged
from worker.resolved import resolved_settings
from worker.resources import Resources
from worker.translate import ask_from_spec

logger = logging.getLogger(__name__)

SIGNAL_DAMAGED = (
    "the stored bytes of the signal are missing or damaged: upload the same file again, which restores them, then POST "
    "/fits/{id}/retry"
)


class Attempt:
    """An attempt, from its claim to its last move.

    Args:
        resources: what the worker works on.
        claimed: fit that this worker holds.
        since: moment by the monotonic clock before which the lease did not begin.

    Attributes:
        others: attempts that this process holds besides; they are handed back if this one ends the process.
        end: the last move, once it is known.
        is_lost: whether somebody else has the fit by now, so that there is nothing to write.
        lost_engines: whether it ended because storage or database was away.
    """

    def __init__(self, resources: Resources, claimed: ClaimedFit, *, since: float) -> None:
        self.claimed, self.claim = claimed, claimed.claim
        self.others: Sequence[Attempt] = ()
        self.end: End | None = None
        self.is_lost = self.lost_engines = False
        self._resources = resources
        self._lease = Lease(resources, self.claim, since=since, on_stall=self._leave)
        self._reporter: Reporter | None = None
        self._stages = self._run()
        # Its place in a trace and the ids in its lines of the log, whatever the thread does in between.
        self._context = copy_context()
        self._around = ExitStack()
        self._is_held = False
        self._excuse: Excuse = self._lease.excuse
        self._deadline = Deadline(resources.settings.fit_seconds, self._take_too_long)
        self._rests_since = since

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to do but to write the last move."""
        return self.is_lost or self.end is not None

    def hold(self) -> None:
        """Beat from now on."""
        self._context.run(self._name)
        self._lease.rest()
        self._around.enter_context(self._lease)
        self._around.enter_context(self._deadline)
        self._is_held = True

    def let_go(self) -> None:
        """Beat no longer, and keep nothing of its signal. Asking again changes nothing."""
        self._is_held = False
        self._context.run(self._stages.close)
        self._context.run(self._around.close)

    def go_on(self) -> None:
        """Do the next stage, if there is one."""
        if not self.is_over:
            self._context.run(self._go_on)
        if self.is_lost:
            self.let_go()  # whoever has it now is not to hear of this one again

    def hand_back(self) -> None:
        """Others shall go on with it, unless it is over."""
        if not self.is_over:
            self.end = handed_back(self.claim)

    def write_end(self, fits: Fits) -> None:
        """Write the last move in a unit of work that may be that of several.

        Raises:
            LeaseLost, IllegalMove, StorageFull, sqlalchemy.exc.SQLAlchemyError: if it cannot be written.
        """
        self._lease.note_step()
        if self.end is not None:
            self._context.run(self.end, fits)

    def persist(self) -> None:
        """Write the last move, if there is one, as soon as the database listens."""
        self._context.run(self._persist)

    def excuse(self) -> None:
        """Where the lease was lost, say why, if it was not the fit's fault."""
        if self.is_lost:
            self._context.run(excuse, self._resources, self.claim, self._excuse)

    def give_up(self, failure: End) -> None:
        """Write the last move of a fit and end the process, which cannot be told to let go of it.

        The fit took more memory or time than it may, or the GPU is of no use to this process any more.

        The failure is written first: a process that merely died would be given the fit again.
        """
        logger.error("%s is given up, and its process ends", self.claim.fit_id)
        write_once(self._resources, self.claim, failure)
        self._leave()

    def take_too_much(self) -> None:
        """It took more memory than it may."""
        self.give_up(out_of_memory(self.claim, self._resources.settings))

    def _take_too_long(self) -> None:
        self.give_up(out_of_time(self.claim, self._resources.settings))

    def leave_others(self) -> None:
        """Write what has come of the others, or hand them back, as long as the database listens."""
        for other in self.others:
            if other._is_held and not other.is_lost:
                back = handed_back(other.claim)
                ends = (back,) if other.end is None else (other.end, back)
                if not write_once(self._resources, other.claim, *ends):
                    return

    def _leave(self) -> None:
        """End the process."""
        self.leave_others()
        end_process()

    def _name(self) -> None:
        claim, origin = self.claim, self.claimed.origin
        enter = self._around.enter_context
        enter(span("fit", parent=origin.get("traceparent"), fit_id=claim.fit_id, attempt=claim.attempt))
        enter(about(fit_id=claim.fit_id, request_id=origin.get("request_id")))

    def _go_on(self) -> None:
        if self._reporter is not None:
            self._reporter.rested(time.monotonic() - self._rests_since)
        self._lease.note_step()
        try:
            if self._lease.is_lost():
                raise LeaseLost(f"the lease on {self.claim.fit_id} was lost between two stages")
            with self._deadline.working():
                next(self._stages)
        except StopIteration as stop:
            self.end = stop.value
        except LeaseLost as error:
            self._lose(error)
        self._lease.rest()
        self._rests_since = time.monotonic()

    def _persist(self) -> None:
        self._lease.note_step()
        if self.end is not None:
            try:
                persist(self._resources, self.claim, self._lease, self.end)
            except LeaseLost as error:
                self._lose(error)

    def _lose(self, error: LeaseLost) -> None:
        logger.warning("attempt %s of %s no longer counts: %s", self.claim.attempt, self.claim.fit_id, error)
        self.is_lost, self._excuse = True, self._lease.excuse

    def _run(self) -> Generator[None, None, End]:
        logger.info("attempt %s of %s begins", self.claim.attempt, self.claim.fit_id)
        self._reporter = reporter = Reporter(self._resources, self.claim, self._lease)
        end = yield from self._work(reporter)
        resolved = reporter.untold
        if resolved is None:
            return end

        def told(fits: Fits) -> None:
            fits.note_resolved(self.claim, resolved)
            end(fits)

        return told

    def _work(self, reporter: Reporter) -> Generator[None, None, End]:
        """The stages, and what comes of them; what yields may go on much later."""
        resources, claimed, claim = self._resources, self.claimed, self.claim
        try:
            reporter.read()
            reporter.heed()
            content = resources.blobs.read(
                claimed.signal.object_key, sha256=claimed.signal.sha256, max_bytes=claimed.signal.byte_count
            )
            signal = read_caged(
                content,
                resources.settings,
                reporter.heed,
                tenant=claimed.tenant,
                decoded_sha256=claimed.signal.decoded_sha256,
            )
            del content  # an upload may have a gigabyte, which is not needed while it is fitted
            ask = ask_from_spec(claimed.spec, signal)
            if not isinstance(ask, TilesAsk):
                signal = held(signal)
            yield
            reporter.heed()
            result = _train(resources, claimed, signal, ask, reporter)
            if reporter.handed_over:
                return handed_back(claim)
            yield
            if self._lease.order is Order.CANCEL or result.content is None:
                return cancelled(claim)
            reporter.store(result)
            return _store(resources, claimed, signal, result, result.content, reporter)
        except Interrupted:
            return cancelled(claim) if self._lease.order is Order.CANCEL else handed_back(claim)
        except (BlobMissing, BlobDamaged) as error:
            logger.warning("the signal of %s is of no use: %s", claim.fit_id, error)
            return failed(claim, error.code, SIGNAL_DAMAGED)
        except OutOfMemory:
            return out_of_memory(claim, resources.settings)
        except (TunerError, SignalTooCostly) as error:
            return failed(claim, error.code, str(error))
        except SQLAlchemyError as error:
            if not is_passing(error):
                return not_recorded(claim, error)
            self.lost_engines = True
            return without_engines(resources, claim, error)
        except BlobsUnavailable as error:
            self.lost_engines = True
            return without_engines(resources, claim, error)
        except LeaseLost:
            raise
        except Exception as error:
            fault = device_fault(error)
            if fault is DeviceFault.BROKEN:
                # The driver refuses every later call of this process: it would fail a hundred fits in a row.
                logger.exception(
                    "attempt %s of %s broke the GPU's context: this process ends", claim.attempt, claim.fit_id
                )
                self.give_up(broken_device(claim, resources.settings))
            if fault is DeviceFault.OUT_OF_MEMORY:
                # Reading or compressing; a fit that runs out of memory goes on in smaller parts before it gives up.
                return out_of_memory(claim, resources.settings)
            logger.exception("attempt %s of %s failed", claim.attempt, claim.fit_id)
            return failed(
                claim, "internal", "the worker failed in a way that it does not know: the log has the details"
            )


def _train(
    resources: Resources, claimed: ClaimedFit, signal: Signal | LargeSignal, ask: Ask, reporter: Reporter
) -> TargetResult:
    reporter.decide(resolved_settings(ask))
    device = device_of(resources.settings.device)
    crew = Colleagues(resources, claimed.claim, claimed.worker_class) if isinstance(ask, TilesAsk) else None
    states = load_checkpoints(resources, claimed.claim.fit_id) if claimed.claim.attempt > 1 else iter(())
    for state in states:
        try:
            return fit_to_target(
                signal, ask, resume=state, on_step=reporter, on_phase=reporter.enter, device=device, crew=crew
            )
        except StateMismatch as error:
            logger.warning("a checkpoint of %s is of no use: %s", claimed.claim.fit_id, error)
    return fit_to_target(signal, ask, on_step=reporter, on_phase=reporter.enter, device=device, crew=crew)


def _store(
    resources: Resources,
    claimed: ClaimedFit,
    signal: Signal | LargeSignal,
    result: TargetResult,
    content: bytes,
    reporter: Reporter,
) -> End:
    """Check that the bytes decode to what is promised, upload, and hand back the move that makes it count."""
    claim = claimed.claim
    decoded = decode(content)
    psnr_db = finite(file_quality_db(signal, decoded, result.file), digits=4)
    slope_db = slope_quality_db(signal, decoded)
    key = representation_key(claim.fit_id, claim.attempt)
    resources.blobs.put(key, content, media_type=MEDIA_TYPE)
    stored = StoredObject(key=key, sha256=sha256_hex(content), byte_count=len(content))
    facts = {
        "outcome": result.outcome.value,
        "networks": len(result.trials),
        "steps": result.steps,
        "work": round(result.work, 4),  # seconds on the machine that forecasts know; estimates go by work per second
        "fit_seconds": round(result.seconds, 3),
        "fit_psnr_db": finite(result.fit_psnr_db, digits=4),
        "gradient_psnr_db": None if slope_db is None else finite(slope_db, digits=4),
        **file_facts(decoded, len(content)),
    }
    # The move may wait for the database, and is not to keep the result with its file and its network meanwhile.
    last, outcome = reporter.last(psnr_db), result.sentence
    return lambda fits: fits.succeed(
        claim,
        stored=stored,
        psnr_db=psnr_db,
        facts=facts,
        outcome=outcome,
        progress=last,
        max_stored_bytes=resources.max_stored_bytes,
    )
