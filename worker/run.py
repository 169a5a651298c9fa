"""One fit from claim to result: load, translate, fit, compress, verify, store, and make the result count.

Whatever happens ends in one of five ways: succeeded, failed with a reason, cancelled, handed back to the queue, or,
when the lease is gone, nothing at all, because somebody else has the fit by then. The signal is a file of a stranger
and is read in the cage, a process that can open nothing else.
"""

import logging
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial

import torch
from sqlalchemy.exc import SQLAlchemyError

from store.blobs import sha256_hex
from store.database import is_passing
from store.errors import BlobDamaged, BlobMissing, BlobsUnavailable, DiskFull, IllegalMove, LeaseLost, StorageFull
from store.keys import representation_key
from store.logs import about
from store.pulse import process_name
from store.repositories.fits import Claim, ClaimedFit, Excuse, Fits, StoredObject
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
from worker.drain import draining
from worker.facts import file_facts, file_quality_db, slope_quality_db
from worker.lease import Lease, end_process
from worker.memory import MemoryBudget
from worker.progress import Interrupted, Reporter, finite
from worker.reading import SignalTooCostly, held, read_caged, start_reader
from worker.resolved import resolved_settings
from worker.resources import Resources
from worker.settings import WorkerSettings
from worker.translate import ask_from_spec

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
ASKED_EVERY_SECONDS = 1.0  # engines that have not failed since; small fits begin ten times as often
OUT_OF_TIME = "out_of_time"
SIGNAL_DAMAGED = (
    "the stored bytes of the signal are missing or damaged: upload the same file again, which restores them, then POST "
    "/fits/{id}/retry"
)


def run_next_fit(resources: Resources, *, on_claim: Callable[[ClaimedFit], None] = lambda _: None) -> str | None:
    """Claim the fit that should run next and see it through.

    Args:
        resources: what the worker works on.
        on_claim: called with the fit once the worker holds it, before it begins.

    Returns:
        Id of the fit, or None if none was waiting.
    """
    if not _engines_answer(resources):
        return None
    settings = resources.settings
    asked_at = time.monotonic()
    try:
        with resources.database.unit_of_work() as session:
            claimed = Fits(session).claim_next(
                worker_name(),
                lease_seconds=settings.lease_seconds,
                classes=resources.classes,
                max_running_per_tenant=settings.max_running_per_tenant,
                max_run_seconds=settings.max_run_seconds,
            )
    except SQLAlchemyError:
        resources.engines.answered_at = None
        raise
    if claimed is None:
        return None
    claim, origin = claimed.claim, claimed.origin
    resources.taken.fits += 1
    on_claim(claimed)
    with (
        span("fit", parent=origin.get("traceparent"), fit_id=claim.fit_id, attempt=claim.attempt),
        about(fit_id=claim.fit_id, request_id=origin.get("request_id")),
    ):
        _see_through(resources, claimed, asked_at)
    if settings.max_running_per_tenant is not None:
        _wake_for_those_who_waited(resources, claimed)
    return claim.fit_id


def _wake_for_those_who_waited(resources: Resources, ended: ClaimedFit) -> None:
    """Send a hint for each class of which the tenant has fits waiting: theirs were used up while there was no place."""
    try:
        with resources.database.reading() as session:
            classes = Fits(session).claimable_classes(ended.tenant)
    except SQLAlchemyError as error:
        logger.warning("what waited for a place is announced later: %s", error)
        return
    for worker_class in classes:
        resources.queue.publish(ended.claim.fit_id, worker_class)


def _see_through(resources: Resources, claimed: ClaimedFit, asked_at: float) -> None:
    """An attempt, from claim to end.

    Args:
        resources: what the worker works on.
        claimed: fit that this worker holds.
        asked_at: moment by the monotonic clock before which the lease did not begin.
    """
    claim, settings = claimed.claim, resources.settings
    logger.info("attempt %s of %s begins", claim.attempt, claim.fit_id)
    too_large = partial(_give_up, resources, claim, _out_of_memory(claim, settings))
    too_long = partial(_give_up, resources, claim, _out_of_time(claim, settings))
    excuse: Excuse | None = None
    with (
        Lease(resources, claim, since=asked_at) as lease,
        Deadline(settings.fit_seconds, too_long),
        memory_budget(settings, too_large),
    ):
        try:
            _persist(resources, claim, lease, _run(resources, claimed, lease))
        except LeaseLost as error:
            logger.warning("attempt %s of %s no longer counts: %s", claim.attempt, claim.fit_id, error)
            excuse = lease.excuse
    if excuse is not None:
        _excuse(resources, claim, excuse)


