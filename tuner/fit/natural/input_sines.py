"""The first layer, W sin(Omega x + phi), and its transpose at fixed points: what every evaluator of it offers.

Evaluators speak of tiles: a tile is a box of the grid, or a run of points, small enough for its activations to stay in
a core's cache. `DenseSines` takes any points; `tuner.fit.natural.separable` is far cheaper on grids, and
`tuner.fit.natural.fourier` on long lines.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import pi, prod
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Tile:
    """A box of the grid whose points are the run [start, stop) in the evaluator's own order."""

    start: int
    stop: int
    box: tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """A plan made ready for consecutive tiles, or a sum over them that is still to be folded.

    Attributes:
        table: what an evaluator keeps of it; on a grid coefficients of the functions of the last axis, (H, lines, F_D).
        first: number of the first line of samples in the table, in the order of the tiles.
        tiles: tiles that it is ready for, in their order.
    """

    table: Tensor
    first: int
    tiles: Sequence[Tile]


@runtime_checkable
class InputSines(Protocol):
    """The sines s_j(x) = sin(omega k_j . x + phi_j) at fixed points, as an operator.

    Its points have an order of their own: `arrange` brings values into it.
    """

    tiles: Sequence[Tile]
    points: int

    def arrange(self, values: Tensor) -> Tensor:
        """Bring values (P, C) or (*grid, C) into this evaluator's order, (C, P)."""
        ...

    def plan(self, weight_HM: Tensor, phases_M: Tensor, turn_HM: Tensor | None = None) -> Tensor:
        """Prepare weight sin(theta + phi) + turn cos(theta + phi), whatever the tiles."""
        ...

    def runs(self, rows: int, numbers: Sequence[int]) -> Iterator[Sequence[int]]:
        """Split consecutive tiles, by their numbers, into runs whose lines, of so many rows, take little memory."""
        ...

    def lines(self, plan: Tensor, tiles: Sequence[Tile]) -> Lines:
        """Make a plan ready for consecutive tiles."""
        ...

    def apply(self, lines: Lines, tile: Tile, out: Tensor | None = None) -> Tensor:
        """Evaluate the combination at the points of one of the tiles, (H, points), into `out` if there is one."""
        ...

    def accumulator(self, rows: int, tiles: Sequence[Tile]) -> Lines:
        """Zeros for `add_transpose` to add to, for consecutive tiles."""
        ...

    def add_transpose(self, total: Lines, gradient_HP: Tensor, tile: Tile) -> None:
        """Add what the points of one of the tiles contribute to the sums over points of g s^T."""
        ...

    def folded(self, total: Lines) -> Tensor:
        """What was added for all tiles, as sums that can be added to those of other tiles."""
        ...

    def transposed(self, total: Tensor, phases_M: Tensor) -> tuple[Tensor, Tensor]:
        """Turn folded sums into the sums of g sin(theta + phi)^T and of g cos(theta + phi)^T, each (H, M)."""
        ...

    def covariance(self, phases_M: Tensor) -> Tensor:
        """E[s~ s~^T] with s~ = [s; 1] over all points, float64 (M + 1, M + 1)."""
        ...


class PlansAsTheyAre:
    """An evaluator that has nothing to prepare for some tiles: what `InputSines` offers for it, said once."""

    def runs(self, rows: int, numbers: Sequence[int]) -> Iterator[Sequence[int]]:  # noqa: ARG002  however many rows
        """One run: nothing is kept of a tile."""
        yield numbers

    def lines(self, plan: Tensor, tiles: Sequence[Tile]) -> Lines:
        """The plan as it is."""
        return Lines(plan, 0, tiles)

    def folded(self, total: Lines) -> Tensor:
        """The sums as they are."""
        return total.table


