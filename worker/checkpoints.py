"""States of training as objects and rows: the object first, its row second, so that a row never points at nothing."""

import logging

from sqlalchemy.exc import SQLAlchemyError

from store.blobs import sha256_hex
from store.errors import BlobDamaged, BlobMissing, BlobsUnavailable
from store.keys import checkpoint_key
from store.models import Checkpoint
from store.repositories.deletions import remove_objects
from store.repositories.fits import Claim, Fits, StoredObject
from tuner.errors import StateMismatch
from tuner.fit.state import FitState
from worker.resources import Resources

logger = logging.getLogger(__name__)


def save_checkpoint(resources: Resources, claim: Claim, state: FitState) -> bool:
    """Store a state and forget all but the newest few; returns False if that has to wait for better times.

    Training goes on without a checkpoint rather than fail for want of one. A lost lease still raises.
    """
    content = state.to_bytes()
    key = checkpoint_key(claim.fit_id, claim.attempt, state.step)
    stored = StoredObject(key=key, sha256=sha256_hex(content), byte_count=len(content))
    try:
        resources.blobs.put(key, content)
        with resources.database.unit_of_work() as session:
            fits = Fits(session)
            fits.add_checkpoint(claim, step=state.step, stored=stored)
            session.flush()
            surplus = fits.checkpoints(claim.fit_id)[resources.settings.checkpoints_kept :]
        drop_checkpoints(resources, surplus)
    except (BlobsUnavailable, SQLAlchemyError) as error:
        logger.warning("checkpoint of %s at step %s was not saved: %s", claim.fit_id, state.step, error)
        return False
    return True


def load_checkpoint(resources: Resources, fit_id: str) -> FitState | None:
    """The newest state whose bytes are what was recorded, or None; a damaged one is passed over for the one before."""
    with resources.database.unit_of_work() as session:
        checkpoints = Fits(session).checkpoints(fit_id)
    for checkpoint in checkpoints:
        try:
            content = resources.blobs.read(
                checkpoint.object_key, sha256=checkpoint.sha256, max_bytes=checkpoint.byte_count
            )
            return FitState.from_bytes(content)
        except (BlobMissing, BlobDamaged, StateMismatch) as error:
            logger.warning("checkpoint %s is of no use: %s", checkpoint.id, error)
    return None


def drop_checkpoints(resources: Resources, checkpoints: list[Checkpoint]) -> None:
    """Delete checkpoints, row first: an object without a row is harmless, a row without an object is not."""
    with resources.database.unit_of_work() as session:
        keys = Fits(session).forget_checkpoints([checkpoint.id for checkpoint in checkpoints])
    remove_objects(resources.database, resources.blobs, keys)