def warm_up(resources: Resources) -> None:
    """Pay once, before the first fit, for what every fit needs."""
    if resources.settings.threads is not None:
        torch.set_num_threads(resources.settings.threads)
    start_reader(resources.settings)
    resources.database.ping()


def worker_name() -> str:
    """Who holds a fit, for people who look at its history."""
    return process_name(os.getpid())


def _engines_answer(resources: Resources) -> bool:
    """Wait for storage and database before taking work that cannot be done without them; False if told to leave.

    An outage would otherwise cost every fit in the queue an attempt, as fast as a worker can take them. Engines that
    have answered within a second, and have not failed since, are not asked again: an outage that begins meanwhile costs
    one attempt, as one does that begins just after they were asked.
    """
    while not draining.is_set():
        try:
            resources.disk.check()
            answered_at, now = resources.engines.answered_at, time.monotonic()
            if answered_at is not None and now - answered_at < ASKED_EVERY_SECONDS:
                return True
            resources.blobs.ping()
            resources.database.ping()
        except (DiskFull, BlobsUnavailable, BlobMissing, SQLAlchemyError) as error:
            logger.warning("no fit is taken for now: %s", error)
            time.sleep(RETRY_SECONDS)
        else:
            resources.engines.answered_at = now
            return True
    return False


End = Callable[[Fits], None]  # the last move of an attempt, written in one transaction


def _run(resources: Resources, claimed: ClaimedFit, lease: Lease) -> End:
    reporter = Reporter(resources, claimed.claim, lease)
    end, resolved = _attempt(resources, claimed, lease, reporter), reporter.untold
    if resolved is None:
        return end

    def told(fits: Fits) -> None:
        fits.note_resolved(claimed.claim, resolved)
        end(fits)

    return told


def _attempt(resources: Resources, claimed: ClaimedFit, lease: Lease, reporter: Reporter) -> End:
    claim = claimed.claim
    try:
        reporter.read()
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
        result = _train(resources, claimed, signal, ask, reporter)
        if reporter.handed_over:
            return _handed_back(claim)
        if lease.order is Order.CANCEL or result.content is None:
            return _cancelled(claim)
        reporter.store(result)
        return _store(resources, claimed, signal, result, result.content, reporter)
    except Interrupted:
        return _cancelled(claim) if lease.order is Order.CANCEL else _handed_back(claim)
    except (BlobMissing, BlobDamaged) as error:
        logger.warning("the signal of %s is of no use: %s", claim.fit_id, error)
        return _failure(claim, error.code, SIGNAL_DAMAGED)
    except OutOfMemory:
        return _out_of_memory(claim, resources.settings)
    except (TunerError, SignalTooCostly) as error:
        return _failure(claim, error.code, str(error))
    except SQLAlchemyError as error:
        if not is_passing(error):
            return _not_recorded(claim, error)
        return _without_engines(resources, claim, error)
    except BlobsUnavailable as error:
        return _without_engines(resources, claim, error)
    except LeaseLost:
        raise
    except Exception as error:
        fault = device_fault(error)
        if fault is DeviceFault.BROKEN:
            # The driver refuses every later call of this process: it would fail a hundred fits in a row.
            logger.exception("attempt %s of %s broke the GPU's context: this process ends", claim.attempt, claim.fit_id)
            _give_up(resources, claim, _broken_device(claim, resources.settings))
        if fault is DeviceFault.OUT_OF_MEMORY:
            # Reading or compressing; a fit that runs out of memory goes on in smaller parts before it gives up.
            return _out_of_memory(claim, resources.settings)
        logger.exception("attempt %s of %s failed", claim.attempt, claim.fit_id)
        return _failure(claim, "internal", "the worker failed in a way that it does not know: the log has the details")


def _without_engines(resources: Resources, claim: Claim, error: Exception) -> End:
    # Not the fit's fault: it is tried again, from its last checkpoint.
    logger.warning("attempt %s of %s lost its engines: %s", claim.attempt, claim.fit_id, error)
    resources.engines.answered_at = None
    # Nor is it the next one's: a worker that went on at once would fail the whole queue while storage is away.
    draining.wait(resources.settings.storage_retry_seconds)
    return _retry(claim, resources.settings)


def _excuse(resources: Resources, claim: Claim, end: Excuse) -> None:
    """Say that this worker lives, as soon as the database listens: it would count as one that died of the fit."""
    logger.warning("attempt %s of %s was %s", claim.attempt, claim.fit_id, end.replace("_", " "))
    while True:
        try:
            with resources.database.unit_of_work() as session:
                Fits(session).excuse(claim, end)
        except SQLAlchemyError as error:
            logger.warning("the end of attempt %s of %s is not recorded yet: %s", claim.attempt, claim.fit_id, error)
            if not is_passing(error) or draining.wait(RETRY_SECONDS):
                return
        else:
            return


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
    psnr_db = finite(file_quality_db(signal, decoded), digits=4)
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
    last = reporter.last(psnr_db)
    return lambda fits: fits.succeed(
        claim,
        stored=stored,
        psnr_db=psnr_db,
        facts=facts,
        outcome=result.sentence,
        progress=last,
        max_stored_bytes=resources.max_stored_bytes,
    )


