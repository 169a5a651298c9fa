"""The numbers that make up one plain sinusoidal network, f(x) = R h_L(... h_1(sin(2 pi/p K x + phi))) + e."""

from dataclasses import dataclass

import numpy as np

from tuner.errors import ConfigError
from tuner.network.parameters import HiddenLayer, expect_array
from tuner.shapes import FloatArray, IntArray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SineParameters:
    """All numbers of a network f(x) = R h_L(... h_1(sin(2 pi/p K x + phi))) + e.

    Attributes:
        frequencies: input frequencies K, int32 (M, D), in cycles per period; frozen during a fit.
        period: period p, in units of the coordinates.
        phases: phi, float32 (M,), in radians.
        hidden: the hidden layers, first to last, at least one.
        readout_weight: weights R of the output layer, float32 (C, H).
        readout_bias: bias e of the output layer, float32 (C,).

    Raises:
        ConfigError: if the shapes or the dtypes do not fit together.
    """

    frequencies: IntArray
    period: float
    phases: FloatArray
    hidden: tuple[HiddenLayer, ...]
    readout_weight: FloatArray
    readout_bias: FloatArray

    def __post_init__(self) -> None:
        expect_array("frequencies", self.frequencies, (self.frequencies.shape[0], self.frequencies.shape[-1]), np.int32)
        expect_array("phases", self.phases, self.frequencies.shape[:1], np.float32)
        if not self.hidden:
            raise ConfigError("the network has no hidden layer, expected at least one")
        width = self.frequencies.shape[0]
        for layer in self.hidden:
            expect_array("hidden weight", layer.weight, (layer.weight.shape[0], width), np.float32)
            width = layer.weight.shape[0]
        expect_array("readout weight", self.readout_weight, (self.readout_weight.shape[0], width), np.float32)
        expect_array("readout bias", self.readout_bias, self.readout_weight.shape[:1], np.float32)

    @property
    def kind(self) -> str:
        """Kind of network, in a word."""
        return "sines"

    @property
    def dimensions(self) -> int:
        """Length D of a coordinate."""
        return int(self.frequencies.shape[1])

    @property
    def channels(self) -> int:
        """Length C of a value."""
        return int(self.readout_weight.shape[0])

    @property
    def latent_count(self) -> int:
        """Number of latents: none."""
        return 0

    @property
    def weight_count(self) -> int:
        """Number of scalars that a fit may change; the frequencies are not among them."""
        hidden = sum(layer.weight.size + layer.bias.size for layer in self.hidden)
        return self.phases.size + hidden + self.readout_weight.size + self.readout_bias.size
