"""What others train, as they train it: the published TUNER recipe, and SIREN. Dense evaluation, Adam at 5e-4.

The recipe of arXiv 2407.21121 as the authors' experiments run it: batches of 65,536 samples, weights stored as W / 30,
fixed bounds clamped after every step. It runs from its own initialisation (frequencies drawn with repeats from a low
box and from a high grid, SIREN's uniform weights, period 4, bounds 1 and 0.6) or from ours.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise, product
from math import pi, sqrt

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.curves import Budget, Curve, run
from tuner.fit.sines.module import SineNetwork
from tuner.network.sines.config import NetworkConfig
from tuner.signal.grid import Grid
from tuner.signal.signal import Signal

BATCH = 65_536
OMEGA = 30.0
RATE = 5e-4
# The authors' configuration: seed, share and half side of the low box, period, bounds of low and high columns.
SEED, LOW_SHARE, LOW_LIMIT, PERIOD, BOUND_LOW, BOUND_HIGH = 777, 0.7, 10, 4.0, 1.0, 0.6


class Recipe(nn.Module):
    """Frozen frequencies, trained phases, one hidden layer stored as W / 30, linear output."""

    def __init__(self, angular_MD: Tensor, limits_M: Tensor, phases_M: Tensor, hidden: nn.Linear, out: nn.Linear):
        super().__init__()
        self.register_buffer("angular_MD", angular_MD)
        self.register_buffer("limits_M", limits_M)
        self.phases_M = nn.Parameter(phases_M)
        self.hidden, self.out = hidden, out

    @classmethod
    def own(cls, signal: Signal, config: NetworkConfig) -> "Recipe":
        """The authors' initialisation, for a picture and our numbers of frequencies and neurons."""
        frequencies_MD = published_frequencies(config.frequencies, band=signal.grid_shape[0] // 6)
        torch.manual_seed(SEED)
        low_M = frequencies_MD.abs().amax(1) <= LOW_LIMIT
        limits_M = torch.where(low_M, BOUND_LOW, BOUND_HIGH) / OMEGA
        phases_M = torch.empty(len(frequencies_MD)).uniform_(-1, 1) / sqrt(frequencies_MD.shape[1])
        hidden, out = nn.Linear(len(frequencies_MD), config.hidden[0]), nn.Linear(config.hidden[0], signal.channels)
        for layer in (hidden, out):
            bound = sqrt(6.0 / layer.in_features) / OMEGA
            nn.init.uniform_(layer.weight, -bound, bound)
        return cls(frequencies_MD * (2.0 * pi / PERIOD), limits_M, phases_M, hidden, out)

    @classmethod
    def ours(cls, signal: Signal, config: NetworkConfig) -> "Recipe":
        """The network that the other methods start from."""
        network = SineNetwork.initial(config, Grid(signal.grid_shape, config.period), signal.channels, 0)
        layer = network.layers[0]
        bounds_M = layer.bounds_M if layer.bounds_M is not None else torch.full((len(network.phases_M),), torch.inf)
        hidden, out = nn.Linear(*reversed(layer.weight_HM.shape)), nn.Linear(len(layer.bias_H), signal.channels)
        with torch.no_grad():
            hidden.weight.copy_(layer.weight_HM / OMEGA)
            hidden.bias.copy_(layer.bias_H / OMEGA)
            out.weight.copy_(network.readout_weight_CH)
            out.bias.copy_(network.readout_bias_C)
        return cls(network.angular_MD, bounds_M / OMEGA, network.phases_M.detach().clone(), hidden, out)

    def forward(self, coords_PD: Tensor) -> Tensor:
        """Values at the points, (P, C)."""
        sines = torch.sin(torch.addmm(self.phases_M, coords_PD, self.angular_MD.T))
        output: Tensor = self.out(torch.sin(OMEGA * self.hidden(sines)))
        return output

    @torch.no_grad()
    def clamp(self) -> None:
        """Bring the hidden columns back within their bounds."""
        torch.clamp(self.hidden.weight, -self.limits_M, self.limits_M, out=self.hidden.weight)


def published_frequencies(count: int, band: int) -> Tensor:
    """Unit vectors, low ones drawn with replacement, high ones from a grid that is just rich enough; float32 (M, 2)."""
    random = np.random.default_rng(SEED)
    low_count = round(LOW_SHARE * (count - 2))
    high_count = count - 2 - low_count
    low = np.array(list(product(range(LOW_LIMIT + 1), range(-LOW_LIMIT, LOW_LIMIT + 1))))
    side = int(sqrt(high_count / 2)) + 1
    line = np.arange(-band, band + 1, max(band // side, 1))
    high = np.array(list(product(line[line >= 0][: side + 2], line)))
    drawn = [
        np.eye(2, dtype=int),
        low[random.choice(len(low), low_count)],
        high[random.choice(len(high), high_count, replace=len(high) < high_count)],
    ]
    return torch.tensor(np.concatenate(drawn), dtype=torch.float32)


def published(signal: Signal, config: NetworkConfig, budget: Budget, *, own_start: bool) -> Curve:
    """The authors' recipe, from its own initialisation or from ours."""
    recipe = Recipe.own(signal, config) if own_start else Recipe.ours(signal, config)
    return _adam(signal, recipe, recipe.clamp, budget)


def siren(signal: Signal, config: NetworkConfig, budget: Budget) -> Curve:
    """Two sine layers of the same widths, omega 30, all weights trained (Sitzmann et al. 2020)."""
    torch.manual_seed(SEED)
    sizes = [len(signal.grid_shape), config.frequencies, *config.hidden, signal.channels]
    layers = [nn.Linear(into, out) for into, out in pairwise(sizes)]
    for i, layer in enumerate(layers):
        bound = 1.0 / layer.in_features if i == 0 else sqrt(6.0 / layer.in_features) / OMEGA
        nn.init.uniform_(layer.weight, -bound, bound)
    modules: list[nn.Module] = []
    for layer in layers[:-1]:
        modules += [layer, _Sine()]
    return _adam(signal, nn.Sequential(*modules, layers[-1]), lambda: None, budget)


class _Sine(nn.Module):
    def forward(self, value: Tensor) -> Tensor:
        return torch.sin(OMEGA * value)


def adam(coords_PD: Tensor, values_PC: Tensor, network: nn.Module, after: Callable[[], None]) -> Callable[[], float]:
    """Steps of Adam on random batches of samples, each of which returns the mean squared error of its batch before it.

    Args:
        coords_PD: places of the samples.
        values_PC: values of the samples.
        network: network to train, in place.
        after: function that is called after each step.
    """
    rule = torch.optim.Adam(network.parameters(), lr=RATE)
    batches = _batches(len(coords_PD))

    def step() -> float:
        rows = next(batches)
        loss: Tensor = (network(coords_PD[rows]) - values_PC[rows]).square().mean()
        rule.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        rule.step()
        after()
        return loss.item()

    return step


def _adam(signal: Signal, network: nn.Module, after: Callable[[], None], budget: Budget) -> Curve:
    coords = torch.tensor(Grid(signal.grid_shape, PERIOD).coords())
    values = torch.tensor(signal.values).reshape(-1, signal.channels)
    return run(adam(coords, values, network, after), budget)


def _batches(samples: int) -> Iterator[Tensor | slice]:
    """Random batches without end; all samples at once if they fit in one."""
    generator = torch.Generator().manual_seed(SEED)
    while True:
        if samples <= BATCH:
            yield slice(None)
        else:
            yield from torch.split(torch.randperm(samples, generator=generator), BATCH)
