"""Queries about large uploads on their way."""

from typing import Any

from sqlalchemy import Integer, Interval, bindparam, func, select, text, update
from sqlalchemy.orm import Session

from store.errors import UploadNotFound
from store.models import Upload

_UNDER_WAY = (
    select(Upload)
    .where(Upload.signal_id.is_(None), Upload.expires_at > func.now())
    .order_by(func.random())
    .limit(bindparam("most", type_=Integer))
)


class LargeUploads:
    """The uploads table within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(
        self, *, tenant: str, byte_count: int, part_bytes: int, filename: str | None, lifetime_seconds: float
    ) -> Upload:
        """A new upload; storage's own id is set by the caller before the commit."""
        upload = Upload(
            tenant=tenant,
            byte_count=byte_count,
            part_bytes=part_bytes,
            filename=filename,
            storage_id="",
            expires_at=func.now() + _seconds(lifetime_seconds),
        )
        self._session.add(upload)
        self._session.flush()
        return upload

    def get(self, tenant: str, upload_id: str) -> Upload:
        """The tenant's upload with this id.

        Raises:
            UploadNotFound: if there is none, or it has expired.
        """
        query = select(Upload).where(Upload.tenant == tenant, Upload.id == upload_id, Upload.expires_at > func.now())
        upload = self._session.scalar(query)
        if upload is None:
            raise UploadNotFound(f"no upload {upload_id!r}, or it has expired: begin one with POST /uploads")
        return upload

    def open_count(self, tenant: str) -> int:
        """How many of the tenant's uploads are neither complete nor expired."""
        query = select(func.count()).where(
            Upload.tenant == tenant, Upload.signal_id.is_(None), Upload.expires_at > func.now()
        )
        return self._session.scalar(query) or 0

    def under_way(self, *, limit: int = 200) -> list[Upload]:
        """Uploads of all tenants that clients may still send parts of, in no order."""
        return list(self._session.scalars(_UNDER_WAY, {"most": limit}))

    def note_received(self, upload_id: str, byte_count: int) -> None:
        """Write down how many bytes of parts lie in storage."""
        changed = update(Upload).where(Upload.id == upload_id, Upload.received_bytes != byte_count)
        self._session.execute(changed.values(received_bytes=byte_count))

    def complete(self, upload_id: str, signal_id: str) -> None:
        """It has become a signal: from here on the signal counts, and no longer what was announced."""
        became = update(Upload).where(Upload.id == upload_id).values(signal_id=signal_id)
        self._session.execute(became.execution_options(synchronize_session=False))

    def remove(self, upload_id: str) -> None:
        """Forget an upload; its parts and its object are gone already."""
        upload = self._session.get(Upload, upload_id)
        if upload is not None:
            self._session.delete(upload)

    def expired(self, *, limit: int = 100) -> list[Upload]:
        """Uploads whose time is over."""
        return list(self._session.scalars(select(Upload).where(Upload.expires_at <= func.now()).limit(limit)))

    def storage_ids(self) -> set[str]:
        """Those that storage must keep, by its own ids."""
        return set(self._session.scalars(select(Upload.storage_id).where(Upload.expires_at > func.now())))

    def knows(self, upload_id: str) -> bool:
        """Whether there is a row, expired or not."""
        return self._session.get(Upload, upload_id) is not None


def _seconds(seconds: float) -> Any:
    return func.make_interval(text(f"secs => {float(seconds)!r}"), type_=Interval)
