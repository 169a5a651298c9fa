"""How to fit a modulated network. No torch here.

The defaults were chosen on photographs (docs/decisions/0014-modulated-network-and-rate.md).
"""

from dataclasses import dataclass
from math import isfinite

from tuner.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class ModulatedConfig:
    """A fit of a modulated network to a rate.

    Attributes:
        bits_per_sample: size of the file to aim for, in bits per point of the grid, > 0; met within some percent.
        steps: of the optimiser, >= 1.
        max_seconds: of training, > 0, or None; all phases shrink in proportion.
        levels: (spacing, latent channels) of each level of the latents, coarsest first.
        widths: neurons of each sine layer.
        frequencies: F, of the first layer; each gives a sine and a cosine.
        reach: largest component of a frequency, in cycles per period.
        period: p, in units of the coordinates, > 2.
        latent_rate: learning rate of the latents, in units of their rounding, > 0.
        weight_rate: learning rate of the weights, > 0.
        half_size_share: share of the steps that see the signal at half its size, in [0, 1). Only for levels that are no
            finer than 2 samples: half a signal says nothing of the others.
        rounded_share: share of the steps, the last ones, in which everything is rounded, in (0, 1].
        seed: of the frequencies, the initial weights and the noise, >= 0.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    bits_per_sample: float
    steps: int = 300
    max_seconds: float | None = None
    levels: tuple[tuple[int, int], ...] = ((16, 3), (8, 3), (4, 1), (2, 1), (1, 1))
    widths: tuple[int, ...] = (16, 16)
    frequencies: int = 4
    reach: int = 16
    period: float = 2.5
    latent_rate: float = 0.1
    weight_rate: float = 5e-3
    half_size_share: float = 0.0
    rounded_share: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("bits_per_sample", "latent_rate", "weight_rate"):
            value = getattr(self, name)
            if not (isfinite(value) and value > 0.0):
                raise ConfigError(f"{name} is {value}, expected a finite number above 0")
        if self.max_seconds is not None and not (isfinite(self.max_seconds) and self.max_seconds > 0.0):
            raise ConfigError(f"max_seconds is {self.max_seconds}, expected a finite number above 0, or None")
        if self.steps < 1 or self.seed < 0:
            raise ConfigError(f"steps is {self.steps} and seed is {self.seed}, expected at least 1 and 0")
        if not (0.0 <= self.half_size_share < 1.0 and 0.0 < self.rounded_share <= 1.0):
            raise ConfigError(
                f"half_size_share is {self.half_size_share} and rounded_share is {self.rounded_share}, "
                "expected shares of the steps"
            )
        spacings = [spacing for spacing, _ in self.levels]
        if not self.levels or min(min(level) for level in self.levels) < 1 or sorted(set(spacings))[::-1] != spacings:
            raise ConfigError(f"levels is {self.levels}, expected (spacing, channels) from coarse to fine, all above 0")
        if min(self.widths, default=0) < 1 or self.frequencies < 1 or self.reach < 1:
            raise ConfigError("widths, frequencies and reach must be at least 1")
        if not 2.0 < self.period < float("inf"):
            raise ConfigError(f"period is {self.period}, expected more than 2, the length of the domain")
