"""Wavelets on the samples of a small picture, and back, as products with whole matrices.

What a level adds to a field is a product from both sides: one matrix holds the low-pass and the high-pass functions of
an axis, all orientations of the level are blocks of one square. Of a picture of 64 x 64 two such products take as long
as one call of the many that `tuner.fit.wavelets.subbands` makes tile by tile and subband by subband, of which no more
would be right for a large picture: matrices of whole axes are nearly all zeros there.

The coefficients of samples are products, too: the wavelets of a level and those low-pass of all that are coarser span
exactly what the low-pass functions of the next finer level do, so that the analysis is a small inverse for every level.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from tuner.fit.wavelets.differences import first_differences, second_differences
from tuner.network.wavelets.differences import GAIN, difference_kinds
from tuner.network.wavelets.filters import wavelet_taps
from tuner.network.wavelets.layout import Layout, is_high
from tuner.shapes import DoubleArray

# The longest side of a picture that is worth it; of signals with a longer one coefficients are not found so, either.
_LONGEST_SIDE = 128


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """What one level adds to its field; the low-pass level is part of the next one where they share a field.

    Attributes:
        field: number of the field.
        first: functions along the first axis, (N0, functions).
        last: functions along the last axis, (N1, functions).
    """

    field: int
    first: Tensor
    last: Tensor


class DenseFields:
    """Fields of a small picture from its latents, their differences, and the transposes of both.

    Args:
        layout: arrangement of the subbands of a picture.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout, self._shape = layout, layout.grid_shape
        low, *others = layout.levels
        self._blocks = list[_Block]()
        wanted = list[Tensor]()
        numbers, start = list[Tensor](), 0
        for level in layout.levels:
            numbers.append(
                torch.arange(start, start + level.latents).view(level.colours, level.orientations, *level.nodes)
            )
            start += level.latents
        nothing = start
        if low.field != others[0].field:
            self._blocks.append(_Block(low.field, *(_functions(layout, low.spacing, axis)[0] for axis in range(2))))
            wanted.append(numbers[0][:, 0])
        for level in others:
            self._blocks.append(
                _Block(level.field, *(torch.cat(_functions(layout, level.spacing, axis), 1) for axis in range(2)))
            )
            square = torch.full((level.colours, *(2 * nodes for nodes in level.nodes)), nothing)
            for place, orientation in _blocks_of(level.nodes):
                if orientation:
                    square[place] = numbers[level.number][:, orientation - 1]
                elif level.number == 1 and low.field == level.field:
                    square[place] = numbers[0][:, 0]
            wanted.append(square)
        self._wanted = torch.cat([each.reshape(-1) for each in wanted])
        self._counts = [each.numel() for each in wanted]
        found = torch.empty(nothing + 1, dtype=torch.long)
        found[self._wanted] = torch.arange(len(self._wanted))
        self._found = found[:nothing].clone()
        self._sizes = [level.latents for level in layout.levels]
        self._nothing = torch.zeros(1)
        self._differences = [[_differences(length, order) for order in (1, 2)] for length in self._shape]
        self._kinds = difference_kinds(2)

    def fill(self, latents: Sequence[Tensor], out_UP: Tensor) -> None:
        """All fields at all samples."""
        line = torch.cat([*(each.reshape(-1) for each in latents), self._nothing])
        squares = line.index_select(0, self._wanted).split_with_sizes(self._counts)
        fields = out_UP.view(self._layout.fields, self._layout.colours, *self._shape)
        before = -1
        for block, square in zip(self._blocks, squares, strict=True):
            wide = square.view(-1, block.last.shape[1]) @ block.last.T
            wide = wide.view(self._layout.colours, -1, self._shape[1])
            field, first = fields[block.field], block.first.expand(self._layout.colours, -1, -1)
            if block.field == before:
                field.baddbmm_(first, wide)
            else:
                torch.bmm(first, wide, out=field)
            before = block.field

    def transposed(self, gradients: Tensor) -> list[Tensor]:
        """The transpose of `fill` for several gradients by the fields, (B, U, P).

        Returns:
            Those by the latents of every level, (B, subbands, *nodes).
        """
        count, layout = len(gradients), self._layout
        fields = gradients.view(count, layout.fields, layout.colours, *self._shape)
        squares = list[Tensor]()
        for block in self._blocks:
            narrow = fields[:, block.field].reshape(-1, self._shape[1]) @ block.last
            narrow = narrow.view(count * layout.colours, self._shape[0], -1)
            squares.append(torch.bmm(block.first.T.expand(len(narrow), -1, -1), narrow).view(count, -1))
        line = torch.cat(squares, 1).index_select(1, self._found)
        parts = line.split_with_sizes(self._sizes, 1)
        return [part.view(count, *level.shape) for part, level in zip(parts, layout.levels, strict=True)]

    def fill_differences(self, field_P: Tensor, out_VP: Tensor) -> None:
        """All differences of a field at its samples, as `tuner.fit.wavelets.differences` has them."""
        field, (down, along) = field_P.view(self._shape), self._differences
        for (axes, order), out in zip(self._kinds, out_VP.view(-1, *self._shape), strict=True):
            match axes:
                case (0,):
                    torch.mm(down[order - 1], field, out=out)
                case (1,):
                    torch.mm(field, along[order - 1].T, out=out)
                case _:
                    torch.mm(down[0], field @ along[0].T, out=out).div_(GAIN)

    def transposed_differences(self, gradients: Tensor) -> Tensor:
        """The transpose of `fill_differences` for several gradients, (B, V, P): those by the field, (B, P)."""
        down, along = self._differences
        total = torch.zeros(len(gradients), *self._shape)
        for (axes, order), each in zip(self._kinds, gradients.transpose(0, 1), strict=True):
            values = each.reshape(len(gradients), *self._shape)
            if axes != (0,):
                turned = along[order - 1].expand(len(values), -1, -1)
                if axes == (1,):
                    total.baddbmm_(values, turned)
                    continue
                values = torch.bmm(values, turned).div_(GAIN)
            total.baddbmm_(down[order - 1].T.expand(len(values), -1, -1), values)
        return total.view(len(gradients), -1)


