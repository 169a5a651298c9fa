"""How an attempt ends, and how its last move is written.

An end is a function that writes the last move within a unit of work: what came of the attempt is known before the
database listens, and may have to be said again, or together with the ends of others.
"""

import logging
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from store.database import is_passing
from store.errors import BlobsUnavailable, IllegalMove, LeaseLost, StorageFull
from store.keys import representation_key
from store.repositories.fits import Claim, Excuse, Fits
from tuner.errors import OutOfMemory
from worker.drain import draining
from worker.lease import Lease
from worker.resources import Resources
from worker.settings import WorkerSettings

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
OUT_OF_TIME = "out_of_time"

End = Callable[[Fits], None]  # the last move of an attempt, written in one transaction


def cancelled(claim: Claim) -> End:
    """It has stopped, as its client wished."""
    return lambda fits: fits.confirm_cancel(claim)


def handed_back(claim: Claim) -> End:
    """It goes on elsewhere, or later."""
    return lambda fits: fits.release(claim)


def failed(claim: Claim, code: str, message: str) -> End:
    """It is of no use to try it again."""
    return lambda fits: fits.fail(claim, code=code, message=message)


def not_recorded(claim: Claim, error: SQLAlchemyError) -> End:
    """What the database refuses for good is refused at each attempt: the fit fails once."""
    logger.error("attempt %s of %s cannot be recorded", claim.attempt, claim.fit_id, exc_info=error)
    return failed(claim, "internal", "the database refuses to record what came of it: the log has the details")


def out_of_memory(claim: Claim, settings: WorkerSettings) -> End:
    """It took more memory than one fit may."""
    mebibytes = settings.fit_memory_bytes >> 20
    message = (
        f"it took more memory than there is for one fit, {mebibytes} MiB (TUNER_WORKER_FIT_MEMORY_BYTES): ask for a "
        "smaller network or the preset 'fast', or send a signal with fewer samples"
    )
    return failed(claim, OutOfMemory.code, message)


def out_of_time(claim: Claim, settings: WorkerSettings) -> End:
    """It took more time than one attempt may."""
    message = (
        f"it took more time than there is for one fit, {settings.fit_seconds:g} s (TUNER_WORKER_FIT_SECONDS): ask for "
        "fewer steps (max_steps, max_seconds), a smaller network or the preset 'fast', or send a smaller signal"
    )
    return failed(claim, OUT_OF_TIME, message)


def broken_device(claim: Claim, settings: WorkerSettings) -> End:
    """Another process may do better; a fit that breaks each one fails in the end."""
    return lambda fits: fits.retry(
        claim,
        code="internal",
        message="the GPU failed while the fit ran, each time that it was tried: the worker's log has the details",
        max_failures=settings.max_storage_failures,
        wait_seconds=settings.storage_retry_seconds,
    )


def without_engines(resources: Resources, claim: Claim, error: Exception) -> End:
    """Storage or database was away, which is not the fit's fault: it is tried again, from its last checkpoint."""
    logger.warning("attempt %s of %s lost its engines: %s", claim.attempt, claim.fit_id, error)
    resources.engines.answered_at = None
    # Nor is it the next one's: a worker that went on at once would fail the whole queue while storage is away.
    draining.wait(resources.settings.storage_retry_seconds)
    return _tried_again(claim, resources.settings)


def _tried_again(claim: Claim, settings: WorkerSettings) -> End:
    message = "the database or object storage was away while the fit ran: submit it again later"
    return lambda fits: fits.retry(
        claim,
        code="storage_unavailable",
        message=message,
        max_failures=settings.max_storage_failures,
        wait_seconds=settings.storage_retry_seconds,
    )


def persist(resources: Resources, claim: Claim, lease: Lease, end: End) -> None:
    """Write the last move, again and again while the database is away and the lease still holds.

    Raises:
        LeaseLost: if another attempt holds the fit by now, or may hold it.
    """
    left = False  # a result that does not count after all
    refused = False  # by the database, for good
    while True:
        try:
            with resources.database.unit_of_work() as session:
                end(Fits(session))
        except IllegalMove:
            # A cancel was acknowledged while the result was being stored: no later success.
            end, left = cancelled(claim), True
        except StorageFull as error:
            end, left = failed(claim, error.code, str(error)), True
        except SQLAlchemyError as error:
            if not is_passing(error) and not refused:
                end, refused, left = not_recorded(claim, error), True, True
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


def write_once(resources: Resources, claim: Claim, *ends: End) -> bool:
    """Write the last move if the database listens now, for a process that is about to end.

    Args:
        resources: what the worker works on.
        claim: the attempt.
        ends: last moves, of which the first that may be made counts.

    Returns:
        Whether the database listens.
    """
    for end in ends:
        try:
            with resources.database.unit_of_work() as session:
                end(Fits(session))
        except (IllegalMove, LeaseLost, StorageFull) as error:
            logger.warning("an end of attempt %s of %s was not recorded: %s", claim.attempt, claim.fit_id, error)
        except SQLAlchemyError as error:
            logger.warning("the end of attempt %s of %s was not recorded: %s", claim.attempt, claim.fit_id, error)
            return False
        else:
            break
    return True


def excuse(resources: Resources, claim: Claim, end: Excuse) -> None:
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
