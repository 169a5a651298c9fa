"""Views that clients wait for: claim one, have it drawn in the cage, store, switch the row.

Each message to `worker.interactive` has one view drawn; like a fit, it need not be the view that the message names.
Neither this module nor anything behind it imports torch: a process that draws costs little and starts at once. What no
worker draws, and what nobody looks at any more, is upkeep's (`worker.leftovers`).
"""

import logging

from store.blobs import sha256_hex
from store.errors import BlobDamaged, BlobMissing, BlobsUnavailable, StorageFull
from store.keys import render_key
from store.repositories.fits import StoredObject
from store.repositories.renders import ClaimedRender, Renders
from worker.draw_caged import ViewRefused, draw_caged
from worker.resources import Resources

logger = logging.getLogger(__name__)

LEASE_SECONDS = 300.0  # no view takes longer: `store.render_spec` bounds the work


def draw_next_view(resources: Resources) -> str | None:
    """Draw the view that has waited longest; returns its id, or None if none waits."""
    with resources.database.unit_of_work() as session:
        claim = Renders(session).claim_next(lease_seconds=LEASE_SECONDS)
    if claim is None:
        return None
    try:
        stored, media_type = _draw(resources, claim)
    except BlobsUnavailable:
        with resources.database.unit_of_work() as session:
            Renders(session).give_back(claim)
        raise
    except (BlobMissing, BlobDamaged) as error:
        logger.warning("%s cannot be drawn: %s", claim.id, error)
        _fail(resources, claim, error.code, "the compressed file that it is drawn from is missing or damaged")
    except ViewRefused as error:
        _fail(resources, claim, error.code, str(error))
    except Exception:
        logger.exception("%s could not be drawn", claim.id)
        _fail(resources, claim, "internal", "drawing it failed in a way that the worker does not know")
    else:
        _keep(resources, claim, stored, media_type)
    return claim.id


def _keep(resources: Resources, claim: ClaimedRender, stored: StoredObject, media_type: str) -> None:
    """Switch the row to the view, unless the tenant has no room for it or its fit is gone: then nothing is left."""
    limit = resources.max_stored_bytes
    try:
        with resources.database.unit_of_work() as session:
            renders = Renders(session)
            wanted = renders.finish(claim, stored, media_type, max_stored_bytes=limit) or renders.get(claim.id)
    except StorageFull as error:
        _fail(resources, claim, error.code, str(error))
        wanted = None
    if not wanted:
        resources.blobs.delete(stored.key)


def _draw(resources: Resources, claim: ClaimedRender) -> tuple[StoredObject, str]:
    content = resources.blobs.read(claim.object_key, sha256=claim.sha256, max_bytes=claim.byte_count)
    drawn = draw_caged(content, claim.spec, resources.settings)
    sha256 = sha256_hex(drawn.content)
    key = render_key(claim.tenant, claim.id, sha256)
    resources.blobs.put(key, drawn.content, media_type=drawn.media_type)
    return StoredObject(key=key, sha256=sha256, byte_count=len(drawn.content)), drawn.media_type


def _fail(resources: Resources, claim: ClaimedRender, code: str, message: str) -> None:
    with resources.database.unit_of_work() as session:
        Renders(session).fail(claim, code=code, message=message)