class DenseAnalysis:
    """The coefficients of a small signal, of which its samples are exactly the sums.

    Args:
        layout: arrangement of the subbands, of any number of axes.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        before = [np.eye(length) for length in layout.grid_shape]
        self._inverses = list[list[Tensor]]()
        for level in reversed(layout.levels[1:]):
            inverses = list[Tensor]()
            for axis in range(layout.dimensions):
                low, high = (each.double().numpy() for each in _functions(layout, level.spacing, axis))
                in_finer: DoubleArray = np.linalg.lstsq(before[axis], np.concatenate([low, high], 1), rcond=None)[0]
                inverses.append(torch.from_numpy(np.linalg.pinv(in_finer)).float())
                before[axis] = low
            self._inverses.append(inverses)

    def of(self, values_KP: Tensor) -> list[Tensor]:
        """Coefficients of some values at the samples, one tensor per level, (subbands, *nodes)."""
        layout = self._layout
        codes = [torch.empty(level.shape) for level in layout.levels]
        rest = values_KP.reshape(layout.colours, *layout.grid_shape)
        for level, inverses in zip(reversed(layout.levels[1:]), self._inverses, strict=True):
            for inverse in inverses:
                rest = torch.tensordot(rest, inverse, dims=([1], [1]))  # the axis goes to the end, so all go round
            out = codes[level.number].view(level.colours, level.orientations, *level.nodes)
            for place, orientation in _blocks_of(level.nodes):
                if orientation:
                    out[:, orientation - 1] = rest[place]
                else:
                    low = rest[place]
            rest = low
        codes[0].copy_(rest)
        return codes


@lru_cache(maxsize=8)  # as many small pictures have the same shape
def dense_fields(layout: Layout) -> DenseFields | None:
    """Products for a picture; None if it is too large, or none."""
    return DenseFields(layout) if layout.dimensions == 2 and max(layout.grid_shape) <= _LONGEST_SIDE else None


@lru_cache(maxsize=8)
def dense_analysis(layout: Layout) -> DenseAnalysis | None:
    """The analysis of a signal; None if it is too large."""
    return DenseAnalysis(layout) if max(layout.grid_shape) <= _LONGEST_SIDE else None


def _functions(layout: Layout, spacing: int, axis: int) -> tuple[Tensor, Tensor]:
    """Low-pass and high-pass functions of a scale along an axis, (N, nodes) both."""
    length = layout.grid_shape[axis]
    return _whole(length, spacing, high=False), _whole(length, spacing, high=True)


def _whole(length: int, spacing: int, *, high: bool) -> Tensor:
    span, matrix = wavelet_taps(length, spacing, high=high).band(0, length)
    whole = torch.zeros(length, -(-length // spacing))
    whole[:, span] = torch.tensor(matrix)
    return whole


def _blocks_of(nodes: tuple[int, ...]) -> list[tuple[tuple[slice, ...], int]]:
    """Where in the square of a level each orientation is, colours first."""
    dimensions = len(nodes)
    return [
        (
            (
                slice(None),
                *(
                    slice(count, 2 * count)
                    if orientation and is_high(orientation, axis, dimensions)
                    else slice(0, count)
                    for axis, count in enumerate(nodes)
                ),
            ),
            orientation,
        )
        for orientation in range(1 << dimensions)
    ]


def _differences(length: int, order: int) -> Tensor:
    """Differences along an axis as a matrix, with their gain."""
    unit = torch.eye(length)
    return (first_differences(unit, 0) if order == 1 else second_differences(unit, 0)) * GAIN
