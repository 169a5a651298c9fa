"""Loss and gradients of a modulated network on a whole grid, tile by tile.

A tile is some rows of the first axis, few enough that its activations stay in the cache: a network this narrow is bound
by memory otherwise. Threads share the tiles. The sines of the input layer never change and are kept. Derivatives are
written out by hand; all of it is products of small matrices and sines. Called by `tuner.fit.modulated_trainer`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi, prod

import torch
from torch import Tensor

from tuner.fit.modulated_weights import Weights
from tuner.fit.stripes import Stripes
from tuner.fit.subbands import Subbands
from tuner.shapes import FloatArray, IntArray

_TILE_POINTS = 4096
# On which the mean slopes are taken.
_SLOPE_TILES = 12


@dataclass(frozen=True, slots=True, eq=False)
class Gradients:
    """Mean squared error and its derivatives.

    Attributes:
        loss: mean squared error over points and channels.
        latents: by each level's codes.
        weights: by the weights.
    """

    loss: float
    latents: list[Tensor]
    weights: Weights


@dataclass(frozen=True, slots=True, eq=False)
class _Tile:
    rows: tuple[int, int]
    inputs_IP: Tensor
    targets_CP: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """What a run of tiles adds to loss, to the gradients of the spread latents of some nodes, and of the weights."""

    loss: float
    spread: list[tuple[slice, Tensor]]
    weights: Weights


class GridPasses:
    """A signal on its grid, ready for passes over it.

    Args:
        values: float32 (*shape, C).
        axes: coordinates of the samples along each axis, float (N_d,).
        scales: of the wavelets.
        colours: K, the channels of each subband.
        frequencies: int (F, D).
        period: p.
    """

    def __init__(
        self,
        values: FloatArray,
        axes: Sequence[FloatArray],
        scales: int,
        colours: int,
        frequencies: IntArray,
        period: float,
    ) -> None:
        self._stripes = Stripes(torch.get_num_threads())
        self.points = int(prod(values.shape[:-1]))
        self.channels = int(values.shape[-1])
        plane = prod(values.shape[1:-1])
        rows = max(1, _TILE_POINTS // plane)
        self.sines = 2 * len(frequencies)
        self.subbands = Subbands(values.shape[:-1], scales, colours, rows)
        self.latents = self.subbands.channels
        angular = torch.from_numpy(frequencies).double() * (2.0 * pi / period)
        rest = torch.zeros(len(angular), 1)
        for dimension, axis in enumerate(axes[1:], start=1):
            along = angular[:, dimension, None] * torch.from_numpy(axis).double()
            rest = (rest[:, :, None] + along[:, None, :]).reshape(len(angular), -1)
        samples = torch.from_numpy(values).reshape(len(axes[0]), plane, self.channels)
        self._tiles = []
        for start in range(0, len(axes[0]), rows):
            stop = min(start + rows, len(axes[0]))
            first = angular[:, 0, None] * torch.from_numpy(axes[0][start:stop]).double()
            angles = (first[:, :, None] + rest[:, None, :]).reshape(len(angular), -1)
            inputs = torch.empty(self.sines + self.latents, (stop - start) * plane)
            inputs[: self.sines] = torch.cat([angles.sin(), angles.cos()])
            targets = samples[start:stop].reshape(-1, self.channels).T.contiguous()
            self._tiles.append(_Tile((start, stop), inputs, targets))

    def gradients(self, latents: Sequence[Tensor], weights: Weights) -> Gradients:
        """Loss and all derivatives, at codes that need not be integers."""
        spread = self.subbands.spread(latents)
        parts = self._stripes.map(lambda numbers: self._gradients_of(numbers, spread, weights), len(self._tiles))
        total, loss = weights.zeros(), 0.0
        spread_gradients = [torch.zeros_like(each) for each in spread]
        for part in parts:
            loss += part.loss
            for tensor, more in zip(total.tensors(), part.weights.tensors(), strict=True):
                tensor += more
            for gradient, (nodes, more) in zip(spread_gradients, part.spread, strict=True):
                gradient[:, nodes] += more
        by_codes = self.subbands.gather(spread_gradients)
        return Gradients(loss / (self.points * self.channels), by_codes, total)

    def _gradients_of(self, numbers: Sequence[int], spread: Sequence[Tensor], weights: Weights) -> "_Part":
        """What a run of tiles adds."""
        total = weights.zeros()
        spans = self.subbands.nodes_of(numbers)
        by_spread = [torch.zeros_like(each[:, span]) for each, span in zip(spread, spans, strict=True)]
        loss = torch.zeros((), dtype=torch.float64)
        scale = 2.0 / (self.points * self.channels)
        modulation = weights.hidden[0][:, self.sines :]
        for number in numbers:
            tile = self._tiles[number]
            inputs = self._fill(number, tile, spread)
            activations, slopes = [inputs], []
            for weight, bias in zip(weights.hidden, weights.biases, strict=True):
                angles = torch.addmm(bias[:, None], weight, activations[-1])
                slopes.append(angles.cos())
                activations.append(angles.sin_())
            latents_UP = inputs[self.sines :]
            error = self._values(weights, activations[-1], latents_UP).sub_(tile.targets_CP)
            loss += error.square().sum()
            error.mul_(scale)
            total.readout.addmm_(error, activations[-1].T)
            total.skip.addmm_(error, latents_UP.T)
            total.bias.add_(error.sum(1))
            back = weights.readout.T @ error
            for layer in range(len(slopes) - 1, -1, -1):
                back.mul_(slopes[layer])
                total.hidden[layer].addmm_(back, activations[layer].T)
                total.biases[layer] += back.sum(1)
                if layer:
                    back = weights.hidden[layer].T @ back
            back = (modulation.T @ back).addmm_(weights.skip.T, error)
            self.subbands.add_transposed(number, back, by_spread, spans)
        return _Part(float(loss), list(zip(spans, by_spread, strict=True)), total)

    def square_slopes(self, latents: Sequence[Tensor], weights: Weights) -> Tensor:
        """Mean over some points of the sum over channels of the squared derivatives of the values by u, (U,)."""
        spread = self.subbands.spread(latents)
        total, points = torch.zeros(self.latents), 0
        modulation = weights.hidden[0][:, self.sines :]
        with torch.no_grad():
            for number in range(0, len(self._tiles), max(1, len(self._tiles) // _SLOPE_TILES)):
                hidden, slopes = self._fill(number, self._tiles[number], spread), []
                for weight, bias in zip(weights.hidden, weights.biases, strict=True):
                    angles = torch.addmm(bias[:, None], weight, hidden)
                    slopes.append(angles.cos())
                    hidden = angles.sin_()
                for channel in range(self.channels):
                    back = weights.readout[channel, :, None] * slopes[-1]
                    for layer in range(len(slopes) - 1, 0, -1):
                        back = (weights.hidden[layer].T @ back).mul_(slopes[layer - 1])
                    total += (modulation.T @ back).add_(weights.skip[channel, :, None]).square().sum(1)
                points += hidden.shape[1]
        return total / points

    def solve_output(self, latents: Sequence[Tensor], weights: Weights, ridge: float = 1e-7) -> float:
        """Move skip and read-out, in place, to the least squared error for what is before them; return the loss before.

        What is solved for is a correction, in float64, so that the ridge pulls towards the present output layer.
        """
        width, constant = len(weights.hidden[-1]), 1
        size = width + self.latents + constant
        spread = self.subbands.spread(latents)

        def products_of(numbers: Sequence[int]) -> Tensor:
            products = torch.zeros(size + self.channels, size + self.channels, dtype=torch.float64)
            for number in numbers:
                tile = self._tiles[number]
                inputs = self._fill(number, tile, spread)
                hidden = _last_layer(weights, inputs)
                latents_UP = inputs[self.sines :]
                missing = tile.targets_CP - self._values(weights, hidden, latents_UP)
                rows = torch.cat([hidden, latents_UP, torch.ones(1, hidden.shape[1]), missing])
                products += (rows @ rows.T).double()
            return products

        products = torch.stack(self._stripes.map(products_of, len(self._tiles))).sum(0)
        gram, moments = products[:size, :size], products[:size, size:]
        gram.diagonal().add_(ridge * float(gram.diagonal().mean()))
        correction = torch.linalg.solve(gram, moments).float().T
        weights.readout.add_(correction[:, :width])
        weights.skip.add_(correction[:, width:-constant])
        weights.bias.add_(correction[:, -1])
        return float(products[size:, size:].trace()) / (self.points * self.channels)

    def loss(self, latents: Sequence[Tensor], weights: Weights) -> float:
        """Mean squared error over points and channels."""
        spread = self.subbands.spread(latents)

        def loss_of(numbers: Sequence[int]) -> float:
            total = torch.zeros((), dtype=torch.float64)
            for number in numbers:
                tile = self._tiles[number]
                inputs = self._fill(number, tile, spread)
                values = self._values(weights, _last_layer(weights, inputs), inputs[self.sines :])
                total += values.sub_(tile.targets_CP).square().sum()
            return float(total)

        return sum(self._stripes.map(loss_of, len(self._tiles))) / (self.points * self.channels)

    def targets_CP(self) -> Tensor:
        """The signal."""
        return torch.cat([tile.targets_CP for tile in self._tiles], 1)

    def _fill(self, number: int, tile: _Tile, spread: Sequence[Tensor]) -> Tensor:
        self.subbands.fill(number, spread, tile.inputs_IP[self.sines :])
        return tile.inputs_IP

    @staticmethod
    def _values(weights: Weights, hidden_HP: Tensor, latents_UP: Tensor) -> Tensor:
        return torch.addmm(weights.bias[:, None], weights.readout, hidden_HP).addmm_(weights.skip, latents_UP)


def _last_layer(weights: Weights, inputs_IP: Tensor) -> Tensor:
    hidden = inputs_IP
    for weight, bias in zip(weights.hidden, weights.biases, strict=True):
        hidden = torch.addmm(bias[:, None], weight, hidden).sin_()
    return hidden
