"""Values of a network of any kind: the one place that knows which module evaluates which parameters."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from tuner.errors import ConfigError
from tuner.network.parameters import Parameters
from tuner.network.sines import by_core as sines
from tuner.network.sines import windows_synthesis as windows
from tuner.network.sines.parameters import SineParameters
from tuner.network.sines.windows import WindowedParameters
from tuner.network.wavelets import synthesis as wavelets
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.shapes import FloatArray


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
}


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
