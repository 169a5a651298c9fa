"""Sweeps over all samples: the products that the natural-gradient trainer needs, in cache-sized tiles.

A fit spends its time here. Three sweeps make an iteration:

1. `evaluate`: activations of every layer, and the Gram matrix that gives the optimal output layer;
2. `gradients`: gradient of every hidden matrix, and the curvature factors on a share of the samples;
3. `directional`: how the outputs move along several directions, summed into a small quadratic model;

and `loss`, a short one, gives the residual once the output layer is known.

Tiles are dealt to a fixed number of stripes whose sums are added in order, and every stripe runs on one thread with
single-threaded kernels: cores then need no synchronisation inside a layer, activations stay in each core's cache, and
the result has the same bytes whatever the number of threads. Activations are kept between sweeps if memory allows,
else computed again. Arrays are (neurons, points) inside a tile; a hidden matrix carries its bias as last column.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from tuner.fit.kernels import add_gram, add_gram_with_ones, mirrored, sine_cosine, single_threaded, total
from tuner.fit.sums import Hidden, Moves, Normal, Slopes
from tuner.network.sines import InputSines

STRIPES = 16
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Activations:
    """Sine and cosine of the pre-activations of each hidden layer at the points of a tile, (H, points)."""

    sine: list[Tensor]
    cosine: list[Tensor]

    def every(self, share: int, offset: int) -> "_Activations":
        """A part of the points."""
        if share == 1:
            return self
        return _Activations([h[:, offset::share] for h in self.sine], [q[:, offset::share] for q in self.cosine])


@dataclass(frozen=True, slots=True)
class _SlopeSums:
    """What one stripe adds up for `Slopes`; square matrices by their lower triangle."""

    first: Tensor
    gradients: list[Tensor]
    outputs: list[Tensor]
    inputs: list[Tensor]


class Sweeps:
    """All samples of one signal, ready to be swept.

    Args:
        sines: the first layer at the samples.
        targets_CP: values in the order of `sines`, (C, P).
        widths: neurons of each hidden layer.
        keep: keep activations between sweeps (8 bytes a neuron and sample) instead of computing them again.
        threads: that share the work on a CPU; the result does not depend on it.
    """

    def __init__(
        self, sines: InputSines, targets_CP: Tensor, widths: Sequence[int], *, keep: bool, threads: int
    ) -> None:
        self.sines = sines
        self.targets_CP = targets_CP
        self.widths = tuple(widths)
        self.keep = keep
        self.threads = threads
        self.residual_CP = torch.zeros_like(targets_CP)
        self._kept: dict[int, _Activations] = {}
        self._holds: Hidden | None = None

    @property
    def samples(self) -> int:
        """Number of points P."""
        return self.targets_CP.shape[1]

    def evaluate(self, hidden: Hidden) -> Normal:
        """Run the network up to its last hidden layer; sums for the output layer."""
        plan = self.sines.plan(hidden.layers[0][:, :-1].contiguous(), hidden.phases)
        width, channels = self.widths[-1] + 1, len(self.targets_CP)
        self._holds = hidden if self.keep else None

        def work(stripe: Sequence[int]) -> Normal:
            gram = torch.zeros(width, width, dtype=torch.float64, device=self.targets_CP.device)
            cross = torch.zeros(width, channels, dtype=torch.float64, device=self.targets_CP.device)
            for index in stripe:
                tile = self.sines.tiles[index]
                h = self._run(hidden, plan, index).sine[-1]
                values = self.targets_CP[:, tile.start : tile.stop]
                add_gram_with_ones(gram, h)
                cross[:-1] += h @ values.T
                cross[-1] += values.double().sum(1)
            return Normal(gram, cross)

        parts = self._sweep(work)
        return Normal(mirrored(total([part.gram for part in parts])), total([part.cross for part in parts]))

    def loss(self, hidden: Hidden, readout: Tensor) -> float:
        """Sum of squared residuals; the residual is kept for the next sweeps."""
        plan = self._plan(hidden)

        def work(stripe: Sequence[int]) -> float:
            squares = 0.0
            for index in stripe:
                tile = self.sines.tiles[index]
                h = self._activations(hidden, plan, index).sine[-1]
                residual = torch.addmm(readout[:, -1:], readout[:, :-1], h)
                residual -= self.targets_CP[:, tile.start : tile.stop]
                self.residual_CP[:, tile.start : tile.stop] = residual
                squares += float(residual.double().square().sum())
            return squares

        return sum(self._sweep(work))

    def gradients(self, hidden: Hidden, readout: Tensor, *, share: int, offset: int) -> Slopes:
        """Gradients over all samples, and curvature factors over every `share`-th sample, beginning at `offset`."""
        plan = self._plan(hidden)
        weights = [layer[:, :-1].contiguous() for layer in hidden.layers]
        depth = len(weights)
        backward = readout[:, :-1].T.contiguous()
        device = backward.device

        def work(stripe: Sequence[int]) -> _SlopeSums:
            sums = _SlopeSums(
                self.sines.accumulator(self.widths[0]),
                [torch.zeros(layer.shape, dtype=torch.float64, device=device) for layer in hidden.layers],
                [torch.zeros(width, width, dtype=torch.float64, device=device) for width in self.widths],
                [torch.zeros(width + 1, width + 1, dtype=torch.float64, device=device) for width in self.widths[:-1]],
            )
            for index in stripe:
                tile = self.sines.tiles[index]
                run = self._activations(hidden, plan, index)
                slope = (backward @ self.residual_CP[:, tile.start : tile.stop]).mul_(run.cosine[-1])
                for layer in reversed(range(1, depth)):
                    sums.gradients[layer][:, :-1] += slope @ run.sine[layer - 1].T
                    sums.gradients[layer][:, -1] += slope.sum(1)
                    slope = (weights[layer].T @ slope).mul_(run.cosine[layer - 1])
                sums.gradients[0][:, -1] += slope.sum(1)
                self.sines.add_transpose(sums.first, slope, tile)
                _add_curvature(sums, run.every(share, (offset - tile.start) % share), weights, backward)
            return sums

        parts = self._sweep(work)
        gradients = [total([part.gradients[i] for part in parts]) for i in range(depth)]
        sine, cosine = self.sines.transposed(total([part.first for part in parts]), hidden.phases)
        gradients[0][:, :-1] = sine
        phases = (cosine.double() * weights[0]).sum(0)
        sampled = len(range(offset % share, self.samples, share))
        outputs = [mirrored(total([part.outputs[i] for part in parts])) / sampled for i in range(depth)]
        outputs[-1] *= (backward @ backward.T).double()
        inputs = [mirrored(total([part.inputs[i] for part in parts])) / sampled for i in range(depth - 1)]
        layers = tuple(gradient / self.samples for gradient in gradients)
        return Slopes(Hidden(phases / self.samples, layers), tuple(outputs), tuple(inputs))

    def directional(self, hidden: Hidden, readout: Tensor, directions: Sequence[Hidden]) -> Moves:
        """First-order change of the outputs along each direction, as sums for the quadratic model."""
        plan = self._plan(hidden)
        moves = [
            self.sines.plan(
                move.layers[0][:, :-1].contiguous(),
                hidden.phases,
                hidden.layers[0][:, :-1] * move.phases if bool(move.phases.any()) else None,
            )
            for move in directions
        ]
        count, channels, width = len(directions), len(self.targets_CP), self.widths[-1] + 1
        read = readout[:, :-1].contiguous()

        def work(stripe: Sequence[int]) -> tuple[Tensor, Tensor]:
            # The residual is one more row, so that one product gives all inner products.
            inner = torch.zeros(count + 1, count + 1, dtype=torch.float64, device=read.device)
            feature = torch.zeros(count * channels, width, dtype=torch.float64, device=read.device)
            for index in stripe:
                tile = self.sines.tiles[index]
                run = self._activations(hidden, plan, index)
                changes = read.new_empty(count + 1, channels, tile.stop - tile.start)
                for k, (move, first) in enumerate(zip(directions, moves, strict=True)):
                    change = self.sines.apply(first, tile)
                    change.add_(move.layers[0][:, -1:]).mul_(run.cosine[0])
                    for layer in range(1, len(self.widths)):
                        change = torch.addmm(move.layers[layer][:, -1:], hidden.layers[layer][:, :-1], change)
                        change.addmm_(move.layers[layer][:, :-1], run.sine[layer - 1]).mul_(run.cosine[layer])
                    torch.mm(read, change, out=changes[k])
                changes[count] = self.residual_CP[:, tile.start : tile.stop]
                flat = changes.reshape(count + 1, -1)
                inner += flat @ flat.T
                rows = changes[:count].reshape(count * channels, -1)
                feature[:, :-1] += rows @ run.sine[-1].T
                feature[:, -1] += rows.sum(1)
            return inner, feature

        parts = self._sweep(work)
        inner = total([part[0] for part in parts])
        feature = total([part[1] for part in parts]).reshape(count, channels, width)
        return Moves(inner[:count, :count], inner[:count, count], feature.transpose(1, 2))

    def _plan(self, hidden: Hidden) -> Tensor | None:
        """The first layer's plan, needed only if the kept activations are of another point."""
        if self._holds is hidden:
            return None
        if self.keep:
            self.evaluate(hidden)
            return None
        return self.sines.plan(hidden.layers[0][:, :-1].contiguous(), hidden.phases)

    def _activations(self, hidden: Hidden, plan: Tensor | None, index: int) -> _Activations:
        return self._kept[index] if plan is None else self._run(hidden, plan, index)

    def _run(self, hidden: Hidden, plan: Tensor, index: int) -> _Activations:
        tile = self.sines.tiles[index]
        run = self._kept.get(index)
        if run is None:
            shape = [(width, tile.stop - tile.start) for width in self.widths]
            run = _Activations(
                [self.targets_CP.new_empty(s) for s in shape], [self.targets_CP.new_empty(s) for s in shape]
            )
            if self.keep:
                self._kept[index] = run
        z = self.sines.apply(plan, tile).add_(hidden.layers[0][:, -1:])
        for layer in range(len(self.widths)):
            if layer:
                matrix = hidden.layers[layer]
                z = torch.addmm(matrix[:, -1:], matrix[:, :-1], run.sine[layer - 1])
            sine_cosine(z, run.sine[layer], run.cosine[layer])
        return run

    def forget(self) -> None:
        """Release the kept activations."""
        self._kept = {}
        self._holds = None

    def _sweep(self, work: Callable[[Sequence[int]], T]) -> list[T]:
        """Run `work` on every stripe; results in the order of the stripes."""
        tiles = len(self.sines.tiles)
        if self.targets_CP.device.type != "cpu":
            return [work(range(tiles))]
        count = min(STRIPES, tiles)
        stripes = [range(tiles * i // count, tiles * (i + 1) // count) for i in range(count)]
        with (
            single_threaded(),
            ThreadPoolExecutor(self.threads, initializer=torch.set_num_threads, initargs=(1,)) as pool,
        ):
            return list(pool.map(work, stripes))


def _add_curvature(sums: _SlopeSums, run: _Activations, weights: list[Tensor], backward: Tensor) -> None:
    """Add g g^T of every layer and h~ h~^T between layers; C^T C of the last layer is applied to the whole sum."""
    add_gram(sums.outputs[-1], run.cosine[-1].contiguous())
    for layer in range(len(weights) - 1):
        add_gram_with_ones(sums.inputs[layer], run.sine[layer].contiguous())
    if len(weights) > 1:
        for channel in backward.T:
            slope = channel[:, None] * run.cosine[-1]
            for layer in reversed(range(len(weights) - 1)):
                slope = (weights[layer + 1].T @ slope).mul_(run.cosine[layer])
                add_gram(sums.outputs[layer], slope)
