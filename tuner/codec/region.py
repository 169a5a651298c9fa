"""A region of a large signal from a few bytes of its file: header, index, and the tiles that it meets.

The file may be on disk or behind HTTP: whatever can seek and read will do, and only what is needed is read. Of a file
that is not cut into tiles all is read.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from tuner.codec.decode import decode, representation_of
from tuner.codec.file.container import NETWORKS, ChunkType, read_chunk, read_chunk_head
from tuner.codec.file.header import Header, unpack_header
from tuner.codec.file.primitives import ByteReader
from tuner.codec.limits import DecodeLimits
from tuner.codec.tiles.chunk import PackedTiles, QuantisedTiles, check_length
from tuner.codec.tiles.index import most_grid_bytes, most_index_bytes, unpack_grid, unpack_index
from tuner.errors import CorruptFile
from tuner.representation import Representation
from tuner.signal.signal import Signal

# With so many bytes a header is there, and mostly all that precedes the tiles: one request instead of several.
_FIRST_BYTES = 2048
# Most bytes of a type and a length; bytes of a checksum.
_HEAD, _CHECKSUM = 6, 4


@runtime_checkable
class Seekable(Protocol):
    """A file that can be read from any place, such as one that asks for ranges by HTTP."""

    def seek(self, offset: int, /) -> int:
        """Go to a place, counted from the first byte."""

    def read(self, size: int, /) -> bytes:
        """So many bytes from there on, fewer at the end of the file only."""


def load_region(
    source: Path | str | Seekable,
    region: Sequence[tuple[int, int]],
    limits: DecodeLimits = DecodeLimits(),  # noqa: B008  frozen
) -> Signal:
    """Read some samples of a signal, and of a file in tiles no more bytes than those take.

    Example:
        >>> corner = load_region("plan.tnr", [(0, 256), (512, 768)])  # doctest: +SKIP
        >>> corner.grid_shape  # doctest: +SKIP
        (256, 256)

    Args:
        source: location of a .tnr file, or an open one that can seek and read.
        region: samples along each axis, [start, stop).
        limits: what the reader is ready to spend.

    Returns:
        The samples, exactly as in the whole signal; sample rate, positions and the like are those of the region.

    Raises:
        ConfigError: if the region is empty, or not within the signal.
        FormatError: if the file cannot be read; see `tuner.codec.decode.decode`.
    """
    with _opened(source) as file:
        return open_tiles(file, limits).crop(region)


def open_tiles(file: Seekable, limits: DecodeLimits = DecodeLimits()) -> Representation:  # noqa: B008  frozen
    """Read what precedes the tiles of a file; each tile is read when a value of it is asked for.

    Args:
        file: an open file, which must stay open while the representation is used.
        limits: what the reader is ready to spend.

    Returns:
        The representation, whose values cost as many bytes as the tiles that they lie in; of a file without tiles, as
        `tuner.codec.decode.decode` gives it.

    Raises:
        FormatError: if the file cannot be read; see `tuner.codec.decode.decode`. A tile that is damaged is found when
            it is read.
    """
    ranges = _Ranges(file)
    reader = ByteReader(ranges.first())
    header = unpack_header(reader)
    header.check_limits(limits)
    payloads: dict[ChunkType, bytes] = {}
    network: QuantisedTiles | None = None
    offset, end = reader.position, 0
    for number in range(1, header.chunks + 1):
        what = f"chunk {number} of {header.chunks}"
        head = ByteReader(ranges.up_to(offset, _HEAD))
        kind, length = read_chunk_head(head, what, limits, is_read=False)
        start, end = offset + head.position, offset + head.position + length + _CHECKSUM
        if kind == ChunkType.TILES:
            if network is not None:
                raise CorruptFile(f"chunk type {kind:#04x} occurs twice, expected once: the file is damaged")
            network = _tiles(ranges, start, length, header, limits)
        elif kind in NETWORKS:
            return decode(ranges.whole(limits), limits)
        else:
            limits.check("chunk_bytes", length)
            read_chunk(payloads, ByteReader(ranges.exactly(offset, end - offset, what)), what, limits)
        offset = end
    if network is None:
        raise CorruptFile("the file has no network chunks, expected one: the file is damaged")
    return representation_of(header, payloads, network, end)


def _tiles(ranges: "_Ranges", start: int, length: int, header: Header, limits: DecodeLimits) -> QuantisedTiles:
    """The tiles of a payload that begins at an offset of the file and has a length."""
    grid = unpack_grid(ByteReader(ranges.up_to(start, min(length, most_grid_bytes(header)))), header, limits)
    most = min(length, most_index_bytes(header, grid))
    index = unpack_index(ByteReader(ranges.up_to(start, most)), header, limits)
    check_length(index, length)
    places = index.starts()

    def packed(number: int) -> bytes:
        found = ranges.up_to(start + places[number], index.lengths[number])
        index.check(number, found)
        return found

    return QuantisedTiles(index.grid, PackedTiles(index.grid, header, packed, limits))


class _Ranges:
    """Ranges of bytes of a file; the first ones are kept."""

    def __init__(self, file: Seekable) -> None:
        self._file = file
        self._first = b""

    def first(self) -> bytes:
        """The first bytes of the file, as many as a header can have."""
        self._first = self._read(0, _FIRST_BYTES)
        return self._first

    def up_to(self, offset: int, count: int) -> bytes:
        """So many bytes, fewer at the end of the file."""
        if offset + count <= len(self._first):
            return self._first[offset : offset + count]
        return self._first[offset:] + self._read(max(offset, len(self._first)), count - len(self._first[offset:]))

    def exactly(self, offset: int, count: int, what: str) -> bytes:
        """So many bytes.

        Raises:
            CorruptFile: if the file ends before.
        """
        return ByteReader(self.up_to(offset, count)).take(count, what)

    def whole(self, limits: DecodeLimits) -> bytes:
        """The whole file, if the limits allow it."""
        found = self._read(0, limits.file_bytes + 1)
        limits.check("file_bytes", len(found))
        return found

    def _read(self, offset: int, count: int) -> bytes:
        self._file.seek(offset)
        found = b""
        while len(found) < count:  # what is read from a network may come in parts
            part = self._file.read(count - len(found))
            if not part:
                break
            found += part
        return found


@contextmanager
def _opened(source: Path | str | Seekable) -> Iterator[Seekable | BinaryIO]:
    if isinstance(source, Path | str):
        with Path(source).open("rb") as file:
            yield file
    else:
        yield source
