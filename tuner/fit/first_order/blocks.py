"""Parts of a signal for first-order training: random ones to learn from, and all of them in turn to measure by.

On a grid a part, here a block, is a product of points on the outer axes and positions on the last one, the shape that
`tuner.fit.first_order.rows` evaluates cheaply; samples that are held out are evaluated with the others, then left out.
A random block takes one position at random from each of n equal cells of every axis, so it covers the whole signal
evenly and its loss varies little from draw to draw. Scattered samples come as points.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tuner.shapes import BoolArray
from tuner.signal.grid import Grid
from tuner.signal.scattered import ScatteredSignal
from tuner.signal.signal import Signal


@dataclass(frozen=True, slots=True)
class Block:
    """Samples of a signal on a product of points.

    Attributes:
        outer_OE: coordinates of the points on all axes but the last, (O, D - 1).
        last_X: positions on the last axis, (X,).
        values_CP: samples of the block, (C, P): all O X, the last axis running fastest, or those that are not held out.
        seen_P: indices of these samples among the O X of the block; None for all.
    """

    outer_OE: Float[Tensor, "outer outer_dims"]
    last_X: Float[Tensor, " last"]
    values_CP: Float[Tensor, "channels points"]
    seen_P: Int[Tensor, " points"] | None = None


@dataclass(frozen=True, slots=True)
class Points:
    """Samples at any points.

    Attributes:
        coords_PD: coordinates of the points, (P, D).
        values_CP: samples at the points, (C, P).
    """

    coords_PD: Float[Tensor, "points dims"]
    values_CP: Float[Tensor, "channels points"]


@runtime_checkable
class Blocks(Protocol):
    """The samples of one signal, cut into blocks."""

    @property
    def samples(self) -> int:
        """Number of points P that are learned from."""

    @property
    def channels(self) -> int:
        """Values per point C."""

    def draw(self, samples: int, generator: torch.Generator) -> Block | Points:
        """A random block of about `samples` points, evenly spread; the whole signal if it has no more."""

    def sweep(self, points: int) -> Iterator[Block | Points]:
        """All samples once, in blocks of at most `points`."""


class SignalBlocks:
    """The samples of a grid on a device.

    Args:
        signal: samples to learn from.
        grid: grid on which the signal lies.
        device: device that the samples are put on.
        parts: number of times that blocks are made smaller, for want of memory.
        held_out: mask of the samples that are in no block, (*grid_shape); at least one is not set.
    """

    def __init__(
        self,
        signal: Signal,
        grid: Grid,
        device: torch.device,
        parts: int = 1,
        held_out: BoolArray | None = None,
    ) -> None:
        self._parts = parts
        self._axes = [torch.tensor(grid.axis(d), device=device) for d in range(len(grid.shape))]
        self._values_COX = (
            torch.tensor(signal.values, device=device).movedim(-1, 0).reshape(signal.channels, -1, grid.shape[-1])
        )
        # On the CPU, which draws the blocks too: their sizes depend on it.
        self._seen_OX = None
        self._samples = prod(self._values_COX.shape[1:])
        if held_out is not None:
            self._seen_OX = torch.tensor(~held_out).reshape(-1, grid.shape[-1])
            self._samples = int(self._seen_OX.sum())

    @property
    def samples(self) -> int:
        """Number of points P that are learned from."""
        return self._samples

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
        while True:
            block = self._block(
                [_one_of_each_cell(len(axis), max(1, round(len(axis) * share)), generator) for axis in self._axes]
            )
            if block.values_CP.shape[1]:  # else all of a small block is held out
                return block

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
                seen_OX = None if self._seen_OX is None else self._seen_OX[rows, columns]
                yield _made(coords_OE[rows], self._axes[-1][columns], self._values_COX[:, rows, columns], seen_OX)

    def _block(self, picks: list[Tensor]) -> Block:
        flat = torch.zeros(1, dtype=torch.long)
        for axis, pick in zip(self._axes[:-1], picks[:-1], strict=True):
            flat = (flat[:, None] * len(axis) + pick).flatten()
        seen_OX = None if self._seen_OX is None else self._seen_OX[flat][:, picks[-1]]
        device = self._values_COX.device
        rows, last = flat.to(device), picks[-1].to(device)
        values_COX = self._values_COX[:, rows][:, :, last]
        return _made(self._outer(picks[:-1]), self._axes[-1][last], values_COX, seen_OX)

    def _outer(self, picks: list[Tensor]) -> Tensor:
        """Coordinates of the product of picks on the outer axes; one point without coordinates if there are none."""
        positions = [axis[pick.to(axis.device)] for axis, pick in zip(self._axes[:-1], picks, strict=True)]
        if not positions:
            return self._axes[-1].new_zeros(1, 0)
        return torch.stack(torch.meshgrid(positions, indexing="ij"), dim=-1).reshape(-1, len(positions))


class PointBlocks:
    """Scattered samples on a device; `parts` as for `SignalBlocks`."""

    def __init__(self, signal: ScatteredSignal, device: torch.device, parts: int = 1) -> None:
        self._parts = parts
        self._coords_PD = torch.tensor(signal.coords, device=device)
        self._values_CP = torch.tensor(signal.values, device=device).T.contiguous()

    @property
    def samples(self) -> int:
        """Number of points P."""
        return len(self._coords_PD)

    @property
    def channels(self) -> int:
        """Values per point C."""
        return len(self._values_CP)

    def draw(self, samples: int, generator: torch.Generator) -> Points:
        """Random samples, evenly spread over the order in which they came; all of them if there are no more."""
        samples = max(1, samples // self._parts)
        if samples >= self.samples:
            return Points(self._coords_PD, self._values_CP)
        pick = _one_of_each_cell(self.samples, samples, generator).to(self._coords_PD.device)
        return Points(self._coords_PD[pick], self._values_CP[:, pick])

    def sweep(self, points: int) -> Iterator[Points]:
        """All samples once, in blocks of at most `points`."""
        points = max(1, points // self._parts)
        for first in range(0, self.samples, points):
            some = slice(first, first + points)
            yield Points(self._coords_PD[some], self._values_CP[:, some])


def _made(outer_OE: Tensor, last_X: Tensor, values_COX: Tensor, seen_OX: Tensor | None) -> Block:
    if seen_OX is None:
        return Block(outer_OE, last_X, values_COX.flatten(1))
    seen_P = seen_OX.flatten().nonzero()[:, 0].to(values_COX.device)
    return Block(outer_OE, last_X, values_COX.flatten(1)[:, seen_P], seen_P)


def _one_of_each_cell(length: int, cells: int, generator: torch.Generator) -> Tensor:
    """One index at random from each of `cells` nearly equal parts of range(length)."""
    edges = torch.arange(cells + 1) * length // cells
    offsets = torch.rand(cells, generator=generator) * (edges[1:] - edges[:-1])
    return edges[:-1] + offsets.long()
