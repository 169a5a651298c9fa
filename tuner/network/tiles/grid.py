"""How a grid is cut into tiles that overlap, and how much each tile counts at a place; arithmetic only.

Along an axis of N samples with a stride s and an overlap o, at most s, there are n = max(1, ceil((N - o) / s)) tiles;
tile i has the samples from i s to (i + 1) s + o, the last one to N. At most two tiles meet along an axis, over o
samples, where the later one fades in by r^3 (10 - 15 r + 6 r^2), smooth to the second derivative as the splines of the
networks are, and the earlier one fades out by the rest. `tuner/codec/format/tiles.md` is the specification.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuner.network.tiles.cut import TileCut, even_cut
from tuner.shapes import DoubleArray

Region = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class TileGrid(TileCut):
    """A regular grid of overlapping tiles, and how much each counts where."""

    @classmethod
    def of(cls, cut: TileCut) -> "TileGrid":
        """The grid that is cut there."""
        return cls(cut.shape, cut.strides, cut.overlaps)

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
    """Tiles of nearly equal sides, none longer than wanted; arguments and errors are those of `even_cut`."""
    return TileGrid.of(even_cut(shape, tile, overlaps))


def _fade(r: DoubleArray) -> DoubleArray:
    faded: DoubleArray = r * r * r * (10.0 - 15.0 * r + 6.0 * (r * r))
    return faded


def _fade_slope(r: DoubleArray) -> DoubleArray:
    slope: DoubleArray = 30.0 * (r * (1.0 - r)) ** 2
    return slope
