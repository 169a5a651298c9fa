"""The index of chunk 08: how a signal is cut into tiles, and for each of them how many bytes it takes and their CRC32C.

It stands before the tiles and has a checksum of its own, so that whoever has its bytes knows where any tile is, and
that what it fetches is whole. A tile takes 5 to 9 bytes of it, mostly 6 or 7. `tuner/codec/format/tiles.md` is the
specification.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from tuner.codec.file.header import Header, checksum
from tuner.codec.file.primitives import ByteReader, pack_varint
from tuner.codec.limits import DecodeLimits
from tuner.errors import ConfigError, CorruptFile
from tuner.network.tiles.grid import TileGrid

_CHECKSUM_BYTES: Final = 4
_VARINT_BYTES: Final = 5
MOST_BYTES_PER_TILE: Final = _VARINT_BYTES + _CHECKSUM_BYTES


@dataclass(frozen=True, slots=True)
class TileIndex:
    """Where the tiles of a signal are in a payload.

    Attributes:
        grid: how the signal is cut.
        lengths: number of bytes of each tile, in the order of their numbers.
        checksums: CRC32C of the bytes of each tile, little-endian.
        byte_count: size of the index itself in bytes, after which the first tile begins.
    """

    grid: TileGrid
    lengths: tuple[int, ...]
    checksums: tuple[bytes, ...]
    byte_count: int

    @property
    def payload_bytes(self) -> int:
        """Size of the whole payload in bytes."""
        return self.byte_count + sum(self.lengths)

    def starts(self) -> list[int]:
        """Where each tile begins in the payload."""
        return list(accumulate(self.lengths, initial=self.byte_count))[:-1]

    def check(self, number: int, packed: bytes) -> None:
        """Hold the bytes of a tile against the index.

        Raises:
            CorruptFile: if they are too few, or others than were written.
        """
        if len(packed) != self.lengths[number]:
            raise CorruptFile(
                f"tile {number} has {len(packed)} bytes, expected {self.lengths[number]}: the file is truncated, fetch "
                "it again"
            )
        if checksum(packed) != self.checksums[number]:
            raise CorruptFile(f"the checksum of tile {number} differs: the file is damaged, fetch this tile again")


def pack_index(grid: TileGrid, tiles: Sequence[bytes]) -> bytes:
    """The index of tiles that follow it, in the order of their numbers."""
    packed = b"".join(map(pack_varint, (*grid.strides, *grid.overlaps)))
    packed += b"".join(pack_varint(len(tile)) + checksum(tile) for tile in tiles)
    return packed + checksum(packed)


def unpack_grid(reader: ByteReader, header: Header, limits: DecodeLimits) -> TileGrid:
    """Read how the signal is cut, and hold that to the limits before memory is taken for the tiles.

    Raises:
        LimitExceeded: if there are too many tiles, or too many samples or values in all tiles together.
        CorruptFile: if strides and overlaps make no grid.
    """
    strides = tuple(reader.varint("stride of the tiles") for _ in header.shape)
    overlaps = tuple(reader.varint("overlap of the tiles") for _ in header.shape)
    try:
        grid = TileGrid(header.shape, strides, overlaps)
    except ConfigError as error:
        raise CorruptFile(f"{error}: the file is damaged") from error
    limits.check("tiles", grid.tiles)
    limits.check("samples", grid.samples)
    limits.check("values", grid.samples * header.channels)
    return grid


def unpack_index(reader: ByteReader, header: Header, limits: DecodeLimits) -> TileIndex:
    """Read the index from the beginning of a payload.

    Args:
        reader: bytes of the payload; left at the first tile.
        header: header of the file, already checked against the limits.
        limits: what the reader is ready to spend.

    Raises:
        LimitExceeded: if there are too many tiles or samples, or a tile has too many bytes.
        CorruptFile: if the bytes end, a number is out of its range, or the checksum differs.
    """
    start = reader.position
    grid = unpack_grid(reader, header, limits)
    lengths, checksums = [], []
    for _ in range(grid.tiles):
        lengths.append(reader.varint("length of a tile"))
        checksums.append(reader.take(_CHECKSUM_BYTES, "checksum of a tile"))
    expected = checksum(reader.since(start))
    if reader.take(len(expected), "checksum of the index") != expected:
        raise CorruptFile("the checksum of the index of tiles differs: the file is damaged, fetch it again")
    limits.check("chunk_bytes", max(lengths))
    return TileIndex(grid, tuple(lengths), tuple(checksums), reader.position - start)


def most_grid_bytes(header: Header) -> int:
    """As many bytes as strides and overlaps take at most."""
    return 2 * _VARINT_BYTES * len(header.shape)


def most_index_bytes(header: Header, grid: TileGrid) -> int:
    """As many bytes as the index of so many tiles takes at most."""
    return most_grid_bytes(header) + MOST_BYTES_PER_TILE * grid.tiles + _CHECKSUM_BYTES
