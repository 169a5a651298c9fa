"""What a client deletes: the rows at once, their objects at once or as soon as storage answers."""

import logging

from store.blobs import BlobStore
from store.database import Database
from store.errors import BlobsUnavailable
from store.repositories.deletions import Deletions, remove_objects

logger = logging.getLogger(__name__)


def delete_fit(database: Database, blobs: BlobStore, tenant: str, fit_id: str) -> None:
    """Delete a fit that has ended, and all that it left.

    Raises:
        FitNotFound: if the tenant has no such fit (any more).
        IllegalMove: if the fit has not ended.
    """
    with database.unit_of_work() as session:
        keys = Deletions(session).delete_fit(tenant, fit_id)
    remove_soon(database, blobs, keys)


def remove_soon(database: Database, blobs: BlobStore, keys: list[str]) -> None:
    """Remove objects whose rows are deleted: now, or by upkeep once storage answers again; until then they count."""
    try:
        remove_objects(database, blobs, keys)
    except BlobsUnavailable:
        logger.warning("objects of what was deleted are still there; upkeep will remove them")
