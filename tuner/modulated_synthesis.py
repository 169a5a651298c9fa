"""Values of a modulated network in numpy: at any points, and on grids in bounded memory.

On a grid the latent fields are separable: their trailing axes are interpolated once, the first axis tile by tile, as a
product with a small banded matrix (`tuner.network.latent_fields`). `modulated_values_at` is the slow twin. Called by
`tuner.evaluate`.
"""

from collections.abc import Iterator, Sequence
from math import pi, prod

import numpy as np

from tuner.network.latent_fields import SplineField, field_parts, spline_fields
from tuner.network.modulated import ModulatedParameters
from tuner.network.splines import spline_taps
from tuner.shapes import FloatArray

# Floats in the widest array of a tile: a few such arrays, and what a level takes, fit in a cache of a megabyte or two.
_TILE_FLOATS = 1 << 17


def modulated_values_at(parameters: ModulatedParameters, coords_PD: FloatArray) -> FloatArray:
    """Values at any points, float32 (P, C)."""
    fields = spline_fields(parameters)
    values = np.empty((len(coords_PD), parameters.channels), dtype=np.float32)
    for rows in _chunks(parameters, len(coords_PD)):
        sines_IP = _sines(parameters, coords_PD[rows])
        latents_UP = _latents(fields, parameters.grid_shape, coords_PD[rows])
        values[rows] = _network(parameters, np.concatenate([sines_IP, latents_UP])).T
    return values


def modulated_gradients_at(parameters: ModulatedParameters, coords_PD: FloatArray) -> FloatArray:
    """Exact derivatives at any points, float32 (P, C, D), per unit of the coordinate."""
    points, dimensions = coords_PD.shape
    fields, shape = spline_fields(parameters), parameters.grid_shape
    gradients = np.empty((points, parameters.channels, dimensions), dtype=np.float32)
    for rows in _chunks(parameters, points):
        coords = coords_PD[rows]
        inputs_IP = np.concatenate([_sines(parameters, coords), _latents(fields, shape, coords)])
        for dimension in range(dimensions):
            tangent_IP = np.concatenate(
                [_sines(parameters, coords, dimension), _latents(fields, shape, coords, dimension)]
            )
            skipped = tangent_IP[-parameters.latent_channels :]
            hidden = inputs_IP
            for layer in parameters.hidden:
                angles = layer.weight @ hidden + layer.bias[:, None]
                tangent_IP = np.cos(angles) * (layer.weight @ tangent_IP)
                hidden = np.sin(angles)
            gradients[rows, :, dimension] = (parameters.readout_weight @ tangent_IP + parameters.skip @ skipped).T
    return gradients


