"""Values of a network of any kind: the one place that knows which module evaluates which parameters."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from tuner.errors import ConfigError
from tuner.network.parameters import Parameters
from tuner.network.sines import by_core as sines
from tuner.network.sines import windows_synthesis as windows
from tuner.network.sines.parameters import SineParameters
from tuner.network.sines.windows import WindowedParameters
from tuner.network.tiles import synthesis as tiles
from tuner.network.tiles.parameters import TiledParameters
from tuner.network.wavelets import on_samples
from tuner.network.wavelets import synthesis as wavelets
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.shapes import FloatArray
from tuner.signal.grid import Grid


@runtime_checkable
class Synthesis(Protocol):
    """What the module of each kind offers for its parameters."""

    def values_at(self, parameters: Any, coords_PD: FloatArray) -> FloatArray:
        """Values at any points, float32 (P, C)."""

    def gradients_at(self, parameters: Any, coords_PD: FloatArray) -> FloatArray:
        """Exact derivatives at any points, float32 (P, C, D), per unit of the coordinates."""

    def values_on_grid(self, parameters: Any, axes: Sequence[FloatArray]) -> FloatArray:
        """Values on the product of the given axes, float32 (*shape, C), in bounded memory."""

    def gradients_on_grid(self, parameters: Any, axes: Sequence[FloatArray]) -> FloatArray:
        """Exact derivatives on the product of the given axes, float32 (*shape, C, D)."""

    def products_per_sample(self, parameters: Any) -> int:
        """About the number of multiplications that one value takes."""


_MODULES: Mapping[type[Parameters], Synthesis] = {
    SineParameters: sines,
    WindowedParameters: windows,
    WaveletParameters: wavelets,
    TiledParameters: tiles,
}
# What evaluates some of the samples sooner than all of them, or None where it cannot.
_BETWEEN: Mapping[type[Parameters], Callable[[Any, int], FloatArray | None]] = {
    WaveletParameters: on_samples.values_on_samples
}


def values_on_samples(parameters: Parameters, shape: tuple[int, ...], region: Sequence[tuple[int, int]]) -> FloatArray:
    """Values on some samples of the signal, float32 (*sides of the region, C): bit for bit those of the whole signal.

    Of a signal in tiles only those are read and evaluated that the region meets; of any other all samples are.

    Args:
        parameters: numbers of the network.
        shape: number of samples of the signal along each axis.
        region: samples along each axis, [start, stop).
    """
    if isinstance(parameters, TiledParameters):
        return tiles.values_on_samples(parameters, region)
    grid = Grid(shape, parameters.period)
    values = synthesis_of(parameters).values_on_grid(parameters, [grid.axis(axis) for axis in range(len(shape))])
    return values[tuple(slice(start, stop) for start, stop in region)]


def values_between(parameters: Parameters, shape: tuple[int, ...], every: int) -> FloatArray:
    """Values of some of the samples of the signal, float32 (*fewer, C), the one after the middle of so many.

    Of wavelets, no more is evaluated than that.

    Args:
        parameters: numbers of the network.
        shape: number of samples of the signal along each axis.
        every: number of samples along each axis of which one has a value.
    """
    evaluate = _BETWEEN.get(type(parameters))
    found = None if evaluate is None else evaluate(parameters, every)
    if found is not None:
        return found
    starts = [min(every // 2, count - 1) for count in shape]
    values = values_on_samples(parameters, shape, [(0, count) for count in shape])
    return values[tuple(slice(start, None, every) for start in starts)]


def synthesis_of(parameters: Parameters) -> Synthesis:
    """The module that evaluates these parameters.

    Raises:
        ConfigError: if they are of no kind of network that can be evaluated.
    """
    module = _MODULES.get(type(parameters))
    if module is None:
        known = ", ".join(kind.__name__ for kind in _MODULES)
        raise ConfigError(f"the parameters are {type(parameters).__name__}, expected one of {known}")
    return module
