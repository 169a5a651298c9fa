"""The fields u of a wavelet network: on a grid in separable parts, and as splines for any coordinate.

On the samples of the signal wavelets are summed directly, the first axis tile by tile, so that memory stays bounded; a
cubic spline through these samples gives every other coordinate its value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from tuner.network.wavelets.filters import wavelet_taps
from tuner.network.wavelets.layout import Layout, Level, is_high
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.network.wavelets.splines import Reading, spline_taps
from tuner.shapes import DoubleArray, FloatArray

# A plane of the other axes with so few points is nearly a line: its readings are listed, so many rows at a time.
_FEW_POINTS, _ROWS = 8, 1 << 16
# From so many nodes on a spline goes through its samples by a convolution, of which this is one half: what is left out
# is below a billionth.
_LONG_AXIS, _HALF_WIDTH = 1 << 13, 16
# Relative error of a coordinate in single precision, about.
_ROUNDING = 2.0**-22


@dataclass(frozen=True, slots=True, eq=False)
class FieldPart:
    """What some functions add to some fields on a grid; their sum over the first axis is still to be made.

    Attributes:
        channels: the channels of u to which the functions add.
        taps: what the positions along the first axis read of its nodes.
        spread: sums over the other axes, float32 (channels, nodes of the first axis, points of the other axes).
    """

    channels: slice
    taps: Reading
    spread: FloatArray

    def add_to(self, u_UP: FloatArray, start: int, stop: int) -> None:
        """Add the values at rows [start, stop) of the first axis to u, float32 (U, P)."""
        points = self.spread.shape[-1]
        if points <= _FEW_POINTS:  # then a tile has thousands of rows: a matrix would be nearly all zeros
            u_KRP = u_UP[self.channels].reshape(-1, stop - start, points)
            for first in range(start, stop, _ROWS):
                last = min(first + _ROWS, stop)
                taps = self.taps.rows(first, last)
                for node, weight in zip(taps.nodes.T, taps.weights.T, strict=True):
                    u_KRP[:, first - start : last - start] += weight[:, None] * self.spread[:, node]
            return
        span, matrix = self.taps.band(start, stop)
        rows = u_UP[self.channels].reshape(-1, stop - start, points)
        rows += matrix @ self.spread[:, span]


def field_parts(parameters: WaveletParameters, axes: Sequence[FloatArray]) -> list[FieldPart]:
    """The fields on the product of the given axes; every channel of u is the sum of what the parts add.

    Args:
        parameters: numbers of the network.
        axes: coordinates along each dimension, float (N_d,), ascending.
    """
    if are_samples(parameters.grid_shape, axes):
        return _wavelet_parts(parameters)
    taps = [
        spline_taps(even_coordinates(axis), samples) for axis, samples in zip(axes, parameters.grid_shape, strict=True)
    ]
    return [spline_part(slice(0, parameters.layout.field_channels), spline_nodes(parameters), taps)]


def spline_nodes(parameters: WaveletParameters) -> FloatArray:
    """Nodes of the cubic splines through the samples of every channel of u, one node for each sample.

    Args:
        parameters: numbers of the network.

    Returns:
        float32 (U, *grid_shape): memory for all samples of all fields.
    """
    nodes = fields_on_samples(parameters)
    for axis in range(1, nodes.ndim):
        nodes = _through_samples(nodes, axis)
    return nodes


def fields_on_samples(parameters: WaveletParameters) -> FloatArray:
    """Every channel of u on the samples of the signal, all at once.

    Args:
        parameters: numbers of the network.

    Returns:
        float32 (U, *grid_shape): memory for all samples of all fields.
    """
    shape = parameters.grid_shape
    samples = np.zeros((parameters.layout.field_channels, prod(shape)), dtype=np.float32)
    for part in _wavelet_parts(parameters):
        part.add_to(samples, 0, shape[0])
    return samples.reshape(-1, *shape)


def spline_part(channels: slice, nodes: FloatArray, taps: Sequence[Reading]) -> FieldPart:
    """The part of a spline whose positions read its nodes by the given taps."""
    return FieldPart(channels, taps[0], _spread(nodes, taps[1:]))


def _wavelet_parts(parameters: WaveletParameters) -> list[FieldPart]:
    layout = parameters.layout
    parts = []
    for level, codes in zip(layout.levels, parameters.latents, strict=True):
        subbands = codes.reshape(layout.colours, level.orientations, *level.nodes)
        for orientations in level.alike_along_first_axis():
            some = [(each, subbands[:, each - level.first_orientation]) for each in orientations]
            parts.append(_wavelet_part(layout, level, some))
    return parts


def _wavelet_part(layout: Layout, level: Level, subbands: list[tuple[int, np.ndarray]]) -> FieldPart:
    """What orientations that are alike along the first axis add; each comes with its latents of all colours."""
    shape, dimensions = layout.grid_shape, layout.dimensions
    total: FloatArray | None = None
    for orientation, codes in subbands:
        taps = [
            wavelet_taps(shape[axis], level.spacing, high=is_high(orientation, axis, dimensions))
            for axis in range(1, dimensions)
        ]
        spread = _spread(codes.astype(np.float32), taps)
        total = spread if total is None else total + spread
    assert total is not None  # noqa: S101  no caller has none
    first = wavelet_taps(shape[0], level.spacing, high=is_high(subbands[0][0], 0, dimensions))
    return FieldPart(layout.channels_of(level.field), first, total)


def _spread(values: FloatArray, taps: Sequence[Reading]) -> FloatArray:
    """Interpolate all axes but the first: (channels, *nodes) to (channels, nodes of the first axis, points)."""
    for dimension, axis in enumerate(taps, start=2):
        values = axis.apply(values, dimension)
    return values.reshape(*values.shape[:2], -1)


def _through_samples(values: FloatArray, axis: int) -> FloatArray:
    """Nodes of the cubic spline through values at the nodes, along one axis; its borders repeat the outermost node."""
    nodes = np.moveaxis(values, axis, 0).copy()
    count = len(nodes)
    if count == 1:
        return values
    if count >= _LONG_AXIS:
        return np.ascontiguousarray(np.moveaxis(_through_many_samples(nodes), 0, axis))
    # (c[n-1] + 4 c[n] + c[n+1]) / 6 = v[n] by elimination; the outermost nodes count for those beyond them, too.
    diagonal = np.full(count, 4.0)
    diagonal[[0, -1]] = 5.0
    for here in range(1, count):
        diagonal[here] -= 1.0 / diagonal[here - 1]
    nodes *= np.float32(6.0)
    for here in range(1, count):
        nodes[here] -= nodes[here - 1] * np.float32(1.0 / diagonal[here - 1])
    nodes[-1] *= np.float32(1.0 / diagonal[-1])
    for here in range(count - 2, -1, -1):
        nodes[here] = (nodes[here] - nodes[here + 1]) * np.float32(1.0 / diagonal[here])
    return np.ascontiguousarray(np.moveaxis(nodes, 0, axis))


def _through_many_samples(values: FloatArray) -> FloatArray:
    """The same along the first axis of a long one, whose steps one by one would take long in numpy.

    The inverse of (1, 4, 1) / 6 is a row of powers of its root; borders that repeat the outermost node are mirrors.
    """
    root = np.sqrt(3.0) - 2.0
    powers = np.sqrt(3.0) * root ** np.arange(_HALF_WIDTH + 1)
    padded = np.concatenate([values[_HALF_WIDTH - 1 :: -1], values, values[: -_HALF_WIDTH - 1 : -1]])
    found = powers[0] * values
    for distance in range(1, _HALF_WIDTH + 1):
        for start in (_HALF_WIDTH - distance, _HALF_WIDTH + distance):
            found += powers[distance] * padded[start : start + len(values)]
    smooth: FloatArray = found.astype(np.float32)
    return smooth


def even_coordinates(axis: FloatArray) -> DoubleArray:
    """Coordinates that are evenly spaced but for their rounding, without it.

    Of a recording of half a million samples, single precision is off by up to a sixtieth of a sample: noise 40 dB below
    the highest tones.
    """
    rounded, index = axis.astype(np.float64), np.arange(len(axis)) - (len(axis) - 1) / 2.0
    slope = float(index @ rounded) / max(float(index @ index), 1.0)
    exact: DoubleArray = rounded.mean() + slope * index
    return exact if np.abs(rounded - exact).max() <= _ROUNDING * max(1.0, np.abs(exact).max()) else rounded


def are_samples(grid_shape: tuple[int, ...], axes: Sequence[FloatArray]) -> bool:
    """Whether the axes are the samples of the signal, whose cells fill [-1, 1]."""
    return all(
        len(axis) == samples
        and np.allclose(axis, (2.0 * np.arange(samples) + 1.0) / samples - 1.0, rtol=_ROUNDING, atol=1e-3 / samples)
        for axis, samples in zip(axes, grid_shape, strict=True)
    )
