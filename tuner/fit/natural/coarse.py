"""Coarser versions of the samples on a grid, on which a fit is cheap to begin.

A grid whose cells are twice as long on each axis has a quarter of the samples of a picture, and a step on them takes a
quarter of the time. What is slow about a network is learnt as well from them. A sample of a coarser grid is the mean
of the signal over its cell, so that details which that grid cannot tell apart are averaged away. Both grids cover the
same domain, and the network needs no change from one to the next (docs/decisions/0005-natural-gradient.md).
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tuner.shapes import BoolArray
from tuner.signal.signal import Signal

# Samples that a coarser grid must have at the least: fewer are said nothing by, and steps on them cost no less.
MIN_SAMPLES = 8192
# Samples that an axis must keep at the least; a shorter one is not halved.
MIN_AXIS = 16
# Share of a cell that must have been seen, so that the mean is one of samples and not of rounding.
_SEEN = 1e-6


def coarser(signal: Signal, held_out: BoolArray | None = None) -> list[tuple[Signal, BoolArray | None]]:
    """Versions of a signal with half as many samples on each axis, a quarter, and so on, the coarsest first.

    Args:
        signal: samples on a grid.
        held_out: mask of the samples that no mean may contain, bool (*grid_shape); None for none.

    Returns:
        Each version, and the mask of its samples that nothing is known of; none for a signal that is small already.
    """
    seen = None if held_out is None else (~held_out).astype(np.float64)[..., None]
    return list(_levels(signal, seen))[::-1]


def _levels(signal: Signal, seen: NDArray[np.float64] | None) -> Iterator[tuple[Signal, BoolArray | None]]:
    values = signal.values.astype(np.float64)
    while True:
        shape = tuple(side // 2 if side >= 2 * MIN_AXIS else side for side in values.shape[:-1])
        if shape == values.shape[:-1] or np.prod(shape) < MIN_SAMPLES:
            return
        if seen is None:
            values, unknown = _averaged(values, shape), None
        else:
            sums, seen = _averaged(values * seen, shape), _averaged(seen, shape)
            unknown = seen[..., 0] < _SEEN
            values = sums / np.where(unknown[..., None], 1.0, seen)
        yield replace(signal, values=values.astype(np.float32)), unknown


def _averaged(values: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Means over the cells of a coarser grid; a sample that two cells share counts for each by its part in it."""
    for axis, cells in enumerate(shape):
        samples = values.shape[axis]
        if cells == samples:
            continue
        first = np.zeros_like(np.take(values, [0], axis))
        integral = np.concatenate([first, np.cumsum(values, axis)], axis)
        edges = np.arange(cells + 1) * (samples / cells)
        below = np.minimum(edges.astype(np.intp), samples - 1)
        part = (edges - below).reshape([-1 if d == axis else 1 for d in range(values.ndim)])
        lower, upper = np.take(integral, below, axis), np.take(integral, below + 1, axis)
        values = np.diff(lower + part * (upper - lower), axis=axis) * (cells / samples)
    return values
