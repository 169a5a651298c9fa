"""Ranges of the bytes of a file, wherever it is, and how many were read."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Final, Protocol, runtime_checkable

from tuner.codec.file.primitives import ByteReader
from tuner.codec.limits import DecodeLimits
from tuner.errors import ConfigError

# With so many bytes the header of up to four axes is there, and mostly all that precedes the tiles: one request instead
# of several.
FIRST_BYTES: Final = 2048

# Given an offset and a count, returns so many bytes from there on; fewer, or none, where the file ends.
ReadRange = Callable[[int, int], bytes]


@runtime_checkable
class Seekable(Protocol):
    """An open binary file that can be read from any place."""

    def seek(self, offset: int, /) -> int:
        """Go to a place, counted from the first byte."""

    def read(self, size: int, /) -> bytes:
        """So many bytes from there on, fewer at the end of the file only."""


class Ranges:
    """A file of which ranges are read and counted: on disk, in memory, open, or behind HTTP.

    Example:
        >>> from tuner import Ranges
        >>> ranges = Ranges(bytes(10_000))
        >>> len(ranges.read(0, 16)), ranges.bytes_read, ranges.requests
        (16, 2048, 1)

    The first 2048 bytes are read at once and kept. Threads may share an object.

    Args:
        source: location of a file, which is opened for each range; all its bytes; an open binary file, which must stay
            open; or a callable that takes an offset and a count and returns so many bytes, fewer, or none, where the
            file ends. One that asks by HTTP sends the header `Range: bytes={offset}-{offset + count - 1}` and returns
            the body of status 206, or nothing of status 416.

    Attributes:
        bytes_read: number of bytes that were read so far.
        requests: number of ranges that were read so far.

    Raises:
        ConfigError: if the source is none of these.
    """

    def __init__(self, source: Path | str | bytes | Seekable | ReadRange) -> None:
        self._read: ReadRange
        if isinstance(source, Path | str):
            self._read = _OfPath(Path(source))
        elif isinstance(source, bytes):
            self._read = _OfFile(BytesIO(source))
        elif isinstance(source, Seekable):
            self._read = _OfFile(source)
        elif callable(source):
            self._read = source
        else:
            raise ConfigError(
                f"the source is {type(source).__name__}, expected a path, bytes, an open binary file, or a callable "
                "that takes an offset and a count"
            )
        self.bytes_read, self.requests = 0, 0
        self._counting = Lock()
        self._first: bytes | None = None

    def read(self, offset: int, count: int) -> bytes:
        """So many bytes from an offset on, fewer at the end of the file.

        Raises:
            ConfigError: if the source returns more than was asked for.
        """
        first = self._first
        if first is None:
            first = self._first = self._asked(0, FIRST_BYTES)
        known = first[offset : offset + count]
        if len(known) == count or len(first) < FIRST_BYTES:  # a file that ends there has no more
            return known
        return known + self._asked(max(offset, len(first)), count - len(known))

    def exactly(self, offset: int, count: int, what: str) -> bytes:
        """So many bytes from an offset on.

        Args:
            offset: place of the first byte.
            count: number of bytes.
            what: name of what they are, for messages.

        Raises:
            CorruptFile: if the file ends before.
        """
        return ByteReader(self.read(offset, count)).take(count, what)

    def whole(self, limits: DecodeLimits) -> bytes:
        """All bytes of the file.

        Raises:
            LimitExceeded: if there are more than the limits allow, of which no more are read.
        """
        found = self.read(0, limits.file_bytes + 1)
        limits.check("file_bytes", len(found))
        return found

    def _asked(self, offset: int, count: int) -> bytes:
        found = self._read(offset, count)
        with self._counting:
            self.bytes_read += len(found)
            self.requests += 1
        if len(found) > count:
            raise ConfigError(
                f"the source returned {len(found)} bytes, expected at most the {count} asked for: a server that does "
                "not know ranges answers with 200 and the whole file"
            )
        return found


class _OfPath:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, offset: int, count: int) -> bytes:
        with self._path.open("rb") as file:
            file.seek(offset)
            return file.read(count)


class _OfFile:
    """An open file has one place at a time, so that threads take turns."""

    def __init__(self, file: Seekable) -> None:
        self._file, self._turn = file, Lock()

    def __call__(self, offset: int, count: int) -> bytes:
        with self._turn:
            self._file.seek(offset)
            found = b""
            while len(found) < count:  # what is read from a network may come in parts
                part = self._file.read(count - len(found))
                if not part:
                    break
                found += part
            return found
