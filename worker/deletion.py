"""Deleting what nobody asks for any more: rows whose time is over, and objects whose removal was cut short."""

import logging

from store.repositories.deleted import DeletedObjects
from store.repositories.deletions import Deletions, remove_objects
from worker.resources import Resources

logger = logging.getLogger(__name__)

SIGNAL_ROWS_KEPT_SECONDS = 86_400.0  # after the deletion: asked again, it still says that it is done


def delete_what_is_due(resources: Resources) -> None:
    """One round: a few of each kind, so that no transaction is long."""
    with resources.database.unit_of_work() as session:
        deletions = Deletions(session)
        keys = deletions.delete_expired_fits() + deletions.delete_expired_signals()
        deletions.forget_signals(older_than_seconds=SIGNAL_ROWS_KEPT_SECONDS)
        keys += [key for key in DeletedObjects(session).oldest() if key not in keys]
    if keys:
        remove_objects(resources.database, resources.blobs, keys)
        logger.info("removed %s objects of what was deleted", len(keys))
