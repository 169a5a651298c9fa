"""Values of a signal in tiles: each tile is evaluated where it counts, and what overlaps is blended.

A value is the sum over the tiles of weight times value of the tile, the weights of a place adding up to 1. Each product
is rounded to float32 and added in the order of the tiles, so that on its own samples a signal has the same bits on
every machine, whether all of it is asked for or a region.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np

from tuner.network.tiles.grid import Region, TileGrid
from tuner.network.tiles.parameters import TiledParameters
from tuner.network.wavelets import synthesis as wavelets
from tuner.network.wavelets.fields import are_samples, even_coordinates
from tuner.shapes import DoubleArray, FloatArray

# Share of a sample, and rounding error of a coordinate, within which places are held to be samples.
_NEAR, _ROUNDING = 1e-3, 2.0**-23
# Derivatives on a grid are taken some rows at a time: the points take more memory than the result does.
_POINTS_AT_ONCE = 1 << 18


def values_at(parameters: TiledParameters, coords_PD: FloatArray) -> FloatArray:
    """Values at any points, float32 (P, C)."""
    values = np.zeros((len(coords_PD), parameters.channels), dtype=np.float32)
    for each in _shares(parameters.grid, coords_PD):
        found = wavelets.values_at(parameters.tiles[each.tile], each.local_PD)
        values[each.points] += (each.weights[:, None] * found).astype(np.float32)
    return values


def gradients_at(parameters: TiledParameters, coords_PD: FloatArray) -> FloatArray:
    """Exact derivatives at any points, float32 (P, C, D), per unit of the coordinates of the signal."""
    points, dimensions = coords_PD.shape
    gradients = np.zeros((points, parameters.channels, dimensions), dtype=np.float32)
    for each in _shares(parameters.grid, coords_PD):
        tile = parameters.tiles[each.tile]
        found = wavelets.gradients_at(tile, each.local_PD) * (each.weights[:, None, None] * each.speed)
        if each.slopes.any():
            found = found + wavelets.values_at(tile, each.local_PD)[:, :, None] * each.slopes[:, None]
        gradients[each.points] += found.astype(np.float32)
    return gradients


def values_on_grid(parameters: TiledParameters, axes: Sequence[FloatArray]) -> FloatArray:
    """Values on the product of the given axes, float32 (*shape, C), in the memory of a tile beyond the result."""
    places = [_places(axis, n) for axis, n in zip(axes, parameters.grid.shape, strict=True)]
    if all(each.first is not None for each in places):  # of all samples of a tile some are kept
        return _on_product(parameters, places, SampleValues(parameters, 0).of_tile)
    return _on_product(parameters, places)


def values_on_samples(parameters: TiledParameters, region: Region) -> FloatArray:
    """Values on the samples of a region, which are those of the whole signal there; only its tiles are read.

    Args:
        parameters: networks of all tiles.
        region: samples along each axis, [start, stop).
    """
    return SampleValues(parameters, 0).on(region)


class SampleValues:
    """Values of a signal in tiles on its own samples, region after region.

    A tile that reaches into several regions is evaluated once as long as its values are kept: of a volume each of its
    tiles reaches into eight or more.

    Args:
        parameters: networks of all tiles.
        most_values: number of values of whole tiles that are kept from one region to the next; those that were asked
            for the longest time ago go first.
    """

    def __init__(self, parameters: TiledParameters, most_values: int) -> None:
        self._parameters, self._most = parameters, most_values
        self._kept: OrderedDict[int, FloatArray] = OrderedDict()

    def on(self, region: Region) -> FloatArray:
        """Values on the samples of a region, float32 (*shape, C).

        Args:
            region: samples along each axis, [start, stop).
        """
        places = [_Places(_middles(start, stop), start) for start, stop in region]
        return _on_product(self._parameters, places, self.of_tile)

    def of_tile(self, number: int, region: Region) -> FloatArray:
        """Values of a tile on all of its samples, float32 (*shape of the tile, C).

        Args:
            number: number of the tile.
            region: samples of the signal along each axis that are those of the tile, [start, stop).
        """
        found = self._kept.pop(number, None)
        if found is None:
            own = [_local(_middles(start, stop), start, stop) for start, stop in region]
            found = wavelets.values_on_grid(self._parameters.tiles[number], own)
            values = found.size + sum(each.size for each in self._kept.values())
            while self._kept and values > self._most:
                values -= self._kept.popitem(last=False)[1].size
        if found.size <= self._most:
            self._kept[number] = found
        return found


def gradients_on_grid(parameters: TiledParameters, axes: Sequence[FloatArray]) -> FloatArray:
    """Exact derivatives on the product of the given axes, float32 (*shape, C, D), per unit of the coordinates."""
    shape = tuple(len(axis) for axis in axes)
    gradients = np.empty((*shape, parameters.channels, len(axes)), dtype=np.float32)
    rows = max(1, _POINTS_AT_ONCE // max(1, prod(shape[1:])))
    for start in range(0, shape[0], rows):
        some = [axes[0][start : start + rows], *axes[1:]]
        coords_PD = np.stack(np.meshgrid(*some, indexing="ij"), axis=-1).reshape(-1, len(axes))
        gradients[start : start + rows] = gradients_at(parameters, coords_PD).reshape(-1, *gradients.shape[1:])
    return gradients


def products_per_sample(parameters: TiledParameters) -> int:
    """About the number of multiplications that one value takes: those of a tile, in overlaps of several."""
    grid = parameters.grid
    each = wavelets.products_per_sample(parameters.first)
    return -(-each * grid.samples // prod(grid.shape))


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """Places along an axis in samples, sample i being at i + 1/2; with the first sample if they are all in a row."""

    t: DoubleArray
    first: int | None


@dataclass(frozen=True, slots=True, eq=False)
class _Share:
    """The points at which one tile counts, where they are in it, and how much it counts there."""

    tile: int
    points: np.ndarray
    local_PD: FloatArray
    weights: DoubleArray
    slopes: DoubleArray
    speed: DoubleArray


def _on_product(
    parameters: TiledParameters,
    places: list[_Places],
    of_whole: Callable[[int, Region], FloatArray] | None = None,
) -> FloatArray:
    """Values on the product of places along each axis.

    `of_whole` gives the values on all samples of a tile, where all places are samples in a row.
    """
    grid = parameters.grid
    values = np.zeros((*(len(each.t) for each in places), parameters.channels), dtype=np.float32)
    for place in product(*(_met(grid, axis, each.t) for axis, each in enumerate(places))):
        region = [grid.span(axis, index) for axis, index in enumerate(place)]
        spans = [_span(grid, axis, index, places[axis].t) for axis, index in enumerate(place)]
        if any(span.start == span.stop for span in spans):
            continue
        number = grid.number(place)
        if of_whole is None:
            local = [_local(each.t[span], *ends) for each, span, ends in zip(places, spans, region, strict=True)]
            found = wavelets.values_on_grid(parameters.tiles[number], local)
        else:
            found = of_whole(number, region)[_kept(region, places, spans)]
        weights = np.ones((1,) * len(place))
        for axis, (index, span) in enumerate(zip(place, spans, strict=True)):
            along = grid.weights(axis, index, places[axis].t[span])
            weights = weights * along.reshape([-1 if other == axis else 1 for other in range(len(place))])
        values[tuple(spans)] += found if (weights == 1.0).all() else (weights[..., None] * found).astype(np.float32)
    return values


def _kept(region: Region, places: list[_Places], spans: list[slice]) -> tuple[slice, ...]:
    """Which samples of a tile are those at some of the places, all of which are samples in a row."""
    return tuple(
        slice(span.start + (each.first or 0) - start, span.stop + (each.first or 0) - start)
        for span, each, (start, _) in zip(spans, places, region, strict=True)
    )


def _met(grid: TileGrid, axis: int, t: DoubleArray) -> range:
    """The indices of the tiles that ascending places meet along an axis."""
    if not len(t):
        return range(0)
    first, last = grid.nearest(axis, t[[0, -1]])
    return range(int(first[0]), int(last[-1]) + 1)


def _span(grid: TileGrid, axis: int, index: int, t: DoubleArray) -> slice:
    """Which of ascending places a tile counts at."""
    start = 0 if index == 0 else int(np.searchsorted(t, index * grid.strides[axis], side="left"))
    if index == grid.counts[axis] - 1:
        return slice(start, len(t))
    end = (index + 1) * grid.strides[axis] + grid.overlaps[axis]
    return slice(start, int(np.searchsorted(t, end, side="left")))


def _middles(start: int, stop: int) -> DoubleArray:
    """Where samples [start, stop) are."""
    return np.arange(start, stop, dtype=np.float64) + 0.5


def _local(t: DoubleArray, start: int, stop: int) -> FloatArray:
    """Coordinates in the tile of samples [start, stop), float32."""
    local: FloatArray = ((2.0 * (t - start)) / (stop - start) - 1.0).astype(np.float32)
    return local


def _places(axis: FloatArray, samples: int) -> _Places:
    """Where coordinates along an axis lie, without their rounding if they are samples."""
    if are_samples((samples,), [axis]):
        return _Places(_middles(0, samples), 0)
    t = (even_coordinates(axis) + 1.0) * (samples / 2.0)
    whole = np.rint(t - 0.5)
    in_a_row = bool((np.diff(whole) == 1.0).all()) and np.abs(t - 0.5 - whole).max() <= _NEAR + _ROUNDING * samples
    if in_a_row and _ROUNDING * samples < 0.25 and whole[0] >= 0 and whole[-1] < samples:
        return _Places(whole + 0.5, int(whole[0]))
    return _Places(t, None)


def _shares(grid: TileGrid, coords_PD: FloatArray) -> Iterator[_Share]:
    """For each tile that counts at any of the points, in the order of the tiles."""
    t_DP = (coords_PD.T.astype(np.float64) + 1.0) * (np.array(grid.shape)[:, None] / 2.0)
    ends = [grid.nearest(axis, t) for axis, t in enumerate(t_DP)]
    tiles, points = [], []
    for sides in product((0, 1), repeat=len(t_DP)):
        counts = np.ones(len(coords_PD), dtype=bool)
        number = np.zeros(len(coords_PD), dtype=np.int64)
        for side, (first, last), count in zip(sides, ends, grid.counts, strict=True):
            counts &= (last > first) if side else True
            number = number * count + (last if side else first)
        points.append(np.flatnonzero(counts))
        tiles.append(number[counts])
    all_tiles, all_points = np.concatenate(tiles), np.concatenate(points)
    order = np.argsort(all_tiles, kind="stable")
    found, starts = np.unique(all_tiles[order], return_index=True)
    for tile, chosen in zip(found.tolist(), np.split(all_points[order], starts[1:]), strict=True):
        yield _share(grid, tile, chosen, t_DP[:, chosen])


def _share(grid: TileGrid, tile: int, points: np.ndarray, t_DP: DoubleArray) -> _Share:
    place, region = grid.place(tile), grid.region(tile)
    weights_DP = np.stack([grid.weights(axis, index, t_DP[axis]) for axis, index in enumerate(place)])
    slopes = np.empty((len(points), len(place)))
    for axis, index in enumerate(place):
        others = np.delete(weights_DP, axis, axis=0).prod(axis=0)
        slopes[:, axis] = grid.slopes(axis, index, t_DP[axis]) * others
    return _Share(
        tile=tile,
        points=points,
        local_PD=np.stack([_local(t, *ends) for t, ends in zip(t_DP, region, strict=True)], axis=1),
        weights=np.multiply.reduce(weights_DP, axis=0),
        slopes=slopes,
        speed=np.array([samples / (stop - start) for samples, (start, stop) in zip(grid.shape, region, strict=True)]),
    )
