"""SIREN and FINER: dense sine layers, all weights trained.

SIREN (Sitzmann et al., NeurIPS 2020) is h = sin(omega (V x + b)) throughout. Its published code and its paper disagree;
the code is followed: omega multiplies the bias too, the first V is uniform within 1 / fan-in, later ones within
sqrt(6 / fan-in) / omega, biases are torch's default. V is stored without omega, which is how the published learning
rates are meant; the effective weights are omega V.

FINER (Liu et al., CVPR 2024) is h = sin(omega (|z| + 1) z) with z = V x + b, the scale |z| + 1 taken as a constant by
the gradients of a training, and a wider first bias if one is given: where the bias is large, the sine is fast.
"""

from collections.abc import Callable
from itertools import pairwise
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tuner.fit.sines.trainable import Network

Activation = Callable[[Tensor], Tensor]


class Siren(Network):
    """SIREN.

    Args:
        dimensions: axes of the signal, D.
        channels: values per sample, C.
        widths: neurons of each sine layer, first to last.
        seed: seed of the weights.
        omega_first: omega of the first layer.
        omega_hidden: omega of the others.
    """

    def __init__(
        self,
        dimensions: int,
        channels: int,
        widths: tuple[int, ...],
        *,
        seed: int,
        omega_first: float = 30.0,
        omega_hidden: float = 30.0,
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        sizes = [dimensions, *widths, channels]
        self.omegas = [omega_first, *[omega_hidden] * (len(widths) - 1)]
        self.layers = nn.ModuleList()
        for number, (inputs, outputs) in enumerate(pairwise(sizes)):
            limit = 1.0 / inputs if number == 0 else sqrt(6.0 / inputs) / omega_hidden
            self.layers.append(uniform_linear(inputs, outputs, limit, generator))

    def forward(self, coords_PD: Float[Tensor, "points dims"]) -> Float[Tensor, "points channels"]:
        """Values at any coordinates."""
        *sines, readout = self.layers
        value = coords_PD
        for omega, layer in zip(self.omegas, sines, strict=True):
            value = self.wave(omega, layer(value))
        return torch.as_tensor(readout(value))

    def wave(self, omega: float, z: Tensor) -> Tensor:
        """The activation."""
        return torch.sin(omega * z)


class Finer(Siren):
    """FINER.

    Args:
        dimensions: axes of the signal, D.
        channels: values per sample, C.
        widths: neurons of each sine layer, first to last.
        seed: seed of the weights.
        omega_first: omega of the first layer.
        omega_hidden: omega of the others.
        first_bias: the first bias is uniform within it; None for torch's default, as the published image script has it.
    """

    def __init__(
        self,
        dimensions: int,
        channels: int,
        widths: tuple[int, ...],
        *,
        seed: int,
        omega_first: float = 30.0,
        omega_hidden: float = 30.0,
        first_bias: float | None = None,
    ) -> None:
        super().__init__(dimensions, channels, widths, seed=seed, omega_first=omega_first, omega_hidden=omega_hidden)
        if first_bias is not None:
            nn.init.uniform_(
                self.layers[0].get_parameter("bias"),
                -first_bias,
                first_bias,
                generator=torch.Generator().manual_seed(seed + 1),
            )

    def wave(self, omega: float, z: Tensor) -> Tensor:
        """The activation, whose frequency grows with its argument."""
        scale = z.abs() + 1.0
        return torch.sin(omega * (scale.detach() if self.training else scale) * z)


def uniform_linear(inputs: int, outputs: int, limit: float, generator: torch.Generator) -> nn.Linear:
    """A linear layer with weights uniform within `limit` and torch's default biases, from one generator."""
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    nn.init.uniform_(layer.weight, -limit, limit, generator=generator)
    nn.init.uniform_(layer.bias, -1.0 / sqrt(inputs), 1.0 / sqrt(inputs), generator=generator)
    return layer
