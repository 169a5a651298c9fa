"""ReLU baselines: on the coordinates themselves, and on Fourier features of them.

Fourier features (FFM; Tancik et al., NeurIPS 2020) are sin and cos of 2 pi B v with Gaussian frequencies B, frozen;
here v in [0, 1] is a coordinate of [-1, 1] moved there, so that a deviation of 10 means 10 cycles across the signal, as
in the paper. The original comparison of the TUNER code multiplied the hidden pre-activations by 30 and took the square
root of its omega as the deviation; `hidden_scale` is there to look at the former, and 1 is right.
"""

from itertools import pairwise
from math import pi, sqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tuner.errors import ConfigError
from tuner.experiment.networks.siren import uniform_linear
from tuner.fit.sines.trainable import Network


class Relu(Network):
    """ReLU layers on the coordinates.

    Args:
        dimensions: axes of the signal, D.
        channels: values per sample, C.
        widths: neurons of each ReLU layer, first to last.
        seed: seed of the weights, which are torch's default.
        hidden_scale: factor on pre-activations.
    """

    def __init__(
        self, dimensions: int, channels: int, widths: tuple[int, ...], *, seed: int, hidden_scale: float = 1.0
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.hidden_scale = hidden_scale
        self.layers = nn.ModuleList(
            uniform_linear(inputs, outputs, 1.0 / sqrt(inputs), generator)
            for inputs, outputs in pairwise([dimensions, *widths, channels])
        )

    def forward(self, coords_PD: Float[Tensor, "points dims"]) -> Float[Tensor, "points channels"]:
        """Values at any coordinates."""
        *hidden, readout = self.layers
        value = coords_PD
        for layer in hidden:
            value = torch.relu(self.hidden_scale * layer(value))
        return torch.as_tensor(readout(value))


class FourierFeatures(Network):
    """ReLU layers on frozen Gaussian Fourier features.

    Args:
        dimensions: axes of the signal, D.
        channels: values per sample, C.
        widths: number of features, an even number (half of them sines, half cosines), then the ReLU layers.
        seed: seed of the frequencies and of the weights.
        deviation: standard deviation of a frequency, in cycles across the signal, > 0.
        hidden_scale: factor on pre-activations.

    Raises:
        ConfigError: if the number of features is odd.
    """

    angular_FD: Tensor

    def __init__(
        self,
        dimensions: int,
        channels: int,
        widths: tuple[int, ...],
        *,
        seed: int,
        deviation: float = 10.0,
        hidden_scale: float = 1.0,
    ) -> None:
        super().__init__()
        features, *hidden = widths
        if features % 2:
            raise ConfigError(f"{features} Fourier features, expected an even number: half are sines, half cosines")
        generator = torch.Generator().manual_seed(seed)
        cycles_FD = torch.randn(features // 2, dimensions, generator=generator) * deviation
        # v = (x + 1) / 2, so one cycle across the signal is pi radians per unit of x.
        self.register_buffer("angular_FD", pi * cycles_FD)
        self.mlp = Relu(features, channels, tuple(hidden), seed=seed + 1, hidden_scale=hidden_scale)

    def forward(self, coords_PD: Float[Tensor, "points dims"]) -> Float[Tensor, "points channels"]:
        """Values at any coordinates."""
        angles_PF = (coords_PD + 1.0) @ self.angular_FD.T
        return torch.as_tensor(self.mlp(torch.cat([angles_PF.sin(), angles_PF.cos()], dim=1)))
