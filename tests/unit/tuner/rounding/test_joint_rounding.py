"""All weights are on their steps, and what is left is where it makes up best for what is rounded."""

import numpy as np
import pytest

from tests.networks import nearly, random_representation
from tuner.codec.sines.quantise import tensors
from tuner.rounding.gauss_newton import gauss_newton
from tuner.rounding.joint_rounding import Compensation, JointRounding, round_part
from tuner.rounding.layerwise import round_network
from tuner.rounding.sensitivity import balanced_steps
from tuner.rounding.view import View


@pytest.mark.parametrize("hidden", [(30,), (16, 12)], ids=["one layer", "two layers"])
def test_all_layers_make_up_for_each_other(hidden: tuple[int, ...]) -> None:
    representation = random_representation((64, 48), frequencies=40, hidden=hidden)
    signal, parameters = nearly(representation), representation.sine_parameters
    view = View(signal)
    steps = tuple(0.003 * step for step in balanced_steps(parameters, view.coords()))
    target = (view.coords(), view.flat_values())
    joint = JointRounding(parameters, signal, view, target)
    rounded = joint.round(steps, view)
    for array, step in zip(tensors(rounded), steps, strict=True):
        integers = array.astype(np.float64) / np.float32(step)
        np.testing.assert_allclose(integers, np.rint(integers), atol=5e-3)
    # A layer at a time, and free weights not trained on.
    apart = round_network(joint.trained, steps, view, view)
    before = view.psnr_db(joint.trained)
    assert before - view.psnr_db(rounded) < 0.9 * (before - view.psnr_db(apart))
    for array, again in zip(tensors(rounded), tensors(joint.round(steps, view)), strict=True):
        np.testing.assert_array_equal(array, again)


def test_training_goes_on_with_the_fit_on_the_whole_grid_alone() -> None:
    representation = random_representation((64, 48), frequencies=40, hidden=(16, 12))
    signal, parameters = nearly(representation), representation.sine_parameters
    view, part = View(signal), View.sampled(signal, 2000)
    trained = JointRounding(parameters, signal, view, (view.coords(), view.flat_values())).trained
    assert view.psnr_db(trained) > view.psnr_db(view.solve_readout(parameters)) + 0.01
    kept = JointRounding(parameters, signal, view, (part.coords(), part.flat_values())).trained
    for array, before in zip(tensors(kept)[:-2], tensors(parameters)[:-2], strict=True):
        np.testing.assert_array_equal(array, before)


def test_values_that_are_left_are_where_they_make_up_best() -> None:
    random = np.random.default_rng(0)
    directions = random.normal(size=(200, 90)) @ random.normal(size=(90, 90))
    curvature = directions.T @ directions / 200.0 + np.eye(90)
    factor = np.linalg.cholesky(np.linalg.inv(curvature)).T.astype(np.float32)
    values, steps = random.normal(size=90), np.full(90, 0.5)
    moved = round_part(values, steps, factor, 0, 70)
    np.testing.assert_allclose(moved[:70], 0.5 * np.rint(moved[:70] / 0.5), atol=1e-12)
    errors = moved[:70] - values[:70]
    best = values[70:] - np.linalg.solve(curvature[70:, 70:], curvature[70:, :70] @ errors)
    np.testing.assert_allclose(moved[70:], best, atol=1e-3)
    np.testing.assert_array_equal(round_part(moved, steps, factor, 70, 90)[:70], moved[:70])


def test_the_factor_is_that_of_the_inverse_in_the_order_of_rounding() -> None:
    parameters = random_representation((64, 48), frequencies=20, hidden=(9, 8)).sine_parameters
    matrix = gauss_newton(parameters, View(nearly(random_representation((64, 48)))).coords())
    damped = matrix.astype(np.float64) + 0.03 * np.diag(np.diag(matrix))
    compensation = Compensation.of(parameters, matrix)
    order, factor = compensation.order, compensation.factor.astype(np.float64)
    assert sorted(order.tolist()) == list(range(len(matrix)))
    rows = np.concatenate([np.repeat(np.arange(9), 21), 9 + np.repeat(np.arange(8), 10)])
    starts = np.flatnonzero(np.diff(rows[order], prepend=-1))
    assert sorted(rows[order][starts].tolist()) == list(range(17))
    assert np.all(rows[order][:189] < 9)
    np.testing.assert_array_equal(factor, np.triu(factor))
    identity = factor.T @ factor @ damped[np.ix_(order, order)]
    np.testing.assert_allclose(identity, np.eye(len(order)), atol=2e-3)


def test_weights_that_nothing_hears_have_a_finite_factor() -> None:
    parameters = random_representation((64, 48), frequencies=20, hidden=(9, 8)).sine_parameters
    size = sum(layer.weight.size + layer.bias.size for layer in parameters.hidden)
    compensation = Compensation.of(parameters, np.zeros((size, size), dtype=np.float32))
    moved = round_part(np.full(size, 0.3), np.ones(size), compensation.factor, 0, size)
    np.testing.assert_array_equal(moved, np.zeros(size))
