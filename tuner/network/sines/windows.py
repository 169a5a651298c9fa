"""A long line cut into windows: one network on one window, each output of which is a window of the line.

    values(x) = f_w(2 (u - w) - 1),   u = (x + 1)/2 N/S,   w = floor(u), at least 0, at most K - 1

A single network on minutes of sound would need as many frequencies as the whole recording has: 300,000 samples and a
few hundred frequencies end at 1 dB. Cut into K windows of S samples, the recording is a signal of S samples and K C
channels: all windows share the hidden neurons, each mixes them in its own way, and the output layer is solved exactly,
like any other. It is a dictionary of waveforms that the fit learns (docs/decisions/0015-windows-of-sound.md). Nothing
but the output layer grows with the recording, and a step costs what it costs for one window. `tuner.fit` trains on the
folded signal; files and representations hold `WindowedParameters`. No torch here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tuner.errors import ConfigError
from tuner.network.sines.parameters import HiddenLayer, SineParameters
from tuner.network.sines.synthesis import gradients_at, values_at, values_on_grid
from tuner.shapes import DoubleArray, FloatArray, IndexArray, IntArray
from tuner.signal.signal import Signal

# Of coordinates in float32, near the ends of the line.
_ROUNDING = 1.5e-7


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class WindowedParameters:
    """A network on one window, and how its outputs make a line.

    Attributes:
        network: of one dimension and K C channels, window by window.
        samples: N, of the line.
        windows: K, at least 2.
        window: S, samples of a window; K windows cover the line.

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
    def dimensions(self) -> int:
        """Length of a coordinate: 1."""
        return 1

    @property
    def channels(self) -> int:
        """Length C of a value."""
        return self.network.channels // self.windows

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
        signal: (N, C).
        windows: K; 1 gives back the signal.

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


def unfolded(network: SineParameters, signal: Signal) -> SineParameters | WindowedParameters:
    """The parameters that represent `signal`, of a network fitted to it or to what `fold` made of it."""
    windows = network.channels // signal.channels
    if windows == 1:
        return network
    return WindowedParameters(
        network=network,
        samples=signal.sample_count,
        windows=windows,
        window=window_length(signal.sample_count, windows),
    )


def windowed_values_at(parameters: WindowedParameters, coords_PD: FloatArray) -> FloatArray:
    """Values at any points, float32 (P, C)."""
    values = np.empty((len(coords_PD), parameters.channels), dtype=np.float32)
    for number, points, local_P in _by_window(parameters, coords_PD[:, 0].astype(np.float64)):
        values[points] = values_at(parameters.only([number]), local_P[:, None].astype(np.float32))
    return values


def windowed_gradients_at(parameters: WindowedParameters, coords_PD: FloatArray) -> FloatArray:
    """Derivatives at any points, float32 (P, C, 1), per unit of the coordinates of the line."""
    slopes = np.empty((len(coords_PD), parameters.channels, 1), dtype=np.float32)
    for number, points, local_P in _by_window(parameters, coords_PD[:, 0].astype(np.float64)):
        slopes[points] = gradients_at(parameters.only([number]), local_P[:, None].astype(np.float32))
    return slopes * np.float32(parameters.samples / parameters.window)


def windowed_values_on_grid(parameters: WindowedParameters, axes: Sequence[FloatArray]) -> FloatArray:
    """Values at points of an axis, float32 (N, C).

    Windows in which the points lie at the same places are evaluated together: on the signal's own grid, that is once.
    """
    exact = _exact(axes[0])
    values = np.empty((len(exact), parameters.channels), dtype=np.float32)
    alike: dict[bytes, list[tuple[int, IndexArray, DoubleArray]]] = {}
    for number, points, local_P in _by_window(parameters, exact):
        places = np.rint(local_P * parameters.window * 256).astype(np.int64).tobytes()
        alike.setdefault(places, []).append((number, points, local_P))
    for members in alike.values():
        chosen = [number for number, _, _ in members]
        local = members[0][2].astype(np.float32)
        found = values_on_grid(parameters.only(chosen), [local]).reshape(len(local), len(chosen), -1)
        for position, (_, points, _) in enumerate(members):
            values[points] = found[:, position]
    return values


def _by_window(parameters: WindowedParameters, places_P: DoubleArray) -> Iterator[tuple[int, IndexArray, DoubleArray]]:
    """For each window that has any: its number, which points, and their coordinates in it."""
    position = (places_P + 1.0) * (parameters.samples / (2.0 * parameters.window))
    # A point within rounding of a border belongs to the window that begins there.
    number = np.clip(np.floor(position + 1e-9), 0, parameters.windows - 1).astype(np.int64)
    order = np.argsort(number, kind="stable")
    found, starts = np.unique(number[order], return_index=True)
    for window, points in zip(found.tolist(), np.split(order, starts[1:]), strict=True):
        yield window, points, 2.0 * (position[points] - window) - 1.0


def _exact(axis: FloatArray) -> DoubleArray:
    """The even positions that a float32 axis was rounded from: of a minute of sound it tells samples apart, no more."""
    given = axis.astype(np.float64)
    whole = (2.0 * np.arange(len(axis)) + 1.0) / len(axis) - 1.0
    even = np.linspace(given[0], given[-1], len(axis))
    for exact in (whole, even):
        if np.abs(exact - given).max() <= _ROUNDING:
            return exact
    return given


def _is_smooth(number: int) -> bool:
    for prime in (2, 3, 5):
        while number % prime == 0:
            number //= prime
    return number == 1