def _cancelled(claim: Claim) -> End:
    return lambda fits: fits.confirm_cancel(claim)


def _handed_back(claim: Claim) -> End:
    return lambda fits: fits.release(claim)


def _failure(claim: Claim, code: str, message: str) -> End:
    return lambda fits: fits.fail(claim, code=code, message=message)


def _not_recorded(claim: Claim, error: SQLAlchemyError) -> End:
    """What the database refuses for good is refused at each attempt: the fit fails once."""
    logger.error("attempt %s of %s cannot be recorded", claim.attempt, claim.fit_id, exc_info=error)
    return _failure(claim, "internal", "the database refuses to record what came of it: the log has the details")


def _out_of_memory(claim: Claim, settings: WorkerSettings) -> End:
    mebibytes = settings.fit_memory_bytes >> 20
    message = (
        f"it took more memory than there is for one fit, {mebibytes} MiB (TUNER_WORKER_FIT_MEMORY_BYTES): ask for a "
        "smaller network or the preset 'fast', or send a signal with fewer samples"
    )
    return _failure(claim, OutOfMemory.code, message)


def _broken_device(claim: Claim, settings: WorkerSettings) -> End:
    """Another process may do better; a fit that breaks each one fails in the end."""
    return lambda fits: fits.retry(
        claim,
        code="internal",
        message="the GPU failed while the fit ran, each time that it was tried: the worker's log has the details",
        max_failures=settings.max_storage_failures,
        wait_seconds=settings.storage_retry_seconds,
    )


def _out_of_time(claim: Claim, settings: WorkerSettings) -> End:
    message = (
        f"it took more time than there is for one fit, {settings.fit_seconds:g} s (TUNER_WORKER_FIT_SECONDS): ask for "
        "fewer steps (max_steps, max_seconds), a smaller network or the preset 'fast', or send a smaller signal"
    )
    return _failure(claim, OUT_OF_TIME, message)


def memory_budget(settings: WorkerSettings, on_breach: Callable[[], None]) -> AbstractContextManager[object]:
    """The budget of memory; on a GPU none, whose driver maps more than it uses."""
    return MemoryBudget(settings.fit_memory_bytes, on_breach) if device_of(settings.device) == "cpu" else nullcontext()


def _give_up(resources: Resources, claim: Claim, failure: End) -> None:
    """Write the last move of a fit and end the process, which cannot be told to let go of it.

    The fit took more memory or time than it may, or the GPU is of no use to this process any more.

    The failure is written first: a process that merely died would be given the fit again.
    """
    logger.error("%s is given up, and its process ends", claim.fit_id)
    try:
        with resources.database.unit_of_work() as session:
            failure(Fits(session))
    except (IllegalMove, LeaseLost, SQLAlchemyError) as error:
        logger.warning("that %s was given up was not recorded: %s", claim.fit_id, error)
    end_process()


def _retry(claim: Claim, settings: WorkerSettings) -> End:
    message = "the database or object storage was away while the fit ran: submit it again later"
    return lambda fits: fits.retry(
        claim,
        code="storage_unavailable",
        message=message,
        max_failures=settings.max_storage_failures,
        wait_seconds=settings.storage_retry_seconds,
    )


def _persist(resources: Resources, claim: Claim, lease: Lease, end: End) -> None:
    """Write the last move, again and again while the database is away and the lease still holds."""
    left = False  # a result that does not count after all
    refused = False  # by the database, for good
    while True:
        try:
            with resources.database.unit_of_work() as session:
                end(Fits(session))
        except IllegalMove:
            # A cancel was acknowledged while the result was being stored: no later success.
            end, left = _cancelled(claim), True
        except StorageFull as error:
            end, left = _failure(claim, error.code, str(error)), True
        except SQLAlchemyError as error:
            if not is_passing(error) and not refused:
                end, refused, left = _not_recorded(claim, error), True, True
                continue
            if lease.is_lost(within_seconds=RETRY_SECONDS):
                lease.excuse = "cut_off"
                raise LeaseLost("the database came back too late to record how the fit ended") from error
            logger.warning("the end of the fit could not be written yet: %s", error)
        else:
            break
    if left:
        with suppress(BlobsUnavailable):  # then upkeep takes it, as an object that no row knows
            resources.blobs.delete(representation_key(claim.fit_id, claim.attempt))
