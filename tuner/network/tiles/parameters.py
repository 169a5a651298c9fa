"""The networks of all tiles of a signal, as one set of parameters.

Each tile has a network of wavelets that knows nothing of the others, so that any part of a signal can be read, fitted
or repaired without the rest. The networks have layers of equal widths; what else they hold is their own. The sequence
of networks may read each of them when it is asked for: memory is then that of a few tiles.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

from tuner.errors import ConfigError
from tuner.network.parameters import HiddenLayer
from tuner.network.tiles.grid import TileGrid
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.shapes import IntArray


@runtime_checkable
class Networks(Protocol):
    """The networks of all tiles in the order of their numbers, such as a list of them.

    No `Sequence`, because whoever checks types takes one for all in memory and looks at its items.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> WaveletParameters: ...

    def __iter__(self) -> Iterator[WaveletParameters]: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class TiledParameters:
    """A network of wavelets for each tile.

    Attributes:
        grid: how the signal is cut.
        tiles: the network of each tile, in the order of their numbers.
        channels: length C of a value.
        period: p, length of a period in units of the coordinates of a tile.

    Raises:
        ConfigError: if there are not as many networks as tiles.
    """

    grid: TileGrid
    tiles: Networks
    channels: int
    period: float

    def __post_init__(self) -> None:
        if len(self.tiles) != self.grid.tiles:
            raise ConfigError(f"{len(self.tiles)} networks, expected {self.grid.tiles}: one for each tile")

    @property
    def kind(self) -> str:
        """Kind of network, in a word."""
        return "wavelets"

    @property
    def dimensions(self) -> int:
        """Length D of a coordinate."""
        return len(self.grid.shape)

    @property
    def weight_count(self) -> int:
        """Number of scalars of all tiles that a fit may change."""
        return self._counts[0]

    @property
    def latent_count(self) -> int:
        """Number of latents of all tiles."""
        return self._counts[1]

    @property
    def frequencies(self) -> IntArray:
        """K of the first tile, int32 (F, D); other tiles have as many."""
        return self.first.frequencies

    @property
    def hidden(self) -> tuple[HiddenLayer, ...]:
        """The hidden layers of the first tile; those of other tiles are as wide."""
        return self.first.hidden

    @cached_property
    def first(self) -> WaveletParameters:
        """The network of the first tile, which says how wide the layers of all are."""
        return self.tiles[0]

    @cached_property
    def _counts(self) -> tuple[int, int]:
        weights, latents = 0, 0
        for tile in self.tiles:
            weights, latents = weights + tile.weight_count, latents + tile.latent_count
        return weights, latents


def check_alike(parameters: TiledParameters) -> None:
    """Hold the networks of all tiles to the shape of their tile and to the layers of the first one.

    Raises:
        ConfigError: if one is of another signal, or of other layers.
    """
    expected = (parameters.period, parameters.channels, *_outline(parameters.first)[2:])
    for number, tile in enumerate(parameters.tiles):
        if tile.grid_shape != parameters.grid.tile_shape(number) or _outline(tile) != expected:
            raise ConfigError(
                f"tile {number} has a network of {tile.grid_shape} with {_outline(tile)}, expected one of "
                f"{parameters.grid.tile_shape(number)} with {expected}: period, channels, frequencies and widths"
            )


def _outline(tile: WaveletParameters) -> tuple[float, int, int, tuple[int, ...]]:
    return tile.period, tile.channels, len(tile.frequencies), tuple(len(layer.bias) for layer in tile.hidden)
