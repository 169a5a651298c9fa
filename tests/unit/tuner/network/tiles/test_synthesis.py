"""A signal in tiles has one value everywhere, by whichever way it is asked for."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from tests.tiles import random_tiles, tiled
from tuner.errors import ConfigError
from tuner.network.synthesis import synthesis_of
from tuner.network.tiles import synthesis
from tuner.network.tiles.parameters import TiledParameters, check_alike
from tuner.network.wavelets import synthesis as wavelets
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.shapes import FloatArray
from tuner.signal.grid import Grid

SIGNALS = {
    "line": random_tiles((60,), (17,), (17,), colours=1, channels=1),
    "picture": random_tiles((40, 36), (16, 20), (4, 3)),
    "without overlap": random_tiles((20, 18), (7, 9), (0, 0)),
    "volume": random_tiles((6, 4, 7), (3, 9, 4), (2, 0, 1)),
    "four axes": random_tiles((3, 2, 4, 2), (2, 2, 2, 1), (0, 0, 2, 1), colours=1, channels=1),
}


def _values(parameters: TiledParameters) -> np.ndarray:
    grid = Grid(parameters.grid.shape, 2.5)
    return synthesis_of(parameters).values_on_grid(parameters, [grid.axis(a) for a in range(len(grid.shape))])


@pytest.mark.parametrize("name", SIGNALS)
def test_where_one_tile_counts_its_own_values_are_those_of_the_signal(name: str) -> None:
    parameters = SIGNALS[name]
    values, grid, alone = _values(parameters), parameters.grid, 0
    met = np.zeros(grid.shape, dtype=int)
    for number in range(grid.tiles):
        met[tuple(slice(*ends) for ends in grid.region(number))] += 1
    for number, tile in enumerate(parameters.tiles):
        own = Grid(tile.grid_shape, 2.5)
        expected = wavelets.values_on_grid(tile, [own.axis(a) for a in range(len(own.shape))])
        region = tuple(slice(*ends) for ends in grid.region(number))
        single = met[region] == 1
        np.testing.assert_array_equal(values[region][single], expected[single])
        alone += int(single.sum())
    assert alone == (met == 1).sum()


@pytest.mark.parametrize("name", SIGNALS)
def test_points_grids_and_samples_agree(name: str) -> None:
    parameters = SIGNALS[name]
    shape = parameters.grid.shape
    values, module = _values(parameters), synthesis_of(parameters)
    largest = np.abs(values).max()
    at = module.values_at(parameters, Grid(shape, 2.5).coords())
    np.testing.assert_allclose(at.reshape(values.shape), values, atol=1e-5 * largest)
    if len(shape) > 2:
        return  # slow, and the others have shown it
    finer = Grid(tuple(2 * n + 1 for n in shape), 2.5)
    on_grid = module.values_on_grid(parameters, [finer.axis(a) for a in range(len(shape))])
    at = module.values_at(parameters, finer.coords())
    np.testing.assert_allclose(at.reshape(on_grid.shape), on_grid, atol=1e-4 * largest)


@pytest.mark.parametrize("name", ["line", "picture"])  # without overlap the values have steps
def test_gradients_are_those_of_the_values(name: str) -> None:
    parameters = SIGNALS[name]
    module, rng = synthesis_of(parameters), np.random.default_rng(0)
    points = rng.uniform(-0.9, 0.9, (20, parameters.dimensions)).astype(np.float32)
    found = module.gradients_at(parameters, points)
    for axis in range(parameters.dimensions):
        ends = [points.copy() for _ in range(2)]
        ends[0][:, axis] += np.float32(2**-9)
        ends[1][:, axis] -= np.float32(2**-9)
        above, below = (module.values_at(parameters, each).astype(np.float64) for each in ends)
        error = np.abs((above - below) * 2**8 - found[..., axis])
        assert np.median(error) < 0.01 * np.abs(found).max()  # the borders of the tiles' differences are kinks


def test_gradients_on_a_grid_are_those_at_its_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis, "_POINTS_AT_ONCE", 30)
    parameters, axes = SIGNALS["volume"], [np.linspace(-1, 1, n, dtype=np.float32) for n in (7, 2, 6)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    expected = synthesis.gradients_at(parameters, points).reshape(7, 2, 6, 2, 3)
    np.testing.assert_allclose(
        synthesis.gradients_on_grid(parameters, axes), expected, atol=1e-5 * np.abs(expected).max()
    )


@pytest.mark.parametrize("name", SIGNALS)
def test_any_region_is_the_crop_of_the_whole(name: str) -> None:
    representation, rng = tiled(SIGNALS[name]), np.random.default_rng(1)
    whole = representation.render().values
    for _ in range(12):
        region = [tuple(sorted(rng.choice(n + 1, 2, replace=False).tolist())) for n in representation.grid_shape]
        crop = representation.crop(region).values
        np.testing.assert_array_equal(crop, whole[tuple(slice(*ends) for ends in region)])


def test_a_region_in_coordinates_that_are_samples_is_the_crop_too() -> None:
    representation = tiled(SIGNALS["picture"])
    whole = representation.render().values
    found = representation.render(region=[(-0.5, 0.5), (0.0, 1.0)]).values
    np.testing.assert_array_equal(found, whole[10:30, 18:])


def test_between_overlapping_tiles_there_is_no_step() -> None:
    parameters = SIGNALS["line"]
    module = synthesis_of(parameters)
    for index in range(1, parameters.grid.counts[0]):
        for place in (17 * index, min(17 * (index + 1), 60)):
            x = np.array([[2 * place / 60 - 1 - 1e-6], [2 * place / 60 - 1 + 1e-6]], np.float32)
            before, after = module.values_at(parameters, x)
            assert np.abs(after - before).max() < 1e-3


def test_networks_that_do_not_fit_their_tiles_are_refused() -> None:
    parameters = SIGNALS["picture"]
    with pytest.raises(ConfigError, match="5 networks, expected 6"):
        replace(parameters, tiles=list(parameters.tiles)[:5])
    turned = replace(parameters, tiles=list(parameters.tiles)[::-1])
    with pytest.raises(ConfigError, match="has a network of"):
        check_alike(turned)


def test_the_numbers_of_all_tiles_are_counted() -> None:
    parameters = SIGNALS["picture"]
    assert parameters.weight_count == sum(tile.weight_count for tile in parameters.tiles)
    assert parameters.latent_count == sum(tile.latent_count for tile in parameters.tiles)
    representation = tiled(parameters)
    each = wavelets.products_per_sample(parameters.first)
    assert each < representation.products_per_sample < 2 * each
    assert repr(representation).startswith("<Representation: image, 40 x 36, 2 channels, wavelets")


@pytest.mark.parametrize(("most", "is_once"), [(1 << 20, True), (0, False)])
def test_region_after_region_each_tile_is_evaluated_once_while_it_is_kept(
    monkeypatch: pytest.MonkeyPatch, most: int, is_once: bool
) -> None:
    parameters = SIGNALS["picture"]
    whole, evaluated = _values(parameters), []

    def counted(tile: WaveletParameters, axes: Sequence[FloatArray]) -> FloatArray:
        evaluated.append(tile)
        return evaluate(tile, axes)

    evaluate = wavelets.values_on_grid
    monkeypatch.setattr(wavelets, "values_on_grid", counted)
    values = synthesis.SampleValues(parameters, most)
    for top, left in product(range(0, 40, 10), range(0, 36, 12)):
        part = values.on([(top, top + 10), (left, left + 12)])
        np.testing.assert_array_equal(part, whole[top : top + 10, left : left + 12])
    assert (len(evaluated) == parameters.grid.tiles) is is_once
