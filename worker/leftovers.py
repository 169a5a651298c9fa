"""What fits and views leave behind, which upkeep takes away: checkpoints of fits that ended, views that nobody wants.

Rows, objects and messages only. Upkeep runs all the time beside everything else, so nothing here imports the library,
whose networks and trainers would cost that process hundreds of megabytes; tests/architecture holds it to that.
"""

from store.models import Checkpoint
from store.repositories.deletions import remove_objects
from store.repositories.fits import Fits
from store.repositories.renders import Renders
from worker.resources import Resources

MAX_TRIES = 3  # workers that drawing one view may cost before it has failed
REPUBLISH_AFTER_SECONDS = 5.0  # a view that waits longer is announced again
FAILED_SECONDS = 600.0  # how long a view that failed is remembered; then it may be tried again


def drop_checkpoints(resources: Resources, checkpoints: list[Checkpoint]) -> None:
    """Delete checkpoints, row first: an object without a row is harmless, a row without an object is not."""
    if not checkpoints:
        return
    with resources.database.unit_of_work() as session:
        keys = Fits(session).forget_checkpoints([checkpoint.id for checkpoint in checkpoints])
    remove_objects(resources.database, resources.blobs, keys)


def tend_views(resources: Resources) -> None:
    """Give views of lost workers back, announce one that waits, and delete views that nobody has looked at for long."""
    with resources.database.unit_of_work() as session:
        renders = Renders(session)
        renders.reap_expired_leases(max_tries=MAX_TRIES)
        forgotten = renders.oldest_waiting(older_than_seconds=REPUBLISH_AFTER_SECONDS)
        stale = renders.drop_stale(unused_seconds=resources.settings.views_kept_seconds, failed_seconds=FAILED_SECONDS)
    remove_objects(resources.database, resources.blobs, stale)
    if forgotten is not None:
        resources.queue.publish_view(forgotten)
