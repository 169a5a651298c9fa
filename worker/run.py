"""From a claim to what comes of it: one fit that waits, or some small ones at once.

Small fits are claimed in one transaction and worked on by turns (`worker.together`). What is not small, or was tried
before, is claimed by itself: one that takes long must not hold others up, and one that ends its process can cost
others an attempt once at most.
"""

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence

import torch
from sqlalchemy.exc import SQLAlchemyError

from store.errors import BlobMissing, BlobsUnavailable, DiskFull
from store.hints import is_small
from store.models import Fit
from store.pulse import process_name
from store.repositories.fits import ClaimedFit, Fits
from store.spec import FitSpec
from worker.attempt import Attempt
from worker.drain import draining
from worker.reading import start_reader
from worker.resources import Resources
from worker.together import see_through

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
ASKED_EVERY_SECONDS = 1.0  # engines that have not failed since; small fits begin ten times as often


def run_next_fit(resources: Resources) -> str | None:
    """Claim the fit that should run next and see it through.

    Args:
        resources: what the worker works on.

    Returns:
        Id of the fit, or None if none was waiting.
    """
    claimed = run_next_fits(resources, most=1)
    return claimed[0].claim.fit_id if claimed else None


def run_next_fits(
    resources: Resources, *, most: int, on_claim: Callable[[Sequence[ClaimedFit]], None] = lambda _: None
) -> Sequence[ClaimedFit]:
    """Claim the fits that should run next, as many as go together, and see them through.

    Args:
        resources: what the worker works on.
        most: greatest number of fits.
        on_claim: called with the fits once the worker holds them, before they begin.

    Returns:
        The fits, none if none was waiting.
    """
    if not _engines_answer(resources):
        return ()
    asked_at = time.monotonic()
    try:
        claimed = _claim(resources, most)
    except SQLAlchemyError:
        resources.engines.answered_at = None
        raise
    if not claimed:
        return ()
    resources.taken.fits += len(claimed)
    attempts = [Attempt(resources, one, since=asked_at) for one in claimed]
    for attempt in attempts:
        attempt.others = [other for other in attempts if other is not attempt]
    try:
        for attempt in attempts:
            attempt.hold()
        on_claim(claimed)
        see_through(resources, attempts)
    finally:
        for attempt in attempts:
            attempt.let_go()
    if resources.settings.max_running_per_tenant is not None:
        for tenant, places in Counter(one.tenant for one in claimed).items():
            _wake_for_those_who_waited(resources, tenant, claimed[0].claim.fit_id, places)
    return claimed


def _goes_with_others(fit: Fit, spec: FitSpec) -> bool:
    """Whether a fit that waits is worked on by turns with others: a small one that has not been tried yet."""
    return fit.attempt == 0 and is_small(spec, fit.signal)


def _claim(resources: Resources, most: int) -> list[ClaimedFit]:
    """Take the fits whose turn it is, in one transaction: several only if each of them goes with others."""
    settings, claimed = resources.settings, list[ClaimedFit]()
    with resources.database.unit_of_work() as session:
        fits = Fits(session)
        while len(claimed) < most:
            one = fits.claim_next(
                worker_name(),
                lease_seconds=settings.lease_seconds,
                classes=resources.classes,
                max_running_per_tenant=settings.max_running_per_tenant,
                max_run_seconds=settings.max_run_seconds,
                is_wanted=_goes_with_others if claimed else None,
            )
            if one is None:
                break
            claimed.append(one)
            if one.claim.attempt != 1 or not is_small(one.spec, one.signal):
                break
    return claimed


def _wake_for_those_who_waited(resources: Resources, tenant: str, fit_id: str, places: int) -> None:
    """Send a hint for each class of which the tenant has fits waiting: theirs were used up while there was no place.

    Args:
        resources: what the worker works on.
        tenant: tenant some of whose fits have ended.
        fit_id: id of one of the fits that have ended, for people who look at logs.
        places: number of fits that have ended.
    """
    try:
        with resources.database.reading() as session:
            classes = Fits(session).claimable_classes(tenant)
    except SQLAlchemyError as error:
        logger.warning("what waited for a place is announced later: %s", error)
        return
    for worker_class in classes:
        resources.queue.publish(fit_id, worker_class, places)


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
