"""Where the samples of a signal lie, and which frequencies they can tell apart.

Every axis covers [-1, 1], whatever its number of samples, and a sample sits in the middle of its cell: x_i = (2i +
1)/N - 1. Rendering at another scale then keeps the picture in place, and an axis of one sample is no special case. The
sines that a network begins with repeat after a period p in every coordinate; p > 2, so that the two borders of the
domain stay different points (docs/decisions/0003-period-and-initialisation.md). A sine of index k makes k cycles per
period, and the grid resolves |k| up to the Nyquist index p N / 4 of its axis. Frequency ranges are fractions of that
index, axis by axis, which is what keeps signals of unequal sides free of distortion.
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from tuner.errors import ConfigError, InvalidSignal
from tuner.shapes import FloatArray


@dataclass(frozen=True, slots=True)
class Grid:
    """A regular grid over [-1, 1]^D.

    Attributes:
        shape: samples along each axis, all >= 1.
        period: the network's period p in units of the coordinates, > 2.

    Raises:
        InvalidSignal: if an axis is empty.
        ConfigError: if the period does not exceed the domain.
    """

    shape: tuple[int, ...]
    period: float

    def __post_init__(self) -> None:
        if not self.shape or min(self.shape) < 1:
            raise InvalidSignal(f"the grid has shape {self.shape}, expected at least one sample on every axis")
        if not self.period > 2.0:
            raise ConfigError(
                f"the period is {self.period}, expected more than 2, the length of the domain [-1, 1]: "
                "with less, opposite borders would be the same point"
            )

    @property
    def nyquist(self) -> tuple[float, ...]:
        """Nyquist index of each axis, in cycles per period: p N / 4."""
        return tuple(self.period * samples / 4.0 for samples in self.shape)

    @property
    def size(self) -> int:
        """Number of points P."""
        return prod(self.shape)

    def axis(self, dimension: int) -> FloatArray:
        """Coordinates of the cell centres along one axis, float32 (N,), strictly inside (-1, 1)."""
        samples = self.shape[dimension]
        return ((2.0 * np.arange(samples) + 1.0) / samples - 1.0).astype(np.float32)

    def coords(self) -> FloatArray:
        """Coordinates of all points in row-major order, float32 (P, D)."""
        axes = [self.axis(dimension) for dimension in range(len(self.shape))]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(self.shape))
