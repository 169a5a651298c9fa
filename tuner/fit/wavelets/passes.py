"""Loss and gradients of wavelet latents under a small sine layer, on a whole grid, tile by tile.

A tile is some rows of the first axis, few enough that its activations stay in the cache: a network this narrow is bound
by memory otherwise. Threads share the tiles. The inputs of the first layer are kept for the whole grid: the sines never
change, fields and differences do when `show` is given other latents. Derivatives are written out by hand; all of it is
products of small matrices and sines.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi, prod

import numpy as np
import torch
from torch import Tensor

from tuner.fit.stripes import Stripes, single_threaded
from tuner.fit.wavelets.dense import dense_fields
from tuner.fit.wavelets.differences import Differences
from tuner.fit.wavelets.subbands import TILE_POINTS, Subbands
from tuner.fit.wavelets.weights import Weights
from tuner.network.wavelets.layout import Layout
from tuner.shapes import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class LatentGradients:
    """Mean squared error and its derivatives by the latents.

    Attributes:
        loss: mean squared error over points and channels.
        slopes: first derivatives by the latents, one tensor per level, (subbands, *nodes).
        second_derivatives: random sample of the second derivatives by each latent alone, from random signs.
    """

    loss: float
    slopes: list[Tensor]
    second_derivatives: list[Tensor]


class GridPasses:
    """A signal on its grid, ready for passes over it.

    Args:
        values: the signal, float32 (*shape, C).
        axes: coordinates of the samples along each axis, float (N_d,).
        layout: arrangement of the subbands that hold the latents.
        frequencies: integer frequencies of the first layer, (F, D).
        period: length p of a period in units of the coordinates.

    Attributes:
        gains: factors of the inputs beside the sines, (M,); all passes need `show` after they change.
    """

    def __init__(
        self,
        values: FloatArray,
        axes: Sequence[FloatArray],
        layout: Layout,
        frequencies: IntArray,
        period: float,
    ) -> None:
        self._stripes = Stripes(torch.get_num_threads())
        self.grid_shape = values.shape[:-1]
        self.points = int(prod(self.grid_shape))
        self.channels = int(values.shape[-1])
        plane = prod(self.grid_shape[1:])
        rows = max(1, TILE_POINTS // plane)
        self.sines = 2 * len(frequencies)
        self.layout, self.frequencies = layout, frequencies
        self.subbands = Subbands(layout, rows)
        self._differences = Differences(self.grid_shape)
        self._dense = dense_fields(layout)
        self.gains = torch.ones(layout.inputs)
        self.targets_CP = torch.from_numpy(values).reshape(-1, self.channels).T.contiguous()
        self._inputs_IP = torch.zeros(self.sines + layout.inputs, self.points)
        self._fields_UP = torch.zeros(layout.field_channels, self.points)
        angular = torch.from_numpy(frequencies).double() * (2.0 * pi / period)
        rest = torch.zeros(len(angular), 1)
        for dimension, axis in enumerate(axes[1:], start=1):
            along = angular[:, dimension, None] * torch.from_numpy(axis).double()
            rest = (rest[:, :, None] + along[:, None, :]).reshape(len(angular), -1)
        self._tiles = []
        for start in range(0, len(axes[0]), rows):
            stop = min(start + rows, len(axes[0]))
            tile = slice(start * plane, stop * plane)
            first = angular[:, 0, None] * torch.from_numpy(axes[0][start:stop]).double()
            angles = (first[:, :, None] + rest[:, None, :]).reshape(len(angular), -1)
            self._inputs_IP[: self.sines, tile] = torch.cat([angles.sin(), angles.cos()]).float()
            self._tiles.append(tile)

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return len(self._tiles)

    def show(self, latents: Sequence[Tensor]) -> None:
        """Compute all inputs from codes, which need not be integers; whatever follows is about these."""
        layout, inputs = self.layout, self._inputs_IP[self.sines :]
        if self._dense is not None:
            with single_threaded():
                self._dense.fill(latents, self._fields_UP)
                inputs[: layout.fields] = self._fields_UP[:: layout.colours]
                sums = self._fields_UP.view(layout.fields, layout.colours, -1).sum(0)
                inputs[layout.fields : layout.summed_inputs] = sums[1:]
                self._dense.fill_differences(sums[0], inputs[layout.summed_inputs :])
                inputs.mul_(self.gains[:, None])
            return
        spread = self.subbands.spread(latents)
        brightness = torch.empty(self.points)

        def fill(numbers: Sequence[int]) -> None:
            for number in numbers:
                tile = self._tiles[number]
                found = torch.empty(layout.field_channels, tile.stop - tile.start)
                self.subbands.fill(number, spread, found)
                sums = found.view(layout.fields, layout.colours, -1).sum(0)
                brightness[tile] = sums[0]
                inputs[: layout.fields, tile] = found[:: layout.colours]
                inputs[layout.fields : layout.summed_inputs, tile] = sums[1:]
                self._fields_UP[:, tile] = found

        self._stripes.map(fill, self.tiles)
        self._differences.fill(brightness, inputs[layout.summed_inputs :])
        inputs.mul_(self.gains[:, None])

    def show_fields(self, latents: Sequence[Tensor]) -> None:
        """Compute the fields alone, which are all that a network without sines reads; other inputs stay as they are."""
        if self._dense is not None:
            with single_threaded():
                self._dense.fill(latents, self._fields_UP)
            return
        spread = self.subbands.spread(latents)

        def fill(numbers: Sequence[int]) -> None:
            for number in numbers:
                self.subbands.fill(number, spread, self._fields_UP[:, self._tiles[number]])

        self._stripes.map(fill, self.tiles)

    def fields_at(self, samples: np.ndarray) -> FloatArray:
        """The fields at some samples, told by their numbers."""
        return self._fields_UP[:, torch.from_numpy(samples)].numpy()

    def inputs_at(self, samples: np.ndarray) -> tuple[FloatArray, FloatArray]:
        """What the first layer reads at some samples, told by their numbers, and the fields there."""
        where = torch.from_numpy(samples)
        return self._inputs_IP[:, where].numpy(), self._fields_UP[:, where].numpy()

    def input_sizes(self) -> Tensor:
        """Root mean square of each input beside the sines, gains included."""
        return self._inputs_IP[self.sines :].square().mean(1).sqrt()

    def latent_gradients(self, weights: Weights, signs_CP: Tensor) -> LatentGradients:
        """Derivatives by the codes that were shown.

        Args:
            weights: weights of the network.
            signs_CP: random signs, 1 or -1. The square of their derivative is, in the mean, the diagonal of the
                Gauss-Newton matrix: terms of different points and channels cancel (Bekas, Kokiopoulou and Saad 2007).
        """
        layout = self.layout
        by_fields = torch.empty(2, layout.field_channels, self.points)
        by_inputs = torch.empty(2, layout.inputs, self.points)
        backs, probes = zip(by_fields, by_inputs, strict=True)
        sums = self._stripes.map(lambda numbers: self._backward(numbers, weights, backs, signs_CP, probes), self.tiles)
        values = self.points * self.channels
        slopes, second = self._by_codes_at_once(by_fields, by_inputs) or (
            self._by_codes(*backs),
            self._by_codes(*probes),
        )
        return LatentGradients(
            sum(sums) / values,
            [each.mul_(2.0 / values) for each in slopes],
            [each.square_().mul_(2.0 / values) for each in second],
        )

    def weight_gradients(self, weights: Weights, numbers: Sequence[int]) -> list[Tensor]:
        """Derivatives of the mean squared error on some tiles by the sine layers, in the order of `Weights.inner`."""
        by_weights = [torch.zeros_like(weight) for weight in weights.hidden]
        by_biases = [torch.zeros_like(bias) for bias in weights.biases]
        points = 0
        with single_threaded(), torch.no_grad():
            for number in numbers:
                tile = self._tiles[number]
                points += tile.stop - tile.start
                activations, slopes = self._forward(weights, tile)
                error = self._values(weights, activations[-1], self._fields_UP[:, tile]).sub_(self.targets_CP[:, tile])
                back = weights.readout.T @ error
                for layer in range(len(slopes) - 1, -1, -1):
                    back.mul_(slopes[layer])
                    by_weights[layer].addmm_(back, activations[layer].T)
                    by_biases[layer] += back.sum(1)
                    if layer:
                        back = weights.hidden[layer].T @ back
        return [each.mul_(2.0 / (points * self.channels)) for each in (*by_weights, *by_biases)]

    def _by_codes_at_once(self, backs: Tensor, by_inputs: Tensor) -> tuple[list[Tensor], list[Tensor]] | None:
        """What `_by_codes` gives for both, (2, ..., P), by products with whole matrices; None where there are none."""
        if self._dense is None:
            return None
        layout = self.layout
        with single_threaded():
            by_inputs.mul_(self.gains[:, None])
            by_fields = backs.view(2, layout.fields, layout.colours, -1)
            brightness = self._dense.transposed_differences(by_inputs[:, layout.summed_inputs :])
            by_fields[:, :, 0] += by_inputs[:, : layout.fields]
            by_fields[:, :, 0] += brightness[:, None]
            by_fields[:, :, 1:] += by_inputs[:, None, layout.fields : layout.summed_inputs]
            found = self._dense.transposed(backs)
        return [each[0] for each in found], [each[1] for each in found]

    def _by_codes(self, backs: Tensor, by_inputs: Tensor) -> list[Tensor]:
        """From derivatives by fields and other inputs to those by the codes; spoils both."""
        layout = self.layout
        by_inputs.mul_(self.gains[:, None])
        brightness = self._differences.transposed(by_inputs[layout.summed_inputs :])
        by_fields = backs.view(layout.fields, layout.colours, -1)
        by_fields[:, 0] += by_inputs[: layout.fields]
        by_fields[:, 0] += brightness
        by_fields[:, 1:] += by_inputs[layout.fields : layout.summed_inputs]

        def gathered(numbers: Sequence[int]) -> list[tuple[slice, Tensor]]:
            spans = self.subbands.nodes_of(numbers)
            found = self.subbands.spread_zeros(spans)
            for number in numbers:
                self.subbands.add_transposed(number, backs[:, self._tiles[number]], found, spans)
            return list(zip(spans, found, strict=True))

        parts = self._stripes.map(gathered, self.tiles)
        spread = self.subbands.spread_zeros(self.subbands.all_nodes())
        for part in parts:
            for gradient, (nodes, more) in zip(spread, part, strict=True):
                gradient[:, nodes] += more
        return self.subbands.gather(spread)

    def _backward(
        self,
        numbers: Sequence[int],
        weights: Weights,
        backs: tuple[Tensor, Tensor],
        signs_CP: Tensor,
        probes: tuple[Tensor, Tensor],
    ) -> float:
        """Sum of squares on some tiles; half its derivatives by the inputs into `backs`, of the signs into `probes`."""
        loss = torch.zeros((), dtype=torch.float64)
        input_weight = weights.hidden[0][:, self.sines :]
        for number in numbers:
            tile = self._tiles[number]
            activations, slopes = self._forward(weights, tile)
            error = self._values(weights, activations[-1], self._fields_UP[:, tile]).sub_(self.targets_CP[:, tile])
            loss += error.square().sum()
            for by_values, (by_fields, by_inputs) in ((error, backs), (signs_CP[:, tile], probes)):
                back = weights.readout.T @ by_values
                for layer in range(len(slopes) - 1, -1, -1):
                    back.mul_(slopes[layer])
                    if layer:
                        back = weights.hidden[layer].T @ back
                by_fields[:, tile] = weights.skip.T @ by_values
                by_inputs[:, tile] = input_weight.T @ back
        return float(loss)

    def _forward(self, weights: Weights, tile: slice) -> tuple[list[Tensor], list[Tensor]]:
        """Inputs and outputs of the layers on a tile, and the cosines between them."""
        activations, slopes = [self._inputs_IP[:, tile]], []
        for weight, bias in zip(weights.hidden, weights.biases, strict=True):
            angles = torch.addmm(bias[:, None], weight, activations[-1])
            slopes.append(angles.cos())
            activations.append(angles.sin_())
        return activations, slopes

    def solve_output(self, weights: Weights, ridge: float = 1e-7) -> float:
        """Move skip and read-out, in place, to the least squared error for what is before them; return the loss before.

        What is solved for is a correction, in float64, so that the ridge pulls towards the present output layer.
        """
        width, constant = len(weights.hidden[-1]), 1
        size = width + self.layout.field_channels + constant

        def products_of(numbers: Sequence[int]) -> Tensor:
            products = torch.zeros(size + self.channels, size + self.channels, dtype=torch.float64)
            for number in numbers:
                tile = self._tiles[number]
                hidden = _last_layer(weights, self._inputs_IP[:, tile])
                fields_UP = self._fields_UP[:, tile]
                missing = self.targets_CP[:, tile] - self._values(weights, hidden, fields_UP)
                rows = torch.cat([hidden, fields_UP, torch.ones(1, hidden.shape[1]), missing])
                products += (rows @ rows.T).double()
            return products

        products = torch.stack(self._stripes.map(products_of, self.tiles)).sum(0)
        gram, moments = products[:size, :size], products[:size, size:]
        gram.diagonal().add_(ridge * float(gram.diagonal().mean()))
        correction = torch.linalg.solve(gram, moments).float().T
        weights.readout.add_(correction[:, :width])
        weights.skip.add_(correction[:, width:-constant])
        weights.bias.add_(correction[:, -1])
        return float(products[size:, size:].trace()) / (self.points * self.channels)

    def missing(self, weights: Weights) -> Tensor:
        """Targets less values, (C, P)."""
        return self.targets_CP - self._shown(weights, slice(None))

    def loss(self, weights: Weights) -> float:
        """Mean squared error over points and channels."""

        def loss_of(numbers: Sequence[int]) -> float:
            total = torch.zeros((), dtype=torch.float64)
            for number in numbers:
                tile = self._tiles[number]
                total += self._shown(weights, tile).sub_(self.targets_CP[:, tile]).square().sum()
            return float(total)

        return sum(self._stripes.map(loss_of, self.tiles)) / (self.points * self.channels)

    def _shown(self, weights: Weights, tile: slice) -> Tensor:
        """Values of what is shown; nothing but the fields is read where no sine counts."""
        fields_UP = self._fields_UP[:, tile]
        if weights.readout.any():
            return self._values(weights, _last_layer(weights, self._inputs_IP[:, tile]), fields_UP)
        return weights.bias[:, None].repeat(1, fields_UP.shape[1]).addmm_(weights.skip, fields_UP)

    @staticmethod
    def _values(weights: Weights, hidden_HP: Tensor, fields_UP: Tensor) -> Tensor:
        return torch.addmm(weights.bias[:, None], weights.readout, hidden_HP).addmm_(weights.skip, fields_UP)


def _last_layer(weights: Weights, inputs_IP: Tensor) -> Tensor:
    hidden = inputs_IP
    for weight, bias in zip(weights.hidden, weights.biases, strict=True):
        hidden = torch.addmm(bias[:, None], weight, hidden).sin_()
    return hidden
