"""Blocks of a signal: random ones to learn from, and all of them in turn.

A block is a product of points on the outer axes and positions on the last one, the shape that `tuner.network.rows`
evaluates cheaply. A random block takes one position at random from each of n equal cells of every axis, so it covers
the whole signal evenly and its loss varies little from draw to draw. Used by the trainers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor

from tuner.signal.grid import Grid
from tuner.signal.signal import Signal


@dataclass(frozen=True, slots=True)
class Block:
    """Samples of a signal on a product of points.

    Attributes:
        outer_OE: coordinates on all axes but the last, (O, D - 1).
        last_X: positions on the last axis, (X,).
        values_CP: samples, (C, O X), the last axis running fastest.
    """

    outer_OE: Float[Tensor, "outer outer_dims"]
    last_X: Float[Tensor, " last"]
    values_CP: Float[Tensor, "channels points"]


class SignalBlocks:
    """The samples of one signal on a device, cut into blocks; so many times smaller ones for want of memory."""

    def __init__(self, signal: Signal, grid: Grid, device: torch.device, parts: int = 1) -> None:
        self._parts = parts
        self._axes = [torch.tensor(grid.axis(d), device=device) for d in range(len(grid.shape))]
        self._values_COX = (
            torch.tensor(signal.values, device=device).movedim(-1, 0).reshape(signal.channels, -1, grid.shape[-1])
        )

    @property
    def samples(self) -> int:
        """Number of points P."""
        return prod(self._values_COX.shape[1:])

    @property
    def channels(self) -> int:
        """Values per point C."""
        return len(self._values_COX)

    def draw(self, samples: int, generator: torch.Generator) -> Block:
        """A random block of about `samples` points, evenly spread; the whole signal if it has no more."""
        samples = max(1, samples // self._parts)
        if samples >= self.samples:
            return self._block([torch.arange(len(axis)) for axis in self._axes])
        share = (samples / self.samples) ** (1.0 / len(self._axes))
        return self._block(
            [_one_of_each_cell(len(axis), max(1, round(len(axis) * share)), generator) for axis in self._axes]
        )

    def sweep(self, points: int) -> Iterator[Block]:
        """All samples once, in blocks of at most `points`."""
        _, outer, last = self._values_COX.shape
        points = max(1, points // self._parts)
        width = min(last, points)
        height = max(1, points // width)
        coords_OE = self._outer([torch.arange(len(axis)) for axis in self._axes[:-1]])
        for top in range(0, outer, height):
            for left in range(0, last, width):
                rows, columns = slice(top, top + height), slice(left, left + width)
                yield Block(coords_OE[rows], self._axes[-1][columns], self._values_COX[:, rows, columns].flatten(1))

    def _block(self, picks: list[Tensor]) -> Block:
        flat = torch.zeros(1, dtype=torch.long)
        for axis, pick in zip(self._axes[:-1], picks[:-1], strict=True):
            flat = (flat[:, None] * len(axis) + pick).flatten()
        values_CP = self._values_COX[:, flat.to(self._values_COX.device)][:, :, picks[-1]].flatten(1)
        return Block(self._outer(picks[:-1]), self._axes[-1][picks[-1]], values_CP)

    def _outer(self, picks: list[Tensor]) -> Tensor:
        """Coordinates of the product of picks on the outer axes; one point without coordinates if there are none."""
        positions = [axis[pick] for axis, pick in zip(self._axes[:-1], picks, strict=True)]
        if not positions:
            return self._axes[-1].new_zeros(1, 0)
        return torch.stack(torch.meshgrid(positions, indexing="ij"), dim=-1).reshape(-1, len(positions))


def _one_of_each_cell(length: int, cells: int, generator: torch.Generator) -> Tensor:
    """One index at random from each of `cells` nearly equal parts of range(length)."""
    edges = torch.arange(cells + 1) * length // cells
    offsets = torch.rand(cells, generator=generator) * (edges[1:] - edges[:-1])
    return edges[:-1] + offsets.long()
