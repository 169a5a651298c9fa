"""Wavelet latents on the samples of a signal, tile by tile: their sums, the transpose of these, least squares.

Products of one-dimensional functions are separable. The trailing axes of every subband are summed for all nodes of the
first axis at once (`spread`), the first axis tile by tile with small banded matrices (`tuner.fit.wavelets.tile_sums`),
so that memory stays bounded by the spread subbands. The numpy twin is `tuner.network.wavelets.fields`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from tuner.fit.stripes import single_threaded
from tuner.fit.wavelets.dense import dense_analysis
from tuner.fit.wavelets.tile_sums import (
    Bands,
    TileSum,
    bands_of,
    gathered_along_last,
    summed_along_last,
    tile_sums,
)
from tuner.network.wavelets.filters import wavelet_taps
from tuner.network.wavelets.layout import Layout, Level, is_high
from tuner.network.wavelets.splines import Reading

TILE_POINTS = 4096


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Subbands of one level that are of one kind along the first axis, so that they share the last step.

    Attributes:
        level: the level that has the subbands.
        subbands: positions of the subbands among those of a colour, each with its bands along the trailing axes.
        channels: the channels of u to which the subbands add.
        tiles: sums along the first axis, for each tile.
    """

    level: Level
    subbands: list[tuple[int, list[Bands]]]
    channels: slice
    tiles: list[TileSum]


