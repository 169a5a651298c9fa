"""The torch module of a network of sines: frozen integer frequencies, bounded sine layers, a linear read-out.

    s = sin(2 pi/p K x + phi)       input layer, K frozen                        (section 3.1 of arXiv 2407.21121)
    h = sin(W s + b)                hidden layer, |W_ij| <= c_j; more may follow
    f(x) = R h + e

Weights are in effective units, without the factor omega_hidden of the published code. Because every frequency is a
multiple of 2 pi/p, so is every harmonic: f is p-periodic in each coordinate, at any depth.

The initial scale decides whether a fit works at all: with Normal(0, (0.3 c_j)^2) the pre-activations of a few hundred
columns have a standard deviation near 8, and a fit sticks. Here it is `NetworkConfig.deviation`, whatever the width
(docs/decisions/0003-period-and-initialisation.md).
"""

from collections.abc import Collection, Sequence
from math import pi, sqrt
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from tuner.fit.sines.bounds import column_bounds, project_columns
from tuner.fit.sines.row_bounds import project_rows
from tuner.fit.sines.trainable import Network
from tuner.network.parameters import HiddenLayer
from tuner.network.sines.config import NetworkConfig
from tuner.network.sines.frequencies import axis_limits, choose_frequencies
from tuner.network.sines.parameters import SineParameters
from tuner.shapes import FloatArray, IntArray
from tuner.signal.grid import Grid

__all__ = ["HiddenSine", "NetworkConfig", "SineNetwork", "initial_parameters"]


class SineNetwork(Network):
    """A sinusoidal network as a torch module; made from arrays and turned back into them.

    Attributes:
        frequencies_MD: buffer of the input frequencies in cycles per period, int32 (M, D); never trained.
        period: length p of the period, in units of the coordinates.
        phases_M: parameter of the input phases in radians, (M,).
        hidden: the hidden layers, first to last; `layers` gives them with their type.
        readout_weight_CH: parameter R of the output layer, (C, H).
        readout_bias_C: parameter e of the output layer, (C,).
    """

    frequencies_MD: Tensor

    def __init__(self, parameters: SineParameters) -> None:
        super().__init__()
        self.period = parameters.period
        self.register_buffer("frequencies_MD", torch.tensor(parameters.frequencies))
        self.phases_M = nn.Parameter(torch.tensor(parameters.phases))
        self.hidden = nn.ModuleList(HiddenSine(layer) for layer in parameters.hidden)
        self.readout_weight_CH = nn.Parameter(torch.tensor(parameters.readout_weight))
        self.readout_bias_C = nn.Parameter(torch.tensor(parameters.readout_bias))

    @classmethod
    def initial(cls, config: NetworkConfig, grid: Grid, channels: int, seed: int) -> "SineNetwork":
        """An untrained network for a signal on `grid`; see `initial_parameters`."""
        return cls(initial_parameters(config, grid, channels, seed))

    @classmethod
    def from_parameters(cls, parameters: SineParameters) -> "SineNetwork":
        """The network that these arrays describe."""
        return cls(parameters)

    @property
    def layers(self) -> tuple["HiddenSine", ...]:
        """The hidden layers, first to last."""
        return tuple(cast("Sequence[HiddenSine]", self.hidden))

    @property
    def angular_MD(self) -> Float[Tensor, "inputs dims"]:
        """Input frequencies in radians per unit of the coordinates: 2 pi/p K."""
        return self.frequencies_MD.to(self.phases_M.dtype) * (2.0 * pi / self.period)

    def input_sines(self, coords_PD: Float[Tensor, "points dims"]) -> Float[Tensor, "points inputs"]:
        """The input layer s = sin(2 pi/p K x + phi)."""
        return torch.sin(torch.addmm(self.phases_M, coords_PD, self.angular_MD.T))

    def readout(self, hidden_PH: Float[Tensor, "points hidden"]) -> Float[Tensor, "points channels"]:
        """The output layer f = R h + e."""
        return torch.addmm(self.readout_bias_C, hidden_PH, self.readout_weight_CH.T)

    def forward(self, coords_PD: Float[Tensor, "points dims"]) -> Float[Tensor, "points channels"]:
        """Values of the network at any coordinates, not only those of a grid."""
        hidden_PH = self.input_sines(coords_PD)
        for layer in self.layers:
            hidden_PH = layer(hidden_PH)
        return self.readout(hidden_PH)

    def project(self) -> None:
        """Bring every hidden weight back within its bound, in place."""
        for layer in self.layers:
            layer.project()

    def parameters_numpy(self) -> SineParameters:
        """A copy of all numbers, on the CPU."""
        return SineParameters(
            frequencies=self.frequencies_MD.cpu().numpy().copy(),
            period=self.period,
            phases=_array(self.phases_M),
            hidden=tuple(layer.arrays() for layer in self.layers),
            readout_weight=_array(self.readout_weight_CH),
            readout_bias=_array(self.readout_bias_C),
        )


