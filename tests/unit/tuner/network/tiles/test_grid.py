"""Tiles cover every sample, at most two meet along an axis, and what they count adds up to one."""

import numpy as np
import pytest

from tuner.errors import ConfigError
from tuner.network.tiles.grid import TileGrid, even_grid


def _random_axes(seed: int) -> tuple[int, int, int]:
    rng = np.random.default_rng(seed)
    stride = int(rng.integers(1, 20))
    return int(rng.integers(1, 90)), stride, int(rng.integers(0, stride + 1))


@pytest.mark.parametrize("seed", range(40))
def test_along_an_axis_tiles_cover_all_and_at_most_two_meet(seed: int) -> None:
    samples, stride, overlap = _random_axes(seed)
    grid = TileGrid((samples,), (stride,), (overlap,))
    met = np.zeros(samples, dtype=int)
    for number in range(grid.tiles):
        ((start, stop),) = grid.region(number)
        assert 0 <= start < stop <= samples
        met[start:stop] += 1
    assert met.min() >= 1
    assert met.max() <= 2
    assert met.sum() == grid.samples
    assert int((met == 2).sum()) == (grid.tiles - 1) * overlap


@pytest.mark.parametrize("seed", range(40))
def test_weights_add_up_to_one_everywhere_and_are_smooth(seed: int) -> None:
    samples, stride, overlap = _random_axes(seed)
    grid = TileGrid((samples,), (stride,), (overlap,))
    t = np.sort(np.concatenate([np.linspace(-3, samples + 3, 4001), np.arange(samples + 1.0)]))
    first, last = grid.nearest(0, t)
    weights = np.array([grid.weights(0, index, t) for index in range(grid.tiles)])
    np.testing.assert_allclose(weights.sum(0), 1.0, rtol=1e-15)
    indices = np.arange(grid.tiles)[:, None]
    assert (weights[(indices < first) | (indices > last)] == 0).all()
    if overlap:
        h = 1e-5
        for index in range(grid.tiles):
            numeric = (grid.weights(0, index, t + h) - grid.weights(0, index, t - h)) / (2 * h) * samples / 2
            np.testing.assert_allclose(grid.slopes(0, index, t), numeric, atol=1e-3 * samples)


def test_numbers_and_places_are_each_others_inverse() -> None:
    grid = TileGrid((10, 30, 7, 5), (4, 7, 3, 5), (1, 2, 3, 0))
    places = [grid.place(number) for number in range(grid.tiles)]
    assert places == sorted(set(places))
    assert [grid.number(place) for place in places] == list(range(grid.tiles))


@pytest.mark.parametrize("seed", range(20))
def test_even_tiles_are_no_longer_than_wanted(seed: int) -> None:
    rng = np.random.default_rng(seed)
    overlap = int(rng.integers(0, 9))
    samples, most = int(rng.integers(1, 300)), int(rng.integers(2 * overlap + 1, 60))
    grid = even_grid((samples,), (most,), (overlap,))
    lengths = [grid.tile_shape(number)[0] for number in range(grid.tiles)]
    assert max(lengths) <= most
    assert grid.tiles == (1 if samples <= most else -(-(samples - overlap) // (most - overlap)))


@pytest.mark.parametrize(
    ("shape", "strides", "overlaps"), [((9,), (0,), (0,)), ((9,), (3,), (4,)), ((9, 9), (3,), (0,)), ((), (), ())]
)
def test_what_is_no_grid_is_refused(
    shape: tuple[int, ...], strides: tuple[int, ...], overlaps: tuple[int, ...]
) -> None:
    with pytest.raises(ConfigError, match="expected a stride"):
        TileGrid(shape, strides, overlaps)
