"""Settings of a fit of wavelet latents under a small sine layer: size or quality to aim for, architecture, effort.

No torch here: a configuration can be read and written anywhere. The defaults were chosen on photographs
(decision 14 in docs/decisions).
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import isfinite

from tuner.errors import ConfigError
from tuner.network.wavelets.layout import Layout, most_scales

MOST_AXES = 3
TOO_MANY_AXES = "the signal has {} axes, a network with wavelets at most three: ask for the network kind 'sines'"
_MOST_SCALES = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class WaveletConfig:
    """A fit of wavelets to a size or to a quality.

    Attributes:
        bits_per_sample: size of the file to aim for, in bits per point of the grid, > 0; None if another is aimed for.
        psnr_db: quality to aim for, in dB, with as few bits as that takes; None if another is aimed for.
        latent_step: quantisation step of the latents at first, > 0, which also says what a bit is worth, from the first
            step of the fit to the last: what parts of one signal have in common. None if a size or a quality is aimed
            for.
        learned: whether weights are learned; if not, the network has no sines, and its latents are the coefficients of
            the signal itself, of any size.
        steps: number of steps of the fit, >= 1.
        max_seconds: longest time in steps, in seconds, > 0, or None; all phases shrink in proportion.
        scales: number of scales of the wavelets, >= 1; None for as many as the signal's sides allow.
        widths: number of neurons in each sine layer.
        frequencies: number F of frequencies of the first layer; each gives a sine and a cosine.
        reach: largest component of a frequency, in cycles per period.
        period: length p of the period, in units of the coordinates, > 2.
        weight_rate: learning rate of the weights, > 0.
        weight_steps: number of steps of the weights, on some tiles each, for each step of the latents, >= 0.
        rounded_share: share of the steps, at the end of the fit, in which the weights are rounded, too, in (0, 1].
        seed: seed of the frequencies, the initial weights and the order of the latents, >= 0.

    Raises:
        ConfigError: if a setting is out of its range, or not exactly one of size, quality and step is given.
    """

    bits_per_sample: float | None = None
    psnr_db: float | None = None
    latent_step: float | None = None
    learned: bool = True
    steps: int = 300
    max_seconds: float | None = None
    scales: int | None = None
    widths: tuple[int, ...] = (16,)
    frequencies: int = 2
    reach: int = 16
    period: float = 2.5
    weight_rate: float = 2e-2
    weight_steps: int = 10
    rounded_share: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        if sum(aim is not None for aim in (self.bits_per_sample, self.psnr_db, self.latent_step)) != 1:
            raise ConfigError(
                f"bits_per_sample is {self.bits_per_sample}, psnr_db is {self.psnr_db} and latent_step is "
                f"{self.latent_step}, expected exactly one of them"
            )
        for name in ("bits_per_sample", "psnr_db", "latent_step", "weight_rate"):
            value = getattr(self, name)
            if value is not None and not (isfinite(value) and value > 0.0):
                raise ConfigError(f"{name} is {value}, expected a finite number above 0")
        if self.max_seconds is not None and not (isfinite(self.max_seconds) and self.max_seconds > 0.0):
            raise ConfigError(f"max_seconds is {self.max_seconds}, expected a finite number above 0, or None")
        if self.steps < 1:
            raise ConfigError(f"steps is {self.steps}, expected at least 1")
        if self.seed < 0 or self.weight_steps < 0:
            raise ConfigError(f"weight_steps is {self.weight_steps} and seed {self.seed}, expected at least 0 for both")
        if not 0.0 < self.rounded_share <= 1.0:
            raise ConfigError(f"rounded_share is {self.rounded_share}, expected a share of the steps")
        if self.scales is not None and not 1 <= self.scales <= _MOST_SCALES:
            raise ConfigError(f"scales is {self.scales}, expected 1 to {_MOST_SCALES}, or None")
        if min(self.widths, default=0) < 1 or self.frequencies < 1 or self.reach < 1:
            raise ConfigError("widths, frequencies and reach must be at least 1")
        if not 2.0 < self.period < float("inf"):
            raise ConfigError(f"period is {self.period}, expected more than 2, the length of the domain")

    def fingerprint(self) -> str:
        """SHA-256 of the settings, in hexadecimal: equal for equal configurations only."""
        settings = asdict(self)
        if self.latent_step is None:  # as settings were named before there was such a step
            del settings["latent_step"]
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    def scales_of(self, grid_shape: tuple[int, ...]) -> int:
        """Scales of the wavelets of a signal."""
        return self.scales or most_scales(grid_shape)

    def layout(self, grid_shape: tuple[int, ...], channels: int) -> Layout:
        """The subbands of a signal, whose channels have as many colours."""
        return Layout(grid_shape, self.scales_of(grid_shape), channels)

    def weight_count(self, grid_shape: tuple[int, ...], channels: int) -> int:
        """Scalars that the fit chooses: latents, layers and output layer."""
        return self.layout(grid_shape, channels).latents + self.layer_weight_count(grid_shape, channels)

    def layer_weight_count(self, grid_shape: tuple[int, ...], channels: int) -> int:
        """The same without the latents."""
        layout = self.layout(grid_shape, channels)
        widths = (2 * self.frequencies + layout.inputs, *self.widths)
        layers = sum((before + 1) * after for before, after in pairwise(widths))
        return layers + channels * (layout.field_channels + self.widths[-1] + 1)
