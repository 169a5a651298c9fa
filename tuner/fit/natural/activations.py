"""Activations of the hidden layers at the samples, tile by tile, kept between sweeps if memory allows.

Arrays are (members, neurons, points) inside a tile; a hidden matrix carries its bias as last column. Working memory is
each thread's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tuner.fit.natural.input_sines import InputSines, Lines, Tile
from tuner.fit.natural.kernels import Workspace, sine_cosine
from tuner.fit.natural.sums import Hidden


@dataclass(frozen=True, slots=True)
class Activations:
    """Sine and cosine of the pre-activations of each hidden layer at the points of a tile, (B, H, points)."""

    sine: list[Tensor]
    cosine: list[Tensor]

    def part(self, points: slice) -> "Activations":
        """Some of the points."""
        return Activations([h[:, :, points] for h in self.sine], [q[:, :, points] for q in self.cosine])


class ForwardPass:
    """The hidden layers of B networks at the samples that they share.

    Attributes:
        holds: point whose activations are kept; None if there is none.

    Args:
        sines: evaluator of the first layer at the samples.
        widths: number of neurons in each hidden layer.
        like: tensor of the type of the activations, on the device where they are computed.
        keep: whether activations are kept between sweeps (8 bytes a neuron and sample).
    """

    holds: Hidden | None

    def __init__(self, sines: InputSines, widths: Sequence[int], like: Tensor, *, keep: bool) -> None:
        self._sines = sines
        self._widths = tuple(widths)
        self._like = like
        self._keep = keep
        self._space = Workspace()
        self._kept: dict[int, Activations] = {}
        self.holds = None

    def forget(self) -> None:
        """Release what is kept."""
        self._kept = {}
        self.holds = None

    def series(self, hidden: Hidden, move: Hidden, *, turning: bool = False) -> Tensor:
        """Plan of the first layer with the weights of `move`, which may also turn the phases.

        Whether they turn is for the caller to know: to look at the numbers would be to wait for a GPU.
        """
        turn = None
        if turning:
            turn = (hidden.layers[0][:, :, :-1] * move.phases).flatten(0, 1)
        return self._sines.plan(move.layers[0][:, :, :-1].flatten(0, 1).contiguous(), hidden.phases, turn)

    def lines(self, hidden: Hidden, plan: Tensor, near: Sequence[int]) -> list[Lines]:
        """A plan, member by member, made ready for a run of tiles, by their numbers."""
        tiles = self._sines.tiles[near[0] : near[-1] + 1]
        return [self._sines.lines(own, tiles) for own in plan.chunk(hidden.members)]

    def at(self, hidden: Hidden, lines: Sequence[Lines] | None, index: int) -> Activations:
        """Of a tile, by its number; without a plan those that are kept."""
        return self._kept[index] if lines is None else self.run(hidden, lines, index)

    def run(self, hidden: Hidden, lines: Sequence[Lines], index: int) -> Activations:
        """Of a tile, computed anew."""
        tile = self._sines.tiles[index]
        run = self._kept.get(index)
        if run is None:
            shape = [(hidden.members, width, tile.stop - tile.start) for width in self._widths]
            run = Activations([self._like.new_empty(s) for s in shape], [self._like.new_empty(s) for s in shape])
            if self._keep:
                self._kept[index] = run
        z = self._first("z", lines, tile).add_(hidden.layers[0][:, :, -1:])
        for layer in range(len(self._widths)):
            if layer:
                z = self.product("z", hidden.layers[layer][:, :, :-1], run.sine[layer - 1])
                z.add_(hidden.layers[layer][:, :, -1:])
            sine_cosine(z, run.sine[layer], run.cosine[layer])
        return run

    def tangent(self, hidden: Hidden, run: Activations, move: Hidden, first: Sequence[Lines], tile: Tile) -> Tensor:
        """Change of the last hidden layer along a direction, (B, H, points); `first` is the direction's series."""
        change = self._first("change", first, tile).add_(move.layers[0][:, :, -1:])
        change.mul_(run.cosine[0])
        for layer in range(1, len(self._widths)):
            change = self.product(f"change {layer}", hidden.layers[layer][:, :, :-1], change)
            change.baddbmm_(move.layers[layer][:, :, :-1], run.sine[layer - 1]).add_(move.layers[layer][:, :, -1:])
            change.mul_(run.cosine[layer])
        return change

    def product(self, name: str, matrix: Tensor, values: Tensor) -> Tensor:
        """A batched product, in working memory of that name."""
        out = self._space.take(name, values, *matrix.shape[:2], values.shape[2])
        return torch.bmm(matrix, values, out=out)

    def copied(self, name: str, values: Tensor) -> Tensor:
        """A copy, in working memory of that name."""
        return self._space.take(name, values, *values.shape).copy_(values)

    def _first(self, name: str, lines: Sequence[Lines], tile: Tile) -> Tensor:
        """The first layer's series at a tile's points, (B, H, points), in working memory.

        Member by member: in a product of all rows at once, what is added to what may depend on how many rows there are.
        """
        out = self._space.take(name, self._like, len(lines), self._widths[0], tile.stop - tile.start)
        for own, into in zip(lines, out, strict=True):
            self._sines.apply(own, tile, into)
        return out
