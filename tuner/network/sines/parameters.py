"""The numbers that make up one sinusoidal network, as plain arrays.

The edge between the parts of the library: a fit produces `SineParameters`, a representation evaluates them, the codec
turns them into bytes. No torch here, so that reading a file needs none. All weights are in effective units, sin(W s +
b): the factor omega_hidden of the published code is already inside.
"""

from dataclasses import dataclass

import numpy as np

from tuner.errors import ConfigError
from tuner.shapes import FloatArray, IntArray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HiddenLayer:
    """One hidden layer h = sin(W s + b).

    Attributes:
        weight: W, float32 (H, M): one column per input of the layer.
        bias: b, float32 (H,), in radians.
        bounds: c, float32 (M,), |W[:, j]| <= c[j]; None if the columns are free.

    Raises:
        ConfigError: if the shapes or the dtypes do not fit together.
    """

    weight: FloatArray
    bias: FloatArray
    bounds: FloatArray | None = None

    def __post_init__(self) -> None:
        _expect("hidden weight", self.weight, (self.weight.shape[0], self.weight.shape[-1]), np.float32)
        _expect("hidden bias", self.bias, self.weight.shape[:1], np.float32)
        if self.bounds is not None:
            _expect("bounds", self.bounds, self.weight.shape[1:], np.float32)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SineParameters:
    """All numbers of a network f(x) = C h_L(... h_1(sin(2 pi/p K x + phi))) + e.

    Attributes:
        frequencies: K, int32 (M, D), in cycles per period; frozen during a fit.
        period: p, in units of the coordinates.
        phases: phi, float32 (M,), in radians.
        hidden: the hidden layers, first to last, at least one.
        readout_weight: C, float32 (C, H).
        readout_bias: e, float32 (C,).

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
        _expect("frequencies", self.frequencies, (self.frequencies.shape[0], self.frequencies.shape[-1]), np.int32)
        _expect("phases", self.phases, self.frequencies.shape[:1], np.float32)
        if not self.hidden:
            raise ConfigError("the network has no hidden layer, expected at least one")
        width = self.frequencies.shape[0]
        for layer in self.hidden:
            _expect("hidden weight", layer.weight, (layer.weight.shape[0], width), np.float32)
            width = layer.weight.shape[0]
        _expect("readout weight", self.readout_weight, (self.readout_weight.shape[0], width), np.float32)
        _expect("readout bias", self.readout_bias, self.readout_weight.shape[:1], np.float32)

    @property
    def dimensions(self) -> int:
        """Length D of a coordinate."""
        return int(self.frequencies.shape[1])

    @property
    def channels(self) -> int:
        """Length C of a value."""
        return int(self.readout_weight.shape[0])

    @property
    def weight_count(self) -> int:
        """Number of scalars that a fit may change; the frequencies are not among them."""
        hidden = sum(layer.weight.size + layer.bias.size for layer in self.hidden)
        return self.phases.size + hidden + self.readout_weight.size + self.readout_bias.size


def _expect(name: str, array: np.ndarray, shape: tuple[int, ...], dtype: type[np.generic]) -> None:
    if array.shape != shape or array.dtype != dtype:
        raise ConfigError(
            f"{name} is {array.dtype} {array.shape}, expected {np.dtype(dtype)} {shape}: "
            "the arrays of one network must fit together"
        )
