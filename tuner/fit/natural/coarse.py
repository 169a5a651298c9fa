"""Coarser versions of the samples on a grid, on which a fit is cheap to begin.

A grid whose cells are twice as long on each axis has a quarter of the samples of a picture, and a step on them takes a
quarter to a half of the time. What is slow about a network is learnt as well from them. A sample of a coarser grid is
the mean of the signal over its cell, so that details which that grid cannot tell apart are averaged away. Both grids
cover the same domain, and the network needs no change from one to the next (docs/decisions/0005-natural-gradient.md).
"""

from collections.abc import Iterator
from dataclasses import replace
from math import ceil

import numpy as np

from tuner.shapes import BoolArray, FloatArray
from tuner.signal.signal import Signal

# Samples that a coarser grid must have at the least: a network is misled by fewer.
MIN_SAMPLES = 8192
# Samples that an axis must keep at the least; a shorter one stays as it is.
MIN_AXIS = 16
# Share of a cell that must have been seen, so that the mean is one of samples and not of rounding.
_SEEN = 1e-4


def coarser(signal: Signal, held_out: BoolArray | None = None) -> list[tuple[Signal, BoolArray | None]]:
    """Versions of a signal with a quarter of the samples or less, a quarter of those, and so on, the coarsest first.

    Args:
        signal: samples on a grid.
        held_out: mask of the samples that no mean may contain, bool (*grid_shape); None for none.

    Returns:
        Each version, and the mask of its samples that nothing is known of; none for a signal that is small already.
    """
    seen = None if held_out is None else (~held_out).astype(np.float32)[..., None]
    return list(_levels(signal, seen))[::-1]


def _levels(signal: Signal, seen: FloatArray | None) -> Iterator[tuple[Signal, BoolArray | None]]:
    values = signal.values
    while True:
        shape = _coarser_shape(values.shape[:-1])
        if shape == values.shape[:-1] or np.prod(shape) < MIN_SAMPLES:
            return
        if seen is None:
            values, unknown = _averaged(values, shape), None
        else:
            sums, seen = _averaged(values * seen, shape), _averaged(seen, shape)
            unknown = seen[..., 0] < _SEEN
            values = np.where(unknown[..., None], np.float32(0.0), sums / np.where(unknown[..., None], 1.0, seen))
        yield replace(signal, values=values), unknown


def _coarser_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Half of each axis that is long enough, or a quarter where there is one alone: halves would save little."""
    shorter = 2 if sum(side >= 2 * MIN_AXIS for side in shape) > 1 else 4
    return tuple(side // shorter if side >= shorter * MIN_AXIS else side for side in shape)


def _averaged(values: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Means over the cells of a coarser grid; a sample that two cells share counts for each by its part in it."""
    for axis, cells in enumerate(shape):
        samples = values.shape[axis]
        if cells == samples:
            continue
        begin = np.arange(cells) * (samples / cells)
        end, first = begin + samples / cells, begin.astype(np.intp)
        along = [-1 if d == axis else 1 for d in range(values.ndim)]
        mean: FloatArray | None = None
        for place in range(ceil(samples / cells) + 1):
            sample = first + place
            part = np.clip(np.minimum(sample + 1, end) - np.maximum(sample, begin), 0.0, None) * (cells / samples)
            added = np.take(values, np.minimum(sample, samples - 1), axis)
            added *= part.astype(np.float32).reshape(along)
            mean = added if mean is None else np.add(mean, added, out=mean)
        assert mean is not None  # noqa: S101  there is a first place
        values = mean
    return values
