"""Theorems 1 and 2 of arXiv 2407.21121, against their slow twins and against the network itself."""

import numpy as np
import pytest
import torch
from scipy.special import jv

from tests.reference.expansion import bound_by_terms, neuron_by_terms
from tuner.errors import ConfigError
from tuner.experiment.theory.expansion import amplitude_bounds, bessel_orders, expand_neuron
from tuner.fit.sines.module import SineNetwork
from tuner.network.sines.config import NetworkConfig
from tuner.signal.grid import Grid

PERIOD = 2.5
WEIGHTS = np.array([1.2, -0.7, 0.4], np.float32)
PHASES = np.array([0.3, -1.1, 0.8], np.float32)
FREQUENCIES = np.array([[1, 0], [0, 1], [3, -2]], np.int32)
BIAS = 0.6
COORDS = np.random.default_rng(1).uniform(-1, 1, (5, 2))


def exact_neuron(coords_PD: np.ndarray) -> np.ndarray:
    sines = np.sin(2 * np.pi / PERIOD * coords_PD @ FREQUENCIES.T + PHASES.astype(np.float64))
    return np.asarray(np.sin(sines @ WEIGHTS.astype(np.float64) + BIAS))


@pytest.mark.parametrize("max_order", [0, 1, 3])
def test_the_expansion_is_the_sum_of_its_terms(max_order: int) -> None:
    expansion = expand_neuron(WEIGHTS, BIAS, PHASES, FREQUENCIES, PERIOD, max_order=max_order)
    terms = [
        neuron_by_terms(
            list(x), WEIGHTS.tolist(), BIAS, PHASES.tolist(), FREQUENCIES.tolist(), PERIOD, max_order=max_order
        )
        for x in COORDS
    ]
    np.testing.assert_allclose(expansion.at(COORDS), terms, atol=1e-12)


# The errors that the sum of section 1.2 has at these orders, with some room.
@pytest.mark.parametrize(("max_order", "error"), [(2, 1e-1), (4, 2e-3), (6, 1e-5), (8, 1e-7), (11, 1e-11)])
def test_the_expansion_converges_to_the_neuron(max_order: int, error: float) -> None:
    expansion = expand_neuron(WEIGHTS, BIAS, PHASES, FREQUENCIES, PERIOD, max_order=max_order)
    assert np.abs(expansion.at(COORDS) - exact_neuron(COORDS)).max() < error


def test_a_whole_network_is_the_sum_of_its_neurons_expansions() -> None:
    config = NetworkConfig(frequencies=4, hidden=(3,), period=PERIOD)
    network = SineNetwork.initial(config, Grid((8, 6), PERIOD), 2, seed=4)
    parameters = network.parameters_numpy()
    layer = parameters.hidden[0]
    neurons = [
        expand_neuron(
            layer.weight[i], float(layer.bias[i]), parameters.phases, parameters.frequencies, PERIOD, max_order=8
        ).at(COORDS)
        for i in range(3)
    ]
    summed = np.stack(neurons, axis=-1) @ parameters.readout_weight.T + parameters.readout_bias
    with torch.no_grad():
        np.testing.assert_allclose(network(torch.tensor(COORDS, dtype=torch.float32)).numpy(), summed, atol=2e-6)


def test_all_neurons_share_their_frequencies_and_equal_ones_interfere() -> None:
    expansion = expand_neuron(WEIGHTS, BIAS, PHASES, FREQUENCIES, PERIOD, max_order=3)
    frequencies, coefficients = expansion.spectrum()
    assert len(np.unique(frequencies, axis=0)) == len(frequencies)
    # One of k and -k.
    assert not {tuple(k) for k in frequencies} & {tuple(-k) for k in frequencies if k.any()}
    angles = COORDS @ frequencies.T * (2 * np.pi / PERIOD)
    summed = (np.sin(angles + np.angle(coefficients)) * np.abs(coefficients)).sum(1)
    np.testing.assert_allclose(summed, expansion.at(COORDS), atol=1e-12)


def test_the_spectrum_is_what_a_fourier_transform_of_the_neuron_shows() -> None:
    weights, phases, frequencies = WEIGHTS[:2], PHASES[:2], FREQUENCIES[:2, :]
    expansion = expand_neuron(weights, BIAS, phases, frequencies, PERIOD, max_order=12)
    found, coefficients = expansion.spectrum()
    steps = np.arange(64) * PERIOD / 64
    grid = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1)
    sines = np.sin(2 * np.pi / PERIOD * grid @ frequencies.T + phases.astype(np.float64))
    transform = np.fft.fft2(np.sin(sines @ weights.astype(np.float64) + BIAS)) / 64**2
    for k, coefficient in zip(found, coefficients, strict=True):
        if k.any():
            assert abs(abs(transform[tuple(k)]) - abs(coefficient) / 2) < 1e-12


def test_bessel_functions_agree_with_scipy() -> None:
    for x in (0.0, 0.1, -1.2, 2.0, 7.5, 40.0):
        np.testing.assert_allclose(bessel_orders(x, 6), jv(np.arange(-6, 7), x), atol=1e-14)


def test_amplitudes_keep_the_bound_of_theorem_2() -> None:
    expansion = expand_neuron(WEIGHTS, BIAS, PHASES, FREQUENCIES, PERIOD, max_order=4)
    own = amplitude_bounds(expansion.orders, WEIGHTS)
    columns = amplitude_bounds(expansion.orders, np.array([1.3, 0.9, 0.5], np.float32))
    assert (np.abs(expansion.amplitudes) <= own).all()
    assert (own <= columns).all()
    by_terms = [bound_by_terms(orders, WEIGHTS.tolist()) for orders in expansion.orders.tolist()]
    np.testing.assert_allclose(own, by_terms, rtol=1e-12)
    # It is not loose: of first orders in a weak column hardly anything is lost.
    first = (expansion.orders == [0, 0, 1]).all(axis=1)
    assert np.abs(bessel_orders(0.4, 1)[2]) > 0.97 * 0.2
    assert first.sum() == 1


def test_too_many_terms_are_refused_before_memory_is_taken() -> None:
    with pytest.raises(ConfigError, match="expand fewer columns"):
        expand_neuron(
            np.ones(300, np.float32), 0.0, np.ones(300, np.float32), np.ones((300, 2), np.int32), 2.5, max_order=1
        )
