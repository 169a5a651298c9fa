"""Repairs what no worker is left to repair: `python -m worker.upkeep`. Any number may run; one at a time works.

Expired leases, fits whose message was lost, fits that waited or worked too long, cancels that no worker answers,
checkpoints nobody needs, objects without a row. It starts from the rows, so it works while the broker is away, and goes
on where it was when it is killed.
"""

import logging
import signal
import time
from threading import Event

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from store.errors import BlobsUnavailable
from store.repositories.fits import Fits
from worker.deletion import delete_what_is_due
from worker.leftovers import drop_checkpoints, tend_views
from worker.outbound import Sender
from worker.resources import Resources, resources
from worker.scrub import start_scrub
from worker.sweep import sweep
from worker.uploads import tend_uploads
from worker.webhooks import forget_old_messages, start_senders

logger = logging.getLogger(__name__)

UPKEEP_LOCK = 7_236_002  # any number that nothing else in this database uses


def run_upkeep(resources: Resources, stop: Event) -> None:
    """Do one round after the other until told to stop."""
    next_sweep = time.monotonic()
    while not stop.is_set():
        try:
            upkeep_round(resources)
            if time.monotonic() >= next_sweep:
                sweep(resources)
                forget_old_messages(resources)
                next_sweep = time.monotonic() + resources.settings.sweep_every_seconds
        except (SQLAlchemyError, BlobsUnavailable) as error:
            logger.warning("this round of upkeep failed and will be done again: %s", error)
        stop.wait(resources.settings.upkeep_every_seconds)


def upkeep_round(resources: Resources) -> None:
    """Look for everything once."""
    settings = resources.settings
    with resources.database.unit_of_work() as session:
        if not session.scalar(select(func.pg_try_advisory_xact_lock(UPKEEP_LOCK))):
            return
        fits = Fits(session)
        for fit_id in fits.reap_expired_leases(max_tries=settings.max_tries):
            logger.warning("the worker of %s was lost; it is queued again", fit_id)
        for fit_id in fits.fail_overdue(max_run_seconds=settings.max_run_seconds):
            logger.warning("%s took too long and has failed", fit_id)
        for fit_id in fits.end_stuck_cancels(older_than_seconds=settings.max_cancel_seconds):
            logger.warning("the worker of %s did not stop; it is cancelled without it", fit_id)
        expired = fits.expire_waiting(older_than_seconds=settings.max_queue_seconds)
        if expired:
            logger.warning("%s fits waited too long and have expired", expired)
        claimable = fits.count_claimable()
        leftovers = fits.finished_checkpoints()
    drop_checkpoints(resources, leftovers)
    tend_views(resources)
    tend_uploads(resources)
    delete_what_is_due(resources)
    if claimable:
        _announce(resources, claimable)


def _announce(resources: Resources, claimable: int) -> None:
    """Send what hints are missing. One is as good as another, so there need never be more of them than fits."""
    hints = resources.queue.length()
    if hints is None:
        logger.warning("the broker does not answer: %s fits are announced later", claimable)
        return
    seconds = resources.settings.republish_after_seconds
    with resources.database.unit_of_work() as session:
        silent = Fits(session).take_unpublished(older_than_seconds=seconds, limit=max(0, claimable - hints))
    for fit_id in silent:
        if not resources.queue.publish(fit_id):
            logger.warning("the broker does not answer: %s fits are announced later", len(silent))
            return


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    mine = resources()
    sender = Sender(timeout_seconds=mine.settings.webhook_timeout_seconds, private_networks=mine.private_networks)
    start_senders(mine, sender, stop)
    start_scrub(mine, stop)
    run_upkeep(mine, stop)


if __name__ == "__main__":
    main()
