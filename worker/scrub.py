"""Compares rows with the objects that they name, hashes included, and repairs or reports: `python -m worker.scrub`.

Beside upkeep, in a thread of its own and one object at a time: slowly and always, and as fast as it can, from the
beginning, after the database has ended uncleanly, most likely with the machine. The newest objects come first: they are
the ones that a power failure takes. Where it was is in the database, so that it goes on there after a restart.

What nobody misses is removed: a checkpoint, so that an older one is taken, and a view, which is drawn again when it is
asked for. Signals and representations are marked until a later look finds them whole.
"""

import logging
import sys
import time
from collections.abc import Callable, Sequence
from threading import Event, Thread

from store.classes import class_of
from store.errors import BlobDamaged, BlobMissing, StoreError
from store.locks import Lock
from store.models_scrub import Scrub
from store.repositories.deletions import remove_objects
from store.repositories.fits import Fits
from store.repositories.renders import Renders
from store.repositories.scrubs import Named, Scrubs
from store.repositories.signals import Signals
from worker.resources import Resources, resources

logger = logging.getLogger(__name__)

IDLE_SECONDS = 15.0  # until it is looked again whether a pass is due
BATCH = 50  # objects between two notes of the position; so many are compared again after a kill


def start_scrub(resources: Resources, stop: Event) -> Thread:
    """Compare in the background until told to stop."""
    thread = Thread(target=_scrub_until, args=(resources, stop), name="scrub", daemon=True)
    thread.start()
    return thread


def _scrub_until(resources: Resources, stop: Event) -> None:
    while not stop.is_set():
        try:
            scrub(resources, stop)
        except Exception as error:
            # Whatever it is, most likely an engine that is away: the position is noted, and the next look goes on.
            logger.warning("rows are not compared with objects for now: %s", error)
        stop.wait(IDLE_SECONDS)


def scrub(resources: Resources, stop: Event) -> bool:
    """See the pass that is due through to its end, or until told to stop.

    Returns:
        Whether this process is the one that compares, and has nothing left to compare for now.
    """
    with resources.database.lock(Lock.SCRUB) as is_mine:
        while is_mine and not stop.is_set():
            with resources.database.unit_of_work() as session:
                scrubs = Scrubs(session)
                present = scrubs.due(every_seconds=resources.settings.scrub_every_seconds)
                batch = [] if present is None else scrubs.batch(present, limit=BATCH)
            if present is None:
                return True
            if batch:
                _compare(resources, present, batch, stop)
            else:
                _report(present)
    return False


def _compare(resources: Resources, present: Scrub, batch: Sequence[Named], stop: Event) -> None:
    settings = resources.settings
    pause: Callable[[float], object] = (lambda _: None) if present.is_urgent else stop.wait
    compared, damaged = 0, 0
    try:
        for named in batch:
            code = _look(resources, named, lambda count: pause(count / settings.scrub_bytes_per_second))
            if code is not None:
                _handle(resources, named, code)
                damaged += 1
            elif named.damage is not None:
                with resources.database.unit_of_work() as session:
                    Scrubs(session).set_damage(named, None)
                logger.info("%s is whole again", named.key)
            compared += 1
            pause(1 / settings.scrub_objects_per_second)
            if stop.is_set():
                break
    finally:
        if compared:
            with resources.database.unit_of_work() as session:
                Scrubs(session).note(present, batch[:compared], damaged=damaged)


def _look(resources: Resources, named: Named, on_bytes: Callable[[int], object]) -> str | None:
    """What is wrong with an object."""
    try:
        resources.blobs.verify(named.key, sha256=named.sha256, byte_count=named.byte_count, on_bytes=on_bytes)
    except (BlobMissing, BlobDamaged) as error:
        logger.debug("%s", error)
        return error.code
    return None


def _handle(resources: Resources, named: Named, code: str) -> None:
    match named.kind:
        case "checkpoints":
            with resources.database.unit_of_work() as session:
                keys = Fits(session).forget_checkpoints([named.id])
            remove_objects(resources.database, resources.blobs, keys)
            logger.warning("%s of checkpoint %s: removed, an older one is taken", code, named.id)
        case "renders":
            with resources.database.unit_of_work() as session:
                keys = Renders(session).forget(named.id, named.tries)
            remove_objects(resources.database, resources.blobs, keys)
            logger.warning("%s of view %s: forgotten, it is drawn again when it is asked for", code, named.id)
        case _:
            _mark(resources, named, code)


def _mark(resources: Resources, named: Named, code: str) -> None:
    with resources.database.unit_of_work() as session:
        if not Scrubs(session).set_damage(named, code):
            return  # deleted since, and its object with it
    if named.damage is None and _look(resources, named, lambda _: None) is None:
        # It was uploaded again between the look and the mark.
        with resources.database.unit_of_work() as session:
            Scrubs(session).set_damage(named, None)
        return
    if named.kind == "signals":
        logger.error("%s of signal %s: the same upload brings it back", code, named.id)
    else:
        _report_result(resources, named, code)


def _report_result(resources: Resources, named: Named, code: str) -> None:
    with resources.database.unit_of_work() as session:
        fit = Scrubs(session).fit_of(named)
    if fit is None:
        return
    if not resources.settings.scrub_refits:
        logger.error("%s of the result of %s: POST /fits/%s/retry makes it again", code, fit.id, fit.id)
        return
    if fit.signal.damage is not None:
        logger.error("%s of the result of %s, and its signal %s is damaged, too", code, fit.id, fit.signal_id)
        return
    try:
        with resources.database.unit_of_work() as session:
            Signals(session).get_for_fit(fit.tenant, fit.signal_id)
            again, is_new = Fits(session).submit_again(fit.tenant, fit.id, is_lost=True, kept_seconds=fit.kept_seconds)
    except StoreError as error:
        logger.error("%s of the result of %s, which cannot be made again: %s", code, fit.id, error)
        return
    logger.error("%s of the result of %s: made again as %s", code, fit.id, again.id)
    if is_new:
        resources.queue.publish(again.id, class_of(again.worker_class))


def _report(ended: Scrub) -> None:
    told = logger.warning if ended.damaged else logger.info
    told("all rows are compared: %s objects, %s bytes, %s damaged", ended.objects, ended.byte_count, ended.damaged)


def main() -> None:
    """Compare everything now, at full speed, here or in the upkeep that is already at it; 1 if anything is damaged."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    mine, stop = resources(), Event()
    with mine.database.unit_of_work() as session:
        began_at = Scrubs(session).begin(is_urgent=True).began_at
    while True:
        scrub(mine, stop)
        with mine.database.unit_of_work() as session:
            last, damaged = Scrubs(session).last(), Scrubs(session).count_damaged()
        if last is not None and last.began_at >= began_at and last.ended_at is not None:
            break
        time.sleep(0.5)
    sys.stdout.write(f"{last.objects} objects compared, {last.damaged} of them damaged or missing\n")
    for kind, count in damaged.items():
        sys.stdout.write(f"{kind} that are still damaged or missing: {count}\n")
    sys.exit(1 if any(damaged.values()) else 0)


if __name__ == "__main__":
    main()
