"""MR-Net: a sum of stages, each of which adds a level of detail (Paz et al., Computers & Graphics 114, 2023).

    f(x, t) = sum_i clamp(t - i, 0, 1) g_i(x)       t in [0, N]: f moves continuously from coarse to fine

S-Net: a stage is its input sines and a linear read-out. L-Net: with hidden layers in between. M-Net: the first hidden
layer of a stage also sees the last hidden features of the stage before it. Stages are trained one after the other on a
Gaussian pyramid, coarse to fine, all earlier ones frozen (`tuner.experiment.training`).

With the spectral initialisation every stage has the integer frequencies of its own level of the pyramid, chosen by
fractions of that level's Nyquist index, and none that an earlier stage has, unit vectors apart. Without it (`integer =
False`) the first layer is SIREN's, with a frequency that doubles from stage to stage, and is trained.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from math import ceil, pi, sqrt
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from tuner.errors import ConfigError
from tuner.experiment.networks.siren import uniform_linear
from tuner.fit.sines.module import HiddenSine, initial_layers, input_bounds, input_frequencies, quarter_turns
from tuner.fit.sines.trainable import Network
from tuner.network.sines.config import NetworkConfig
from tuner.shapes import FloatArray, IntArray
from tuner.signal.grid import Grid

STAGES = 3
FIRST_OMEGA = 8.0  # of the coarsest stage without the spectral initialisation; doubles with every stage


class Form(StrEnum):
    """How the stages are made, and whether they see each other."""

    S = "s"
    L = "l"
    M = "m"


class MRNet(Network):
    """A multiresolution network.

    Args:
        form: kind of MR-Net: S, L or M.
        stages: coarse to fine, at least one.

    Attributes:
        stages: networks of the stages, as a module list.
    """

    def __init__(self, form: Form, stages: "Sequence[Stage]") -> None:
        super().__init__()
        self.form = form
        self.stages = nn.ModuleList(stages)

    @property
    def detail(self) -> int:
        """The largest level of detail N, the number of stages."""
        return len(self.stages)

    def stage(self, number: int) -> "Stage":
        """One stage, 0 being the coarsest."""
        return cast("Stage", self.stages[number])

    def forward(self, coords_PD: Float[Tensor, "points dims"]) -> Float[Tensor, "points channels"]:
        """Values at the finest level of detail."""
        return self.at(coords_PD, float(self.detail))

    def at(self, coords_PD: Float[Tensor, "points dims"], t: float) -> Float[Tensor, "points channels"]:
        """Values at any coordinates and any level of detail.

        Args:
            coords_PD: points at which the network is evaluated.
            t: level of detail from 0, which is zero everywhere, to `detail`; an integer gives the network after so
                many stages.

        Returns:
            (P, C).

        Raises:
            ConfigError: if t is out of its range.
        """
        if not 0.0 <= t <= self.detail:
            raise ConfigError(f"the level of detail is {t}, expected a number from 0 to {self.detail}")
        total = coords_PD.new_zeros(len(coords_PD), self.stage(0).readout.out_features)
        features = None
        for number in range(ceil(t)):
            values, features = self.stage(number)(coords_PD, features if self.form is Form.M else None)
            total = total + min(t - number, 1.0) * values
        return total

    def project(self) -> None:
        """Bring every hidden weight back within its bound, in place."""
        for layer in self.hidden_layers():
            layer.project()

    def hidden_layers(self) -> "Iterator[HiddenSine]":
        """Those of all stages, coarse to fine."""
        for number in range(self.detail):
            yield from cast("Sequence[HiddenSine]", self.stage(number).hidden)


class Stage(nn.Module):
    """One g_i: input sines, hidden layers if any, a linear read-out."""

    def __init__(self, sines: nn.Module, hidden: Sequence[HiddenSine], readout: nn.Linear) -> None:
        super().__init__()
        self.sines = sines
        self.hidden = nn.ModuleList(hidden)
        self.readout = readout

    def forward(self, coords_PD: Tensor, features_PH: Tensor | None) -> tuple[Tensor, Tensor]:
        """Values (P, C), and the last features (P, H)."""
        value = self.sines(coords_PD)
        if features_PH is not None:
            value = torch.cat([value, features_PH], dim=1)
        for layer in self.hidden:
            value = layer(value)
        return self.readout(value), value


class LatticeSines(nn.Module):
    """Input sines sin(2 pi/p K x + phi) of frozen integer frequencies K and trained phases phi."""

    frequencies_MD: Tensor

    def __init__(self, frequencies: IntArray, period: float, phases: FloatArray) -> None:
        super().__init__()
        self.period = period
        self.register_buffer("frequencies_MD", torch.tensor(frequencies))
        self.phases_M = nn.Parameter(torch.tensor(phases))

    def forward(self, coords_PD: Tensor) -> Tensor:
        """(P, D) to (P, M)."""
        angular_MD = self.frequencies_MD.to(coords_PD.dtype) * (2.0 * pi / self.period)
        return torch.sin(coords_PD @ angular_MD.T + self.phases_M)


class FreeSines(nn.Module):
    """Input sines of SIREN: sin(omega (V x + b)), all of it trained."""

    def __init__(self, dimensions: int, width: int, omega: float, generator: torch.Generator) -> None:
        super().__init__()
        self.omega = omega
        self.linear = uniform_linear(dimensions, width, 1.0 / dimensions, generator)

    def forward(self, coords_PD: Tensor) -> Tensor:
        """(P, D) to (P, M)."""
        return torch.sin(self.omega * self.linear(coords_PD))


def mrnet(
    form: Form | str,
    grid: Grid,
    channels: int,
    widths: tuple[int, ...],
    *,
    seed: int,
    stages: int = STAGES,
    integer: bool = True,
    reuse: bool = False,
    low_share: float = 0.7,
    low_limit: float = 0.05,
    band_limit: float = 1 / 3,
    bound_low: float = 1.0,
    bound_high: float = 0.5,
    bound_deep: float = 1.0,
    deviation: float = 1.0,
    bounded: bool = False,
) -> MRNet:
    """An untrained MR-Net for a signal on `grid`.

    Args:
        form: kind of MR-Net: S, L or M.
        grid: grid of the signal, the finest level of the pyramid.
        channels: values per sample, C.
        widths: widths of every stage: input sines, then hidden layers; an S-Net has none of these and ignores them.
        seed: seed of everything that is drawn.
        stages: number of stages N, >= 1.
        integer: spectral initialisation, or SIREN's first layer.
        reuse: whether a stage may have the frequencies of earlier ones.
        low_share: share of low frequencies (q) in each stage, as in `NetworkConfig`; so are all the following.
        low_limit: half side of the low box (l), as a fraction of Nyquist.
        band_limit: largest frequency (B), as a fraction of Nyquist.
        bound_low: bound c of the low columns.
        bound_high: bound c of the other columns.
        bound_deep: bound c of deeper layers, and of the features that come from the stage before.
        deviation: standard deviation of an initial pre-activation.
        bounded: whether the bounds hold.

    Returns:
        The network; stages that come later start with small read-outs.

    Raises:
        ConfigError: if a setting is out of its range.
    """
    form = Form(form)
    if stages < 1:
        raise ConfigError(f"{stages} stages, expected at least 1")
    config = NetworkConfig(
        frequencies=widths[0],
        hidden=widths[1:],
        period=grid.period,
        low_share=low_share,
        low_limit=low_limit,
        band_limit=band_limit,
        bound_low=bound_low,
        bound_high=bound_high,
        bound_deep=bound_deep,
        deviation=deviation,
        bounded=bounded,
    )
    random = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    taken: set[tuple[int, ...]] = set()
    made = []
    for number in range(stages):
        level = Grid(level_shape(grid.shape, stages - 1 - number), grid.period)
        frequencies = input_frequencies(config, level, seed, () if reuse else taken)
        taken |= {tuple(row) for row in frequencies.tolist()}
        bounds = input_bounds(config, frequencies, level)
        sines: nn.Module = LatticeSines(frequencies, grid.period, quarter_turns(len(frequencies), random))
        if not integer:
            sines = FreeSines(len(grid.shape), widths[0], FIRST_OMEGA * 2**number, generator)
            bounds = np.full(widths[0], bound_low, dtype=np.float32)
        features = widths[-1] if form is Form.M and number else 0
        inputs = np.concatenate([bounds, np.full(features, bound_deep, dtype=np.float32)])
        layers = () if form is Form.S else initial_layers(config, inputs, random)
        last = len(layers[-1].bias) if layers else len(bounds)
        made.append(
            Stage(
                sines,
                [HiddenSine(layer) for layer in layers],
                uniform_linear(last, channels, 0.1 / sqrt(last), generator),
            )
        )
    return MRNet(form, made)


def level_shape(shape: tuple[int, ...], level: int) -> tuple[int, ...]:
    """Samples along each axis of a level of the pyramid; level 0 is the signal itself, each next one half of it."""
    for _ in range(level):
        shape = tuple((samples + 1) // 2 for samples in shape)
    return shape
