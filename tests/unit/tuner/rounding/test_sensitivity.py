"""Curvatures against differences of the network itself."""

from dataclasses import replace

import numpy as np
import pytest

from tests.networks import random_parameters
from tuner.codec.sines.quantise import tensors
from tuner.network.sines.parameters import SineParameters
from tuner.network.sines.synthesis import values_at
from tuner.rounding.sensitivity import balanced_steps
from tuner.shapes import FloatArray
from tuner.signal.grid import Grid


def measured_curvature(parameters: SineParameters, array: FloatArray, coords: FloatArray) -> float:
    """Mean over the entries of `array`, which is part of `parameters`, of E[sum over channels (df/dw)^2]."""
    start, step, total = values_at(parameters, coords), np.float32(2.0**-9), 0.0
    for index in np.ndindex(array.shape):
        array[index] += step
        change = (values_at(parameters, coords) - start) / step
        array[index] -= step
        total += float(np.mean(np.square(change).sum(axis=1)))
    return total / array.size


@pytest.mark.parametrize("hidden", [(6,), (5, 4)])
def test_steps_are_the_inverse_root_of_the_curvature(hidden: tuple[int, ...]) -> None:
    parameters = random_parameters(hidden=hidden)
    coords = Grid((20, 20), 2.5).coords()
    for step, array in zip(balanced_steps(parameters, coords), tensors(parameters), strict=True):
        # A mean of products is taken for the product of means: right to some ten percent.
        assert 1.0 / step**2 == pytest.approx(measured_curvature(parameters, array, coords), rel=0.25)


def test_a_network_without_output_still_has_steps() -> None:
    parameters = random_parameters()
    silent = replace(parameters, readout_weight=np.zeros_like(parameters.readout_weight))
    steps = balanced_steps(silent, Grid((5, 5), 2.5).coords())
    assert all(np.isfinite(step) and step > 0 for step in steps)
