"""Which signals are cut into tiles, and how. No torch here.

A tile is small enough for a fit to take some hundred MB, and large enough that its own layers, about 300 bytes, and
what overlaps cost a few percent. Measurements are in docs/decisions/0036-tiles.md.
"""

from collections.abc import Sequence
from math import sqrt

from tuner.errors import ConfigError
from tuner.fit.presets import Outline
from tuner.fit.wavelets.config import MOST_AXES
from tuner.network.tiles.grid import TileGrid, even_grid
from tuner.targets.target import Target, TargetKind
from tuner.targets.wavelets.choice import wavelets_suit

# By number of axes: samples of a tile along its sides, and samples that neighbours share.
_SIDES = {1: 1 << 17, 2: 512, 3: 72}
_OVERLAPS = {1: 256, 2: 16, 3: 4}

# A signal of more values has fewer steps for each, but so many at least; beyond, a step gains some hundredths of a dB.
_FULL_EFFORT_VALUES, _LEAST_STEPS = 48 << 20, 6


def tiles_suit(signal: Outline, target: Target | None) -> bool:
    """Whether a signal is cut into tiles where nobody has said: it is too large for one network of wavelets.

    That is beyond 15 million values of a picture, 8 million of other signals, of at most three axes. A largest error is
    left to networks of sines, which know what that is.
    """
    if target is not None and target.kind is TargetKind.MAX_ERROR:
        return False
    return len(signal.grid_shape) <= MOST_AXES and not wavelets_suit(signal, target)


def tile_grid(shape: Sequence[int], side: int | None = None) -> TileGrid:
    """How a signal of a shape is cut.

    Args:
        shape: number of samples of the signal along each axis.
        side: most samples of a tile along each axis; None for as many as suit the number of axes.

    Raises:
        ConfigError: if the signal has more than three axes, or the side is too short.
    """
    axes = len(shape)
    if axes > MOST_AXES:
        raise ConfigError(f"the signal has {axes} axes, tiles have at most {MOST_AXES}")
    most = _SIDES[axes] if side is None else side
    if most < 8:
        raise ConfigError(f"the side of a tile is {most}, expected at least 8 samples")
    return even_grid(tuple(shape), (most,) * axes, (min(_OVERLAPS[axes], most // 8),) * axes)


def tile_steps(steps: int, values: int) -> int:
    """Steps of the fit of a tile, fewer where there are many tiles: twice the values take about 1.4 times as long.

    Args:
        steps: number of steps that one fit of the effort has.
        values: number of values of the whole signal, each channel counted.
    """
    scaled = round(steps * min(1.0, sqrt(_FULL_EFFORT_VALUES / values)))
    return max(min(steps, _LEAST_STEPS), scaled)


def largest_tile(grid: TileGrid) -> tuple[int, ...]:
    """The shape of the first tile, than which none is larger."""
    return grid.tile_shape(0)


def pilots(grid: TileGrid, count: int) -> list[int]:
    """The numbers of some tiles that stand for all, spread over the signal."""
    chosen = min(count, grid.tiles)
    return sorted({round((index + 0.5) * grid.tiles / chosen - 0.5) for index in range(chosen)})
