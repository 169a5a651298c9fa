"""Cubic splines reproduce what they should, and have the slopes that they say."""

import numpy as np
import pytest

from tuner.network.wavelets.slopes import SlopeReading
from tuner.network.wavelets.splines import kept, spline_taps
from tuner.signal.grid import Grid


def test_splines_reproduce_constants_and_slopes() -> None:
    grid = Grid((40,), 4.0)
    taps = spline_taps(grid.axis(0), 10)
    nodes = np.arange(10, dtype=np.float32)
    np.testing.assert_allclose(taps.apply(np.ones(10, dtype=np.float32), 0), 1.0, atol=1e-6)
    # Away from the borders a straight line stays one: point i of 40 lies at sample (i + 1/2) / 4 - 1/2 of 10.
    np.testing.assert_allclose(taps.apply(nodes, 0)[8:32], (np.arange(8, 32) + 0.5) / 4 - 0.5, atol=1e-5)


def test_derivatives_are_those_of_the_values() -> None:
    nodes = np.random.default_rng(0).normal(size=12).astype(np.float32)
    at, step = np.linspace(-0.95, 0.95, 31), 1e-3
    above, below = (spline_taps(at + side, 12).apply(nodes, 0) for side in (step, -step))
    slopes = spline_taps(at, 12, derivative=True).apply(nodes, 0)
    np.testing.assert_allclose(slopes, (above - below) / (2 * step), atol=5e-3)


def test_beyond_the_borders_the_outermost_node_is_repeated() -> None:
    taps = spline_taps(np.array([-1e30, 1e30]), 5)
    np.testing.assert_allclose(taps.apply(np.arange(5, dtype=np.float32), 0), [0.0, 4.0])


def test_rows_and_bands_are_the_same_reading() -> None:
    taps = spline_taps(Grid((300,), 4.0).axis(0), 40)
    nodes = np.random.default_rng(1).normal(size=40).astype(np.float32)
    some = taps.rows(100, 170)
    span, matrix = taps.band(100, 170)
    expected = (nodes[some.nodes] * some.weights).sum(1)
    np.testing.assert_allclose(matrix @ nodes[span], expected, atol=1e-6)
    np.testing.assert_allclose(taps.apply(nodes, 0)[100:170], expected, atol=1e-6)


@pytest.mark.parametrize("samples", [1, 64, 90, 256])
def test_matrices_that_are_kept_are_those_that_are_made_and_nobody_writes_to_them(samples: int) -> None:
    reading = SlopeReading(samples)
    again = kept(reading)
    assert again is not reading
    values = np.random.default_rng(samples).normal(size=(2, samples)).astype(np.float32)
    single = [(first, first + 1) for first in range(min(samples, 20))]
    for start, stop in [(0, samples), (samples // 3, samples), *single]:
        made, (span, matrix) = reading.band(start, stop), again.band(start, stop)
        assert span == made[0]
        np.testing.assert_array_equal(matrix, made[1])
        assert not matrix.flags.writeable
    assert again.band(0, samples)[1] is again.band(0, samples)[1]
    np.testing.assert_array_equal(again.apply(values, 1), reading.apply(values, 1))


def test_matrices_of_a_long_axis_are_not_kept() -> None:
    reading = SlopeReading(257)
    assert kept(reading) is reading
