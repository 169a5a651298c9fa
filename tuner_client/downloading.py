"""The state of a download over any number of connections: what is there, what is missing, and whether it is right."""

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import httpx2

from tuner_client.calls import Call, pause_before, promised_sha256
from tuner_client.errors import DownloadDamaged, UnexpectedAnswer
from tuner_client.models import Download


class Downloading:
    """Writes beside the target, and only what was verified takes its name.

    Args:
        target: path of the file to write.
        file: what is written to meanwhile.
    """

    def __init__(self, target: Path, file: BinaryIO) -> None:
        self._target = target
        self._file = file
        self._hash = hashlib.sha256()
        self._etag: str | None = None
        self._promised: str | None = None
        self._media_type = ""
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
        """Look at the head of an answer: a whole file begins anew, a part goes on.

        Raises:
            UnexpectedAnswer: if it is the head of something else.
        """
        promised = promised_sha256(answer.headers)
        if promised is None or "content-encoding" in answer.headers:
            kind = answer.headers.get("content-type") or "no type"
            raise UnexpectedAnswer(
                f"the answer ({kind}) is no file of the service: expected its bytes as they are, and their SHA-256"
            )
        if answer.status_code == httpx2.codes.PARTIAL_CONTENT:
            place = answer.headers.get("content-range", "")
            if not place.startswith(f"bytes {self.received}-") or promised != self._promised:
                raise UnexpectedAnswer(f"the answer goes on at {place or 'no place'}, expected byte {self.received}")
        elif self.received:
            self._file.seek(0)
            self._file.truncate()
            self._hash, self.received = hashlib.sha256(), 0
        self._promised, self._etag = promised, answer.headers.get("etag")
        self._media_type = answer.headers.get("content-type", "")

    def take(self, chunk: bytes) -> None:
        """Write what came."""
        self._file.write(chunk)
        self._hash.update(chunk)
        self.received += len(chunk)
        self.failures = 0

    def finish(self) -> Download:
        """Hold the bytes against the promise.

        Raises:
            DownloadDamaged: if they differ.
        """
        found = self._hash.hexdigest()
        if found != self._promised:
            raise DownloadDamaged(
                f"{self._target.name}: {self.received} bytes with SHA-256 {found}, not {self._promised}"
            )
        return Download(path=str(self._target), bytes=self.received, sha256=found, media_type=self._media_type)

    def pause_after(self, error: Exception, call: Call[Any]) -> float | None:
        """Seconds to wait before the next connection, or None if there is no hope."""
        self.failures += 1
        return pause_before(self.failures, error, call)
