"""What a network can hold, against the theorem term by term; and what it holds, against its expansion."""

from collections import defaultdict
from itertools import product

import numpy as np
import pytest

from tests.reference.expansion import bound_by_terms
from tuner.errors import ConfigError
from tuner.experiment.theory.expansion import expand_neuron
from tuner.experiment.theory.reach import column_weights, period_spectrum, reachable
from tuner.fit.sines.module import initial_parameters
from tuner.network.parameters import HiddenLayer
from tuner.network.sines.config import NetworkConfig
from tuner.network.sines.parameters import SineParameters
from tuner.signal.grid import Grid

FREQUENCIES = np.array([[1, 0], [0, 1], [3, -2]], np.int32)
BOUNDS = np.array([1.0, 0.5, 0.3], np.float32)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_the_reach_is_the_theorem_term_by_term(order: int) -> None:
    expected: dict[tuple[int, ...], float] = defaultdict(float)
    smallest: dict[tuple[int, ...], int] = {}
    for n in product(range(-order, order + 1), repeat=3):
        total = sum(map(abs, n))
        if total <= order:
            beta = tuple(np.array(n) @ FREQUENCIES)
            beta = max(beta, tuple(-k for k in beta))
            expected[beta] += bound_by_terms(list(n), BOUNDS.tolist())
            smallest[beta] = min(smallest.get(beta, order), total)
    reach = reachable(FREQUENCIES, BOUNDS, max_total_order=order)
    found = [tuple(k) for k in reach.frequencies.tolist()]
    assert sorted(found) == sorted(expected)
    for k, bound, least in zip(found, reach.bounds, reach.orders, strict=True):
        assert bound == pytest.approx(expected[k], rel=1e-6)
        assert least == smallest[k]


def test_no_neuron_exceeds_the_reach() -> None:
    random = np.random.default_rng(0)
    reach = reachable(FREQUENCIES, BOUNDS, max_total_order=12)
    limits = {tuple(k): bound for k, bound in zip(reach.frequencies.tolist(), reach.bounds, strict=True)}
    for _ in range(5):
        weights = (random.uniform(-1, 1, 3) * BOUNDS).astype(np.float32)
        phases = random.uniform(-2, 2, 3).astype(np.float32)
        expansion = expand_neuron(weights, 0.3, phases, FREQUENCIES, 2.5, max_order=4)
        for k, coefficient in zip(*expansion.spectrum(), strict=True):
            assert abs(coefficient) <= limits[tuple(k.tolist())]


def test_smaller_bounds_reach_less() -> None:
    wide, narrow = (reachable(FREQUENCIES, BOUNDS * scale, max_total_order=3) for scale in (1.0, 0.5))
    np.testing.assert_array_equal(wide.frequencies, narrow.frequencies)
    np.testing.assert_array_less(narrow.bounds[wide.orders > 1], 0.3 * wide.bounds[wide.orders > 1])


def test_a_whole_network_of_the_papers_size_is_listed() -> None:
    parameters = initial_parameters(NetworkConfig(frequencies=416, hidden=(8,)), Grid((512, 512), 2.5), 3, seed=0)
    bounds = parameters.hidden[0].bounds
    assert bounds is not None
    reach = reachable(parameters.frequencies, bounds)
    assert int(reach.orders.max()) == 2
    chosen = {tuple(k) for k in parameters.frequencies.tolist()}
    first = {tuple(k) for k, order in zip(reach.frequencies.tolist(), reach.orders, strict=True) if order == 1}
    assert first == chosen
    with pytest.raises(ConfigError, match="total order of 3"):
        reachable(parameters.frequencies, bounds, max_total_order=3)


def test_the_period_spectrum_is_that_of_the_expansion() -> None:
    random = np.random.default_rng(1)
    weight = random.uniform(-1, 1, (1, 3)).astype(np.float32)
    phases = random.uniform(-2, 2, 3).astype(np.float32)
    parameters = SineParameters(
        frequencies=FREQUENCIES, period=2.5, phases=phases,
        hidden=(HiddenLayer(weight=weight, bias=np.array([0.4], np.float32)),),
        readout_weight=np.ones((1, 1), np.float32), readout_bias=np.zeros(1, np.float32),
    )  # fmt: skip
    spectrum = period_spectrum(parameters, (64, 64))
    frequencies, coefficients = expand_neuron(weight[0], 0.4, phases, FREQUENCIES, 2.5, max_order=9).spectrum()
    for k, coefficient in zip(frequencies, coefficients, strict=True):
        if (np.abs(k) < 20).all() and k.any():
            # a sin(u + q) = (a / 2i) (exp(i q) exp(i u) - ...)
            assert spectrum[k[0] % 64, k[1] % 64, 0] == pytest.approx(coefficient / 2j, abs=2e-6)


def test_column_weights_are_within_the_bounds() -> None:
    parameters = initial_parameters(NetworkConfig(frequencies=40, hidden=(8,)), Grid((48, 32), 2.5), 1, seed=0)
    bounds = parameters.hidden[0].bounds
    assert bounds is not None
    weights = column_weights(parameters)
    assert weights.shape == (40,)
    assert (weights <= bounds).all()
