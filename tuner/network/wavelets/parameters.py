"""The numbers of a wavelet network: a small sine network whose phases are turned by fields of wavelets.

    z_1 = W s(x) + V m(x) + b_1,   h_1 = sin z_1,   h_l = sin(W_l h_l-1 + b_l),   f = R h_L + S u(x) + e

s(x) holds sin(2 pi/p k.x) for some integer frequencies k, then cos of the same. The samples of the fields u are sums of
wavelets with integer coefficients, the latents (`tuner.network.wavelets.filters`), and a cubic spline goes through
them. m(x) are those fields and differences of them between neighbouring samples. Near an edge of a picture m turns the
phases of the sines, so that a narrow network serves the whole picture: for the same number of weights it reproduces a
photograph some 2 dB better than input frequencies alone.

Numbers only, no torch: a fit (`tuner.fit.wavelets.fit`) produces them, `tuner.network.wavelets.synthesis` evaluates
them, `tuner.codec.wavelets.chunk` writes them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tuner.errors import ConfigError
from tuner.network.parameters import HiddenLayer
from tuner.network.wavelets.layout import Layout
from tuner.shapes import FloatArray, IntArray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class WaveletParameters:
    """All numbers of a wavelet network.

    Attributes:
        layout: the subbands, and how many channels and inputs come of them.
        period: p, length of a period in units of the coordinates.
        seed: number from which the frequencies are drawn.
        reach: largest component of a frequency.
        frequencies: integer frequencies of the first layer in cycles per period, int32 (F, D), those of
            `seeded_frequencies`.
        latents: the integer coefficients, int32 (subbands, *nodes) for each level of the layout.
        hidden: the sine layers; the first has 2 F + M inputs: sines, cosines, `tuner.network.wavelets.inputs`.
        skip: weight S from the fields to the values, float32 (C, U).
        readout_weight: weight R from the last sine layer to the values, float32 (C, H).
        readout_bias: bias e of the values, float32 (C,).
        exponents: one for each of the M inputs beside the sines, which is multiplied by 2^exponent.

    Raises:
        ConfigError: if the shapes do not fit together.
    """

    layout: Layout
    period: float
    seed: int
    reach: int
    frequencies: IntArray
    latents: tuple[IntArray, ...]
    hidden: tuple[HiddenLayer, ...]
    skip: FloatArray
    readout_weight: FloatArray
    readout_bias: FloatArray
    exponents: tuple[int, ...]

    def __post_init__(self) -> None:
        layout = self.layout
        shapes = [codes.shape for codes in self.latents]
        expected = [level.shape for level in layout.levels]
        if shapes != expected:
            raise ConfigError(f"the latents of the levels have the shapes {shapes}, expected {expected}")
        if len(self.exponents) != layout.inputs:
            raise ConfigError(f"{len(self.exponents)} exponents, expected {layout.inputs}: one for each input")
        width = 2 * len(self.frequencies) + layout.inputs
        for layer in self.hidden:
            if layer.weight.shape[1] != width:
                raise ConfigError(f"a sine layer takes {layer.weight.shape[1]} inputs, expected {width}")
            width = len(layer.bias)
        outputs = (self.channels, width), (self.channels, layout.field_channels)
        if (self.readout_weight.shape, self.skip.shape) != outputs:
            raise ConfigError(
                f"the output layer is {self.readout_weight.shape} and {self.skip.shape}, expected {outputs[0]} and "
                f"{outputs[1]}"
            )

    @property
    def kind(self) -> str:
        """Kind of network, in a word."""
        return "wavelets"

    @property
    def grid_shape(self) -> tuple[int, ...]:
        """Number of samples of the signal along each axis."""
        return self.layout.grid_shape

    @property
    def dimensions(self) -> int:
        """Length D of a coordinate."""
        return self.layout.dimensions

    @property
    def channels(self) -> int:
        """Length C of a value."""
        return len(self.readout_bias)

    @property
    def gains(self) -> FloatArray:
        """What each input beside the sines is multiplied by, float32 (M,)."""
        return np.ldexp(np.float32(1.0), np.array(self.exponents, dtype=np.int32))

    @property
    def weight_count(self) -> int:
        """Number of scalars that a fit may change: latents, layers and output layer."""
        return self.layout.latents + sum(array.size for array in self.tensors())

    @property
    def latent_count(self) -> int:
        """Number of latents in all levels together."""
        return self.layout.latents

    def tensors(self) -> list[FloatArray]:
        """All weights but the latents, in the order of the file."""
        inputs = 2 * len(self.frequencies)
        first, *deeper = self.hidden
        return [
            first.weight[:, :inputs],
            first.weight[:, inputs:],
            first.bias,
            *(array for layer in deeper for array in (layer.weight, layer.bias)),
            self.skip,
            self.readout_weight,
            self.readout_bias,
        ]


def tensor_shapes(
    layout: Layout, frequencies: int, widths: tuple[int, ...], channels: int
) -> list[tuple[str, tuple[int, ...]]]:
    """Name and shape of every tensor of `WaveletParameters.tensors`.

    Args:
        layout: the subbands.
        frequencies: F, number of frequencies of the first layer.
        widths: number of neurons of each sine layer.
        channels: C, length of a value.
    """
    first, *_ = widths
    shapes: list[tuple[str, tuple[int, ...]]] = [
        ("sine weight", (first, 2 * frequencies)),
        ("input weight", (first, layout.inputs)),
        ("hidden 1 bias", (first,)),
    ]
    for number, (inputs, width) in enumerate(pairwise(widths), start=2):
        shapes += [(f"hidden {number} weight", (width, inputs)), (f"hidden {number} bias", (width,))]
    return [
        *shapes,
        ("skip", (channels, layout.field_channels)),
        ("readout weight", (channels, widths[-1])),
        ("readout bias", (channels,)),
    ]


def wavelet_parameters(
    *,
    layout: Layout,
    period: float,
    seed: int,
    reach: int,
    frequencies: IntArray,
    latents: tuple[IntArray, ...],
    tensors: list[FloatArray],
    exponents: tuple[int, ...],
) -> WaveletParameters:
    """The inverse of `WaveletParameters.tensors`; arguments are the attributes of `WaveletParameters`."""
    sines, inputs, bias, *deeper, skip, readout_weight, readout_bias = tensors
    return WaveletParameters(
        layout=layout,
        period=period,
        seed=seed,
        reach=reach,
        frequencies=frequencies,
        latents=latents,
        hidden=(
            HiddenLayer(weight=np.concatenate([sines, inputs], axis=1), bias=bias),
            *(HiddenLayer(weight=w, bias=b) for w, b in zip(deeper[::2], deeper[1::2], strict=True)),
        ),
        skip=skip,
        readout_weight=readout_weight,
        readout_bias=readout_bias,
        exponents=exponents,
    )


def seeded_frequencies(count: int, dimensions: int, reach: int, seed: int) -> IntArray:
    """Integer frequencies that a seed stands for, low ones more often; they take no bits in a file.

    Each component is the least of three draws from 0..reach, and from the second axis on negative if a fourth draw is
    odd. A vector that is zero, or was drawn before up to its sign, is drawn again. The draws are those of SplitMix64
    (Steele, Lea and Flood 2014), taken modulo the number of possible values: integers on every machine.

    Args:
        count: F, number of frequencies, at most about a quarter of what is within reach, so that drawing ends soon.
        dimensions: D, length of a frequency.
        reach: largest component of a frequency, >= 1.
        seed: number from which they are drawn, below 2^32.

    Returns:
        int32 (F, D), in the order of the draws.

    Raises:
        ConfigError: if more than about a quarter of all vectors within reach are asked for.
    """
    if 4 * count > (reach + 1) ** dimensions + 3:
        raise ConfigError(f"{count} frequencies within {reach} are too many: at most a quarter of ({reach} + 1)^D")
    draws = _split_mix(seed)
    chosen: list[tuple[int, ...]] = []
    seen = {(0,) * dimensions}
    while len(chosen) < count:
        vector = []
        for axis in range(dimensions):
            size = min(next(draws) % (reach + 1) for _ in range(3))
            vector.append(-size if next(draws) % 2 and axis > 0 else size)
        if tuple(vector) not in seen:
            seen |= {tuple(vector), tuple(-k for k in vector)}
            chosen.append(tuple(vector))
    return np.array(chosen, dtype=np.int32).reshape(count, dimensions)


def _split_mix(state: int) -> Iterator[int]:
    mask = (1 << 64) - 1
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & mask
        yield z ^ z >> 31
