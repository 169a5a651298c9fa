"""Chunk 08: an index, then the networks of the tiles, each as in chunk 07, of a signal that is its tile.

Tiles are unpacked when they are asked for, and a few kept, so that a signal of any size is read in the memory of some
tiles. Their checksums are compared at once if all bytes are there.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Lock

from tuner.codec.file.header import Header
from tuner.codec.file.primitives import ByteReader
from tuner.codec.limits import DecodeLimits
from tuner.codec.tiles.index import TileIndex, pack_index, unpack_index
from tuner.codec.wavelets.chunk import (
    QuantisedWavelets,
    fine_wavelet_steps,
    pack_wavelets,
    quantise_wavelets,
    unpack_wavelets,
)
from tuner.errors import ConfigError, CorruptFile
from tuner.network.parameters import Steps
from tuner.network.tiles.grid import TileGrid
from tuner.network.tiles.parameters import TiledParameters, check_alike
from tuner.network.wavelets.parameters import WaveletParameters


class PackedTiles:
    """The networks of all tiles, each unpacked when it is asked for; those asked for last are kept.

    Threads may share an object.

    Args:
        grid: how the signal is cut.
        header: header of the file.
        packed: returns the bytes of a tile by its number, compared with their checksum.
        limits: what the reader is ready to spend; the networks that are kept have no more weights than that together.
    """

    def __init__(self, grid: TileGrid, header: Header, packed: Callable[[int], bytes], limits: DecodeLimits) -> None:
        self._grid, self._limits = grid, limits
        self.header, self.packed = header, packed
        self._kept: OrderedDict[int, WaveletParameters] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return self._grid.tiles

    def integers(self, number: int) -> QuantisedWavelets:
        """The integers of a tile as they stand in the file.

        Raises:
            LimitExceeded: if the tile has too many weights.
            CorruptFile: if its bytes are damaged, or are not what an encoder writes.
        """
        header = replace(self.header, shape=self._grid.tile_shape(number))
        return unpack_wavelets(self.packed(number), header, self._limits)

    def __getitem__(self, number: int) -> WaveletParameters:
        if not 0 <= number < len(self):
            raise IndexError(f"tile {number} of {len(self)}")
        with self._lock:
            found = self._kept.get(number)
            if found is not None:
                self._kept.move_to_end(number)
                return found
        found = self.integers(number).parameters()  # threads unpack several tiles at once
        with self._lock:
            self._kept.pop(number, None)
            weights = found.weight_count + sum(tile.weight_count for tile in self._kept.values())
            while self._kept and weights > self._limits.weights:
                weights -= self._kept.popitem(last=False)[1].weight_count
            self._kept[number] = found
        return found

    def __iter__(self) -> Iterator[WaveletParameters]:
        return (self[number] for number in range(len(self)))


@dataclass(frozen=True, slots=True, eq=False)
class QuantisedTiles:
    """A signal in tiles, in integers.

    Attributes:
        grid: how the signal is cut.
        tiles: networks of the tiles, which are unpacked when they are asked for.
        steps: always None, since tiles have steps of their own, and are written again as the bytes that they came in.
    """

    grid: TileGrid
    tiles: PackedTiles
    steps: None = None

    def parameters(self) -> TiledParameters:
        """The networks that the integers stand for."""
        header = self.tiles.header
        return TiledParameters(grid=self.grid, tiles=self.tiles, channels=header.channels, period=header.period)


def pack_tile(parameters: WaveletParameters, steps: tuple[float, ...] | None = None) -> bytes:
    """The bytes of one tile: the payload that a file of its samples alone would have in chunk 07.

    Args:
        parameters: network of the tile.
        steps: one quantisation step per tensor; None for fine ones.
    """
    return pack_wavelets(quantise_wavelets(parameters, steps or fine_wavelet_steps(parameters)))[0]


def join_tiles(grid: TileGrid, tiles: Sequence[bytes]) -> bytes:
    """The payload of the chunk from the bytes of all tiles, in the order of their numbers.

    Raises:
        ConfigError: if there are not as many as tiles of the grid.
    """
    if len(tiles) != grid.tiles:
        raise ConfigError(f"there are {len(tiles)} tiles, expected {grid.tiles}: fit those that are missing")
    return pack_index(grid, tiles) + b"".join(tiles)


def pack_tiles(parameters: TiledParameters, steps: Steps | None) -> bytes:
    """The payload of the chunk.

    Args:
        parameters: networks of all tiles; those from a file are written as the bytes that they came in.
        steps: one quantisation step for each tensor of the first tile, then of the next; None for those of the file,
            or fine ones.

    Raises:
        ConfigError: if a step is missing, not positive or too fine, or the tiles do not fit together.
    """
    if isinstance(parameters.tiles, PackedTiles) and steps is None:
        return join_tiles(parameters.grid, [parameters.tiles.packed(number) for number in range(len(parameters.tiles))])
    check_alike(parameters)
    each = len(parameters.first.tensors())
    if steps is not None and len(steps) != each * len(parameters.tiles):
        raise ConfigError(f"{len(steps)} steps, expected {each} for each of {len(parameters.tiles)} tiles")
    tiles = []
    for number, tile in enumerate(parameters.tiles):
        own = None if steps is None else steps[number * each : (number + 1) * each]
        tiles.append(pack_tile(tile, None if own is None else tuple(s for s in own if not isinstance(s, tuple))))
    return join_tiles(parameters.grid, tiles)


def unpack_tiles(payload: bytes, header: Header, limits: DecodeLimits) -> QuantisedTiles:
    """Read the payload of the chunk, all of which is there.

    All checksums are compared. Tiles are unpacked, too, until they have as many weights together as the limits allow
    one network; of a larger signal the others are when they are asked for.

    Raises:
        LimitExceeded: if there are more tiles, samples or weights than allowed.
        CorruptFile: if a tile is damaged, or the tiles do not end where the payload does.
    """
    index = unpack_index(ByteReader(payload), header, limits)
    check_length(index, len(payload))
    starts = index.starts()

    def packed(number: int) -> bytes:
        return payload[starts[number] : starts[number] + index.lengths[number]]

    for number in range(index.grid.tiles):
        index.check(number, packed(number))
    tiles, weights = PackedTiles(index.grid, header, packed, limits), 0
    for tile in tiles:
        weights += tile.weight_count
        if weights > limits.weights:
            break
    return QuantisedTiles(index.grid, tiles)


def check_length(index: TileIndex, payload_bytes: int) -> None:
    """Hold the lengths of the tiles against that of the payload.

    Raises:
        CorruptFile: if they do not add up to it.
    """
    if index.payload_bytes != payload_bytes:
        raise CorruptFile(
            f"index and tiles have {index.payload_bytes} bytes, the chunk {payload_bytes}: the file is damaged"
        )
