"""Networks have about as many weights as they are asked to have, within what is sensible."""

import pytest

from tuner.fit.presets import windowed_network
from tuner.network.sines.config import NetworkConfig
from tuner.targets.sines.sizes import LEAST_NEURONS, MOST_NEURONS, sized, solve_rising, weight_count


@pytest.mark.parametrize("weights", [300, 2000, 20_000, 200_000])
@pytest.mark.parametrize("network", [NetworkConfig(frequencies=1), windowed_network(9000, 6)], ids=["one", "windows"])
def test_a_network_has_about_so_many_weights(network: NetworkConfig, weights: int) -> None:
    found = sized(network, weights)
    assert found.windows == network.windows
    if network.windows == 1 or weights > 1000:  # windows share no fewer neurons than a preset's
        assert 0.7 < weight_count(found, 1) / weights < 1.5


def test_sizes_end_somewhere() -> None:
    assert sized(NetworkConfig(frequencies=1), 1.0).hidden == (LEAST_NEURONS,)
    assert sized(NetworkConfig(frequencies=1), 1e9).hidden == (MOST_NEURONS,)


def test_weights_are_counted_as_they_are_stored() -> None:
    # Phases of the input, one hidden layer with biases, an output layer of three channels with biases.
    assert weight_count(NetworkConfig(frequencies=10, hidden=(4,)), 3) == 10 + (10 * 4 + 4) + (4 * 3 + 3)


def test_a_rising_function_is_solved_and_its_ends_are_kept() -> None:
    assert solve_rising(lambda x: x * x, 9.0, 1.0, 100.0) == pytest.approx(3.0)
    assert solve_rising(lambda x: x, 5.0, 10.0, 100.0) == pytest.approx(10.0)
    assert solve_rising(lambda x: x, 500.0, 10.0, 100.0) == pytest.approx(100.0)
