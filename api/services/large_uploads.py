"""Large files that clients send to storage themselves: begin, send parts, complete.

What arrives there is not believed. To complete an upload, its object is read back once, a part at a time, into the same
folder where small uploads wait, hashed on the way, and from there on it is an upload like any other.
"""

import hashlib
import logging
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from api.errors import ContentTooLarge, TooManyUploads, UploadIncomplete, UploadMismatch
from api.schemas.uploads import UploadCompletion, UploadRequest, UploadView
from api.services.removal import remove_soon
from api.services.turns import Turns
from api.services.uploads import Upload, Uploads, clean_filename
from api.settings import ApiSettings
from store import models
from store.blobs import BlobStore
from store.database import Database
from store.errors import BlobMissing
from store.keys import upload_key
from store.models import Signal
from store.multipart import MultipartUploads, Part, is_overrun, newest_parts, part_sizes
from store.repositories.deleted import DeletedObjects
from store.repositories.quotas import Quotas
from store.repositories.signals import Signals
from store.repositories.uploads import LargeUploads as Rows

MAX_PARTS = 10_000  # of one object, by S3's rules
NAMED_PARTS = 5
JOINS = 4  # uploads whose parts storage puts together at the same time, which may take minutes

logger = logging.getLogger(__name__)


class LargeUploads:
    """Uploads in parts, by URLs that are signed for them."""

    def __init__(
        self, database: Database, blobs: BlobStore, uploads: Uploads, threads: Turns, settings: ApiSettings
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._multipart = MultipartUploads(blobs)
        self._uploads = uploads
        self._threads = threads
        self._joins = Turns(JOINS, is_shared=settings.require_keys)
        self._settings = settings

    @cached_property
    def storage_origin(self) -> str:
        """Origin of the addresses that parts are sent to, as a browser writes it."""
        address = urlsplit(self._multipart.part_url("any", "any", 1, byte_count=1, seconds=1))
        return f"{address.scheme}://{address.netloc}"

    def begin(self, tenant: str, request: UploadRequest) -> UploadView:
        """Open an upload.

        Raises:
            ContentTooLarge: if the file is over the limit.
            TooManyUploads: if the tenant has too many under way.
            StorageFull: if with all that is announced the tenant would store more than it may.
        """
        settings = self._settings
        if request.bytes > settings.max_large_upload_bytes:
            raise ContentTooLarge(settings.max_large_upload_bytes)
        part_bytes = max(settings.upload_part_bytes, -(-request.bytes // MAX_PARTS))
        with self._database.unit_of_work() as session:
            rows = Rows(session)
            if rows.open_count(tenant) >= settings.max_open_uploads:
                raise TooManyUploads(
                    f"{settings.max_open_uploads} uploads are under way: complete one, delete one, or let one expire",
                    headers={"Retry-After": "60"},
                )
            upload = rows.add(
                tenant=tenant,
                byte_count=request.bytes,
                part_bytes=part_bytes,
                filename=clean_filename(request.filename),
                lifetime_seconds=settings.large_upload_seconds,
            )
            # Should the commit fail, storage holds an upload that no row knows: it is swept like the objects.
            Quotas(session).check_stored_bytes(tenant, settings.max_stored_bytes)
            upload.storage_id = self._multipart.begin(upload_key(upload.id))
            session.flush()
            session.refresh(upload)
        return self._view(upload, [])

    def look(self, tenant: str, upload_id: str) -> UploadView:
        """What has arrived of an upload, and fresh URLs for its parts.

        Raises:
            UploadNotFound: if the tenant has no such upload, or it has expired.
        """
        upload = self._get(tenant, upload_id)
        return self._view(upload, self._received(upload))

    def abort(self, tenant: str, upload_id: str) -> None:
        """Give an upload up; a signal that it has become stays.

        Raises:
            UploadNotFound: if the tenant has no such upload, or it has expired.
        """
        self._drop(self._get(tenant, upload_id))

    async def complete(self, tenant: str, upload_id: str, declared: UploadCompletion) -> tuple[Signal, bool]:
        """Turn the parts into a signal. Doing it again gives the same signal.

        Returns:
            The signal, and whether it is new.

        Raises:
            UploadNotFound: if the tenant has no such upload, or it has expired.
            UploadIncomplete: if parts are missing.
            UploadMismatch: if the parts are not the declared file; they stay.
            ApiError: what else is wrong with the file.
        """
        upload = await self._threads.in_thread(tenant, self._get, tenant, upload_id)
        if upload.signal_id is not None:
            return await self._threads.in_thread(tenant, self._signal, tenant, upload.signal_id), False
        if declared.bytes != upload.byte_count:
            raise UploadMismatch(f"the file has {declared.bytes} bytes, announced were {upload.byte_count}")
        await self._joins.in_thread(tenant, self._join, upload)
        try:
            signal, created = await self._uploads.accept_file(
                tenant,
                lambda path: self._fetch(upload, declared.sha256, path),
                lambda session, signal: Rows(session).complete(upload.id, signal.id),
            )
        except BlobMissing:
            # Another request has completed it meanwhile.
            upload = await self._threads.in_thread(tenant, self._get, tenant, upload_id)
            if upload.signal_id is None:
                raise
            return await self._threads.in_thread(tenant, self._signal, tenant, upload.signal_id), False
        await self._threads.in_thread(tenant, self._finish, upload)
        return signal, created

    def _get(self, tenant: str, upload_id: str) -> models.Upload:
        with self._database.unit_of_work() as session:
            return Rows(session).get(tenant, upload_id)

    def _signal(self, tenant: str, signal_id: str) -> Signal:
        with self._database.unit_of_work() as session:
            return Signals(session).get(tenant, signal_id)

    def _view(self, upload: models.Upload, received: list[Part]) -> UploadView:
        def url(number: int, byte_count: int) -> str:
            return self._multipart.part_url(
                upload_key(upload.id),
                upload.storage_id,
                number,
                byte_count=byte_count,
                seconds=self._settings.large_upload_seconds,
            )

        return UploadView.of(upload, [part.number for part in received], url)

    def _received(self, upload: models.Upload) -> list[Part]:
        """Parts of the size that was asked for, one of each number.

        Raises:
            UploadMismatch: if far more has arrived than was announced; nothing is left of it.
        """
        with suppress(BlobMissing):
            sizes = dict(enumerate(part_sizes(upload.byte_count, upload.part_bytes), start=1))
            arrived = self._multipart.parts(upload_key(upload.id), upload.storage_id)
            if is_overrun(arrived, upload.byte_count, upload.part_bytes):
                self._drop(upload)
                raise UploadMismatch(
                    f"{sum(part.byte_count for part in arrived)} bytes arrived, announced were {upload.byte_count}: "
                    "begin a new upload, and send each part as large as it says"
                )
            return newest_parts(part for part in arrived if part.byte_count == sizes.get(part.number))
        return []

    def _join(self, upload: models.Upload) -> None:
        """Make one object of the parts, unless an earlier request has done so."""
        key = upload_key(upload.id)
        parts = self._received(upload)
        count = len(part_sizes(upload.byte_count, upload.part_bytes))
        if len(parts) < count:
            with suppress(BlobMissing):
                if self._blobs.size(key) == upload.byte_count:
                    return
            missing = sorted(set(range(1, count + 1)) - {part.number for part in parts})
            named = ", ".join(map(str, missing[:NAMED_PARTS])) + (" …" if len(missing) > NAMED_PARTS else "")
            raise UploadIncomplete(
                f"{len(missing)} of {count} parts are missing or have another size: send {named} and complete it again",
                missing_parts=missing[:100],
            )
        self._multipart.complete(key, upload.storage_id, parts)

    def _fetch(self, upload: models.Upload, sha256: str, path: Path) -> Upload:
        digest, byte_count = hashlib.sha256(), 0
        with path.open("wb") as file:
            for part in self._blobs.slice(upload_key(upload.id)).content:
                digest.update(part)
                byte_count += file.write(part)
        if (byte_count, digest.hexdigest()) != (upload.byte_count, sha256):
            # What was sent stays until the upload expires: a wrong hash is no reason to send a gigabyte again.
            raise UploadMismatch(
                f"the parts are {byte_count} bytes with SHA-256 {digest.hexdigest()}, expected {upload.byte_count} "
                f"with {sha256}: complete it again with the SHA-256 of the file, or, if a part was damaged on its "
                "way, delete this upload and begin a new one"
            )
        return Upload(path=path, sha256=sha256, byte_count=byte_count, filename=upload.filename)

    def _finish(self, upload: models.Upload) -> None:
        """Free the announced bytes, which lie in the bucket a second time by now, as the signal."""
        key = upload_key(upload.id)
        with self._database.unit_of_work() as session:
            DeletedObjects(session).note(upload.tenant, [(key, upload.byte_count)])
        remove_soon(self._database, self._blobs, [key])

    def _drop(self, upload: models.Upload) -> None:
        self._multipart.abort(upload_key(upload.id), upload.storage_id)
        self._blobs.delete(upload_key(upload.id))
        with self._database.unit_of_work() as session:
            Rows(session).remove(upload.id)
