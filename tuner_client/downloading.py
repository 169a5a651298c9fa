"""The state of a download over any number of connections: what is there, what is missing, and whether it is right."""

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import httpx2

from tuner_client.calls import TRIES
from tuner_client.errors import DownloadDamaged


class Downloading:
    """Writes beside the target, and only what was verified takes its name.

    Args:
        target: the file to write.
    """

    def __init__(self, target: Path, file: BinaryIO) -> None:
        self._target = target
        self._file = file
        self._hash = hashlib.sha256()
        self._etag: str | None = None
        self.received = 0
        self.failures = 0

    @classmethod
    @contextmanager
    def to(cls, target: Path) -> Iterator["Downloading"]:
        """A download that leaves nothing behind unless it is finished."""
        # A name of its own for each download: two of the same process to one target must not share it. It is shortened,
        # as the target's name may already be as long as the file system allows.
        part = target.with_name(f".{target.name[:40]}.{uuid.uuid4().hex}.part")
        try:
            with part.open("xb") as file:
                yield cls(target, file)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def headers(self) -> dict[str, str]:
        """For the next connection: go on where the last one broke off, if it is still the same file."""
        if not self.received or self._etag is None:
            return {}
        return {"Range": f"bytes={self.received}-", "If-Range": self._etag}

    def begin(self, answer: httpx2.Response) -> None:
        """Look at the head of an answer: a whole file begins anew, a part goes on."""
        if answer.status_code != httpx2.codes.PARTIAL_CONTENT and self.received:
            self._file.seek(0)
            self._file.truncate()
            self._hash, self.received = hashlib.sha256(), 0
        self._etag = answer.headers.get("etag")

    def take(self, chunk: bytes) -> None:
        """Write what came."""
        self._file.write(chunk)
        self._hash.update(chunk)
        self.received += len(chunk)
        self.failures = 0

    def verify(self) -> str:
        """Hold the bytes against the ETag, which is their SHA-256; returns it.

        Raises:
            DownloadDamaged: if they differ.
        """
        found, promised = self._hash.hexdigest(), (self._etag or "").strip('"')
        if found != promised:
            raise DownloadDamaged(f"{self._target.name}: {self.received} bytes with SHA-256 {found}, not {promised}")
        return found

    def pause_after_failure(self) -> float | None:
        """Seconds to wait before the next connection, or None if there is no hope."""
        self.failures += 1
        return None if self.failures >= TRIES else 0.2 * 2.0**self.failures
