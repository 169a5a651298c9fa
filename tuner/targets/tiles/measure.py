"""How good a file in tiles is, measured some tiles at a time on what it decodes to."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from tuner.decibels import mse_to_psnr_db
from tuner.network.tiles.grid import TileGrid
from tuner.representation import Representation
from tuner.signal.large import LargeSignal

# Tiles along the last axis that are decoded at once: those on either side of an overlap are evaluated twice.
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Quality:
    """How near decoded samples are to those of a signal, as they would be written.

    Attributes:
        psnr_db: peak signal-to-noise ratio in dB.
        max_error: largest difference of a sample, as a share of the range of values.
    """

    psnr_db: float
    max_error: float


def measured_quality(signal: LargeSignal, representation: Representation, grid: TileGrid) -> Quality:
    """The quality of a file, in the memory of some tiles.

    Args:
        signal: the original.
        representation: what the file in tiles decodes to.
        grid: how the signal is cut.
    """
    storage = signal.storage
    squares, largest = 0.0, 0.0
    for region in blocks(grid):
        given, found = signal.values(region), representation.crop(region).values
        error = storage.as_written(given).astype(np.float64) - storage.as_written(found)
        squares += float(np.square(error).sum())
        if signal.sample_format.is_integer:  # counted in samples: 1/255 is one level of a picture, exactly
            written, decoded = (storage.to_samples(each).astype(np.float64) for each in (given, found))
            largest = max(largest, float(np.abs(written - decoded).max()) / storage.effective.scale)
        else:
            largest = max(largest, float(np.abs(error).max()))
    return Quality(mse_to_psnr_db(squares / (signal.sample_count * signal.channels)), largest)


def blocks(grid: TileGrid) -> Iterator[tuple[tuple[int, int], ...]]:
    """Regions that cover a signal, each of some strides along the last axis and of one along the others."""
    sides = [*grid.strides[:-1], _AT_ONCE * grid.strides[-1]]
    for starts in product(*(range(0, n, side) for n, side in zip(grid.shape, sides, strict=True))):
        yield tuple((start, min(n, start + side)) for start, n, side in zip(starts, grid.shape, sides, strict=True))
