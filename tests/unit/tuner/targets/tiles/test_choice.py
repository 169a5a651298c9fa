"""Which signals are cut, and into what."""

from dataclasses import dataclass

import pytest

from tuner.errors import ConfigError
from tuner.signal.kind import SignalKind
from tuner.targets.target import Target, TargetKind
from tuner.targets.tiles.choice import largest_tile, pilots, tile_steps, tiles_suit
from tuner.targets.tiles.grid import tile_grid


@dataclass(frozen=True)
class Outline:
    grid_shape: tuple[int, ...]
    channels: int = 3
    kind: SignalKind = SignalKind.IMAGE


def test_what_is_too_large_for_one_network_is_cut() -> None:
    large = Outline((2600, 2600))
    assert tiles_suit(large, None)
    assert tiles_suit(large, Target(TargetKind.BYTES, 1e6))
    assert not tiles_suit(large, Target(TargetKind.MAX_ERROR, 0.1))
    assert not tiles_suit(Outline((2000, 2000)), None)
    assert tiles_suit(Outline((1 << 24,), 1, SignalKind.AUDIO), None)
    assert not tiles_suit(Outline((100, 100, 100, 100), 1, SignalKind.ARRAY), None)


@pytest.mark.parametrize("shape", [(8192, 8192), (513, 100), (1 << 22,), (300, 200, 200)])
def test_tiles_cover_a_signal_and_none_is_larger_than_the_first(shape: tuple[int, ...]) -> None:
    grid = tile_grid(shape)
    most = largest_tile(grid)
    shapes = [grid.tile_shape(number) for number in range(grid.tiles)]
    assert all(side <= limit for each in shapes for side, limit in zip(each, most, strict=True))
    assert grid.region(grid.tiles - 1)[-1][1] == shape[-1]


def test_a_region_of_a_large_picture_meets_few_of_its_tiles() -> None:
    grid = tile_grid((8192, 8192))
    assert 4 / grid.tiles < 0.02  # 256 x 256 samples meet four tiles at most
    assert min(grid.strides) > 256


def test_pilots_are_spread_and_few() -> None:
    grid = tile_grid((8192, 8192))
    chosen = pilots(grid, 8)
    assert len(chosen) == len(set(chosen)) == 8
    assert chosen[0] < grid.tiles / 8
    assert chosen[-1] >= 7 * grid.tiles / 8
    assert pilots(tile_grid((20, 20), 16), 8) == [0, 1, 2, 3]


def test_large_signals_get_fewer_steps_for_each_tile() -> None:
    assert tile_steps(30, 3 << 20) == 30
    assert tile_steps(30, 4 * (48 << 20)) == 15
    assert tile_steps(12, 1 << 40) == 6
    assert tile_steps(3, 1 << 40) == 3


def test_sides_that_are_too_short_and_axes_too_many_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 8"):
        tile_grid((100, 100), 7)
    with pytest.raises(ConfigError, match="at most 3"):
        tile_grid((9, 9, 9, 9))
