"""Sweeps over all samples: the products that the natural-gradient descent needs, in cache-sized tiles.

A fit spends its time here. Sweeps of an iteration:

1. `evaluate`: activations of every layer, and the Gram matrix that gives the optimal output layer; then `loss`, a short
   one, gives the residual once the output layer is known;
2. `curvature`: factors of the Gauss-Newton matrix, on a share of the samples;
3. `gradient`: of every hidden matrix, for the residual or for what a combination of directions makes of it;
4. `directional`: how the outputs move along directions, summed into a small quadratic model.

The last two take turns a few times at one point, then the first is due at the next.

Tiles are dealt to a fixed number of stripes whose sums are added in order, and every stripe runs on one thread with
single-threaded kernels: cores then need no synchronisation inside a layer, activations stay in each core's cache, and
the result has the same bytes whatever the number of threads. Arrays are (members, neurons, points) inside a tile; a
hidden matrix carries its bias as last column (`tuner.fit.natural.activations`).
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from tuner.fit.natural.activations import Activations, ForwardPass
from tuner.fit.natural.input_sines import InputSines, Lines, Tile
from tuner.fit.natural.kernels import add_gram, add_gram_with_ones, mirrored, total
from tuner.fit.natural.sums import Correction, Curvature, Hidden, Moves, Normal
from tuner.fit.stripes import Stripes, T


class Sweeps:
    """All samples of B signals of one shape, ready to be swept.

    Args:
        sines: evaluator of the first layer at the samples, common to all members.
        targets_BCP: values of all signals, in the order of `sines`, (B, C, P).
        widths: number of neurons in each hidden layer.
        keep: whether activations are kept between sweeps (8 bytes a neuron and sample) instead of being computed again.
        threads: number of threads that share the work on a CPU; the result does not depend on it.
        seen_P: mask of the points that the fits learn from, bool (P,) in the order of `sines`; None for all. The others
            stay in the sweeps, since a whole grid is cheaper than most of it, and weigh nothing in what decides.

    Attributes:
        samples: number of points of one signal that the fits learn from.
    """

    def __init__(
        self,
        sines: InputSines,
        targets_BCP: Tensor,
        widths: Sequence[int],
        *,
        keep: bool,
        threads: int,
        seen_P: Tensor | None = None,
    ) -> None:
        self.sines = sines
        self.samples = sines.points if seen_P is None else int(seen_P.sum())
        self._seen_P = seen_P
        self._left_out: list[Tensor] = []
        if seen_P is not None:
            targets_BCP = torch.where(seen_P, targets_BCP, 0.0)
            self._left_out = [(~seen_P[tile.start : tile.stop]).nonzero()[:, 0] for tile in sines.tiles]
        self.targets_BCP = targets_BCP
        self.widths = tuple(widths)
        self.keep = keep
        self.threads = threads
        self._stripes = Stripes(threads)
        self.residual_BCP = torch.zeros_like(targets_BCP)
        self._changes: list[Tensor] = []
        self._forward = ForwardPass(sines, widths, targets_BCP, keep=keep)

    def of(self, members: Tensor) -> "Sweeps":
        """The same for some of the signals, by their indices."""
        return Sweeps(
            self.sines,
            self.targets_BCP[members],
            self.widths,
            keep=self.keep,
            threads=self.threads,
            seen_P=self._seen_P,
        )

    def evaluate(self, hidden: Hidden) -> Normal:
        """Run the networks up to their last hidden layer; sums for the output layer."""
        plan = self._forward.series(hidden, hidden)
        batch, width, channels = hidden.members, self.widths[-1] + 1, self.targets_BCP.shape[1]
        self._forward.holds = hidden if self.keep else None

        def work(stripe: Sequence[int]) -> Normal:
            gram, cross = self._zeros(batch, width, width), self._zeros(batch, width, channels)
            for index, lines in self._prepared(hidden, plan, stripe):
                h = self._forward.at(hidden, lines, index).sine[-1]
                values = self._part(self.targets_BCP, self.sines.tiles[index])
                if self._left_out:
                    # Whole tiles with zeros where points do not count: their products are the fast ones.
                    h = self._silence(self._forward.copied("seen", h), index)
                add_gram_with_ones(gram, h)
                if self._left_out:
                    gram[:, -1, -1] -= len(self._left_out[index])
                cross[:, :-1] += h @ values.mT
                cross[:, -1] += values.double().sum(2)
            return Normal(gram, cross)

        parts = self._sweep(work)
        return Normal(mirrored(total([part.gram for part in parts])), total([part.cross for part in parts]))

    def loss(self, hidden: Hidden, readout: Tensor) -> Tensor:
        """Sum of squared residuals of each member, (B,) float64; the residual is kept for the next sweeps.

        Directions that were tried at another point are forgotten.
        """
        plan = self._plan(hidden)
        self._changes = []

        def work(stripe: Sequence[int]) -> Tensor:
            squares = self._zeros(hidden.members)
            for index, lines in self._prepared(hidden, plan, stripe):
                tile = self.sines.tiles[index]
                residual = _affine(readout, self._forward.at(hidden, lines, index).sine[-1])
                residual -= self._part(self.targets_BCP, tile)
                self._part(self.residual_BCP, tile).copy_(self._silence(residual, index))
                squares += residual.double().square().sum((1, 2))
            return squares

        return total(self._sweep(work))

    def curvature(self, hidden: Hidden, readout: Tensor, *, share: int, offset: int) -> Curvature:
        """Curvature factors over a `share`-th of the samples, another one for another `offset`."""
        plan = self._plan(hidden)
        weights = [layer[:, :, :-1].contiguous() for layer in hidden.layers]
        backward = readout[:, :, :-1].mT.contiguous()
        batch = hidden.members

        def work(stripe: Sequence[int]) -> Curvature:
            sums = Curvature(
                tuple(self._zeros(batch, width, width) for width in self.widths),
                tuple(self._zeros(batch, width + 1, width + 1) for width in self.widths[:-1]),
            )
            for index, lines in self._prepared(hidden, plan, stripe):
                band = _band(self.sines.tiles[index], share, offset + index)
                _add_curvature(sums, self._forward.at(hidden, lines, index).part(band), weights, backward)
            return sums

        parts = self._sweep(work)
        bands = (_band(tile, share, offset + index) for index, tile in enumerate(self.sines.tiles))
        sampled = sum(band.stop - band.start for band in bands)
        outputs = [mirrored(total([p.output_side[i] for p in parts])) / sampled for i in range(len(weights))]
        outputs[-1] *= (backward @ backward.mT).double()
        inputs = [mirrored(total([p.input_side[i] for p in parts])) / sampled for i in range(len(weights) - 1)]
        return Curvature(tuple(outputs), tuple(inputs))

    def gradient(self, hidden: Hidden, readout: Tensor, correction: Correction | None = None) -> Hidden:
        """Gradient of half the mean squared residual, float64.

        Args:
            hidden: weights and phases at which to take the gradient.
            readout: output layer [C, e] at that point, (B, C, H + 1).
            correction: combination of the directions that `directional` has seen at this point, for the gradient at the
                residual that the linear model expects of it; None for the point's own residual.
        """
        plan = self._plan(hidden)
        weights = [layer[:, :, :-1].contiguous() for layer in hidden.layers]
        backward = readout[:, :, :-1].mT.contiguous()

        def work(stripe: Sequence[int]) -> tuple[Tensor, list[Tensor]]:
            sums = [self._zeros(*layer.shape) for layer in hidden.layers]
            folded: Tensor | None = None
            for near in self._runs(stripe):
                tiles = self.sines.tiles[near[0] : near[-1] + 1]
                first = [self.sines.accumulator(self.widths[0], tiles) for _ in range(hidden.members)]
                lines = self._lines(hidden, plan, near)
                for index in near:
                    tile = self.sines.tiles[index]
                    run = self._forward.at(hidden, lines, index)
                    residual = self._silence(self._residual(tile, correction, run.sine[-1]), index)
                    slope = self._forward.product("slope", backward, residual).mul_(run.cosine[-1])
                    for layer in reversed(range(1, len(weights))):
                        sums[layer][:, :, :-1] += slope @ run.sine[layer - 1].mT
                        sums[layer][:, :, -1] += slope.sum(2)
                        slope = self._forward.product(f"slope {layer}", weights[layer].mT, slope).mul_(
                            run.cosine[layer - 1]
                        )
                    sums[0][:, :, -1] += slope.sum(2)
                    for own, into in zip(slope, first, strict=True):
                        self.sines.add_transpose(into, own, tile)
                found = torch.cat([self.sines.folded(own) for own in first])
                folded = found if folded is None else folded.add_(found)
            assert folded is not None  # noqa: S101  a stripe has tiles
            return folded, sums

        parts = self._sweep(work)
        gradients = [total([sums[i] for _, sums in parts]) for i in range(len(weights))]
        sine, cosine = self.sines.transposed(total([first for first, _ in parts]), hidden.phases)
        gradients[0][:, :, :-1] = sine.reshape(weights[0].shape)
        phases = (cosine.double().reshape(weights[0].shape) * weights[0]).sum((0, 1))
        return Hidden(phases / self.samples, tuple(gradient / self.samples for gradient in gradients))

    def directional(
        self, hidden: Hidden, readout: Tensor, directions: Sequence[Hidden], *, turning: bool = False
    ) -> Moves:
        """First-order change of the outputs along each direction, as sums for the quadratic model.

        The changes are remembered until `loss` is asked of a point; the sums are over all of them, in the order of the
        calls.

        Args:
            hidden: weights and phases at which the changes are taken.
            readout: output layer [C, e] at that point, (B, C, H + 1).
            directions: directions to go along.
            turning: whether the directions turn the phases too; else theirs are zero.
        """
        plan = self._plan(hidden)
        series = [self._forward.series(hidden, move, turning=turning) for move in directions]
        seen = len(self._changes)
        self._changes += [torch.empty_like(self.residual_BCP) for _ in directions]
        batch, count, channels, width = hidden.members, len(self._changes), self.targets_BCP.shape[1], self.widths[-1]
        read = readout[:, :, :-1].contiguous()

        def work(stripe: Sequence[int]) -> tuple[Tensor, Tensor]:
            # The residual is one more row, so that one product gives all inner products.
            inner = self._zeros(batch, count + 1, count + 1)
            feature = self._zeros(batch, count * channels, width + 1)
            for near in self._runs(stripe):
                lines = self._lines(hidden, plan, near)
                firsts = [self._forward.lines(hidden, each, near) for each in series]
                for index in near:
                    tile = self.sines.tiles[index]
                    run = self._forward.at(hidden, lines, index)
                    for change, move, first in zip(self._changes[seen:], directions, firsts, strict=True):
                        moved = read @ self._forward.tangent(hidden, run, move, first, tile)
                        self._part(change, tile).copy_(self._silence(moved, index))
                    rows = [self._part(change, tile) for change in (*self._changes, self.residual_BCP)]
                    flat = torch.stack([row.flatten(1) for row in rows], 1)
                    inner += flat @ flat.mT
                    changes = flat[:, :-1].reshape(batch, count * channels, -1)
                    feature[:, :, :-1] += changes @ run.sine[-1].mT
                    feature[:, :, -1] += changes.sum(2)
            return inner, feature

        parts = self._sweep(work)
        inner = total([part[0] for part in parts])
        feature = total([part[1] for part in parts]).reshape(batch, count, channels, width + 1)
        return Moves(inner[:, :count, :count], inner[:, :count, count], feature.mT.contiguous())

    def forget(self) -> None:
        """Release the kept activations."""
        self._forward.forget()

    def _residual(self, tile: Tile, correction: Correction | None, h: Tensor) -> Tensor:
        """The residual at a tile's points, or what the linear model makes of it, (B, C, points)."""
        residual = self._part(self.residual_BCP, tile)
        if correction is None:
            return residual
        residual = residual - _affine(correction.absorbed.to(h.dtype), h)
        for k, change in enumerate(self._changes[: correction.coefficients.shape[1]]):
            residual += correction.coefficients[:, k, None, None].to(h.dtype) * self._part(change, tile)
        return residual

    def _silence(self, outputs: Tensor, index: int) -> Tensor:
        """Zero at the points of a tile that the fits do not learn from, in place; (B, C, points)."""
        if self._left_out:
            outputs[:, :, self._left_out[index]] = 0.0
        return outputs

    def _plan(self, hidden: Hidden) -> Tensor | None:
        """The first layer's plan, needed only if the kept activations are of another point."""
        if self._forward.holds is hidden:
            return None
        if self.keep:
            self.evaluate(hidden)
            return None
        return self._forward.series(hidden, hidden)

    def _runs(self, stripe: Sequence[int]) -> Iterator[Sequence[int]]:
        """The tiles of a stripe, as many at a time as plans are made ready for; for each member as for it alone."""
        return self.sines.runs(self.widths[0], stripe)

    def _lines(self, hidden: Hidden, plan: Tensor | None, near: Sequence[int]) -> list[Lines] | None:
        """A plan made ready for a run of tiles; None without one, where activations are kept."""
        return None if plan is None else self._forward.lines(hidden, plan, near)

    def _prepared(
        self, hidden: Hidden, plan: Tensor | None, stripe: Sequence[int]
    ) -> Iterator[tuple[int, list[Lines] | None]]:
        """The number of each tile of a stripe, with the plan made ready for it."""
        for near in self._runs(stripe):
            lines = self._lines(hidden, plan, near)
            for index in near:
                yield index, lines

    @staticmethod
    def _part(values_BCP: Tensor, tile: Tile) -> Tensor:
        return values_BCP[:, :, tile.start : tile.stop]

    def _zeros(self, *shape: int) -> Tensor:
        return torch.zeros(*shape, dtype=torch.float64, device=self.targets_BCP.device)

    def _sweep(self, work: Callable[[Sequence[int]], T]) -> list[T]:
        """Run `work` on every stripe; results in the order of the stripes."""
        tiles = len(self.sines.tiles)
        if self.targets_BCP.device.type != "cpu":
            return [work(range(tiles))]
        return self._stripes.map(work, tiles)


def _affine(matrix: Tensor, inputs: Tensor) -> Tensor:
    """[W, b] applied to inputs (B, I, points)."""
    return torch.baddbmm(matrix[:, :, -1:], matrix[:, :, :-1], inputs)


def _band(tile: Tile, share: int, turn: int) -> slice:
    """A `share`-th of a tile's points, side by side; `share` turns see every point once."""
    points, turn = tile.stop - tile.start, turn % share
    return slice(points * turn // share, points * (turn + 1) // share)


def _add_curvature(sums: Curvature, run: Activations, weights: list[Tensor], backward: Tensor) -> None:
    """Add g g^T of every layer and h~ h~^T between layers; C^T C of the last layer is applied to the whole sum."""
    add_gram(sums.output_side[-1], run.cosine[-1])
    for layer in range(len(weights) - 1):
        add_gram_with_ones(sums.input_side[layer], run.sine[layer])
    if len(weights) > 1:
        for channel in range(backward.shape[2]):
            slope = backward[:, :, channel, None] * run.cosine[-1]
            for layer in reversed(range(len(weights) - 1)):
                slope = (weights[layer + 1].mT @ slope).mul_(run.cosine[layer])
                add_gram(sums.output_side[layer], slope)
