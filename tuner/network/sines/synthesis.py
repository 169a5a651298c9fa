"""Values of a network in numpy: at any points, and on grids, exactly and in bounded memory.

On a regular grid the input layer is never computed point by point. With x_a the coordinate along one axis and x_r the
others, sin(k_a x_a + k_r x_r + phi) = cos(k_a x_a) sin(k_r x_r + phi) + sin(k_a x_a) cos(k_r x_r + phi), so that the
columns of W which share |k_a| are contracted once per x_r, and what is left per point is a product with as many
columns as the axis has distinct |k_a|, twice. For 364 frequencies drawn from a box and a grid that is 66 columns
instead of 364 columns and 364 sines. It is exact; `values_at` is its slow twin.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import pi, prod

import numpy as np

from tuner.network.parameters import HiddenLayer
from tuner.network.sines.parameters import SineParameters
from tuner.shapes import FloatArray

# Floats in one intermediate array, 8 MiB: two or three of them live at a time, whatever the size of the grid.
_TILE_FLOATS = 1 << 21


def values_at(parameters: SineParameters, coords_PD: FloatArray) -> FloatArray:
    """Values at any points, computed directly.

    Args:
        parameters: the network.
        coords_PD: points, float (P, D); the domain of the signal is [-1, 1]^D.

    Returns:
        float32 (P, C), not limited to any range.
    """
    values_PC = np.empty((len(coords_PD), parameters.channels), dtype=np.float32)
    for rows in _chunks(parameters, len(coords_PD)):
        hidden_PH = np.sin(_input_angles(parameters, coords_PD[rows]))
        for layer in parameters.hidden:
            hidden_PH = np.sin(hidden_PH @ layer.weight.T + layer.bias)
        values_PC[rows] = hidden_PH @ parameters.readout_weight.T + parameters.readout_bias
    return values_PC


def gradients_at(parameters: SineParameters, coords_PD: FloatArray) -> FloatArray:
    """Exact derivatives at any points, carried forward through the layers one dimension at a time.

    Args:
        parameters: the network.
        coords_PD: points, float (P, D).

    Returns:
        float32 (P, C, D), the derivative of each channel by each coordinate, per unit of the coordinate.
    """
    points, dimensions = coords_PD.shape
    angular_MD = (parameters.frequencies * (2.0 * pi / parameters.period)).astype(np.float32)
    gradients_PCD = np.empty((points, parameters.channels, dimensions), dtype=np.float32)
    for rows in _chunks(parameters, points):
        angles_PM = _input_angles(parameters, coords_PD[rows])
        hidden_PH, slope_PH = np.sin(angles_PM), np.cos(angles_PM)
        tangents = [slope_PH * angular_MD[:, dimension] for dimension in range(dimensions)]
        for layer in parameters.hidden:
            angles_PH = hidden_PH @ layer.weight.T + layer.bias
            hidden_PH, slope_PH = np.sin(angles_PH), np.cos(angles_PH)
            tangents = [slope_PH * (tangent @ layer.weight.T) for tangent in tangents]
        for dimension, tangent in enumerate(tangents):
            gradients_PCD[rows, :, dimension] = tangent @ parameters.readout_weight.T
    return gradients_PCD


def values_on_grid(
    parameters: SineParameters, axes: Sequence[FloatArray], *, tile_floats: int = _TILE_FLOATS
) -> FloatArray:
    """Values on the product of the given axes.

    Args:
        parameters: the network.
        axes: coordinates along each dimension, float (N_d,); they need not be evenly spaced.
        tile_floats: largest number of floats in an intermediate array; changes memory and speed, not the values.

    Returns:
        float32 (*shape, C), not limited to any range.
    """
    shape = tuple(len(axis) for axis in axes)
    values = np.empty((prod(shape), parameters.channels), dtype=np.float32)
    for tile in hidden_tiles(parameters, axes, tile_floats=tile_floats):
        values_XCR = parameters.readout_weight @ tile.hidden_XHR + parameters.readout_bias[:, None]
        values[tile.points_XR] = values_XCR.transpose(0, 2, 1)
    return values.reshape(*shape, parameters.channels)


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """Last hidden layer on a block of grid points.

    Attributes:
        points_XR: row-major index in the grid of every point of the block.
        hidden_XHR: activations, float32.
    """

    points_XR: np.ndarray
    hidden_XHR: FloatArray


def hidden_tiles(
    parameters: SineParameters, axes: Sequence[FloatArray], *, tile_floats: int = _TILE_FLOATS
) -> Iterator[Tile]:
    """Activations of the last hidden layer on the product of the given axes, block by block.

    One axis is taken apart from the rest, the one on which the fewest products are left; where none saves anything,
    the whole grid is the rest.

    Args:
        parameters: the network.
        axes: coordinates along each dimension, float (N_d,).
        tile_floats: largest number of floats in an intermediate array.

    Yields:
        Tiles that cover the grid once.
    """
    first, *deeper = parameters.hidden
    for plan, rest, rows in _tiling(parameters, axes, tile_floats):
        contracted_FHR = plan.contract(parameters, first, rest)
        for some in rows:
            angles = plan.apply(some, contracted_FHR)
            hidden_XHR = np.sin(angles, out=angles)
            for layer in deeper:
                hidden_XHR = layer.weight @ hidden_XHR + layer.bias[:, None]
                np.sin(hidden_XHR, out=hidden_XHR)
            yield Tile(plan.point_indices(some, rest), hidden_XHR)


def gradients_on_grid(parameters: SineParameters, axes: Sequence[FloatArray]) -> FloatArray:
    """Exact derivatives on the product of the given axes; `gradients_at` is its slow twin.

    The derivative of W sin(w x + phi) by a coordinate is W w sin(w x + phi + pi/2): the same sums with other weights.

    Args:
        parameters: the network.
        axes: coordinates along each dimension, float (N_d,).

    Returns:
        float32 (*shape, C, D), per unit of the coordinates.
    """
    shape, (first, *deeper) = tuple(len(axis) for axis in axes), parameters.hidden
    gradients_PCD = np.empty((prod(shape), parameters.channels, len(axes)), dtype=np.float32)
    turned = replace(parameters, phases=parameters.phases + np.float32(pi / 2.0))
    angular_MD = (parameters.frequencies * (2.0 * pi / parameters.period)).astype(np.float32)
    slopes = [
        HiddenLayer(weight=first.weight * angular_M, bias=np.zeros_like(first.bias)) for angular_M in angular_MD.T
    ]
    for plan, rest, rows in _tiling(parameters, axes, _TILE_FLOATS // (len(axes) + 1)):
        contracted_FHR = plan.contract(parameters, first, rest)
        contracted_slopes = [plan.contract(turned, slope, rest) for slope in slopes]
        for some in rows:
            angles_XHR = plan.apply(some, contracted_FHR)
            hidden_XHR, cosine_XHR = np.sin(angles_XHR), np.cos(angles_XHR)
            tangents = [cosine_XHR * plan.apply(some, slope_FHR) for slope_FHR in contracted_slopes]
            for layer in deeper:
                angles_XHR = layer.weight @ hidden_XHR + layer.bias[:, None]
                hidden_XHR, cosine_XHR = np.sin(angles_XHR), np.cos(angles_XHR)
                tangents = [cosine_XHR * (layer.weight @ tangent_XHR) for tangent_XHR in tangents]
            points_XR = plan.point_indices(some, rest)
            for dimension, tangent_XHR in enumerate(tangents):
                gradients_PCD[points_XR, :, dimension] = (parameters.readout_weight @ tangent_XHR).transpose(0, 2, 1)
    return gradients_PCD.reshape(*shape, parameters.channels, len(axes))


def products_per_sample(parameters: SineParameters) -> int:
    """About the number of multiplications that one value takes."""
    return parameters.weight_count


def _tiling(
    parameters: SineParameters, axes: Sequence[FloatArray], tile_floats: int
) -> Iterator[tuple["_Plan", np.ndarray, list[slice]]]:
    """Parts of a grid: points of the rest, and for each of them the ranges of the outer axis."""
    plan = _Plan.along(_outer_axis(parameters, axes), parameters, axes)
    first = parameters.hidden[0]
    widest = max(len(layer.bias) for layer in parameters.hidden)
    rest_step = max(1, tile_floats // max(plan.columns * len(first.bias), 2 * len(first.weight.T)))
    outer_step = max(1, tile_floats // (widest * min(rest_step, plan.rest_points)))
    rows = [slice(start, start + outer_step) for start in range(0, plan.outer_points, outer_step)]
    for start in range(0, plan.rest_points, rest_step):
        yield plan, np.arange(start, min(start + rest_step, plan.rest_points)), rows


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """A grid seen as one outer axis times the rest, and the products that the outer axis leaves to do.

    Attributes:
        groups: input neurons of each distinct |k| along the outer axis; |k| = 0 comes first.
        signs_M: sign of k along the outer axis.
        basis_XF: cos and sin of each |k| x along the outer axis; the sine of |k| = 0 is left out.
        rest_axes: the axes of the rest, with the dimension that each one is.
        outer_strides, rest_strides: row-major strides in the whole grid.
    """

    groups: list[np.ndarray]
    signs_M: FloatArray
    basis_XF: FloatArray
    rest_axes: list[tuple[int, FloatArray]]
    outer_stride: int
    rest_strides: list[int]

    @classmethod
    def along(cls, outer: int | None, parameters: SineParameters, axes: Sequence[FloatArray]) -> "_Plan":
        strides = [prod(len(axis) for axis in axes[dimension + 1 :]) for dimension in range(len(axes))]
        if outer is None:
            indices_M, positions = np.zeros(len(parameters.frequencies), dtype=np.int64), np.zeros(1)
        else:
            indices_M, positions = parameters.frequencies[:, outer].astype(np.int64), axes[outer].astype(np.float64)
        distinct = sorted({0, *np.abs(indices_M).tolist()})
        angles_XF = positions[:, None] * (np.array(distinct) * (2.0 * pi / parameters.period))
        rest = [dimension for dimension in range(len(axes)) if dimension != outer]
        return cls(
            groups=[np.flatnonzero(np.abs(indices_M) == index) for index in distinct],
            signs_M=np.sign(indices_M).astype(np.float32),
            basis_XF=np.concatenate([np.cos(angles_XF), np.sin(angles_XF[:, 1:])], axis=1).astype(np.float32),
            rest_axes=[(dimension, axes[dimension]) for dimension in rest],
            outer_stride=0 if outer is None else strides[outer],
            rest_strides=[strides[dimension] for dimension in rest],
        )

    @property
    def columns(self) -> int:
        return int(self.basis_XF.shape[1])

    @property
    def outer_points(self) -> int:
        return len(self.basis_XF)

    @property
    def rest_points(self) -> int:
        return prod(len(axis) for _, axis in self.rest_axes)

    def contract(self, parameters: SineParameters, layer: HiddenLayer, rest: np.ndarray) -> FloatArray:
        """W times the part of the input layer that varies over the rest, for each column of the basis: (F, H, R)."""
        dimensions = [dimension for dimension, _ in self.rest_axes]
        where = np.unravel_index(rest, [len(axis) for _, axis in self.rest_axes]) if dimensions else ()
        angles_MR = np.repeat(parameters.phases[:, None].astype(np.float64), len(rest), axis=1)
        for (dimension, axis), index in zip(self.rest_axes, where, strict=True):
            angular_M = parameters.frequencies[:, dimension] * (2.0 * pi / parameters.period)
            angles_MR += angular_M[:, None] * axis[index].astype(np.float64)
        wrapped_MR = _wrap(angles_MR)
        sines_MR, cosines_MR = np.sin(wrapped_MR), np.cos(wrapped_MR) * self.signs_M[:, None]
        contracted_FHR = np.empty((self.columns, len(layer.bias), len(rest)), dtype=np.float32)
        for column, group in enumerate(self.groups):
            np.matmul(layer.weight[:, group], sines_MR[group], out=contracted_FHR[column])
        for column, group in enumerate(self.groups[1:], start=len(self.groups)):
            np.matmul(layer.weight[:, group], cosines_MR[group], out=contracted_FHR[column])
        contracted_FHR[0] += layer.bias[:, None]
        return contracted_FHR

    def apply(self, rows: slice, contracted_FHR: FloatArray) -> FloatArray:
        """What `contract` left, summed along some of the outer axis: (X, H, R)."""
        sums: FloatArray = self.basis_XF[rows] @ contracted_FHR.reshape(self.columns, -1)
        return sums.reshape(-1, *contracted_FHR.shape[1:])

    def point_indices(self, rows: slice, rest: np.ndarray) -> np.ndarray:
        """Row-major index in the whole grid of the points of a tile, (X, R)."""
        outer = np.arange(self.outer_points)[rows] * self.outer_stride
        where = np.unravel_index(rest, [len(axis) for _, axis in self.rest_axes]) if self.rest_axes else ()
        inner = np.zeros(len(rest), dtype=np.int64)
        for stride, index in zip(self.rest_strides, where, strict=True):
            inner += stride * index
        return outer[:, None] + inner


def _outer_axis(parameters: SineParameters, axes: Sequence[FloatArray]) -> int | None:
    """The axis that leaves the fewest multiplications per neuron and point, or None if a dense product is no dearer."""
    inputs = len(parameters.frequencies)
    best, fewest = None, float(inputs)
    for dimension, axis in enumerate(axes):
        distinct = len(np.unique(np.abs(parameters.frequencies[:, dimension])))
        products = 2 * distinct + 2 * inputs / len(axis)
        if products < fewest:
            best, fewest = dimension, products
    return best


def _input_angles(parameters: SineParameters, coords_PD: FloatArray) -> FloatArray:
    angular_DM = (parameters.frequencies * (2.0 * pi / parameters.period)).T
    return _wrap(coords_PD.astype(np.float64) @ angular_DM + parameters.phases)


def _wrap(angles: np.ndarray) -> FloatArray:
    """Angles in float32, brought near zero first: a float32 of a few hundred radians has lost four digits."""
    return (angles - 2.0 * pi * np.round(angles / (2.0 * pi))).astype(np.float32)


def _chunks(parameters: SineParameters, points: int) -> Iterator[slice]:
    widest = max(len(parameters.phases), *(len(layer.bias) for layer in parameters.hidden))
    step = max(1, _TILE_FLOATS // widest)
    return (slice(start, start + step) for start in range(0, points, step))