class HiddenSine(nn.Module):
    """One hidden layer h = sin(W s + b), whose columns may be bounded.

    Attributes:
        weight_HM: parameter W of the layer, (H, M).
        bias_H: parameter b of the layer in radians, (H,).
        bounds_M: buffer of the largest weight of each column, (M,); None if there are no bounds.
        row_costs_M: buffer of what a unit of each column's weight adds to a row's sum, (M,); None if rows have no
            limit; see `tuner.fit.sines.row_bounds`.
        row_limit: largest sum of costs in a row.
    """

    bounds_M: Tensor | None
    row_costs_M: Tensor | None

    def __init__(self, layer: HiddenLayer) -> None:
        super().__init__()
        self.weight_HM = nn.Parameter(torch.tensor(layer.weight))
        self.bias_H = nn.Parameter(torch.tensor(layer.bias))
        self.register_buffer("bounds_M", None if layer.bounds is None else torch.tensor(layer.bounds))
        self.register_buffer("row_costs_M", None, persistent=False)
        self.row_limit = float("inf")

    def forward(self, inputs_PM: Float[Tensor, "points inputs"]) -> Float[Tensor, "points hidden"]:
        """Sine of the affine map."""
        return torch.sin(torch.addmm(self.bias_H, inputs_PM, self.weight_HM.T))

    def project(self) -> None:
        """Clamp the columns to their bounds and shrink the rows to theirs, in place."""
        if self.bounds_M is not None:
            project_columns(self.weight_HM, self.bounds_M)
        if self.row_costs_M is not None:
            project_rows(self.weight_HM, self.row_costs_M, self.row_limit)

    def arrays(self) -> HiddenLayer:
        """A copy of the layer's numbers."""
        bounds = None if self.bounds_M is None else _array(self.bounds_M)
        return HiddenLayer(weight=_array(self.weight_HM), bias=_array(self.bias_H), bounds=bounds)


def initial_parameters(
    config: NetworkConfig, grid: Grid, channels: int, seed: int, frequencies: IntArray | None = None
) -> SineParameters:
    """Choose the frequencies for a grid and draw the rest, the same on every machine for the same seed.

    Columns start in proportion to their bounds, scaled so that a pre-activation has a standard deviation of
    `config.deviation` over the period: half the sum of the variances of a row, since a sine has mean square 1/2.
    Biases cover half a turn; the other half would only repeat neurons with the opposite sign.

    Args:
        config: the network asked for; `config.period` must be the grid's.
        grid: grid on which the signal lies.
        channels: number of values per point (C).
        seed: seed of the frequencies and of the weights.
        frequencies: input frequencies that were chosen elsewhere (`tuner.experiment.theory.spectral_choice`); None to
            choose them.

    Returns:
        Parameters within their bounds.
    """
    random = np.random.default_rng(seed)
    if frequencies is None:
        frequencies = input_frequencies(config, grid, seed)
    return SineParameters(
        frequencies=frequencies,
        period=grid.period,
        hidden=initial_layers(config, input_bounds(config, frequencies, grid), random),
        phases=quarter_turns(len(frequencies), random),
        readout_weight=_normal((channels, config.hidden[-1]), 0.1 / sqrt(config.hidden[-1]), random),
        readout_bias=np.zeros(channels, dtype=np.float32),
    )


def input_frequencies(
    config: NetworkConfig, grid: Grid, seed: int, exclude: Collection[tuple[int, ...]] = ()
) -> IntArray:
    """The input frequencies that a configuration asks for on a grid; see `choose_frequencies`."""
    return choose_frequencies(
        config.frequencies,
        grid.nyquist,
        low_share=config.low_share,
        low_limit=config.low_limit,
        band_limit=config.band_limit,
        seed=seed,
        exclude=exclude,
    )


def input_bounds(config: NetworkConfig, frequencies: IntArray, grid: Grid) -> FloatArray:
    """The bound of each input frequency's column, float32 (M,)."""
    return column_bounds(
        frequencies,
        axis_limits(grid.nyquist, config.low_limit),
        bound_low=config.bound_low,
        bound_high=config.bound_high,
    )


def initial_layers(config: NetworkConfig, bounds: FloatArray, random: np.random.Generator) -> tuple[HiddenLayer, ...]:
    """The hidden layers over inputs with these bounds.

    Args:
        config: architecture: widths, bounds of the deeper layers, and whether there are bounds at all.
        bounds: largest weight c of each input of the first layer, float32 (M,).
        random: generator that the weights are drawn from.
    """
    layers = []
    for width in config.hidden:
        layers.append(_initial_layer(width, bounds, random, config))
        bounds = np.full(width, config.bound_deep, dtype=np.float32)
    return tuple(layers)


def _initial_layer(width: int, bounds: FloatArray, random: np.random.Generator, config: NetworkConfig) -> HiddenLayer:
    if not config.bounded:
        weight = _normal((width, len(bounds)), config.deviation * sqrt(2.0 / len(bounds)), random)
        return HiddenLayer(weight=weight, bias=quarter_turns(width, random))
    scale = bounds * config.deviation * sqrt(2.0 / float(np.square(bounds).sum()))
    weight = np.clip(_normal((width, len(bounds)), 1.0, random) * scale, -bounds, bounds)
    return HiddenLayer(weight=weight, bias=quarter_turns(width, random), bounds=bounds)


def quarter_turns(count: int, random: np.random.Generator) -> FloatArray:
    """Angles between minus and plus a quarter of a turn."""
    return random.uniform(-pi / 2, pi / 2, count).astype(np.float32)


def _normal(shape: tuple[int, ...], deviation: float, random: np.random.Generator) -> FloatArray:
    return (random.standard_normal(shape) * deviation).astype(np.float32)


def _array(tensor: Tensor) -> FloatArray:
    return tensor.detach().to("cpu", torch.float32).numpy().copy()
