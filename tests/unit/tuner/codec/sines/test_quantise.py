"""Weights on grids."""

from dataclasses import replace

import numpy as np
import pytest

from tests.networks import random_parameters
from tuner.codec.sines.quantise import dequantise, fine_steps, quantise, tensors
from tuner.errors import ConfigError

STEPS = (0.03, 0.02, 0.05, 0.01, 0.02)


def test_weights_are_the_nearest_multiples() -> None:
    parameters = random_parameters()
    rounded = dequantise(quantise(parameters, STEPS))
    for before, after, step in zip(tensors(parameters), tensors(rounded), STEPS, strict=True):
        assert after.dtype == np.float32
        assert np.abs(after - before).max() <= 0.5001 * step
    assert not np.array_equal(rounded.hidden[0].weight, parameters.hidden[0].weight)
    assert rounded.frequencies is parameters.frequencies


def test_the_integers_of_rounded_weights_are_the_same() -> None:
    network = quantise(random_parameters(hidden=(6, 7)), (*STEPS, 1e-7, 3.0))
    again = quantise(dequantise(network), network.steps)
    for first, second in zip(network.integers, again.integers, strict=True):
        assert np.array_equal(first, second)


def test_fine_steps_keep_16_bits() -> None:
    parameters = random_parameters(hidden=(6, 7))
    network = quantise(parameters, fine_steps(parameters))
    assert max(int(np.abs(integers).max()) for integers in network.integers) == 2**15


def test_a_tensor_of_zeros_has_a_step() -> None:
    parameters = random_parameters()
    empty = replace(parameters, readout_bias=np.zeros(3, dtype=np.float32))
    assert fine_steps(empty)[-1] == 1.0
    assert dequantise(quantise(empty, fine_steps(empty))).readout_bias.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (STEPS[:-1], "4 steps, expected 5"),
        ((0.0, *STEPS[1:]), "a step is 0.0, expected more than 0"),
        ((-1.0, *STEPS[1:]), "a step is -1.0"),
        ((float("nan"), *STEPS[1:]), "a step is nan"),
        ((1e-9, *STEPS[1:]), "too fine"),
        ((1e-60, *STEPS[1:]), "a step is 0.0"),
    ],
)
def test_steps_that_cannot_be(steps: tuple[float, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        quantise(random_parameters(), steps)
