"""Repairs what no worker is left to repair: `python -m worker.upkeep`. Any number may run; one at a time works.

Expired leases, fits whose message was lost, fits that waited or worked too long, cancels that no worker answers,
checkpoints nobody needs, objects without a row. It starts from the rows, so it works while the broker is away, and goes
on where it was when it is killed.
"""

import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from store.classes import EVERY_CLASS, WorkerClass
from store.errors import BlobsUnavailable
from store.hints import Hint
from store.locks import Lock
from store.logs import write_logs
from store.pulse import Pulse, Pulses
from store.repositories.fits import Fits
from store.repositories.parts import Parts
from store.settings import StoreSettings
from worker.deletion import delete_what_is_due
from worker.leftovers import drop_checkpoints, tend_views
from worker.outbound import Sender
from worker.resources import Resources, resources
from worker.retention import forget_history
from worker.scrub import start_scrub
from worker.sweep import sweep_if_settled
from worker.uploads import tend_uploads
from worker.webhooks import forget_old_messages, start_senders

logger = logging.getLogger(__name__)

Step = Callable[[Resources], object]

MOST_USELESS_HINTS = 1000  # of a class; each takes a kilobyte of the broker's memory
LONGEST_STEP_SECONDS = 600.0  # of upkeep; then it is stuck
_MINE = select(func.pg_try_advisory_xact_lock(Lock.UPKEEP))


def run_upkeep(resources: Resources, stop: Event, turn: Callable[[], None] = lambda: None) -> None:
    """Do one round after the other until told to stop, whatever goes wrong in any of them.

    Args:
        resources: what upkeep works on.
        stop: set when it is to end.
        turn: called after every step, to show that upkeep is not stuck.
    """
    next_sweep = time.monotonic()
    while not stop.is_set():
        upkeep_round(resources, turn)
        if time.monotonic() >= next_sweep:
            swept = [_alone(name, step, resources, turn) for name, step in SELDOM]
            if all(swept):
                next_sweep = time.monotonic() + resources.settings.sweep_every_seconds
        stop.wait(resources.settings.upkeep_every_seconds)


def upkeep_round(resources: Resources, turn: Callable[[], None] = lambda: None) -> list[str]:
    """Look for everything once; returns the names of the steps that failed, which the next round takes again."""
    return [name for name, step in STEPS if not _alone(name, step, resources, turn)]


def _alone(name: str, step: Step, resources: Resources, turn: Callable[[], None]) -> bool:
    """Take one step; its failure is its own, of whatever kind it is, and is logged."""
    try:
        step(resources)
    except (SQLAlchemyError, BlobsUnavailable) as error:
        logger.warning("the step %r of upkeep failed and will be taken again: %s", name, error)
        return False
    except Exception:
        logger.exception("the step %r of upkeep failed in a way that it does not know; the others go on", name)
        return False
    finally:
        turn()
    return True


@contextmanager
def _fits(resources: Resources) -> Iterator[Fits | None]:
    """The fits, in a transaction, or None while another process sees to them."""
    with resources.database.unit_of_work() as session:
        mine = session.scalar(_MINE)
        yield Fits(session) if mine else None


def _reap(resources: Resources) -> None:
    with _fits(resources) as fits:
        for fit_id in fits.reap_expired_leases(max_tries=resources.settings.max_tries) if fits else ():
            logger.warning("the worker of %s was lost; it is queued again", fit_id)


def _fail_overdue(resources: Resources) -> None:
    with _fits(resources) as fits:
        for fit_id in fits.fail_overdue(max_run_seconds=resources.settings.max_run_seconds) if fits else ():
            logger.warning("%s took too long and has failed", fit_id)


def _end_stuck_cancels(resources: Resources) -> None:
    with _fits(resources) as fits:
        seconds = resources.settings.max_cancel_seconds
        for fit_id in fits.end_stuck_cancels(older_than_seconds=seconds) if fits else ():
            logger.warning("the worker of %s did not stop; it is cancelled without it", fit_id)


def _expire(resources: Resources) -> None:
    with _fits(resources) as fits:
        expired = fits.expire_waiting(older_than_seconds=resources.settings.max_queue_seconds) if fits else 0
    if expired:
        logger.warning("%s fits waited too long and have expired", expired)


def _drop_checkpoints(resources: Resources) -> None:
    with resources.database.unit_of_work() as session:
        leftovers = Fits(session).finished_checkpoints()
    drop_checkpoints(resources, leftovers)


def _forget_parts(resources: Resources) -> None:
    with resources.database.unit_of_work() as session:
        Parts(session).forget_ended()


def _announce_waiting(resources: Resources) -> None:
    with _fits(resources) as fits:
        claimable = fits.count_claimable() if fits else {}
    for worker_class, count in claimable.items():
        _announce(resources, worker_class, count)


def _announce(resources: Resources, worker_class: WorkerClass, claimable: int) -> None:
    """Send hints again where none of a class is left; while there is one, nobody whom it could wake is idle."""
    hints = resources.queue.length(worker_class)
    if hints is None:
        logger.warning("the broker does not answer: %s fits are announced later", claimable)
    if hints != 0:
        return
    seconds = resources.settings.republish_after_seconds
    with resources.database.unit_of_work() as session:
        silent = Fits(session).take_unpublished(older_than_seconds=seconds, worker_class=worker_class, limit=claimable)
    if silent and not resources.queue.publish_all([Hint(fit_id, worker_class) for fit_id in silent]):
        logger.warning("the broker does not answer: %s fits are announced later", len(silent))


def drop_useless_hints(resources: Resources) -> None:
    """Empty queues with far more hints than fits: those of fits that were cancelled stay where no worker listens."""
    with _fits(resources) as fits:
        claimable = None if fits is None else fits.count_claimable()
    if claimable is None:
        return
    for worker_class in EVERY_CLASS:
        hints = resources.queue.length(worker_class)
        if hints is not None and hints > claimable.get(worker_class, 0) + MOST_USELESS_HINTS:
            # Those of fits that do wait are sent again, as if the broker had lost them.
            resources.queue.clear(worker_class)
            logger.info("%s hints for workers of class %s led to no fit, and are gone", hints, worker_class)


STEPS: tuple[tuple[str, Step], ...] = (
    ("lost workers", _reap),
    ("overdue fits", _fail_overdue),
    ("stuck cancels", _end_stuck_cancels),
    ("expired fits", _expire),
    ("checkpoints", _drop_checkpoints),
    ("parts", _forget_parts),
    ("views", tend_views),
    ("uploads", tend_uploads),
    ("deletions", delete_what_is_due),
    ("announcements", _announce_waiting),
)
SELDOM: tuple[tuple[str, Step], ...] = (
    ("sweep", sweep_if_settled),
    ("useless hints", drop_useless_hints),
    ("old messages", forget_old_messages),
    ("history", forget_history),
)


def main() -> None:
    write_logs("INFO")
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    mine = resources()
    sender = Sender(timeout_seconds=mine.settings.webhook_timeout_seconds, private_networks=mine.private_networks)
    start_senders(mine, sender, stop)
    start_scrub(mine, stop)
    # A step waits for storage and database as long as they let it, and a sweep looks at everything.
    pulse = Pulse(Pulses(StoreSettings()), "upkeep", turn_seconds=LONGEST_STEP_SECONDS).start()
    run_upkeep(mine, stop, pulse.turn)
    pulse.stop()


if __name__ == "__main__":
    main()
