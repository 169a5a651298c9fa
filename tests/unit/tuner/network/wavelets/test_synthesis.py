"""The fast evaluation on grids is the slow one at the same points, and derivatives are those of the values."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.wavelets import random_wavelets
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.network.wavelets.synthesis import (
    gradients_at,
    gradients_at_points,
    gradients_on_grid,
    values_at,
    values_on_grid,
)
from tuner.signal.grid import Grid

Gradients = Callable[[WaveletParameters, np.ndarray], np.ndarray]

CASES = {
    "one axis": random_wavelets((51,), colours=1, channels=1),
    "two axes": random_wavelets((21, 30)),
    "three axes": random_wavelets((9, 8, 7), scales=2, colours=2, channels=2),
    "one layer": random_wavelets((16, 1), widths=(7,)),
    "fewer samples than a node spans": random_wavelets((3, 2)),
}


@pytest.mark.parametrize("name", CASES)
def test_grid_and_points_agree(name: str) -> None:
    parameters = CASES[name]
    grid = Grid(tuple(2 * samples + 1 for samples in parameters.grid_shape), parameters.period)
    on_grid = values_on_grid(parameters, [grid.axis(d) for d in range(len(grid.shape))])
    at_points = values_at(parameters, grid.coords()).reshape(on_grid.shape)
    np.testing.assert_allclose(on_grid, at_points, atol=2e-5)


@pytest.mark.parametrize("name", CASES)
def test_samples_and_points_agree(name: str) -> None:
    """On the samples of the signal wavelets are summed, elsewhere a spline goes through them."""
    parameters = CASES[name]
    grid = Grid(parameters.grid_shape, parameters.period)
    on_grid = values_on_grid(parameters, [grid.axis(d) for d in range(len(grid.shape))])
    at_points = values_at(parameters, grid.coords()).reshape(on_grid.shape)
    np.testing.assert_allclose(on_grid, at_points, atol=2e-4)
    assert on_grid.std() > 0.1


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_the_values(name: str) -> None:
    parameters = CASES[name]
    random = np.random.default_rng(0)
    coords = random.uniform(-0.9, 0.9, (20, parameters.dimensions)).astype(np.float32)
    gradients = gradients_at(parameters, coords)
    for dimension in range(parameters.dimensions):
        step = np.zeros(parameters.dimensions, dtype=np.float32)
        step[dimension] = 2.0**-10
        difference = _values(parameters, coords + step) - _values(parameters, coords - step)
        np.testing.assert_allclose(gradients[:, :, dimension], difference * 2.0**9, atol=0.02, rtol=0.02)


# Coordinates that single precision holds: rounded ones lie beyond the outermost samples, where differences stand still.
EXACT = {
    "two axes": random_wavelets((16, 32)),
    "three axes": random_wavelets((8, 4, 16), scales=2, colours=2, channels=2),
    "one row, one layer": random_wavelets((16, 1), widths=(7,)),
    "fewer samples than a node spans": random_wavelets((4, 2)),
    "no frequencies": random_wavelets((32, 16), frequencies=0, colours=1, channels=1),
    "sums of fields": replace(random_wavelets((16, 32)), readout_weight=np.zeros((3, 5), dtype=np.float32)),
    "sums of fields along three axes": replace(
        random_wavelets((8, 4, 16), scales=2, colours=2, channels=2), readout_weight=np.zeros((2, 5), dtype=np.float32)
    ),
}


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("slow", [gradients_at, gradients_at_points])
def test_gradients_on_the_samples_are_those_at_points(name: str, slow: Gradients) -> None:
    parameters = EXACT[name]
    grid, shape = Grid(parameters.grid_shape, parameters.period), parameters.grid_shape
    on_grid = gradients_on_grid(parameters, [grid.axis(dimension) for dimension in range(len(shape))])
    at_points = slow(parameters, grid.coords())
    assert on_grid.shape == (*shape, parameters.channels, len(shape))
    np.testing.assert_allclose(on_grid, at_points.reshape(on_grid.shape), atol=1e-5 * np.abs(at_points).max())


@pytest.mark.parametrize("shape", [(21, 30), (100, 96)], ids=["small", "beyond what is made at once"])
def test_gradients_on_the_samples_of_any_sides_are_those_at_points(shape: tuple[int, int]) -> None:
    parameters = random_wavelets(shape)
    grid = Grid(shape, parameters.period)
    on_grid = gradients_on_grid(parameters, [grid.axis(0), grid.axis(1)])
    at_points = gradients_at(parameters, grid.coords()).reshape(on_grid.shape)
    inner = (slice(2, -2), slice(2, -2))  # what is read stays within the outermost samples, however it is rounded
    np.testing.assert_allclose(on_grid[inner], at_points[inner], atol=1e-3 * np.abs(at_points).max())


def test_gradients_between_the_samples_are_those_at_points() -> None:
    parameters = CASES["two axes"]
    grid = Grid((33, 34), parameters.period)
    on_grid = gradients_on_grid(parameters, [grid.axis(0), grid.axis(1)])
    at_points = gradients_at(parameters, grid.coords()).reshape(on_grid.shape)
    np.testing.assert_allclose(on_grid, at_points, atol=1e-5 * np.abs(at_points).max())


@pytest.mark.parametrize("shape", [(9001,), (3001, 3)], ids=str)
def test_a_long_line_is_the_same_in_pieces_between_samples_and_at_points(shape: tuple[int, ...]) -> None:
    parameters = random_wavelets(shape, scales=4, colours=2, channels=2)
    grid = Grid(shape, parameters.period)
    first, *others = (grid.axis(dimension) for dimension in range(len(shape)))
    whole = values_on_grid(parameters, [first, *others])
    # Single precision tells coordinates apart to a few thousandths of a sample.
    at_points = values_at(parameters, grid.coords()).reshape(whole.shape)
    np.testing.assert_allclose(at_points, whole, atol=5e-3)
    finer = Grid((3 * shape[0],), parameters.period).axis(0)
    np.testing.assert_allclose(values_on_grid(parameters, [finer, *others])[1::3], whole, atol=5e-3)
    part = values_on_grid(parameters, [first[100:-99], *others])
    np.testing.assert_allclose(part, whole[100:-99], atol=5e-3)


def test_coordinates_on_a_grid_are_not_rounded() -> None:
    """A tone near half of Nyquist, in a line so long that single precision would shift its samples to and fro."""
    samples = 500_000
    codes = np.zeros((1, samples // 2), dtype=np.int32)
    codes[0, samples // 4 :: 2], codes[0, samples // 4 + 1 :: 2] = 40, -40
    like = random_wavelets((samples,), scales=1, colours=1, channels=1)
    parameters = replace(like, latents=(codes, 0 * codes), readout_weight=0 * like.readout_weight)
    on_grid = values_on_grid(parameters, [Grid((samples,), 2.5).axis(0)])
    finer = values_on_grid(parameters, [Grid((3 * samples,), 2.5).axis(0)])
    np.testing.assert_allclose(finer[1::3], on_grid, atol=2e-5 * np.abs(on_grid).max())


def test_points_far_outside_the_signal_have_values() -> None:
    coords = np.array([[1e30, -1e30], [5.0, 0.0]], dtype=np.float32)
    assert np.isfinite(values_at(CASES["two axes"], coords)).all()


def _values(parameters: WaveletParameters, coords: np.ndarray) -> np.ndarray:
    return values_at(parameters, coords).astype(np.float64)
