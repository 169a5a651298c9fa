"""The fast evaluation on grids against the dense one, and derivatives against differences."""

import numpy as np
import pytest

from tests.networks import random_parameters
from tuner.network.sines.parameters import SineParameters
from tuner.network.sines.synthesis import gradients_at, gradients_on_grid, hidden_tiles, values_at, values_on_grid
from tuner.shapes import FloatArray
from tuner.signal.grid import Grid

CASES = {
    "one hidden layer, more rows than frequencies": (random_parameters(frequencies=60, reach=5), (40, 31)),
    "wide, so that columns are the better axis": (random_parameters(frequencies=60, reach=5, seed=1), (3, 90)),
    "too small to take an axis apart": (random_parameters(frequencies=60, reach=5), (2, 3)),
    "three hidden layers": (random_parameters(frequencies=40, reach=4, hidden=(9, 5, 7)), (33, 20)),
    "one dimension": (random_parameters(frequencies=20, reach=30, dimensions=1), (100,)),
    "three dimensions": (random_parameters(frequencies=80, reach=3, dimensions=3, channels=1), (14, 9, 11)),
    "one sample": (random_parameters(), (1, 1)),
    "one neuron": (random_parameters(hidden=(1,), channels=1), (20, 20)),
}


def axes_of(shape: tuple[int, ...], period: float) -> list[FloatArray]:
    grid = Grid(shape, period)
    return [grid.axis(dimension) for dimension in range(len(shape))]


@pytest.fixture(params=list(CASES.values()), ids=list(CASES))
def case(request: pytest.FixtureRequest) -> tuple[SineParameters, tuple[int, ...]]:
    chosen: tuple[SineParameters, tuple[int, ...]] = request.param
    return chosen


def test_the_grid_agrees_with_the_points(case: tuple[SineParameters, tuple[int, ...]]) -> None:
    parameters, shape = case
    on_grid = values_on_grid(parameters, axes_of(shape, parameters.period))
    at_points = values_at(parameters, Grid(shape, parameters.period).coords())
    assert on_grid.shape == (*shape, parameters.channels)
    np.testing.assert_allclose(on_grid.reshape(at_points.shape), at_points, atol=2e-6)


@pytest.mark.parametrize("tile_floats", [1, 100, 3000])
def test_tiles_do_not_change_the_values(case: tuple[SineParameters, tuple[int, ...]], tile_floats: int) -> None:
    parameters, shape = case
    axes = axes_of(shape, parameters.period)
    whole = values_on_grid(parameters, axes)
    np.testing.assert_allclose(values_on_grid(parameters, axes, tile_floats=tile_floats), whole, atol=1e-6)


def test_tiles_cover_the_grid_once_and_stay_small() -> None:
    parameters = random_parameters(frequencies=60, reach=5)
    tiles = list(hidden_tiles(parameters, axes_of((64, 48), 2.5), tile_floats=4000))
    assert len(tiles) > 4
    assert max(tile.hidden_XHR.size for tile in tiles) <= 4000
    points = np.concatenate([tile.points_XR.reshape(-1) for tile in tiles])
    assert np.array_equal(np.sort(points), np.arange(64 * 48))


def test_values_follow_the_definition() -> None:
    """Written out for one point in float64, without any of the library's own steps."""
    parameters = random_parameters(hidden=(5, 4))
    point = np.array([0.3, -0.7])
    h = np.sin(parameters.frequencies @ point * 2 * np.pi / 2.5 + parameters.phases)
    for layer in parameters.hidden:
        h = np.sin(layer.weight @ h + layer.bias)
    expected = parameters.readout_weight @ h + parameters.readout_bias
    np.testing.assert_allclose(values_at(parameters, point[None].astype(np.float32))[0], expected, atol=1e-6)


def test_large_angles_keep_their_digits() -> None:
    """At an index of 4000 and a period of 2.5 an angle is 10^4 radians, where float32 has three digits left."""
    base = random_parameters(frequencies=3, dimensions=1)
    parameters = SineParameters(
        frequencies=base.frequencies + np.int32(4000),
        period=base.period,
        phases=base.phases,
        hidden=base.hidden,
        readout_weight=base.readout_weight,
        readout_bias=base.readout_bias,
    )
    axis = Grid((50,), 2.5).axis(0)
    angles = axis.astype(np.float64)[:, None] @ (parameters.frequencies * 2 * np.pi / 2.5).T + parameters.phases
    exact = np.sin(np.sin(angles) @ base.hidden[0].weight.T + base.hidden[0].bias)
    np.testing.assert_allclose(
        values_at(parameters, axis[:, None]), exact @ base.readout_weight.T + base.readout_bias, atol=2e-6
    )


def test_gradients_on_the_grid_agree_with_the_points(case: tuple[SineParameters, tuple[int, ...]]) -> None:
    parameters, shape = case
    on_grid = gradients_on_grid(parameters, axes_of(shape, parameters.period))
    at_points = gradients_at(parameters, Grid(shape, parameters.period).coords())
    assert on_grid.shape == (*shape, parameters.channels, len(shape))
    np.testing.assert_allclose(on_grid.reshape(at_points.shape), at_points, atol=1e-4)


@pytest.mark.parametrize("hidden", [(8,), (6, 5), (4, 3, 6)])
def test_gradients_agree_with_differences(hidden: tuple[int, ...]) -> None:
    parameters = random_parameters(hidden=hidden)
    # Steps that float32 holds exactly, and few enough digits for central differences.
    points = (np.random.default_rng(3).integers(-200, 200, (40, 2)) / 256).astype(np.float32)
    step = np.float32(2.0**-10)
    gradients = gradients_at(parameters, points)
    for dimension in range(2):
        aside = np.zeros(2, dtype=np.float32)
        aside[dimension] = step
        difference = (values_at(parameters, points + aside) - values_at(parameters, points - aside)) / (2 * step)
        np.testing.assert_allclose(gradients[:, :, dimension], difference, atol=5e-3)
    assert np.abs(gradients).max() > 1.0
