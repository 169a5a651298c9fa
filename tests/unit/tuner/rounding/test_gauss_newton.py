"""The matrix is that of finite differences, and large networks get none."""

import numpy as np
import pytest

from tests.networks import random_parameters, random_representation
from tuner.network.sines.parameters import SineParameters
from tuner.rounding.gauss_newton import flattened, gauss_newton, hidden_layers, points_needed
from tuner.rounding.view import View
from tuner.signal.signal import Signal

SLIGHTLY = 1e-4


@pytest.mark.parametrize("hidden", [(7,), (6, 5)], ids=["one layer", "two layers"])
def test_the_matrix_is_that_of_finite_differences(hidden: tuple[int, ...]) -> None:
    representation = random_representation((12, 9), frequencies=8, hidden=hidden)
    parameters = representation.sine_parameters
    coords = View(Signal(values=np.zeros((12, 9, representation.channels), np.float32))).coords()
    weights = flattened([(layer.weight, layer.bias) for layer in parameters.hidden]).astype(np.float64)
    lasts, jacobian = zip(
        *(_differences(parameters, weights, index, coords) for index in range(len(weights))), strict=True
    )
    last = np.concatenate([lasts[0], np.ones((len(coords), 1))], axis=1)
    columns = np.stack(jacobian, axis=2)  # points, channels, weights
    expected = np.zeros((len(weights),) * 2)
    for channel in range(parameters.channels):
        left = columns[:, channel] - last @ np.linalg.lstsq(last, columns[:, channel], rcond=None)[0]
        expected += left.T @ left / len(coords)
    found = gauss_newton(parameters, coords)
    np.testing.assert_allclose(found, expected, atol=2e-3 * np.abs(expected).max())


def test_layers_come_back_from_a_vector() -> None:
    parameters = random_representation((8, 8), frequencies=5, hidden=(4, 3)).sine_parameters
    vector = flattened([(layer.weight, layer.bias) for layer in parameters.hidden])
    for layer, again in zip(parameters.hidden, hidden_layers(vector, parameters), strict=True):
        np.testing.assert_array_equal(layer.weight, again.weight)
        np.testing.assert_array_equal(layer.bias, again.bias)


@pytest.mark.parametrize(("frequencies", "hidden", "small"), [(48, (32, 32, 32), True), (364, (256,), False)])
def test_only_small_networks_get_a_matrix(frequencies: int, hidden: tuple[int, ...], *, small: bool) -> None:
    parameters = random_parameters(frequencies=frequencies, hidden=hidden, reach=20)
    assert (points_needed(parameters) > 0) == small


def _differences(
    parameters: SineParameters, weights: np.ndarray, index: int, coords: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of the output layer, and the derivative of all values by one weight."""
    up, down = (
        _forward(parameters, weights + sign * SLIGHTLY * (np.arange(len(weights)) == index), coords) for sign in (1, -1)
    )
    slopes = (up - down) / (2.0 * SLIGHTLY)
    return _forward(parameters, weights, coords), slopes @ parameters.readout_weight.T.astype(np.float64)


def _forward(parameters: SineParameters, weights: np.ndarray, coords: np.ndarray) -> np.ndarray:
    values: np.ndarray = np.sin(
        coords @ parameters.frequencies.T * (2.0 * np.pi / parameters.period) + parameters.phases
    )
    start = 0
    for layer in parameters.hidden:
        rows, columns = layer.weight.shape
        joined = weights[start : start + rows * (columns + 1)].reshape(rows, columns + 1)
        start += joined.size
        values = np.sin(values @ joined[:, :-1].T + joined[:, -1])
    return values