def modulated_values_on_grid(parameters: ModulatedParameters, axes: Sequence[FloatArray]) -> FloatArray:
    """Values on the product of the given axes.

    Args:
        parameters: the network.
        axes: coordinates along each dimension, float (N_d,), ascending.

    Returns:
        float32 (*shape, C), not limited to any range.
    """
    shape = tuple(len(axis) for axis in axes)
    plane = prod(shape[1:])
    values = np.empty((prod(shape), parameters.channels), dtype=np.float32)
    parts = field_parts(parameters, axes)
    waves = _GridSines(parameters, axes)

    widest = max(len(parameters.hidden[0].weight.T), *(len(layer.bias) for layer in parameters.hidden))
    step = max(1, _TILE_FLOATS // (widest * plane))
    inputs = np.empty((len(parameters.hidden[0].weight.T), step * plane), dtype=np.float32)
    for start in range(0, shape[0], step):
        stop = min(start + step, shape[0])
        tile = inputs[:, : (stop - start) * plane]
        waves.fill(tile, start, stop)
        latents_UP = tile[2 * len(parameters.frequencies) :]
        latents_UP[:] = 0.0
        for part in parts:
            part.add_to(latents_UP, start, stop)
        values[start * plane : stop * plane] = _network(parameters, tile).T
    return values.reshape(*shape, parameters.channels)


def network_inputs(parameters: ModulatedParameters, coords_PD: FloatArray) -> FloatArray:
    """What the first layer reads at some points: sines, cosines, latent channels; float32 (2 F + U, P)."""
    latents_UP = _latents(spline_fields(parameters), parameters.grid_shape, coords_PD)
    return np.concatenate([_sines(parameters, coords_PD), latents_UP])


class _GridSines:
    """Sines and cosines on a grid by angle addition: those of the first axis times those of the rest."""

    def __init__(self, parameters: ModulatedParameters, axes: Sequence[FloatArray]) -> None:
        angular = parameters.frequencies * (2.0 * pi / parameters.period)
        rest = np.zeros((len(angular), 1))
        for dimension in range(1, len(axes)):
            along = angular[:, dimension, None] * axes[dimension].astype(np.float64)
            rest = (rest[:, :, None] + along[:, None, :]).reshape(len(angular), -1)
        first = angular[:, 0, None] * axes[0].astype(np.float64)
        self._sin0, self._cos0 = np.sin(first).astype(np.float32), np.cos(first).astype(np.float32)
        self._sin1, self._cos1 = np.sin(rest).astype(np.float32), np.cos(rest).astype(np.float32)

    def fill(self, tile: FloatArray, start: int, stop: int) -> None:
        count = len(self._sin0)
        sin0, cos0 = self._sin0[:, start:stop, None], self._cos0[:, start:stop, None]
        sin1, cos1 = self._sin1[:, None], self._cos1[:, None]
        tile[:count] = (sin0 * cos1 + cos0 * sin1).reshape(count, -1)
        tile[count : 2 * count] = (cos0 * cos1 - sin0 * sin1).reshape(count, -1)


def _network(parameters: ModulatedParameters, inputs_IP: FloatArray) -> FloatArray:
    hidden = inputs_IP
    for layer in parameters.hidden:
        hidden = layer.weight @ hidden
        hidden += layer.bias[:, None]
        np.sin(hidden, out=hidden)
    values: FloatArray = parameters.readout_weight @ hidden
    values += parameters.skip @ inputs_IP[len(inputs_IP) - parameters.latent_channels :]
    values += parameters.readout_bias[:, None]
    return values


def _sines(parameters: ModulatedParameters, coords_PD: FloatArray, derivative: int | None = None) -> FloatArray:
    """Sines, then cosines, float32 (2 F, P), or their derivatives by one coordinate."""
    angular_FD = parameters.frequencies * (2.0 * pi / parameters.period)
    angles_FP = angular_FD @ coords_PD.T.astype(np.float64)
    sines, cosines = np.sin(angles_FP), np.cos(angles_FP)
    if derivative is not None:
        speed = angular_FD[:, derivative, None]
        sines, cosines = cosines * speed, -sines * speed
    return np.concatenate([sines, cosines]).astype(np.float32)


def _latents(
    fields: Sequence[SplineField], grid_shape: tuple[int, ...], coords_PD: FloatArray, derivative: int | None = None
) -> FloatArray:
    """Interpolated latent channels, float32 (U, P), or their derivatives by one coordinate."""
    found = []
    for field in fields:
        taps = [
            spline_taps(coords_PD[:, dimension], samples, field.spacing, derivative=dimension == derivative)
            for dimension, samples in enumerate(grid_shape)
        ]
        channels, *nodes = field.nodes.shape
        values = field.nodes.reshape(channels, -1)
        total = np.zeros((channels, len(coords_PD)), dtype=np.float32)
        for corner in np.ndindex(*(taps[0].nodes.shape[1],) * len(taps)):
            where = np.ravel_multi_index([axis.nodes[:, tap] for axis, tap in zip(taps, corner, strict=True)], nodes)
            share = np.prod([axis.weights[:, tap] for axis, tap in zip(taps, corner, strict=True)], axis=0)
            total += values[:, where] * share
        found.append(total)
    return np.concatenate(found)


def _chunks(parameters: ModulatedParameters, points: int) -> Iterator[slice]:
    step = max(1, 8 * _TILE_FLOATS // len(parameters.hidden[0].weight.T))
    return (slice(start, start + step) for start in range(0, points, step))
