"""The samples of one signal as an experiment needs them: a crop, points, some held out, a pyramid of coarser levels."""

from dataclasses import dataclass, replace
from math import prod

import numpy as np
import torch
from torch import Tensor

from tuner.errors import ConfigError
from tuner.experiment.networks.mrnet import level_shape
from tuner.experiment.surface import SurfacePoints
from tuner.metrics import held_out_mask
from tuner.shapes import BoolArray, FloatArray
from tuner.signal.grid import Grid
from tuner.signal.signal import Signal

# Of the Gaussian, in samples of the finer level: that of scikit-image for a factor of 2.
PYRAMID_DEVIATION = 2.0 / 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Points of a grid and their values.

    Attributes:
        shape: samples of the grid along each axis.
        period: period of the networks that are trained on it; positions do not depend on it.
        coords_PD: all points, row by row.
        values_PC: values of the signal at all points, in the same order.
        held_out_P: mask of the points that a training does not see.
        surface: points of the mesh whose distances the values are; None for other signals.
    """

    shape: tuple[int, ...]
    period: float
    coords_PD: Tensor
    values_PC: Tensor
    held_out_P: BoolArray
    surface: SurfacePoints | None = None

    @classmethod
    def of(
        cls, signal: Signal, period: float, *, held_out: float, seed: int, surface: SurfacePoints | None = None
    ) -> "Samples":
        """The samples of a signal, a share of them held out."""
        mask = held_out_mask(signal.sample_count, held_out, seed)
        return replace(cls._of(signal.values, period, mask), surface=surface)

    @classmethod
    def _of(cls, values: FloatArray, period: float, mask: BoolArray) -> "Samples":
        shape = values.shape[:-1]
        coords = torch.tensor(Grid(shape, period).coords())
        return cls(shape, period, coords, torch.tensor(values.reshape(len(coords), -1)), mask)

    @property
    def channels(self) -> int:
        """Values per point."""
        return int(self.values_PC.shape[1])

    @property
    def grid(self) -> Grid:
        """Where the points lie."""
        return Grid(self.shape, self.period)

    def seen(self) -> tuple[Tensor, Tensor]:
        """Points and values that are not held out."""
        keep = torch.tensor(~self.held_out_P)
        return self.coords_PD[keep], self.values_PC[keep]

    def level(self, number: int) -> "Samples":
        """A level of the Gaussian pyramid, 0 being the samples themselves.

        Held-out samples take no part in the averages of coarser levels, which have no held-out samples of their own.
        """
        if number == 0:
            return self
        weights = (~self.held_out_P).astype(np.float32).reshape(*self.shape, 1)
        values = self.values_PC.numpy().reshape(*self.shape, -1) * weights
        for finer in range(number):
            target = level_shape(self.shape, finer + 1)
            values, weights = reduce(values, target), reduce(weights, target)
        return Samples._of(values / weights, self.period, np.zeros(prod(weights.shape), dtype=np.bool_))


def reduce(values: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Smooth with a Gaussian and sample at the cell centres of a coarser grid, one axis after the other.

    Args:
        values: values of the signal, (*grid, C).
        shape: samples of the coarser grid along each axis.

    Returns:
        (*shape, C); a constant stays what it is, up to the borders.
    """
    for axis, samples in enumerate(shape):
        before = values.shape[axis]
        centres = (np.arange(samples) + 0.5) * before / samples - 0.5
        distances = (centres[:, None] - np.arange(before)) / PYRAMID_DEVIATION
        kernel = np.exp(-0.5 * distances**2)
        kernel /= kernel.sum(axis=1, keepdims=True)
        values = np.moveaxis(np.tensordot(kernel.astype(np.float32), values, axes=(1, axis)), 0, axis)
    return values


def centre_crop(picture: Signal, size: int | None) -> Signal:
    """The square in the middle of a picture, never resized: a resized one has another aspect, and another spectrum.

    Raises:
        ConfigError: if the picture is smaller.
    """
    if size is None:
        return picture
    height, width = picture.grid_shape
    if min(height, width) < size:
        raise ConfigError(
            f"the picture is {height} x {width}, expected at least {size} x {size}: ask for a smaller crop"
        )
    top, left = (height - size) // 2, (width - size) // 2
    return Signal(values=np.ascontiguousarray(picture.values[top : top + size, left : left + size]))
