"""The weights of a sine layer over wavelet latents while they are fitted, as tensors in the order of the file.

Latents are not among them: they are integers and move one by one (`tuner.fit.wavelets.choice`), weights move together
(`tuner.fit.wavelets.descent`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tuner.shapes import FloatArray

# Of a weight; the file holds 2047.
_MOST_STEPS = 2000.0


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """All weights but the latents.

    Attributes:
        sines: number of inputs of the first layer that are sines or cosines; the others are fields and what is around
            them.
        hidden: weights W of each sine layer, (H, inputs).
        biases: biases b of each sine layer, (H,).
        skip: weights S from the fields to the values, (C, U).
        readout: weights R from the last sine layer to the values, (C, H).
        bias: constant e of the values, (C,).
    """

    sines: int
    hidden: list[Tensor]
    biases: list[Tensor]
    skip: Tensor
    readout: Tensor
    bias: Tensor

    def tensors(self) -> list[Tensor]:
        """Views of all weights, in the order of the file."""
        first, *deeper = self.hidden
        return [
            first[:, : self.sines],
            first[:, self.sines :],
            self.biases[0],
            *(tensor for pair in zip(deeper, self.biases[1:], strict=True) for tensor in pair),
            self.skip,
            self.readout,
            self.bias,
        ]

    def inner(self) -> list[Tensor]:
        """The sine layers."""
        return [*self.hidden, *self.biases]

    def output(self) -> list[Tensor]:
        """The output layer."""
        return [self.skip, self.readout, self.bias]

    def rounded(self, step_sizes: tuple[float, ...]) -> "Weights":
        """A copy in which every tensor is in whole steps, bit by bit what a file will hold."""
        copy = self._like(torch.clone)
        for tensor, step in zip(copy.tensors(), step_sizes, strict=True):
            step = float(torch.tensor(step))
            tensor.copy_((tensor.double() / step).round() * step)
        return copy

    def widened(self, step_sizes: tuple[float, ...]) -> tuple[float, ...]:
        """The step sizes, larger where a tensor has outgrown what a file can hold."""
        return tuple(
            max(step, float(tensor.abs().max()) / _MOST_STEPS)
            for tensor, step in zip(self.tensors(), step_sizes, strict=True)
        )

    def arrays(self) -> list[FloatArray]:
        """The weights as arrays of their own, in the order of the file."""
        return [tensor.numpy().copy() for tensor in self.tensors()]

    def _like(self, make: Callable[[Tensor], Tensor]) -> "Weights":
        return Weights(
            self.sines,
            [make(weight) for weight in self.hidden],
            [make(bias) for bias in self.biases],
            *[make(tensor) for tensor in self.output()],
        )
