"""Differences of a field between neighbouring samples, and their transpose: what a network sees around a point.

The torch twin of `tuner.network.wavelets.differences`, which says what they are.
"""

from math import prod

import torch
from torch import Tensor

from tuner.network.wavelets.differences import GAIN, difference_kinds


class Differences:
    """The differences on a grid.

    Args:
        grid_shape: number of samples along each axis.
    """

    def __init__(self, grid_shape: tuple[int, ...]) -> None:
        self._shape = grid_shape
        self._kinds = difference_kinds(len(grid_shape))

    def fill(self, field_P: Tensor, out_VP: Tensor) -> None:
        """All differences of a field at its samples."""
        field = field_P.view(self._shape)
        for number, (axes, order) in enumerate(self._kinds):
            out_VP[number] = self._applied(field, axes, order).reshape(-1)

    def transposed(self, gradients_VP: Tensor) -> Tensor:
        """The transpose of `fill`: derivatives by the field, (P,)."""
        total = torch.zeros(self._shape)
        for gradient, (axes, order) in zip(gradients_VP, self._kinds, strict=True):
            values = gradient.view(self._shape) * GAIN
            for axis in axes:
                values = _transposed_first(values, axis) if order == 1 else second_differences(values, axis)
            total += values
        return total.view(prod(self._shape))

    @staticmethod
    def _applied(field: Tensor, axes: tuple[int, ...], order: int) -> Tensor:
        for axis in axes:
            field = first_differences(field, axis) if order == 1 else second_differences(field, axis)
        return field * GAIN


def _neighbours(field: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Before and after each sample; the outermost samples are repeated."""
    last = field.shape[axis] - 1
    before = torch.cat([field.narrow(axis, 0, 1), field.narrow(axis, 0, last)], axis)
    after = torch.cat([field.narrow(axis, 1, last), field.narrow(axis, last, 1)], axis)
    return before, after


def first_differences(field: Tensor, axis: int) -> Tensor:
    """Half of what is between the samples on either side."""
    before, after = _neighbours(field, axis)
    return (after - before) * 0.5


def second_differences(field: Tensor, axis: int) -> Tensor:
    """Differences of differences: symmetric, their own transpose, the borders included."""
    before, after = _neighbours(field, axis)
    return before + after - 2.0 * field


def _transposed_first(values: Tensor, axis: int) -> Tensor:
    before, after = _neighbours(values, axis)
    turned = (before - after) * 0.5
    last = values.shape[axis] - 1
    # The outermost samples are their own neighbours.
    turned.narrow(axis, 0, 1).sub_(values.narrow(axis, 0, 1))
    turned.narrow(axis, last, 1).add_(values.narrow(axis, last, 1))
    return turned
