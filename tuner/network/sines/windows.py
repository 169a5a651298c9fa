"""A long line cut into windows: one network on one window, each output of which is a window of the line.

    values(x) = f_w(2 (u - w) - 1),   u = (x + 1)/2 N/S,   w = floor(u), at least 0, at most K - 1

A single network on minutes of sound would need as many frequencies as the whole recording has: 300,000 samples and a
few hundred frequencies end at 1 dB. Cut into K windows of S samples, the recording is a signal of S samples and K C
channels: all windows share the hidden neurons, each mixes them in its own way, and the output layer is solved exactly,
like any other. It is a dictionary of waveforms that the fit learns (docs/decisions/0015-windows-of-sound.md). Nothing
but the output layer grows with the recording, and a step costs what it costs for one window. `tuner.fit` trains on the
folded signal; files and representations hold `WindowedParameters`. No torch here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import singledispatch

import numpy as np

from tuner.errors import ConfigError
from tuner.network.parameters import HiddenLayer, Parameters
from tuner.network.sines.parameters import SineParameters
from tuner.shapes import IntArray
from tuner.signal.signal import Signal


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class WindowedParameters:
    """A network on one window, and how its outputs make a line.

    Attributes:
        network: a network of one dimension and K C channels, window by window.
        samples: number of samples of the line, N.
        windows: number of windows K, at least 2.
        window: number of samples of a window, S; K windows cover the line.

    Raises:
        ConfigError: if the numbers do not fit together.
    """

    network: SineParameters
    samples: int
    windows: int
    window: int

    def __post_init__(self) -> None:
        outputs = self.network.channels
        fits = self.network.dimensions == 1 and outputs % self.windows == 0
        if not (fits and 2 <= self.windows <= self.samples <= self.windows * self.window):
            raise ConfigError(
                f"{self.windows} windows of {self.window} samples by {outputs} outputs, expected windows that cover "
                f"{self.samples} samples and as many outputs for each, of a network of one dimension"
            )

    @property
    def kind(self) -> str:
        """Kind of network, in a word."""
        return "sines"

    @property
    def dimensions(self) -> int:
        """Length of a coordinate: 1."""
        return 1

    @property
    def channels(self) -> int:
        """Length C of a value."""
        return self.network.channels // self.windows

    @property
    def latent_count(self) -> int:
        """Number of latents: none."""
        return 0

    @property
    def weight_count(self) -> int:
        """Number of scalars that a fit may change."""
        return self.network.weight_count

    @property
    def period(self) -> float:
        """p, in units of the coordinates of a window."""
        return self.network.period

    @property
    def frequencies(self) -> IntArray:
        """K, int32 (M, 1), in cycles per period of a window."""
        return self.network.frequencies

    @property
    def hidden(self) -> tuple[HiddenLayer, ...]:
        """The hidden layers, which all windows share."""
        return self.network.hidden

    def only(self, chosen: Sequence[int]) -> SineParameters:
        """The network with the outputs of some windows, one after the other."""
        rows = (np.array(chosen)[:, None] * self.channels + np.arange(self.channels)).reshape(-1)
        return replace(
            self.network,
            readout_weight=self.network.readout_weight[rows],
            readout_bias=self.network.readout_bias[rows],
        )


def window_length(samples: int, windows: int) -> int:
    """S: the shortest length with which so many windows cover a line, and whose transforms are fast.

    A product of 2, 3 and 5 and a multiple of 4, so that a period of 2.5 is a whole number of steps.
    """
    length = -(-samples // windows)
    while length % 4 or not _is_smooth(length):
        length += 1
    return length


def fold(signal: Signal, windows: int) -> Signal:
    """A line as a signal of one window, with K C channels; the end of the last window is silent.

    Args:
        signal: values of the line, (N, C).
        windows: number of windows K; 1 gives back the signal.

    Returns:
        (S, K C).

    Raises:
        ConfigError: if the signal has more than one axis, or fewer samples than windows.
    """
    if windows == 1:
        return signal
    if len(signal.grid_shape) != 1 or windows > signal.sample_count:
        raise ConfigError(f"the signal is {signal.grid_shape}, expected one axis of at least {windows} samples")
    window = window_length(signal.sample_count, windows)
    padded = np.zeros((windows * window, signal.channels), dtype=np.float32)
    padded[: signal.sample_count] = signal.values
    values = padded.reshape(windows, window, -1).transpose(1, 0, 2).reshape(window, -1)
    return replace(signal, values=np.ascontiguousarray(values))


@singledispatch
def plain_network(parameters: Parameters) -> SineParameters:
    """The plain network that some parameters are, or that all windows of a line share.

    Raises:
        ConfigError: if they are of another kind of network.
    """
    raise ConfigError(f"the parameters are {type(parameters).__name__}, expected those of a plain network of sines")


@plain_network.register
def _(parameters: SineParameters) -> SineParameters:
    return parameters


@plain_network.register
def _(parameters: WindowedParameters) -> SineParameters:
    return parameters.network


def unfolded(parameters: Parameters, signal: Signal) -> Parameters:
    """The parameters that represent `signal`, of a network fitted to it or to what `fold` made of it."""
    windows = parameters.channels // signal.channels
    if windows == 1:
        return parameters
    return WindowedParameters(
        network=plain_network(parameters),
        samples=signal.sample_count,
        windows=windows,
        window=window_length(signal.sample_count, windows),
    )


def _is_smooth(number: int) -> bool:
    for prime in (2, 3, 5):
        while number % prime == 0:
            number //= prime
    return number == 1
