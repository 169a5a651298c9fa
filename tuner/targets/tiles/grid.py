"""The grid of tiles of a signal, with which tiles are blended."""

from collections.abc import Sequence

from tuner.network.tiles.grid import TileGrid
from tuner.targets.tiles.choice import tile_cut


def tile_grid(shape: Sequence[int], side: int | None = None) -> TileGrid:
    """How a signal of a shape is cut; arguments and errors are those of `tile_cut`."""
    return TileGrid.of(tile_cut(shape, side))
