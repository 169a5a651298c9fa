"""Sweeps over all samples: the products that the natural-gradient trainer needs, in cache-sized tiles.

A fit spends its time here. Three sweeps make an iteration:

1. `evaluate`: activations of every layer, and the Gram matrix that gives the optimal output layer;
2. `gradients`: residual, loss, gradient of every hidden matrix, and the curvature factors on a share of the tiles;
3. `directional`: how the outputs move along several directions, summed into a small quadratic model.

Tiles are dealt to a fixed number of stripes whose sums are added in order, and every stripe runs on one thread with
single-threaded kernels: cores then need no synchronisation inside a layer, activations stay in each core's cache, and
the result has the same bytes whatever the number of threads. Activations are kept between sweeps if memory allows,
else computed again. Arrays are (neurons, points) inside a tile; a hidden matrix carries its bias as last column.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from tuner.network.separable import InputSines, Tile

STRIPES = 16
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hidden:
    """What the trainer searches over: phases (M,) and, per hidden layer, [W, b] as (H, I + 1)."""

    phases: Tensor
    layers: tuple[Tensor, ...]

    def plus(self, steps: "Sequence[tuple[float, Hidden]]") -> "Hidden":
        """Add a weighted sum of directions."""
        phases, layers = self.phases, list(self.layers)
        for factor, step in steps:
            phases = phases + factor * step.phases
            layers = [layer + factor * move for layer, move in zip(layers, step.layers, strict=True)]
        return Hidden(phases, tuple(layers))

    def minus(self, other: "Hidden") -> "Hidden":
        """The difference of two points, a direction."""
        return self.plus([(-1.0, other)])


@dataclass(frozen=True, slots=True)
class Normal:
    """Normal equations of the output layer: sums over samples of h~ h~^T and h~ y^T, with h~ = [h; 1], float64."""

    gram: Tensor
    cross: Tensor


@dataclass(frozen=True, slots=True)
class Slopes:
    """Sum of squared residuals, gradients of half of it, and sums for the curvature factors over `sampled` points."""

    squares: float
    gradient: Hidden
    output_side: tuple[Tensor, ...]
    input_side: tuple[Tensor, ...]
    sampled: int


@dataclass(frozen=True, slots=True)
class Moves:
    """Sums over samples for K directions with output changes t_k: <t_k, t_l>, <r, t_k> and h~ t_k^T (K, H + 1, C)."""

    products: Tensor
    residual_products: Tensor
    feature_products: Tensor


@dataclass(slots=True)
class _Activations:
    sine: list[Tensor]
    cosine: list[Tensor]


class Sweeps:
    """All samples of one signal, ready to be swept.

    Args:
        sines: the first layer at the samples.
        targets_CP: values in the order of `sines`, (C, P).
        widths: neurons of each hidden layer.
        keep: keep activations between sweeps (8 bytes a neuron and sample) instead of computing them again.
    """

    def __init__(self, sines: InputSines, targets_CP: Tensor, widths: Sequence[int], *, keep: bool) -> None:
        self.sines = sines
        self.targets_CP = targets_CP
        self.widths = tuple(widths)
        self.keep = keep
        self.residual_CP = torch.zeros_like(targets_CP)
        self._kept: list[_Activations | None] = [None] * len(sines.tiles)
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
                _add_gram(gram, h)
                row = h.sum(1).double()
                gram[-1, :-1] += row
                gram[-1, -1] += tile.stop - tile.start
                cross[:-1] += h @ values.T
                cross[-1] += values.double().sum(1)
            return Normal(gram, cross)

        parts = self._sweep(work)
        gram = sum_of([part.gram for part in parts]).tril()
        return Normal(gram + gram.tril(-1).T, sum_of([part.cross for part in parts]))

    def loss(self, hidden: Hidden, readout: Tensor) -> float:
        """Sum of squared residuals; the residual is kept for the next sweeps."""
        plan = self._plan(hidden)

        def work(stripe: Sequence[int]) -> float:
            total = 0.0
            for index in stripe:
                tile = self.sines.tiles[index]
                h = self._activations(hidden, plan, index).sine[-1]
                residual = torch.addmm(readout[:, -1:], readout[:, :-1], h)
                residual -= self.targets_CP[:, tile.start : tile.stop]
                self.residual_CP[:, tile.start : tile.stop] = residual
                total += float(residual.double().square().sum())
            return total

        return sum(self._sweep(work))

    def gradients(self, hidden: Hidden, readout: Tensor, *, share: int, offset: int) -> Slopes:
        """Gradients of half the squared residual, and curvature sums over one tile in `share`."""
        plan = self._plan(hidden)
        weights = [layer[:, :-1] for layer in hidden.layers]
        depth = len(weights)
        backward = readout[:, :-1].T.contiguous()
        chosen = _spread(len(self.sines.tiles), share, offset)

        def work(stripe: Sequence[int]) -> tuple[Tensor, list[Tensor], list[Tensor], list[Tensor]]:
            first = self.sines.accumulator(self.widths[0])
            gradients = [torch.zeros_like(layer, dtype=torch.float64) for layer in hidden.layers]
            outputs = [
                torch.zeros(width, width, dtype=torch.float64, device=backward.device) for width in self.widths
            ]
            inputs = [torch.zeros_like(outputs[i]) for i in range(depth - 1)]
            for index in stripe:
                tile = self.sines.tiles[index]
                run = self._activations(hidden, plan, index)
                slope = (backward @ self.residual_CP[:, tile.start : tile.stop]).mul_(run.cosine[-1])
                for layer in reversed(range(1, depth)):
                    gradients[layer][:, :-1] += slope @ run.sine[layer - 1].T
                    gradients[layer][:, -1] += slope.sum(1)
                    slope = (weights[layer].T @ slope).mul_(run.cosine[layer - 1])
                gradients[0][:, -1] += slope.sum(1)
                self.sines.add_transpose(first, slope, tile, hidden.phases)
                if index in chosen:
                    self._add_curvature(outputs, inputs, run, weights, backward)
            return first, gradients, outputs, inputs

        parts = self._sweep(work)
        first = sum_of([part[0] for part in parts])
        layers = [sum_of([part[1][i] for part in parts]) for i in range(depth)]
        sine, cosine = self.sines.transposed(first, hidden.phases)
        layers[0][:, :-1] = sine
        phase_gradient = (cosine.double() * weights[0]).sum(0)
        sampled = sum(self.sines.tiles[i].stop - self.sines.tiles[i].start for i in chosen)
        outputs = [_full(sum_of([part[2][i] for part in parts])) for i in range(depth)]
        outputs[-1] *= (backward @ backward.T).double()
        return Slopes(
            squares=float(self.residual_CP.double().square().sum()),
            gradient=Hidden(phase_gradient, tuple(layers)),
            output_side=tuple(outputs),
            input_side=tuple(_full(sum_of([part[3][i] for part in parts])) for i in range(depth - 1)),
            sampled=sampled,
        )

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
        inner = sum_of([part[0] for part in parts])
        feature = sum_of([part[1] for part in parts]).reshape(count, channels, width)
        return Moves(inner[:count, :count], inner[:count, count], feature.transpose(1, 2))

    def _plan(self, hidden: Hidden) -> "torch.Tensor | tuple[Tensor, Tensor | None] | None":
        """The first layer's plan, needed only if the kept activations are of another point."""
        if self._holds is hidden:
            return None
        if self.keep:
            self.evaluate(hidden)
            return None
        return self.sines.plan(hidden.layers[0][:, :-1].contiguous(), hidden.phases)

    def _activations(self, hidden: Hidden, plan: "Tensor | tuple[Tensor, Tensor | None] | None", index: int) -> _Activations:
        kept = self._kept[index]
        if plan is None and kept is not None:
            return kept
        assert plan is not None
        return self._run(hidden, plan, index)

    def _run(self, hidden: Hidden, plan: "Tensor | tuple[Tensor, Tensor | None]", index: int) -> _Activations:
        tile = self.sines.tiles[index]
        run = self._kept[index]
        if run is None:
            shape = [(width, tile.stop - tile.start) for width in self.widths]
            run = _Activations([self.targets_CP.new_empty(s) for s in shape], [self.targets_CP.new_empty(s) for s in shape])
            if self.keep:
                self._kept[index] = run
        z = self.sines.apply(plan, tile).add_(hidden.layers[0][:, -1:])
        for layer in range(len(self.widths)):
            if layer:
                matrix = hidden.layers[layer]
                z = torch.addmm(matrix[:, -1:], matrix[:, :-1], run.sine[layer - 1])
            _sine_cosine(z, run.sine[layer], run.cosine[layer])
        return run

    def _add_curvature(
        self, outputs: list[Tensor], inputs: list[Tensor], run: _Activations, weights: list[Tensor], backward: Tensor
    ) -> None:
        """Add E[g g^T] of every layer, and E[h h^T] between layers; the last layer's C^T C is applied afterwards."""
        _add_gram(outputs[-1], run.cosine[-1])
        for layer in range(len(weights) - 1):
            _add_gram(inputs[layer], run.sine[layer])
        if len(weights) > 1:
            for channel in backward.T:
                slope = channel[:, None] * run.cosine[-1]
                for layer in reversed(range(len(weights) - 1)):
                    slope = (weights[layer + 1].T @ slope).mul_(run.cosine[layer])
                    _add_gram(outputs[layer], slope)

    def _sweep(self, work: Callable[[Sequence[int]], T]) -> list[T]:
        """Run `work` on every stripe; results in the order of the stripes."""
        tiles = len(self.sines.tiles)
        if self.targets_CP.device.type != "cpu":
            return [work(range(tiles))]
        count = min(STRIPES, tiles)
        stripes = [range(tiles * i // count, tiles * (i + 1) // count) for i in range(count)]
        with _one_thread_each(min(torch.get_num_threads(), count)) as pool:
            return list(pool.map(work, stripes))


def sum_of(parts: Sequence[Tensor]) -> Tensor:
    """Add tensors in order."""
    total = parts[0].clone()
    for part in parts[1:]:
        total += part
    return total


@contextmanager
def _one_thread_each(threads: int) -> Iterator[ThreadPoolExecutor]:
    """A pool whose threads run single-threaded kernels; the caller's setting comes back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)


def _sine_cosine(z: Tensor, sine: Tensor, cosine: Tensor) -> None:
    """Both functions of z; on CPUs numpy's float32 loops are three times as fast as torch's (measured, AVX-512)."""
    if z.device.type == "cpu":
        np.sin(z.numpy(), out=sine.numpy())
        np.cos(z.numpy(), out=cosine.numpy())
    else:
        torch.sin(z, out=sine)
        torch.cos(z, out=cosine)


def _add_gram(total: Tensor, rows: Tensor, block: int = 128) -> None:
    """Add the lower triangle of rows @ rows^T, in blocks: close to half of the full product."""
    for low in range(0, len(rows), block):
        high = min(low + block, len(rows))
        total[low:high, :high] += rows[low:high] @ rows[:high].T


def _full(lower: Tensor) -> Tensor:
    """Mirror a lower triangle."""
    lower = lower.tril()
    return lower + lower.tril(-1).T


def _spread(tiles: int, share: int, offset: int) -> frozenset[int]:
    """One tile in `share`, another set at each offset; never empty."""
    share = min(share, tiles)
    return frozenset(range(offset % share, tiles, share))
