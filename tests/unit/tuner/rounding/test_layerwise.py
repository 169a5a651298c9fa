"""What is rounded is on its steps, and loses less than the nearest integers do."""

from dataclasses import replace

import numpy as np
import pytest

from tests.networks import nearly, random_representation
from tuner.codec.sines.quantise import dequantise, quantise, tensors
from tuner.rounding.layerwise import round_network
from tuner.rounding.sensitivity import balanced_steps
from tuner.rounding.view import View


@pytest.mark.parametrize("hidden", [(30,), (16, 12)], ids=["one layer", "two layers"])
def test_the_weights_that_are_left_make_up_for_the_others(hidden: tuple[int, ...]) -> None:
    representation = random_representation((64, 48), frequencies=40, hidden=hidden)
    signal, parameters = nearly(representation), representation.sine_parameters
    view = View(signal)
    steps = tuple(0.003 * step for step in balanced_steps(parameters, view.coords()))
    rounded = round_network(parameters, steps, view, view)
    for array, step in zip(tensors(rounded), steps, strict=True):
        integers = array.astype(np.float64) / np.float32(step)
        np.testing.assert_allclose(integers, np.rint(integers), atol=5e-3)

    nearest = dequantise(quantise(parameters, steps))
    kept = replace(nearest, readout_weight=parameters.readout_weight, readout_bias=parameters.readout_bias)
    solved = dequantise(quantise(view.solve_readout(kept), steps))
    before = view.psnr_db(parameters)
    assert before - view.psnr_db(rounded) < 0.95 * (before - view.psnr_db(solved))
