"""From the bytes of a request to a signal: spool, hash, look inside, store the object, then the row.

Nothing is left of an upload that is refused or breaks off: until the file has been decoded and found good it lies only
in a temporary folder, and an object whose row cannot be written is taken back.
"""

import hashlib
import logging
import shutil
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from anyio import fail_after, to_thread
from sqlalchemy.orm import Session
from starlette.requests import Request

from api.errors import ContentTooLarge, EmptyUpload, UnsupportedMediaType, UploadTimeout
from api.services.inspection import DECODED_SHA256, Inspector
from api.services.multipart import FilePart
from api.services.pace import paced
from api.services.places import Places
from api.services.removal import remove_soon
from api.settings import ApiSettings
from store.blobs import BlobStore
from store.database import Database
from store.errors import BlobMissing
from store.keys import signal_key
from store.models import Signal
from store.repositories.quotas import Quotas
from store.repositories.signals import Signals

FORM_OVERHEAD_BYTES = 64 * 1024  # boundaries and headers that a form may add to its file
SPOOL_PREFIX = "tuner-upload-"
WRITE_BYTES = 1 << 20  # gathered before a thread writes and hashes them
MAX_FILENAME = 200
MAX_EXTENSION = 20

MEDIA_TYPES = {
    **{name: f"image/{name}" for name in ("png", "jpeg", "webp", "tiff")},
    **{name: f"audio/{name}" for name in ("wav", "flac", "ogg")},
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "mkv": "video/matroska",
    "avi": "video/vnd.avi",
    **{name: f"model/{name}" for name in ("obj", "stl")},
}
READ_TYPES = ("image/", "audio/", "video/", "model/", "application/octet-stream")

logger = logging.getLogger(__name__)

Recorder = Callable[[Session, Signal], None]


