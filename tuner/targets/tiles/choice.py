"""Which signals are cut into tiles, and how. No torch here.

A tile is small enough for a fit to take some hundred MB, and large enough that its own layers, about 300 bytes, and
what overlaps cost a few percent. Measurements are in docs/decisions/0036-tiles.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod, sqrt

from tuner.errors import ConfigError
from tuner.fit.presets import Effort, Outline
from tuner.fit.wavelets.config import MOST_AXES, WaveletConfig
from tuner.network.tiles.cut import TileCut, even_cut
from tuner.signal.kind import SignalKind
from tuner.targets.target import Target, TargetKind
from tuner.targets.wavelets.choice import wavelets_for, wavelets_suit

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


def usual_side(axes: int) -> int:
    """Most samples of a tile along each of so many axes, one to three, where nobody has said."""
    return _SIDES[axes]


def tiles_for(
    signal: Outline,
    effort: Effort,
    target: Target | None,
    *,
    side: int | None = None,
    seed: int = 0,
    steps: int | None = None,
    seconds: float | None = None,
) -> WaveletConfig:
    """The settings of the fit of each tile of a signal, with the share of a tile of what is asked of the whole.

    Args:
        signal: the whole signal, of which only kind, shape and channels play a part.
        effort: what decides the number of steps of each fit and, without a target, the size.
        target: what the whole must meet; None for the size of the effort.
        side: most samples of a tile along each axis; None for as many as suit the number of axes.
        seed: number that decides every random choice, at least 0.
        steps: number of steps of the fit of a tile, instead of the effort's.
        seconds: longest duration of all training in seconds, or None.

    Raises:
        ConfigError: if the target is a largest error, the signal has too many axes, or the side is too short.
    """
    samples = prod(signal.grid_shape)
    aim, most = target, None if target is None else target.max_bytes(samples)
    if most is not None:
        aim = Target(TargetKind.BITS_PER_SAMPLE, 8.0 * max(most, 1) / samples)
    tile = TileOutline(signal.kind, largest_tile(tile_cut(signal.grid_shape, side)), signal.channels)
    config = wavelets_for(tile, effort, aim, seed=seed, steps=steps, seconds=seconds)
    if steps is None and config.max_seconds is None:
        config = replace(config, steps=tile_steps(config.steps, samples * signal.channels))
    return config


@dataclass(frozen=True, slots=True)
class TileOutline:
    """What presets ask of a signal, of one tile.

    Attributes:
        kind: kind of the whole signal.
        grid_shape: number of samples of the tile along each axis.
        channels: number of values of a sample.
    """

    kind: SignalKind
    grid_shape: tuple[int, ...]
    channels: int


def tile_cut(shape: Sequence[int], side: int | None = None) -> TileCut:
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
    return even_cut(tuple(shape), (most,) * axes, (min(_OVERLAPS[axes], most // 8),) * axes)


def tile_steps(steps: int, values: int) -> int:
    """Steps of the fit of a tile, fewer where there are many tiles: twice the values take about 1.4 times as long.

    Args:
        steps: number of steps that one fit of the effort has.
        values: number of values of the whole signal, each channel counted.
    """
    scaled = round(steps * min(1.0, sqrt(_FULL_EFFORT_VALUES / values)))
    return max(min(steps, _LEAST_STEPS), scaled)


def largest_tile(grid: TileCut) -> tuple[int, ...]:
    """The shape of the first tile, than which none is larger."""
    return grid.tile_shape(0)


# At most so many tiles are pilots, and one in four.
_PILOTS, _PILOT_SHARE = 8, 4
PILOT_ROUNDS = 2  # in which each is fitted once, at most


def pilots_of(grid: TileCut) -> list[int]:
    """The numbers of the tiles of a signal that are fitted first, to learn the step that suits all."""
    return pilots(grid, min(_PILOTS, -(-grid.tiles // _PILOT_SHARE)))


def pilots(grid: TileCut, count: int) -> list[int]:
    """The numbers of some tiles that stand for all, spread over the signal."""
    chosen = min(count, grid.tiles)
    return sorted({round((index + 0.5) * grid.tiles / chosen - 0.5) for index in range(chosen)})
