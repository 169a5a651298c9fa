"""A region of a large signal from a few bytes of its file: header, index, and the tiles that it meets.

The file may be on disk, in memory or behind HTTP: `tuner.codec.ranges` reads only what is needed. Of a file that is not
cut into tiles all is read.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tuner.codec.decode import decode, representation_of
from tuner.codec.file.container import NETWORKS, ChunkType, read_chunk, read_chunk_head
from tuner.codec.file.header import Header, unpack_header
from tuner.codec.file.primitives import ByteReader
from tuner.codec.limits import DecodeLimits
from tuner.codec.ranges import FIRST_BYTES, Ranges, ReadRange, Seekable
from tuner.codec.tiles.chunk import PackedTiles, QuantisedTiles, check_length
from tuner.codec.tiles.index import most_grid_bytes, most_index_bytes, unpack_grid, unpack_index
from tuner.errors import ConfigError, CorruptFile
from tuner.representation import Representation
from tuner.signal.signal import Signal

# Most bytes of a type and a length; bytes of a checksum.
_HEAD: Final = 6
_CHECKSUM: Final = 4
_SPAN: Final = re.compile(r"\s*(\d{0,10})\s*:\s*(\d{0,10})\s*", re.ASCII)


def load_region(
    source: Path | str | bytes | Seekable | ReadRange | Ranges,
    region: Sequence[tuple[int, int]],
    limits: DecodeLimits = DecodeLimits(),  # noqa: B008  frozen
) -> Signal:
    """Read some samples of a signal, and of a file in tiles no more bytes than those take.

    Example:
        >>> from tuner import encode, load_region
        >>> load_region(encode(representation), [(0, 8), (4, 16)]).grid_shape
        (8, 12)

    Args:
        source: location of a .tnr file, its bytes, an open binary file, a callable that returns ranges of it, or
            `tuner.Ranges` of one of these, which counts what is read.
        region: samples along each axis, [start, stop), in the order of the signal's shape: rows, then columns.
        limits: what the reader is ready to spend.

    Returns:
        The samples, exactly as in the whole signal; sample rate, positions and the like are those of the region.

    Raises:
        ConfigError: if the region is empty, or not within the signal.
        FormatError: if the file cannot be read; see `tuner.codec.decode.decode`.
    """
    return open_tiles(source, limits).crop(region)


def open_tiles(
    source: Path | str | bytes | Seekable | ReadRange | Ranges,
    limits: DecodeLimits = DecodeLimits(),  # noqa: B008  frozen
) -> Representation:
    """Read what precedes the tiles of a file; each tile is read when a value of it is asked for.

    Example:
        >>> from tuner import Ranges, encode, open_tiles
        >>> file = Ranges(encode(representation))
        >>> open_tiles(file).grid_shape, file.requests
        ((24, 16), 1)

    Args:
        source: what `load_region` takes; a file on disk must not be written anew while the representation is used, one
            that is open must stay so.
        limits: what the reader is ready to spend.

    Returns:
        The representation, whose values cost as many bytes as the tiles that they lie in; of a file without tiles, as
        `tuner.codec.decode.decode` gives it.

    Raises:
        FormatError: if the file cannot be read; see `tuner.codec.decode.decode`. A tile that is damaged is found when
            it is read.
    """
    ranges = source if isinstance(source, Ranges) else Ranges(source)
    reader = ByteReader(ranges.read(0, FIRST_BYTES))
    header = unpack_header(reader)
    header.check_limits(limits)
    payloads: dict[ChunkType, bytes] = {}
    network: QuantisedTiles | None = None
    offset = end = reader.position
    for number in range(1, header.chunks + 1):
        what = f"chunk {number} of {header.chunks}"
        head = ByteReader(ranges.read(offset, _HEAD))
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


def parse_region(text: str, shape: Sequence[int]) -> list[tuple[int, int]]:
    """Read a region that somebody wrote, such as `0:256,512:`.

    Args:
        text: START:STOP for each axis, with commas; either may be left out.
        shape: number of samples of the signal along each axis.

    Raises:
        ConfigError: if it is written in another way.
    """
    parts = [_SPAN.fullmatch(part) for part in text.split(",")]
    if len(parts) != len(shape) or None in parts:
        raise ConfigError(f"the region is {text!r}, expected START:STOP for each axis of {tuple(shape)}, with commas")
    written = [(part[1], part[2]) for part in parts if part is not None]
    return [(int(start or 0), int(stop or n)) for (start, stop), n in zip(written, shape, strict=True)]


def _tiles(ranges: Ranges, start: int, length: int, header: Header, limits: DecodeLimits) -> QuantisedTiles:
    """The tiles of a payload that begins at an offset of the file and has a length."""
    grid = unpack_grid(ByteReader(ranges.read(start, min(length, most_grid_bytes(header)))), header, limits)
    most = min(length, most_index_bytes(header, grid))
    index = unpack_index(ByteReader(ranges.read(start, most)), header, limits)
    check_length(index, length)
    places = index.starts()

    def packed(number: int) -> bytes:
        found = ranges.read(start + places[number], index.lengths[number])
        index.check(number, found)
        return found

    return QuantisedTiles(index.grid, PackedTiles(index.grid, header, packed, limits))