def _record_nothing(session: Session, signal: Signal) -> None:
    """For files that were promised nothing before they came."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """A body that has arrived as a whole."""

    path: Path
    sha256: str
    byte_count: int
    filename: str | None


class Uploads:
    """Accepts signals, a bounded number at a time."""

    def __init__(self, database: Database, blobs: BlobStore, inspector: Inspector, settings: ApiSettings) -> None:
        self._database = database
        self._blobs = blobs
        self._inspector = inspector
        self._settings = settings
        self._places = Places(
            "uploads",
            settings.max_uploads,
            settings.max_uploads_per_tenant,
            is_shared=settings.require_keys,
        )

    async def accept(self, tenant: str, request: Request, *, filename: str | None = None) -> tuple[Signal, bool]:
        """Take the signal in a request's body: a form with a field `file`, or the file itself.

        Args:
            tenant: owner of the signal that the upload becomes.
            request: an HTTP request whose body is still unread.
            filename: client's name of the file, if the body does not say it.

        Returns:
            The signal, and whether it is new: bytes that the tenant has sent before are the same signal, and whatever
            has become of its object is put right.

        Raises:
            ApiError: what is wrong with the upload, of the class that says so.
        """
        with self._turn(tenant), self._folder() as folder:
            return await self._admit(tenant, await self._receive(request, folder / "upload", filename))

    async def accept_file(self, tenant: str, fetch: Callable[[Path], Upload], record: Recorder) -> tuple[Signal, bool]:
        """Take a file that has come another way.

        Args:
            tenant: owner of the signal that the upload becomes.
            fetch: writes it to the path that it is given, and says what it is; called in a thread.
            record: told of the signal in the transaction that adds or finds it.

        Returns:
            The signal, and whether it is new.

        Raises:
            ApiError: what is wrong with the file, of the class that says so.
        """
        with self._turn(tenant), self._folder() as folder:
            return await self._admit(tenant, await to_thread.run_sync(fetch, folder / "upload"), record)

    async def _admit(self, tenant: str, upload: Upload, record: Recorder = _record_nothing) -> tuple[Signal, bool]:
        known = await to_thread.run_sync(self._renew, tenant, upload, record)
        if known is not None:
            return known, False
        facts = await self._inspector.inspect(tenant, upload.path)
        return await to_thread.run_sync(self._keep, tenant, upload, facts, record)

    def delete(self, tenant: str, signal_id: str) -> None:
        """Delete a signal: first the row is marked, then the object goes, so that no row ever misses its object.

        Raises:
            SignalNotFound: if the tenant never had such a signal.
            SignalInUse: while fits of it have not ended.
        """
        with self._database.unit_of_work() as session:
            signal = Signals(session).delete(tenant, signal_id)
        remove_soon(self._database, self._blobs, [signal.object_key])

    def sweep(self) -> None:
        """Remove what uploads of a killed process left: folders older than any upload can last."""
        settings = self._settings
        oldest = time.time() - settings.upload_timeout_seconds - settings.inspection_timeout_seconds - 3600
        for folder in Path(settings.spool_dir or tempfile.gettempdir()).glob(f"{SPOOL_PREFIX}*"):
            with suppress(FileNotFoundError):  # another process sweeps too
                if folder.stat().st_mtime < oldest:
                    shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _turn(self, tenant: str) -> Iterator[None]:
        self._places.check_room(tenant)
        with self._places.place(tenant):
            yield

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix=SPOOL_PREFIX, dir=self._settings.spool_dir) as folder:
            yield Path(folder)

    async def _receive(self, request: Request, path: Path, filename: str | None) -> Upload:
        seconds = self._settings.upload_timeout_seconds
        try:
            with fail_after(seconds):
                return await self._spool(request, path, filename)
        except TimeoutError as error:
            raise UploadTimeout(seconds) from error

    async def _spool(self, request: Request, path: Path, filename: str | None) -> Upload:
        form = _form(request)
        digest = hashlib.sha256()
        limit, byte_count = self._settings.max_upload_bytes, 0
        with path.open("wb") as spool:
            pending = bytearray()

            def write() -> None:
                digest.update(pending)
                spool.write(pending)

            body = paced(
                request.stream(),
                bytes_per_second=self._settings.upload_bytes_per_second,
                grace_seconds=self._settings.upload_grace_seconds,
            )
            async for chunk in body:
                content = chunk if form is None else form.feed(chunk)
                byte_count += len(content)
                if byte_count > limit:
                    raise ContentTooLarge(limit)
                pending += content
                if len(pending) >= WRITE_BYTES:
                    await to_thread.run_sync(write)
                    pending.clear()
            await to_thread.run_sync(write)
        if form is not None:
            form.close()
        if byte_count == 0:
            raise EmptyUpload("there are no bytes: send the content of a file")
        named = clean_filename((form.filename if form is not None else None) or filename)
        return Upload(path=path, sha256=digest.hexdigest(), byte_count=byte_count, filename=named)

    def _renew(self, tenant: str, upload: Upload, record: Recorder) -> Signal | None:
        """The tenant's signal with these bytes, if there is one, its object written anew.

        A row is no proof of an object. To write it costs no more than to read it, and heals also what storage cannot
        read and would try to for many seconds.
        """
        with self._database.unit_of_work() as session:
            known = Signals(session).find(tenant, upload.sha256)
        if known is None:
            return None
        self._blobs.put(known.object_key, upload.path, media_type=known.media_type)
        with self._database.unit_of_work() as session:
            signals = Signals(session)
            # Whoever deletes the signal may have taken the object since we put it there; then it is a new one.
            signals.lock(tenant, upload.sha256)
            found = signals.find(tenant, upload.sha256, kept_seconds=self._settings.signals_kept_seconds)
            if found is None:
                return None
            if not self._is_stored(found.object_key):
                self._blobs.put(found.object_key, upload.path, media_type=found.media_type)
            found.damage = None
            record(session, found)
            return found

    def _keep(self, tenant: str, upload: Upload, facts: dict[str, Any], record: Recorder) -> tuple[Signal, bool]:
        key = signal_key(tenant, upload.sha256)
        facts = dict(facts)
        decoded_sha256 = facts.pop(DECODED_SHA256, None)  # for workers, and nothing that a client could use
        media_type = MEDIA_TYPES.get(facts["format"], "application/octet-stream")
        self._blobs.put(key, upload.path, media_type=media_type)
        try:
            with self._database.unit_of_work() as session:
                signals = Signals(session)
                # An upload of the same bytes that failed may have taken the object back since we put it there.
                signals.lock(tenant, upload.sha256)
                if not self._is_stored(key):
                    self._blobs.put(key, upload.path, media_type=media_type)
                added = signals.add(
                    tenant=tenant,
                    sha256=upload.sha256,
                    byte_count=upload.byte_count,
                    media_type=media_type,
                    filename=upload.filename,
                    facts=facts,
                    object_key=key,
                    decoded_sha256=decoded_sha256,
                    kept_seconds=self._settings.signals_kept_seconds,
                )
                added[0].damage = None  # its object is new even if somebody else has added the row meanwhile
                record(session, added[0])
                Quotas(session).check_stored_bytes(tenant, self._settings.max_stored_bytes)
                return added
        except Exception:
            self._take_back(tenant, upload.sha256, key)
            raise

    def _is_stored(self, key: str) -> bool:
        try:
            self._blobs.size(key)
        except BlobMissing:
            return False
        return True

    def _take_back(self, tenant: str, sha256: str, key: str) -> None:
        try:
            with self._database.unit_of_work() as session:
                signals = Signals(session)
                signals.lock(tenant, sha256)
                if signals.find(tenant, sha256) is None:
                    self._blobs.delete(key)
        except Exception:
            # Most likely the database went away, and with it the knowledge whether a row needs the object.
            logger.exception("an object may be left without a row", extra={"fields": {"key": key}})


def clean_filename(name: str | None) -> str | None:
    """The last part of a path, without control characters and of bounded length; for display and downloads only."""
    last = unicodedata.normalize("NFC", name or "").replace("\\", "/").rpartition("/")[2]
    shown = "".join(c for c in last if c.isprintable()).strip(" .")
    if len(shown) <= MAX_FILENAME:
        return shown or None
    # The end says what it is, `.nii.gz`; an end that is longer than any of those is a part of the name.
    end = "".join(PurePath(shown).suffixes[-2:])
    end = end if len(end) <= MAX_EXTENSION else PurePath(shown).suffix
    end = end if len(end) <= MAX_EXTENSION else ""
    return shown[: MAX_FILENAME - len(end)].rstrip(" .") + end


def _form(request: Request) -> FilePart | None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise UnsupportedMediaType(f"the Content-Encoding {encoding!r} is not read: send the file as it is")
    content_type = request.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        return FilePart(content_type)
    if media_type.startswith(READ_TYPES):
        return None
    raise UnsupportedMediaType(
        f"the Content-Type is {media_type or 'missing'!r}: send a form (multipart/form-data, field 'file') or the file "
        "itself (image/*, audio/*, video/*, model/*, application/octet-stream)"
    )
