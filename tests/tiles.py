"""Small random signals in tiles, the same ones every time."""

import pytest

from tests.wavelets import random_wavelets
from tuner.network.tiles.grid import TileGrid
from tuner.network.tiles.parameters import TiledParameters
from tuner.representation import Representation


def random_tiles(
    shape: tuple[int, ...] = (40, 36),
    strides: tuple[int, ...] = (16, 20),
    overlaps: tuple[int, ...] = (4, 3),
    *,
    colours: int = 2,
    channels: int = 2,
    seed: int = 0,
) -> TiledParameters:
    """A random network of wavelets for each tile."""
    grid = TileGrid(shape, strides, overlaps)
    tiles = [
        random_wavelets(grid.tile_shape(number), scales=2, colours=colours, channels=channels, seed=seed + number)
        for number in range(grid.tiles)
    ]
    return TiledParameters(grid=grid, tiles=tiles, channels=channels, period=2.5)


def tiled(parameters: TiledParameters) -> Representation:
    """The representation by some networks in tiles."""
    return Representation(parameters=parameters, grid_shape=parameters.grid.shape)


def ask_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Types are checked while tests run, by asking parameters for all their properties; nobody else asks for these."""
    monkeypatch.setattr(TiledParameters, "_counts", (1, 1))
    monkeypatch.setattr(TiledParameters, "first", random_tiles().tiles[0])
