"""Free weights move to where the error is smaller, also with the curvature of few of the points."""

import numpy as np
import pytest

from tests.networks import nearly, random_representation
from tuner.rounding.refine import Points, refine
from tuner.rounding.view import View


@pytest.mark.parametrize("count", [None, 1000], ids=["all points", "a third for the curvature"])
def test_training_lowers_the_error_and_leaves_what_is_not_free(count: int | None) -> None:
    representation = random_representation((64, 48), frequencies=30, hidden=(12, 10))
    view, parameters = View(nearly(representation)), representation.sine_parameters
    points = Points.of(parameters, view.coords(), view.flat_values())
    rough = None if count is None else points.thinned(count)
    free = [(np.ones_like(layer.weight), np.zeros_like(layer.bias)) for layer in parameters.hidden]
    free[0][0][:, :5] = 0.0
    moved = refine(parameters, free, points, rough, 10)
    before, after = view.psnr_db(view.solve_readout(parameters)), view.psnr_db(view.solve_readout(moved))
    assert after > before + 0.02
    np.testing.assert_array_equal(moved.hidden[0].weight[:, :5], parameters.hidden[0].weight[:, :5])
    assert np.all(moved.hidden[0].weight[:, 5:] != parameters.hidden[0].weight[:, 5:])
    np.testing.assert_array_equal(moved.hidden[1].bias, parameters.hidden[1].bias)


def test_a_point_that_counts_three_times_changes_nothing() -> None:
    representation = random_representation((24, 20), frequencies=10, hidden=(6, 5))
    view, parameters = View(nearly(representation)), representation.sine_parameters
    once = Points.of(parameters, view.coords(), view.flat_values())
    thrice = Points(np.tile(once.inputs, (3, 1)), np.tile(once.values, (3, 1)))
    free = [(np.ones_like(layer.weight), np.ones_like(layer.bias)) for layer in parameters.hidden]
    expected, found = refine(parameters, free, once, None, 5), refine(parameters, free, thrice, once, 5)
    assert np.any(expected.hidden[0].weight != parameters.hidden[0].weight)
    for layer, again in zip(expected.hidden, found.hidden, strict=True):
        np.testing.assert_allclose(again.weight, layer.weight, atol=1e-3)


def test_thinned_points_are_the_same_every_time() -> None:
    representation = random_representation((20, 15))
    view = View(nearly(representation))
    points = Points.of(representation.sine_parameters, view.coords(), view.flat_values())
    few, again = points.thinned(40), points.thinned(40)
    assert few.inputs.shape[0] == few.values.shape[0] == 40
    np.testing.assert_array_equal(few.inputs, again.inputs)
    assert points.thinned(300) is points
