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
from tuner.fit.wavelets.tile_sums import Bands, TileSum, bands_of, tile_sums
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
                    last = torch.movedim(values, axis, -1)
                    values = torch.movedim(torch.cat([last[..., span] @ each.T for span, each in bands], -1), -1, axis)
                values = values.reshape(self._colours, values.shape[1], -1)
                total = values if total is None else total.add_(values)
            assert total is not None  # noqa: S101  a part has a subband
            spread.append(total)
        return spread

    def gather(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """The transpose of `spread`."""
        codes = self.zeros()
        for part, gradient in zip(self._parts, gradients, strict=True):
            for position, trailing in part.subbands:
                target = self._subband(codes[part.level.number], position)
                values = gradient.reshape(self._colours, target.shape[1], *self._shape[1:])
                for axis, bands in enumerate(trailing, start=2):
                    last, start = torch.movedim(values, axis, -1), 0
                    total = last.new_zeros(*last.shape[:-1], target.shape[axis])
                    for span, each in bands:
                        total[..., span] += last[..., start : start + len(each)] @ each
                        start += len(each)
                    values = torch.movedim(total, -1, axis)
                target += values
        return codes

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
        """Codes whose sum over all fields is nearest to some values at the samples: conjugate gradients."""
        if len(self._shape) > 1:
            return self._analysed(values_KP, iterations)
        with single_threaded():  # of a line all products are tiny
            return self._analysed(values_KP, iterations)

    def _analysed(self, values_KP: Tensor, iterations: int) -> list[Tensor]:
        tiles = len(self._parts[0].tiles)
        codes = self.zeros()
        residual = self._transposed(values_KP, tiles)
        direction = [each.clone() for each in residual]
        norm = _dot(residual, residual)
        for _ in range(iterations):
            if not norm > 0.0:
                break
            image = self._transposed(self._summed(direction, tiles), tiles)
            length = norm / _dot(direction, image)
            for code, each, rest, changed in zip(codes, direction, residual, image, strict=True):
                code += length * each
                rest -= length * changed
            before, norm = norm, _dot(residual, residual)
            direction = [rest + (norm / before) * each for rest, each in zip(residual, direction, strict=True)]
        return codes

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

    def _summed(self, codes: Sequence[Tensor], tiles: int) -> Tensor:
        spread, plane = self.spread(codes), prod(self._shape[1:])
        fields = torch.empty(self.layout.field_channels, self._shape[0] * plane)
        start = 0
        for number in range(tiles):
            points = self._parts[0].tiles[number].rows * plane
            tile = torch.empty(self.layout.field_channels, points)
            self.fill(number, spread, tile)
            fields[:, start : start + points] = tile
            start += points
        return fields.view(-1, self._colours, fields.shape[1]).sum(0)

    def _transposed(self, values_KP: Tensor, tiles: int) -> list[Tensor]:
        spans = self.nodes_of(range(tiles))
        plane, start = prod(self._shape[1:]), 0
        full = [slice(0, span.stop) for span in spans]
        totals = self.spread_zeros(full)
        for number in range(tiles):
            points = self._parts[0].tiles[number].rows * plane
            tile = values_KP[:, start : start + points].repeat(self.layout.fields, 1)
            self.add_transposed(number, tile, totals, full)
            start += points
        return self.gather([self._padded(total, part) for total, part in zip(totals, self._parts, strict=True)])

    def _padded(self, total: Tensor, part: _Part) -> Tensor:
        """With the nodes that no sample reads."""
        return torch.nn.functional.pad(total, (0, 0, 0, part.level.nodes[0] - total.shape[1]))


def _dot(left: Sequence[Tensor], right: Sequence[Tensor]) -> float:
    return sum(float((a * b).sum()) for a, b in zip(left, right, strict=True))
