"""Sums of wavelets along one axis as products with small matrices, tile by tile, and the transpose of these.

A few rows of a picture read few nodes: one matrix does for a tile. A tile of a line has thousands of positions, and one
matrix for them would be nearly all zeros, gigabytes for a recording. There the positions are cut into blocks; away from
the borders all blocks read their nodes alike, so that one small matrix and a sliding view of the nodes serve all of
them.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tuner.network.wavelets.splines import Reading, Taps

# Positions whose sum is one small product: they read few of the nodes of a long axis.
_BLOCK = 64
# Tiles of no more rows than this are one product.
_FEW_ROWS = 256

Bands = list[tuple[slice, Tensor]]


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """Equal blocks of positions, one after the other.

    Attributes:
        rows: the rows of the tile that the blocks fill.
        first: the first node that the first block reads.
        stride: number of nodes from one block to the next; 0 if there is only one.
        blocks: number of blocks.
        matrix: sums of a block, (positions of a block, nodes that it reads).
    """

    rows: slice
    first: int
    stride: int
    blocks: int
    matrix: Tensor

    @property
    def stop(self) -> int:
        """One more than the last node that is read."""
        return self.first + (self.blocks - 1) * self.stride + self.matrix.shape[1]

    def values(self, nodes_KNP: Tensor) -> Tensor:
        """(K, rows, P)."""
        read = nodes_KNP[:, self.first : self.stop]
        if self.blocks == 1:
            return torch.matmul(self.matrix, read)
        if read.shape[2] == 1:  # of a line: one product for all blocks, where each would be one with a vector
            windows = read[:, :, 0].unfold(1, self.matrix.shape[1], self.stride)
            return torch.matmul(windows, self.matrix.T).reshape(len(read), -1, 1)
        windows = read.unfold(1, self.matrix.shape[1], self.stride).transpose(2, 3)  # (K, blocks, nodes, P)
        return torch.matmul(self.matrix, windows).reshape(len(read), -1, read.shape[2])

    def add_transposed(self, gradient_KRP: Tensor, total_KNP: Tensor, start: int) -> None:
        """Add to the nodes from `start` on."""
        if self.blocks == 1:
            total_KNP[:, self.first - start : self.stop - start] += torch.matmul(self.matrix.T, gradient_KRP)
            return
        (colours, _, points), width = gradient_KRP.shape, self.matrix.shape[1]
        blocks = gradient_KRP.reshape(colours, self.blocks, -1, points)
        if points == 1:
            windows = torch.matmul(blocks[..., 0], self.matrix)[..., None]
        else:
            windows = torch.matmul(self.matrix.T, blocks)
        # Windows overlap; pieces of one stride, each from all windows, lie side by side.
        for offset in range(0, width, self.stride):
            piece = windows[:, :, offset : offset + self.stride]
            here, count = self.first - start + offset, piece.shape[2]
            span = total_KNP[:, here : here + (self.blocks - 1) * self.stride + count]
            span.unfold(1, count, self.stride).add_(piece.transpose(2, 3))


@dataclass(frozen=True, slots=True, eq=False)
class TileSum:
    """The positions of one tile.

    Attributes:
        rows: number of positions in the tile.
        span: the nodes that the positions read.
        runs: runs of equal blocks that make up the tile.
    """

    rows: int
    span: slice
    runs: list[_Run]

    def add_to(self, out_KRP: Tensor, nodes_KNP: Tensor) -> None:
        """Add the sums at the positions, for P points of the other axes."""
        for run in self.runs:
            out_KRP[:, run.rows].add_(run.values(nodes_KNP))

    def transposed(self, gradient_KRP: Tensor, nodes: int) -> Tensor | None:
        """The transpose of `add_to` for a whole axis of so many nodes; None where it takes more than one product."""
        run = self.runs[0]
        if len(self.runs) > 1 or run.blocks > 1 or (run.first, run.stop) != (0, nodes):
            return None
        return torch.matmul(run.matrix.T, gradient_KRP)

    def add_transposed(self, gradient_KRP: Tensor, total_KNP: Tensor, start: int) -> None:
        """Add the transpose of `add_to` to the nodes from `start` on."""
        for run in self.runs:
            run.add_transposed(gradient_KRP[:, run.rows], total_KNP, start)


def bands_of(axis: Reading) -> Bands:
    """For every few positions, the nodes that they read and the matrix from these."""
    bands = []
    for start in range(0, axis.positions, _BLOCK):
        span, matrix = axis.band(start, min(start + _BLOCK, axis.positions))
        bands.append((span, torch.tensor(matrix)))
    return bands


def summed_along_last(values: Tensor, bands: Bands) -> Tensor:
    """Sums of the nodes, which the last axis has, at every position."""
    if len(bands) == 1:
        span, each = bands[0]
        return (values if span == slice(0, values.shape[-1]) else values[..., span]) @ each.T
    return torch.cat([values[..., span] @ each.T for span, each in bands], -1)


def gathered_along_last(values: Tensor, bands: Bands, nodes: int) -> Tensor:
    """The transpose of `summed_along_last`, for so many nodes."""
    if len(bands) == 1 and bands[0][0] == slice(0, nodes):
        return values @ bands[0][1]
    total, start = values.new_zeros(*values.shape[:-1], nodes), 0
    for span, each in bands:
        total[..., span] += values[..., start : start + len(each)] @ each
        start += len(each)
    return total


def tile_sums(axis: Reading, rows: int, spacing: int) -> list[TileSum]:
    """The sums of every `rows` positions.

    Args:
        axis: what every position reads of the nodes.
        rows: number of positions in every tile but the last.
        spacing: number of positions per node, a power of two.
    """
    block = rows if rows <= _FEW_ROWS else max(_BLOCK, spacing)
    stride, tiles = block // spacing, []
    for start in range(0, axis.positions, rows):
        stop = min(start + rows, axis.positions)
        repeats = _repeats(axis.rows(start, stop), block, stride)
        runs: list[_Run] = []
        for first in range(start, stop, block):
            last = min(first + block, stop)
            if first > start and repeats[first - start]:
                run = runs[-1]
                grown = slice(run.rows.start, last - start)
                runs[-1] = _Run(grown, run.first, stride, run.blocks + 1, run.matrix)
            else:
                span, matrix = axis.band(first, last)
                runs.append(_Run(slice(first - start, last - start), span.start, 0, 1, torch.tensor(matrix)))
        tiles.append(TileSum(stop - start, slice(min(r.first for r in runs), max(r.stop for r in runs)), runs))
    return tiles


def _repeats(axis: Taps, block: int, stride: int) -> np.ndarray:
    """Of the first position of every block, whether all of it reads like the block before, `stride` nodes on."""
    found = np.zeros(axis.positions, dtype=bool)
    alike = (axis.nodes[block:] - stride == axis.nodes[:-block]).all(1)
    alike &= (axis.weights[block:] == axis.weights[:-block]).all(1)
    whole = len(alike) // block * block
    found[block : block + whole : block] = alike[:whole].reshape(-1, block).all(1)
    return found
