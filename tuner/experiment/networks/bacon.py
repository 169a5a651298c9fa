"""BACON: products of sines, exactly band-limited (Lindell et al., CVPR 2022).

    z_0 = g_0(x),  z_i = g_i(x) * (W_i z_(i-1) + b_i),  f = C z_L + e,  g_i(x) = sin(2 pi/p K_i x + phi_i)

A product of two sines holds their sum and difference and nothing else, so with |K_i| <= B / (L + 1) the network cannot
exceed B. The K_i are random integers, frozen; phases and linear maps are trained. A baseline: TUNER reaches a similar
control softly, through the amplitudes.
"""

from math import floor, pi, sqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tuner.errors import ConfigError
from tuner.experiment.networks.siren import uniform_linear
from tuner.fit.sines.trainable import Network
from tuner.signal.grid import Grid


class Bacon(Network):
    """A band-limited product network.

    Args:
        grid: grid of the signal; its Nyquist indices and its period decide the frequencies.
        channels: values per sample, C.
        widths: neurons of each filter, one more filter than there are linear maps; all equal.
        seed: seed of the frequencies and of the weights.
        band_limit: largest frequency B, as a fraction of Nyquist, in (0, 1].

    Raises:
        ConfigError: if the widths differ.
    """

    def __init__(
        self, grid: Grid, channels: int, widths: tuple[int, ...], *, seed: int, band_limit: float = 1.0
    ) -> None:
        super().__init__()
        if len(set(widths)) != 1:
            raise ConfigError(
                f"the widths of a BACON network are {widths}, expected equal ones: filters are multiplied"
            )
        generator = torch.Generator().manual_seed(seed)
        width = widths[0]
        limits = [floor(band_limit * limit / len(widths)) for limit in grid.nyquist]
        self.period = grid.period
        for number in range(len(widths)):
            axes = [torch.randint(-limit, limit + 1, (width,), generator=generator) for limit in limits]
            self.register_buffer(f"frequencies_{number}", torch.stack(axes, dim=1).int())
        self.phases = nn.ParameterList(
            (torch.rand(width, generator=generator) * 2.0 - 1.0) * pi for _ in range(len(widths))
        )
        limit = sqrt(6.0 / width)
        self.linear = nn.ModuleList(uniform_linear(width, width, limit, generator) for _ in widths[1:])
        self.readout = uniform_linear(width, channels, limit, generator)

    def forward(self, coords_PD: Float[Tensor, "points dims"]) -> Float[Tensor, "points channels"]:
        """Values at any coordinates."""
        value = self._filter(0, coords_PD)
        for number, linear in enumerate(self.linear, start=1):
            value = self._filter(number, coords_PD) * linear(value)
        return torch.as_tensor(self.readout(value))

    def _filter(self, number: int, coords_PD: Tensor) -> Tensor:
        angular_MD = self.get_buffer(f"frequencies_{number}").to(coords_PD.dtype) * (2.0 * pi / self.period)
        return torch.sin(coords_PD @ angular_MD.T + self.phases[number])
