"""Values of a network of any kind, in numpy. Called by `tuner.representation`."""

from collections.abc import Sequence

from tuner.modulated_synthesis import modulated_gradients_at, modulated_values_at, modulated_values_on_grid
from tuner.network.modulated import ModulatedParameters
from tuner.network.windows import (
    WindowedParameters,
    windowed_gradients_at,
    windowed_values_at,
    windowed_values_on_grid,
)
from tuner.parameters import SineParameters
from tuner.shapes import FloatArray
from tuner.synthesis import gradients_at, values_at, values_on_grid

Parameters = SineParameters | ModulatedParameters | WindowedParameters


def evaluate_at(parameters: Parameters, coords_PD: FloatArray) -> FloatArray:
    """Values at any points, float32 (P, C)."""
    if isinstance(parameters, ModulatedParameters):
        return modulated_values_at(parameters, coords_PD)
    if isinstance(parameters, WindowedParameters):
        return windowed_values_at(parameters, coords_PD)
    return values_at(parameters, coords_PD)


def evaluate_gradients_at(parameters: Parameters, coords_PD: FloatArray) -> FloatArray:
    """Derivatives at any points, float32 (P, C, D)."""
    if isinstance(parameters, ModulatedParameters):
        return modulated_gradients_at(parameters, coords_PD)
    if isinstance(parameters, WindowedParameters):
        return windowed_gradients_at(parameters, coords_PD)
    return gradients_at(parameters, coords_PD)


def evaluate_on_grid(parameters: Parameters, axes: Sequence[FloatArray]) -> FloatArray:
    """Values on the product of the given axes, float32 (*shape, C)."""
    if isinstance(parameters, ModulatedParameters):
        return modulated_values_on_grid(parameters, axes)
    if isinstance(parameters, WindowedParameters):
        return windowed_values_on_grid(parameters, axes)
    return values_on_grid(parameters, axes)
