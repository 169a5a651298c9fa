"""Frequencies drawn by weight keep the promises of the regular choice, and go where the weight is."""

import numpy as np
import pytest

from tuner.experiment.theory.spectral_choice import frequencies_by_decay, frequencies_of_signal
from tuner.fit.sines.module import initial_parameters
from tuner.network.sines.config import NetworkConfig
from tuner.network.sines.frequencies import axis_limits
from tuner.shapes import FloatArray, IntArray
from tuner.signal.grid import Grid

SHAPE, PERIOD = (60, 84), 2.5
GRID = Grid(SHAPE, PERIOD)


def wave(k: tuple[int, int]) -> FloatArray:
    coords = GRID.coords()
    values: FloatArray = np.cos(2 * np.pi / PERIOD * coords @ np.array(k)).astype(np.float32)
    return values.reshape(*SHAPE, 1)


def choices() -> list[IntArray]:
    return [
        frequencies_of_signal(wave((5, 9)), 80, period=PERIOD),
        frequencies_of_signal(np.zeros((*SHAPE, 3), np.float32), 80, period=PERIOD),
        frequencies_by_decay(80, GRID.nyquist, decay=2.0),
        frequencies_by_decay(10_000, GRID.nyquist, decay=1.0),
    ]


@pytest.mark.parametrize("number", range(4))
def test_the_promises_hold(number: int) -> None:
    k = choices()[number]
    rows = [tuple(row) for row in k.tolist()]
    assert rows == sorted(set(rows))
    assert all(row > (0, 0) for row in rows)
    assert {(0, 1), (1, 0)} <= set(rows)
    band = axis_limits(GRID.nyquist, 1 / 3)
    assert (np.abs(k) <= band).all()
    everything = (2 * band[0] + 1) * (2 * band[1] + 1) // 2
    assert len(rows) == (everything if number == 3 else 80)


@pytest.mark.parametrize("k", [(5, 9), (3, -10), (0, 14), (11, 0)])
def test_a_waves_own_frequency_is_chosen_with_its_neighbours(k: tuple[int, int]) -> None:
    few = frequencies_of_signal(wave(k), 12, period=PERIOD, power=4.0)
    assert list(max(k, (-k[0], -k[1]))) in few.tolist()
    near = np.minimum(np.abs(few - k).max(axis=1), np.abs(few + k).max(axis=1)) <= 2
    assert int(near.sum()) >= 8, "of the ten that are not unit vectors"


def test_a_decay_prefers_low_frequencies() -> None:
    even, falling = (frequencies_by_decay(60, GRID.nyquist, decay=decay) for decay in (0.0, 2.0))
    assert np.abs(falling).mean() < 0.7 * np.abs(even).mean()


def test_a_network_takes_them() -> None:
    k = frequencies_by_decay(30, GRID.nyquist, decay=1.0)
    parameters = initial_parameters(NetworkConfig(frequencies=5, hidden=(8,)), GRID, 1, seed=0, frequencies=k)
    np.testing.assert_array_equal(parameters.frequencies, k)
    assert parameters.hidden[0].weight.shape == (8, 30)
