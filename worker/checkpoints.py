"""States of training as objects and rows: the object first, its row second, so that a row never points at nothing."""

import logging
from collections.abc import Iterator

from sqlalchemy.exc import SQLAlchemyError

from store.blobs import sha256_hex
from store.errors import BlobDamaged, BlobMissing, BlobsUnavailable
from store.keys import checkpoint_key
from store.repositories.fits import Claim, Fits, StoredObject
from tuner.errors import StateMismatch
from tuner.fit.state import FitState
from worker.leftovers import drop_checkpoints
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


def load_checkpoints(resources: Resources, fit_id: str) -> Iterator[FitState]:
    """The states whose bytes are what was recorded, the newest first; each is read when it is asked for."""
    with resources.database.unit_of_work() as session:
        checkpoints = Fits(session).checkpoints(fit_id)
    for checkpoint in checkpoints:
        try:
            content = resources.blobs.read(
                checkpoint.object_key, sha256=checkpoint.sha256, max_bytes=checkpoint.byte_count
            )
            state = FitState.from_bytes(content)
        except (BlobMissing, BlobDamaged, StateMismatch) as error:
            logger.warning("checkpoint %s is of no use: %s", checkpoint.id, error)
        else:
            yield state
