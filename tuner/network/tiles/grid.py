"""How a grid is cut into tiles that overlap, and how much each tile counts at a place; arithmetic only.

Along an axis of N samples with a stride s and an overlap o, at most s, there are n = max(1, ceil((N - o) / s)) tiles;
tile i has the samples from i s to (i + 1) s + o, the last one to N. At most two tiles meet along an axis, over o
samples, where the later one fades in by r^3 (10 - 15 r + 6 r^2), smooth to the second derivative as the splines of the
networks are, and the earlier one fades out by the rest. `tuner/codec/format/tiles.md` is the specification.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from tuner.errors import ConfigError
from tuner.shapes import DoubleArray

Region = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class TileGrid:
    """A regular grid of overlapping tiles.

    Attributes:
        shape: number of samples of the signal along each axis.
        strides: samples from the beginning of a tile to that of the next one, along each axis, at least 1.
        overlaps: samples that neighbouring tiles share along each axis, 0 up to the stride.

    Raises:
        ConfigError: if a number is out of its range, or there are not as many as axes.
    """

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    overlaps: tuple[int, ...]

    def __post_init__(self) -> None:
        fits = len(self.shape) == len(self.strides) == len(self.overlaps) >= 1
        if not (fits and all(0 <= o <= s and s >= 1 for s, o in zip(self.strides, self.overlaps, strict=True))):
            raise ConfigError(
                f"tiles of {self.shape} have strides {self.strides} and overlaps {self.overlaps}, expected a stride of "
                "at least 1 and an overlap of 0 up to the stride for each axis"
            )

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of tiles along each axis."""
        return tuple(max(1, -(-(n - o) // s)) for n, s, o in zip(self.shape, self.strides, self.overlaps, strict=True))

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return prod(self.counts)

    @property
    def samples(self) -> int:
        """Number of samples of all tiles together, shared ones counted in each."""
        return prod(n + (count - 1) * o for n, count, o in zip(self.shape, self.counts, self.overlaps, strict=True))

    def place(self, number: int) -> tuple[int, ...]:
        """Index along each axis of a tile, which are numbered row by row, the last axis fastest."""
        place = []
        for count in reversed(self.counts):
            number, index = divmod(number, count)
            place.append(index)
        return tuple(reversed(place))

    def number(self, place: Sequence[int]) -> int:
        """The number of the tile at an index along each axis."""
        number = 0
        for index, count in zip(place, self.counts, strict=True):
            number = number * count + index
        return number

    def span(self, axis: int, index: int) -> tuple[int, int]:
        """The samples along an axis, [start, stop), of the tiles with an index."""
        start, end = index * self.strides[axis], self.shape[axis]
        return start, min(end, start + self.strides[axis] + self.overlaps[axis])

    def region(self, number: int) -> tuple[tuple[int, int], ...]:
        """The samples of a tile, [start, stop) along each axis."""
        return tuple(self.span(axis, index) for axis, index in enumerate(self.place(number)))

    def tile_shape(self, number: int) -> tuple[int, ...]:
        """Number of samples of a tile along each axis."""
        return tuple(stop - start for start, stop in self.region(number))

    def nearest(self, axis: int, t_P: DoubleArray) -> tuple[np.ndarray, np.ndarray]:
        """First and last index of the tiles that count at places of an axis; they are equal outside of overlaps.

        Args:
            axis: number of the axis.
            t_P: places in samples, sample i being at i + 1/2; those outside the signal belong to the outermost tiles.
        """
        stride, last = self.strides[axis], self.counts[axis] - 1
        first = np.clip(np.floor((t_P - self.overlaps[axis]) / stride), 0, last).astype(np.int64)
        return first, np.clip(np.floor(t_P / stride), 0, last).astype(np.int64)

    def weights(self, axis: int, index: np.ndarray | int, t_P: DoubleArray) -> DoubleArray:
        """How much tiles with an index count at places of an axis near them, float64 (P,), in [0, 1]."""
        rise, fall = self._ages(axis, index, t_P)
        return _fade(rise) * (1.0 - _fade(fall))

    def slopes(self, axis: int, index: np.ndarray | int, t_P: DoubleArray) -> DoubleArray:
        """Derivatives of the weights by the coordinate x, float64 (P,)."""
        rise, fall = self._ages(axis, index, t_P)
        return (_fade_slope(rise) - _fade_slope(fall)) * (self.shape[axis] / 2.0 / max(1, self.overlaps[axis]))

    def _ages(self, axis: int, index: np.ndarray | int, t_P: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
        """How far, in [0, 1], a place is through the overlap with the tile before, and through that with the next."""
        stride, overlap, last = self.strides[axis], self.overlaps[axis], self.counts[axis] - 1
        since = t_P - stride * np.asarray(index)
        if overlap:
            rise, fall = np.clip(since / overlap, 0.0, 1.0), np.clip((since - stride) / overlap, 0.0, 1.0)
        else:
            rise, fall = (since >= 0.0).astype(np.float64), (since >= stride).astype(np.float64)
        return np.where(np.equal(index, 0), 1.0, rise), np.where(np.equal(index, last), 0.0, fall)


def even_grid(shape: tuple[int, ...], tile: Sequence[int], overlaps: Sequence[int]) -> TileGrid:
    """Tiles of nearly equal sides, none longer than wanted.

    Args:
        shape: number of samples of the signal along each axis.
        tile: most samples of a tile along each axis, more than its overlap twice.
        overlaps: samples that neighbouring tiles share along each axis.

    Raises:
        ConfigError: if a tile is too short for its overlap, or there are not as many numbers as axes.
    """
    if not len(shape) == len(tile) == len(overlaps) or any(
        t < 2 * o or t < 1 for t, o in zip(tile, overlaps, strict=True)
    ):
        raise ConfigError(f"tiles of {tuple(tile)} overlap by {tuple(overlaps)}, expected at least twice the overlap")
    strides = []
    for n, most, o in zip(shape, tile, overlaps, strict=True):
        count = 1 if n <= most else -(-(n - o) // (most - o))
        strides.append(max(1, o, -(-(n - o) // count)))
    return TileGrid(shape, tuple(strides), tuple(overlaps))


def _fade(r: DoubleArray) -> DoubleArray:
    faded: DoubleArray = r * r * r * (10.0 - 15.0 * r + 6.0 * (r * r))
    return faded


def _fade_slope(r: DoubleArray) -> DoubleArray:
    slope: DoubleArray = 30.0 * (r * (1.0 - r)) ** 2
    return slope
