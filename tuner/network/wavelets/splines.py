"""Cubic B-splines with a node at every sample, which carry fields to any coordinate; and what positions read of nodes.

Coordinate x in [-1, 1] lies at t = (x + 1) N / 2 - 1/2 in samples of an axis of N, and the value there is a weighted
sum over the four nodes around t; beyond the borders the outermost node is repeated. Smooth to the second derivative, so
that a representation keeps exact gradients.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from tuner.shapes import DoubleArray, FloatArray

TAPS = 4
# Positions whose interpolation is one small product: they read few of the nodes of a long axis.
_BLOCK = 64
# Axes whose matrices are kept, and how many: all blocks of one, and the whole.
_MOST_KEPT_POSITIONS = 256
_MOST_KEPT_BANDS = 8


class Reading(ABC):
    """What positions along an axis read of its nodes: few nodes each, and how much of each."""

    __slots__ = ()

    @property
    @abstractmethod
    def positions(self) -> int:
        """Number of positions."""

    @abstractmethod
    def rows(self, start: int, stop: int) -> "Taps":
        """What the positions [start, stop) read."""

    def apply(self, values: FloatArray, axis: int) -> FloatArray:
        """Interpolate along one axis: its nodes become the positions."""
        last = np.moveaxis(values, axis, -1)
        found = np.empty((*last.shape[:-1], self.positions), dtype=np.float32)
        for start in range(0, self.positions, _BLOCK):
            stop = min(start + _BLOCK, self.positions)
            span, matrix = self.band(start, stop)
            np.matmul(last[..., span], matrix.T, out=found[..., start:stop])
        return np.moveaxis(found, -1, axis)

    def band(self, start: int, stop: int) -> tuple[slice, FloatArray]:
        """The nodes that positions [start, stop) read, as one span, and the matrix from them to the positions."""
        taps = self.rows(start, stop)
        span = slice(int(taps.nodes.min()), int(taps.nodes.max()) + 1)
        matrix = np.zeros((stop - start, span.stop - span.start), dtype=np.float32)
        np.add.at(matrix, (np.arange(stop - start)[:, None], taps.nodes - span.start), taps.weights)
        return span, matrix


class _Kept(Reading):
    """A reading of a short axis, with the matrices that were made for it."""

    __slots__ = ("_bands", "_reading")

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._bands: dict[tuple[int, int], tuple[slice, FloatArray]] = {}

    @property
    def positions(self) -> int:
        """Number of positions."""
        return self._reading.positions

    def rows(self, start: int, stop: int) -> "Taps":
        """What the positions [start, stop) read."""
        return self._reading.rows(start, stop)

    def band(self, start: int, stop: int) -> tuple[slice, FloatArray]:
        """The nodes that positions [start, stop) read, and the matrix, which is read-only and made once."""
        found = self._bands.get((start, stop))
        if found is None:
            found = self._reading.band(start, stop)
            found[1].flags.writeable = False
            if len(self._bands) < _MOST_KEPT_BANDS:
                self._bands[start, stop] = found
        return found


def kept(reading: Reading) -> Reading:
    """A reading that is used again and again, with its matrices kept where the axis is short; else as it is.

    Args:
        reading: what positions read; whoever keeps the result keeps some hundred KiB with it.
    """
    return _Kept(reading) if reading.positions <= _MOST_KEPT_POSITIONS else reading


@dataclass(frozen=True, slots=True, eq=False)
class Taps(Reading):
    """The nodes that each position reads, four of a spline, one by one.

    Attributes:
        nodes: nodes that each position reads, int64 (N, taps); a border node can occur more than once.
        weights: weight of each node, float32 (N, taps); those of a spline sum to 1, of its derivative to 0.
    """

    nodes: np.ndarray
    weights: FloatArray

    @property
    def positions(self) -> int:
        """Number N of positions."""
        return len(self.nodes)

    def rows(self, start: int, stop: int) -> "Taps":
        """What the positions [start, stop) read."""
        return Taps(self.nodes[start:stop], self.weights[start:stop])


def spline_taps(positions_N: FloatArray | DoubleArray, samples: int, *, derivative: bool = False) -> Taps:
    """Where positions along one axis read its nodes.

    Args:
        positions_N: coordinates, float (N,), in [-1, 1] inside the signal.
        samples: number of samples of the signal along this axis, each of which has a node.
        derivative: give weights of the derivative by the coordinate instead of those of the value.
    """
    cells_per_unit = samples / 2.0
    position = (positions_N.astype(np.float64) + 1.0) * cells_per_unit - 0.5
    first = np.floor(position)
    r = position - first
    if derivative:
        weights = np.stack([-((1 - r) ** 2), r * (3 * r - 4), 1 + r * (2 - 3 * r), r**2], axis=1) * (cells_per_unit / 2)
    else:
        weights = np.stack([(1 - r) ** 3, 4 + r**2 * (3 * r - 6), 1 + 3 * r * (1 + r - r**2), r**3], axis=1) / 6
    last = samples - 1
    # A coordinate may lie far outside the domain; no float beyond the axis reaches the integers.
    nodes = np.clip(np.clip(first, -TAPS, last + TAPS)[:, None] + np.arange(-1, TAPS - 1), 0, last)
    return Taps(nodes.astype(np.int64), weights.astype(np.float32))
