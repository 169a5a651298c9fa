"""Forgets what has been kept for as long as it should be; see `store.repositories.retention`."""

import logging
from collections.abc import Callable, Sequence

from store.repositories.retention import Retention
from store.repositories.workers import Workers
from worker.resources import Resources

logger = logging.getLogger(__name__)

FITS_AT_A_TIME = 100
KEYS_AT_A_TIME = 5000


def forget_history(resources: Resources) -> None:
    """Go through all that is too old once; what a kill interrupts, the next look does."""
    settings = resources.settings
    steps = _of_ended(resources, settings.events_kept_seconds, Retention.drop_steps)
    attempts = _of_ended(resources, settings.attempts_kept_seconds, Retention.drop_attempts)
    keys = _keys(resources, settings.idempotency_kept_seconds)
    with resources.database.unit_of_work() as session:
        workers = Workers(session).forget_gone()
    if steps or attempts or keys or workers:
        told = "forgotten: %s events, %s attempts, %s idempotency keys, %s workers"
        logger.info(told, steps, attempts, keys, workers)


def _of_ended(resources: Resources, seconds: float | None, drop: Callable[[Retention, Sequence[str]], int]) -> int:
    count, after_id = 0, ""
    while seconds is not None:
        with resources.database.unit_of_work() as session:
            retention = Retention(session)
            fit_ids = retention.ended(seconds=seconds, after_id=after_id, limit=FITS_AT_A_TIME)
            count += drop(retention, fit_ids)
        if len(fit_ids) < FITS_AT_A_TIME:
            break
        after_id = fit_ids[-1]
    return count


def _keys(resources: Resources, seconds: float | None) -> int:
    count = 0
    while seconds is not None:
        with resources.database.unit_of_work() as session:
            dropped = Retention(session).drop_keys(seconds=seconds, limit=KEYS_AT_A_TIME)
        count += dropped
        if dropped < KEYS_AT_A_TIME:
            break
    return count
