"""Large uploads that nobody completed in time: their parts, their objects, their rows."""

import logging

from store.errors import BlobMissing
from store.keys import upload_key, upload_of
from store.multipart import MultipartUploads, is_overrun
from store.repositories.uploads import LargeUploads
from worker.resources import Resources

logger = logging.getLogger(__name__)


def drop_expired_uploads(resources: Resources) -> int:
    """Free what expired uploads hold, the row last so that nothing is forgotten; returns how many."""
    with resources.database.unit_of_work() as session:
        expired = LargeUploads(session).expired()
    multipart = MultipartUploads(resources.blobs)
    for upload in expired:
        multipart.abort(upload_key(upload.id), upload.storage_id)
        resources.blobs.delete(upload_key(upload.id))
        with resources.database.unit_of_work() as session:
            LargeUploads(session).remove(upload.id)
        logger.info("the upload %s has expired", upload.id)
    return len(expired)


def tend_uploads(resources: Resources) -> None:
    """Look at what has arrived of uploads under way: it counts, and one that holds far too much is given up."""
    with resources.database.unit_of_work() as session:
        under_way = LargeUploads(session).under_way()
    multipart = MultipartUploads(resources.blobs)
    for upload in under_way:
        key = upload_key(upload.id)
        try:
            parts = multipart.parts(key, upload.storage_id)
        except BlobMissing:
            continue  # completed or given up a moment ago
        overrun = is_overrun(parts, upload.byte_count, upload.part_bytes)
        if overrun:
            multipart.abort(key, upload.storage_id)
            logger.warning("the upload %s held far more than was announced, and is given up", upload.id)
        with resources.database.unit_of_work() as session:
            uploads = LargeUploads(session)
            if overrun:
                uploads.remove(upload.id)
            else:
                uploads.note_received(upload.id, sum(part.byte_count for part in parts))


def kept_uploads(resources: Resources) -> set[str]:
    """Multipart uploads that still have time, as storage knows them."""
    with resources.database.unit_of_work() as session:
        return LargeUploads(session).storage_ids()


def take_upload(resources: Resources, key: str) -> bool:
    """Remove the object of an upload that no row knows."""
    with resources.database.unit_of_work() as session:
        if LargeUploads(session).knows(upload_of(key)):
            return False
    resources.blobs.delete(key)
    return True
