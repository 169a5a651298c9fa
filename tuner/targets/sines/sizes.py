"""Networks by their number of weights: eight input frequencies per neuron, as in the presets.

No torch here: the estimate of a fit uses it too.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from math import sqrt

from tuner.fit.presets import FREQUENCIES_PER_NEURON, MOST_FREQUENCIES, NEURONS, windowed_network
from tuner.network.sines.config import NetworkConfig

LEAST_NEURONS = 4  # a file asked for by its size may be smaller than any that a preset makes
MOST_NEURONS = NEURONS[1]


def sized(network: NetworkConfig, weights: float) -> NetworkConfig:
    """The network with one hidden layer and about so many weights; all else as it was."""
    if network.windows > 1:
        found = windowed_network(weights, network.windows)
        return replace(network, frequencies=found.frequencies, hidden=found.hidden)
    neurons = round(sqrt(max(weights, 1.0) / FREQUENCIES_PER_NEURON))
    if FREQUENCIES_PER_NEURON * neurons > MOST_FREQUENCIES:
        neurons = round(weights / MOST_FREQUENCIES)
    neurons = min(max(neurons, LEAST_NEURONS), MOST_NEURONS)
    return replace(network, frequencies=min(FREQUENCIES_PER_NEURON * neurons, MOST_FREQUENCIES), hidden=(neurons,))


def weight_count(network: NetworkConfig, channels: int) -> int:
    """Scalars that a fit may change; fewer if the grid does not hold so many frequencies."""
    widths = (network.frequencies, *network.hidden)
    hidden = sum((before + 1) * after for before, after in pairwise(widths))
    return network.frequencies + hidden + (widths[-1] + 1) * channels * network.windows


def solve_rising(function: Callable[[float], float], value: float, low: float, high: float) -> float:
    """Where a rising function reaches a value, by bisection of the logarithm; the nearer end if it does not."""
    for _ in range(40):
        middle = sqrt(low * high)
        low, high = (middle, high) if function(middle) < value else (low, middle)
    return sqrt(low * high)
