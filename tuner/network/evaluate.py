"""Values of a network of any kind, in numpy. Called by `tuner.representation`."""

from collections.abc import Sequence

import numpy as np

from tuner.network.sines.parameters import SineParameters
from tuner.network.sines.synthesis import gradients_at, gradients_on_grid, values_at, values_on_grid
from tuner.network.sines.windows import (
    WindowedParameters,
    windowed_gradients_at,
    windowed_values_at,
    windowed_values_on_grid,
)
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.network.wavelets.splines import TAPS
from tuner.network.wavelets.synthesis import wavelet_gradients_at, wavelet_values_at, wavelet_values_on_grid
from tuner.shapes import FloatArray

Parameters = SineParameters | WaveletParameters | WindowedParameters


def products_per_sample(parameters: Parameters) -> int:
    """Multiplications that a value takes, about: those of the layers, and the taps of the splines."""
    if isinstance(parameters, WaveletParameters):
        taps = TAPS * parameters.dimensions * parameters.layout.field_channels
        return taps + sum(tensor.size for tensor in parameters.tensors())
    return parameters.weight_count


def evaluate_at(parameters: Parameters, coords_PD: FloatArray) -> FloatArray:
    """Values at any points, float32 (P, C)."""
    if isinstance(parameters, WaveletParameters):
        return wavelet_values_at(parameters, coords_PD)
    if isinstance(parameters, WindowedParameters):
        return windowed_values_at(parameters, coords_PD)
    return values_at(parameters, coords_PD)


def evaluate_gradients_at(parameters: Parameters, coords_PD: FloatArray) -> FloatArray:
    """Derivatives at any points, float32 (P, C, D)."""
    if isinstance(parameters, WaveletParameters):
        return wavelet_gradients_at(parameters, coords_PD)
    if isinstance(parameters, WindowedParameters):
        return windowed_gradients_at(parameters, coords_PD)
    return gradients_at(parameters, coords_PD)


def evaluate_on_grid(parameters: Parameters, axes: Sequence[FloatArray]) -> FloatArray:
    """Values on the product of the given axes, float32 (*shape, C)."""
    if isinstance(parameters, WaveletParameters):
        return wavelet_values_on_grid(parameters, axes)
    if isinstance(parameters, WindowedParameters):
        return windowed_values_on_grid(parameters, axes)
    return values_on_grid(parameters, axes)


def evaluate_gradients_on_grid(parameters: Parameters, axes: Sequence[FloatArray]) -> FloatArray:
    """Derivatives on the product of the given axes, float32 (*shape, C, D)."""
    if isinstance(parameters, WaveletParameters):
        coords_PD = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
        gradients_PCD = wavelet_gradients_at(parameters, coords_PD)
        return gradients_PCD.reshape(*(len(axis) for axis in axes), *gradients_PCD.shape[1:])
    if isinstance(parameters, WindowedParameters):
        return windowed_gradients_at(parameters, axes[0][:, None])
    return gradients_on_grid(parameters, axes)
