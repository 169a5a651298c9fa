"""Where a grid is cut into tiles that overlap: whole numbers only, no arrays, so that forecasts can count tiles.

Along an axis of N samples with a stride s and an overlap o, at most s, there are n = max(1, ceil((N - o) / s)) tiles;
tile i has the samples from i s to (i + 1) s + o, the last one to N.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from tuner.errors import ConfigError


@dataclass(frozen=True, slots=True)
class TileCut:
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


def even_cut(shape: tuple[int, ...], tile: Sequence[int], overlaps: Sequence[int]) -> TileCut:
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
    return TileCut(shape, tuple(strides), tuple(overlaps))
