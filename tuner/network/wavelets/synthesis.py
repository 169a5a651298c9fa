"""Values of a wavelet network by the core (the compiled decoder, `tuner.core`), or by numpy beyond what that takes.

`values_at` takes any points, `values_on_grid` is the quicker way on a grid. What the core does is computed in numpy by
`values_at_points`, `gradients_at_points` and `values_in_tiles`, and tests compare them. A tile is some rows of the
first axis, so that memory stays bounded.
"""

from collections.abc import Iterator, Sequence
from math import pi, prod

import numpy as np

from tuner.network.wavelets import by_core
from tuner.network.wavelets.fields import are_samples, spline_nodes
from tuner.network.wavelets.inputs import GridInputs, inputs_at
from tuner.network.wavelets.on_samples import values_on_samples
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.network.wavelets.slopes import is_small, slopes_on_samples
from tuner.network.wavelets.splines import TAPS
from tuner.network.wavelets.waves import GridSines
from tuner.shapes import FloatArray

# Floats in the widest array of a tile: a few such arrays, and what a level takes, fit in a cache of a megabyte or two.
_TILE_FLOATS = 1 << 17


def values_at(parameters: WaveletParameters, coords_PD: FloatArray) -> FloatArray:
    """Values at any points, float32 (P, C)."""
    values = by_core.values_at(parameters, coords_PD)
    return values_at_points(parameters, coords_PD) if values is None else values


def values_at_points(parameters: WaveletParameters, coords_PD: FloatArray) -> FloatArray:
    """The same in numpy."""
    nodes = spline_nodes(parameters)
    values = np.empty((len(coords_PD), parameters.channels), dtype=np.float32)
    for rows in _chunks(parameters, len(coords_PD)):
        m_MP, u_UP = inputs_at(parameters, nodes, coords_PD[rows])
        inputs_IP = np.concatenate([_sines(parameters, coords_PD[rows]), m_MP])
        values[rows] = _network(parameters, inputs_IP, u_UP).T
    return values


def gradients_at(parameters: WaveletParameters, coords_PD: FloatArray) -> FloatArray:
    """Exact derivatives at any points, float32 (P, C, D), per unit of the coordinate."""
    gradients = by_core.gradients_at(parameters, coords_PD)
    return gradients_at_points(parameters, coords_PD) if gradients is None else gradients


def gradients_at_points(parameters: WaveletParameters, coords_PD: FloatArray) -> FloatArray:
    """The same in numpy."""
    points, dimensions = coords_PD.shape
    nodes = spline_nodes(parameters)
    gradients = np.empty((points, parameters.channels, dimensions), dtype=np.float32)
    for rows in _chunks(parameters, points):
        coords = coords_PD[rows]
        inputs_IP = np.concatenate([_sines(parameters, coords), inputs_at(parameters, nodes, coords)[0]])
        for dimension in range(dimensions):
            slopes_MP, skipped = inputs_at(parameters, nodes, coords, dimension)
            tangent_IP = np.concatenate([_sines(parameters, coords, dimension), slopes_MP])
            hidden = inputs_IP
            for layer in parameters.hidden:
                angles = layer.weight @ hidden + layer.bias[:, None]
                tangent_IP = np.cos(angles) * (layer.weight @ tangent_IP)
                hidden = np.sin(angles)
            gradients[rows, :, dimension] = (parameters.readout_weight @ tangent_IP + parameters.skip @ skipped).T
    return gradients


def values_on_grid(parameters: WaveletParameters, axes: Sequence[FloatArray]) -> FloatArray:
    """Values on the product of the given axes, which cost least if these are the samples of the signal.

    Args:
        parameters: numbers of the network.
        axes: coordinates along each dimension, float (N_d,), ascending.

    Returns:
        float32 (*shape, C), not limited to any range.
    """
    on_samples = are_samples(parameters.grid_shape, axes)
    values = values_on_samples(parameters) if on_samples else by_core.values_on_grid(parameters, axes)
    return values_in_tiles(parameters, axes) if values is None else values


def values_in_tiles(parameters: WaveletParameters, axes: Sequence[FloatArray]) -> FloatArray:
    """The same in numpy, on any grid; arguments and result are those of `values_on_grid`."""
    shape = tuple(len(axis) for axis in axes)
    plane = prod(shape[1:])
    values = np.empty((prod(shape), parameters.channels), dtype=np.float32)
    inputs_of_grid = GridInputs(parameters, axes)
    waves = GridSines(parameters, axes)

    widest = max(len(parameters.hidden[0].weight.T), *(len(layer.bias) for layer in parameters.hidden))
    step = max(1, _TILE_FLOATS // (widest * plane))
    inputs = np.empty((len(parameters.hidden[0].weight.T), step * plane), dtype=np.float32)
    for start in range(0, shape[0], step):
        stop = min(start + step, shape[0])
        tile = inputs[:, : (stop - start) * plane]
        waves.fill(tile, start, stop)
        u_UP = inputs_of_grid.fill(tile[2 * len(parameters.frequencies) :], start, stop)
        values[start * plane : stop * plane] = _network(parameters, tile, u_UP).T
    return values.reshape(*shape, parameters.channels)


def gradients_on_grid(parameters: WaveletParameters, axes: Sequence[FloatArray]) -> FloatArray:
    """Exact derivatives on the product of the given axes, which cost least if these are the samples of a small signal.

    Args:
        parameters: numbers of the network.
        axes: coordinates along each dimension, float (N_d,), ascending.

    Returns:
        float32 (*shape, C, D), per unit of the coordinates.
    """
    if is_small(parameters.layout) and are_samples(parameters.grid_shape, axes):
        return slopes_on_samples(parameters, axes)
    coords_PD = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    gradients_PCD = gradients_at(parameters, coords_PD)
    return gradients_PCD.reshape(*(len(axis) for axis in axes), *gradients_PCD.shape[1:])


def products_per_sample(parameters: WaveletParameters) -> int:
    """About the number of multiplications that one value takes: those of the layers, and of the splines' taps."""
    taps = TAPS * parameters.dimensions * parameters.layout.field_channels
    return taps + sum(tensor.size for tensor in parameters.tensors())


def _network(parameters: WaveletParameters, inputs_IP: FloatArray, u_UP: FloatArray) -> FloatArray:
    hidden = inputs_IP
    for layer in parameters.hidden:
        hidden = layer.weight @ hidden
        hidden += layer.bias[:, None]
        np.sin(hidden, out=hidden)
    values: FloatArray = parameters.readout_weight @ hidden
    values += parameters.skip @ u_UP
    values += parameters.readout_bias[:, None]
    return values


def _sines(parameters: WaveletParameters, coords_PD: FloatArray, derivative: int | None = None) -> FloatArray:
    """Sines, then cosines, float32 (2 F, P), or their derivatives by one coordinate."""
    angular_FD = parameters.frequencies * (2.0 * pi / parameters.period)
    angles_FP = angular_FD @ coords_PD.T.astype(np.float64)
    sines, cosines = np.sin(angles_FP), np.cos(angles_FP)
    if derivative is not None:
        speed = angular_FD[:, derivative, None]
        sines, cosines = cosines * speed, -sines * speed
    return np.concatenate([sines, cosines]).astype(np.float32)


def _chunks(parameters: WaveletParameters, points: int) -> Iterator[slice]:
    step = max(1, 8 * _TILE_FLOATS // len(parameters.hidden[0].weight.T))
    return (slice(start, start + step) for start in range(0, points, step))