class DenseSines(PlansAsTheyAre):
    """First layer at any points: W times the sines themselves.

    Args:
        frequencies_MD: integer frequencies in cycles per period, (M, D).
        period: length p of the period, in units of the coordinates.
        coords_PD: coordinates of the points, (P, D).
        tile_points: largest number of points in a tile.
        phases_M: phases of the inputs in radians, (M,), if they never change, which halves the work; None if every call
            brings its own.
        keep: whether the sines of all points are kept instead of being computed in every sweep.
    """

    def __init__(
        self,
        frequencies_MD: Tensor,
        period: float,
        coords_PD: Tensor,
        tile_points: int,
        *,
        phases_M: Tensor | None = None,
        keep: bool = False,
    ) -> None:
        self.points = len(coords_PD)
        self.tiles: Sequence[Tile] = boxes((self.points,), tile_points)
        self._coords_DP = coords_PD.T.contiguous()
        self._angular_MD = (frequencies_MD.to(torch.float64) * (2.0 * pi / period)).to(coords_PD)
        self._phases_M = phases_M
        self._keep = keep
        self._tables: dict[int, Tensor] = {}

    def arrange(self, values: Tensor) -> Tensor:
        """Bring values (..., C) into (C, P); the points keep their order."""
        return values.reshape(-1, values.shape[-1]).T.contiguous()

    def plan(self, weight_HM: Tensor, phases_M: Tensor, turn_HM: Tensor | None = None) -> Tensor:
        """The weights of the table's rows, (H, M) or (H, 2 M)."""
        if self._phases_M is not None and turn_HM is None:
            return weight_HM
        if self._phases_M is not None:
            raise ValueError("these sines were made with fixed phases, which cannot turn")
        sine, cosine = phases_M.sin(), phases_M.cos()
        on_sine, on_cosine = weight_HM * cosine, weight_HM * sine
        if turn_HM is not None:
            on_sine, on_cosine = on_sine - turn_HM * sine, on_cosine + turn_HM * cosine
        return torch.cat([on_sine, on_cosine], 1)

    def apply(self, lines: Lines, tile: Tile, out: Tensor | None = None) -> Tensor:
        """Multiply the table of a tile by the weights, (H, points)."""
        return torch.mm(lines.table, self._table(tile), out=out)

    def accumulator(self, rows: int, tiles: Sequence[Tile]) -> Lines:
        """Zeros, as wide as the table is high."""
        height = len(self._angular_MD) * (2 if self._phases_M is None else 1)
        return Lines(self._angular_MD.new_zeros(rows, height), 0, tiles)

    def add_transpose(self, total: Lines, gradient_HP: Tensor, tile: Tile) -> None:
        """Add the products of a tile's gradient with its table."""
        total.table.addmm_(gradient_HP, self._table(tile).T)

    def transposed(self, total: Tensor, phases_M: Tensor) -> tuple[Tensor, Tensor]:
        """Turn the sums back by the phases; fixed phases need no cosines, and get zeros."""
        if self._phases_M is not None:
            return total, torch.zeros_like(total)
        on_sine, on_cosine = total.chunk(2, 1)
        sine, cosine = phases_M.sin(), phases_M.cos()
        return on_sine * cosine + on_cosine * sine, on_cosine * cosine - on_sine * sine

    def covariance(self, phases_M: Tensor) -> Tensor:
        """Sum of products over all tiles."""
        size = len(phases_M) + 1
        total = torch.zeros(size, size, dtype=torch.float64, device=phases_M.device)
        for tile in self.tiles:
            angle = self._angle(tile) + phases_M[:, None]
            sines = torch.cat([angle.sin_(), angle.new_ones(1, angle.shape[1])])
            total += sines @ sines.T
        return total / self.points

    def _table(self, tile: Tile) -> Tensor:
        """Sines with the fixed phases, (M, points), or sines and cosines without phases, (2 M, points)."""
        table = self._tables.get(tile.start)
        if table is None:
            angle = self._angle(tile)
            if self._phases_M is not None:
                table = angle.add_(self._phases_M[:, None]).sin_()
            else:
                table = torch.cat([angle.sin(), angle.cos()])
            if self._keep:
                self._tables[tile.start] = table
        return table

    def _angle(self, tile: Tile) -> Tensor:
        return self._angular_MD @ self._coords_DP[:, tile.start : tile.stop]


def boxes(shape: tuple[int, ...], limit: int) -> list[Tile]:
    """Cut a grid into boxes of at most `limit` points, whole trailing axes first."""
    sides: list[int] = []
    left = max(limit, 1)
    for samples in reversed(shape):
        side = max(1, min(samples, left))
        # Equal parts: 5 rows in tiles of at most 4 are 3 + 2, not 4 + 1.
        side = -(-samples // -(-samples // side))
        sides.insert(0, side)
        left //= side
    tiles: list[Tile] = []
    start = 0
    for corner in product(*(range(0, n, side) for n, side in zip(shape, sides, strict=True))):
        box = tuple(slice(low, min(low + side, n)) for low, side, n in zip(corner, sides, shape, strict=True))
        stop = start + prod(span.stop - span.start for span in box)
        tiles.append(Tile(start, stop, box))
        start = stop
    return tiles
