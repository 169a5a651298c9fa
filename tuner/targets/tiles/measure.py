"""How good a file in tiles is, measured some tiles at a time on what it decodes to."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from tuner.decibels import mse_to_psnr_db
from tuner.network.tiles.grid import TileGrid
from tuner.network.tiles.parameters import TiledParameters
from tuner.network.tiles.synthesis import SampleValues
from tuner.representation import Representation
from tuner.signal.large import LargeSignal
from tuner.signal.samples import Storage

# Tiles along the last axis that are decoded at once.
_AT_ONCE = 8
# Values of tiles that are kept until the next blocks have seen them, too: 128 MiB, a layer of a volume of 512^3.
_KEPT_VALUES = 1 << 25


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
    assert isinstance(representation.parameters, TiledParameters)  # noqa: S101  a file in tiles
    storage, decoded_storage = signal.storage, Storage(representation.sample_format, representation.scaling)
    values = SampleValues(representation.parameters, _KEPT_VALUES)
    squares, largest = 0.0, 0.0
    for region in blocks(grid):
        given, found = signal.values(region), decoded_storage.limited(values.on(region))
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