class Subbands:
    """All subbands of some colours on a grid.

    Args:
        layout: arrangement of the subbands.
        rows: number of rows of the first axis in a tile.

    Attributes:
        layout: arrangement of the subbands.
    """

    def __init__(self, layout: Layout, rows: int) -> None:
        self.layout, self._shape, self._colours = layout, layout.grid_shape, layout.colours
        self._sizes = [level.latents for level in layout.levels]
        self._parts = [
            self._part(level, orientations, rows)
            for level in layout.levels
            for orientations in level.alike_along_first_axis()
        ]

    @classmethod
    def of_points(cls, layout: Layout, points: int = TILE_POINTS) -> "Subbands":
        """Subbands whose tiles have about so many points, few enough to stay in the cache."""
        return cls(layout, max(1, points // prod(layout.grid_shape[1:])))

    def zeros(self) -> list[Tensor]:
        """Codes of every level: (subbands, *nodes)."""
        return [torch.zeros(level.shape) for level in self.layout.levels]

    def spread(self, codes: Sequence[Tensor]) -> list[Tensor]:
        """Sum over the trailing axes: of every part, (K, nodes of the first axis, points of the others)."""
        spread = []
        for part in self._parts:
            total: Tensor | None = None
            for position, trailing in part.subbands:
                values = self._subband(codes[part.level.number], position)
                for axis, bands in enumerate(trailing, start=2):
                    values = values.movedim(axis, -1) if axis < values.ndim - 1 else values
                    values = summed_along_last(values, bands)
                    values = values.movedim(-1, axis) if axis < values.ndim - 1 else values
                values = values.reshape(self._colours, values.shape[1], -1)
                total = values if total is None else total.add_(values)
            assert total is not None  # noqa: S101  a part has a subband
            spread.append(total)
        return spread

    def gather(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """The transpose of `spread`."""
        codes = self.zeros()
        self._gather_into(codes, gradients)
        return codes

    def _gather_into(self, codes: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
        for part, gradient in zip(self._parts, gradients, strict=True):
            for position, trailing in part.subbands:
                target = self._subband(codes[part.level.number], position)
                values = gradient.reshape(self._colours, target.shape[1], *self._shape[1:])
                for axis, bands in enumerate(trailing, start=2):
                    values = values.movedim(axis, -1) if axis < values.ndim - 1 else values
                    values = gathered_along_last(values, bands, target.shape[axis])
                    values = values.movedim(-1, axis) if axis < values.ndim - 1 else values
                target.copy_(values)

    def fill(self, number: int, spread: Sequence[Tensor], out_UP: Tensor) -> None:
        """U on one tile."""
        out_UP.zero_()
        for part, each in zip(self._parts, spread, strict=True):
            tile = part.tiles[number]
            tile.add_to(out_UP[part.channels].view(self._colours, tile.rows, -1), each)

    def nodes_of(self, numbers: Sequence[int]) -> list[slice]:
        """The nodes of the first axis that a run of tiles reads, of every part."""
        spans = [[part.tiles[number].span for number in numbers] for part in self._parts]
        return [slice(min(span.start for span in each), max(span.stop for span in each)) for each in spans]

    def all_nodes(self) -> list[slice]:
        """All nodes of the first axis, of every part."""
        return [slice(0, part.level.nodes[0]) for part in self._parts]

    def spread_zeros(self, spans: Sequence[slice]) -> list[Tensor]:
        """Zeros for some nodes of the first axis, shaped like what `spread` gives."""
        plane = prod(self._shape[1:])
        return [torch.zeros(self._colours, span.stop - span.start, plane) for span in spans]

    def add_transposed(
        self, number: int, gradient_UP: Tensor, totals: Sequence[Tensor], spans: Sequence[slice]
    ) -> None:
        """Add the transpose of `fill` to the gradients of the spread subbands, of which `totals` hold the `spans`."""
        for part, total, nodes in zip(self._parts, totals, spans, strict=True):
            tile = part.tiles[number]
            tile.add_transposed(gradient_UP[part.channels].view(self._colours, tile.rows, -1), total, nodes.start)

    def analyse(self, values_KP: Tensor, iterations: int = 10) -> list[Tensor]:
        """Codes whose sum over all fields is nearest to some values at the samples.

        Args:
            values_KP: values of every colour.
            iterations: number of iterations of conjugate gradients, by which they are found for all but small signals.
        """
        if (analysis := dense_analysis(self.layout)) is not None:
            return analysis.of(values_KP)
        if prod(self._shape[1:]) > 1:
            return self._analysed(values_KP, iterations)
        with single_threaded():  # of a line all products are tiny
            return self._analysed(values_KP, iterations)

    def _analysed(self, values_KP: Tensor, iterations: int) -> list[Tensor]:
        # All levels lie one after the other, so that a line of arithmetic is one call and not one for each level.
        found, levels = self._vector()
        residual, rests = self._vector()
        image, images = self._vector()
        self._transposed(values_KP, rests)
        direction, directions = self._vector()
        direction.copy_(residual)
        norm = self._dot(residual, residual)
        for _ in range(iterations):
            if not norm > 0.0:
                break
            self._transposed(self._summed(directions), images)
            length = norm / self._dot(direction, image)
            found += length * direction
            residual -= length * image
            before, norm = norm, self._dot(residual, residual)
            torch.add(residual, (norm / before) * direction, out=direction)
        return levels

    def _vector(self) -> tuple[Tensor, list[Tensor]]:
        """Zeros for the codes of all levels in one line, and views of it: (subbands, *nodes) for every level."""
        line = torch.zeros(sum(self._sizes))
        return line, [
            part.view(level.shape)
            for part, level in zip(line.split_with_sizes(self._sizes), self.layout.levels, strict=True)
        ]

    def _dot(self, left: Tensor, right: Tensor) -> float:
        return sum(float(each.sum()) for each in (left * right).split_with_sizes(self._sizes))

    def _part(self, level: Level, orientations: list[int], rows: int) -> _Part:
        shape, dimensions = self.layout.grid_shape, self.layout.dimensions

        def taps(axis: int, orientation: int) -> Reading:
            return wavelet_taps(shape[axis], level.spacing, high=is_high(orientation, axis, dimensions))

        return _Part(
            level,
            [
                (each - level.first_orientation, [bands_of(taps(axis, each)) for axis in range(1, dimensions)])
                for each in orientations
            ],
            self.layout.channels_of(level.field),
            tile_sums(taps(0, orientations[0]), rows, level.spacing),
        )

    def _subband(self, codes: Tensor, position: int) -> Tensor:
        """A view of one orientation, (K, *nodes)."""
        return codes.view(self._colours, -1, *codes.shape[1:])[:, position]

    def _summed(self, codes: Sequence[Tensor]) -> Tensor:
        spread, plane = self.spread(codes), prod(self._shape[1:])
        fields = torch.empty(self.layout.field_channels, self._shape[0] * plane)
        start = 0
        for number, tile in enumerate(self._parts[0].tiles):
            points = tile.rows * plane
            self.fill(number, spread, fields[:, start : start + points])
            start += points
        return fields.view(-1, self._colours, fields.shape[1]).sum(0)

    def _transposed(self, values_KP: Tensor, codes: Sequence[Tensor]) -> None:
        """What the samples add to the codes, by which these are replaced."""
        tiles, plane, start = self._parts[0].tiles, prod(self._shape[1:]), 0
        values = []
        for tile in tiles:
            points = tile.rows * plane
            some = values_KP[:, start : start + points].contiguous()
            values.append(some.view(self._colours, tile.rows, plane))
            start += points
        self._gather_into(codes, [self._along_first_axis(part, values) for part in self._parts])

    def _along_first_axis(self, part: _Part, values: list[Tensor]) -> Tensor:
        """The transpose of what `fill` sums for a part, every field having the same values; of all nodes."""
        nodes = part.level.nodes[0]
        if len(part.tiles) == 1 and (whole := part.tiles[0].transposed(values[0], nodes)) is not None:
            return whole
        total = torch.zeros(self._colours, nodes, prod(self._shape[1:]))
        for tile, each in zip(part.tiles, values, strict=True):
            tile.add_transposed(each, total, 0)
        return total
