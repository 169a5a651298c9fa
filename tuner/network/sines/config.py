"""What a network looks like before it has seen a signal.

Ranges of frequencies are fractions of the Nyquist index of each axis, so that one configuration suits every picture,
whatever its size, its sides and the period. Read by `tuner.network.sines.frequencies`, `tuner.fit.sines.module` and the
presets.
"""

from dataclasses import dataclass
from math import isfinite

from tuner.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkConfig:
    """A sinusoidal network with frozen integer input frequencies and bounded hidden columns.

    Attributes:
        frequencies: number m of input frequencies asked for, >= 1. A small grid may not hold as many distinct ones;
            the network then has fewer.
        hidden: neurons of each hidden layer, first to last.
        period: period p, in units of the coordinates, > 2.
        low_share: q, the share of the frequencies drawn from the low box, in [0, 1].
        low_limit: half side l of the low box, as a fraction of Nyquist, in (0, band_limit].
        band_limit: B, the largest input frequency, as a fraction of Nyquist, in (0, 1].
        bound_low: bound c of the columns inside the low box, > 0.
        bound_high: bound c of the other columns, > 0.
        bound_deep: bound c of all columns of the second and later hidden layers, > 0.
        deviation: standard deviation of an initial hidden pre-activation in radians, whatever the width, > 0.
            Beyond 2 it ruins the fit; the natural gradient is best served by 1, Adam by 1.4.
        windows: number of windows into which a line is cut, each an output of the network
            (`tuner.network.sines.windows`), >= 1.
        bounded: whether the bounds hold at all; without them, the integer frequencies are what is left of the method.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    frequencies: int
    hidden: tuple[int, ...] = (256,)
    period: float = 2.5
    low_share: float = 0.7
    low_limit: float = 0.05
    band_limit: float = 1 / 3
    bound_low: float = 1.0
    bound_high: float = 0.5
    bound_deep: float = 1.0
    deviation: float = 1.0
    bounded: bool = True
    windows: int = 1

    def __post_init__(self) -> None:
        _check("frequencies", self.frequencies, "at least 1", self.frequencies >= 1)
        _check(
            "hidden", self.hidden, "at least one layer, each with at least 1 neuron", min(self.hidden, default=0) >= 1
        )
        _check("windows", self.windows, "at least 1", self.windows >= 1)
        _check("period", self.period, "more than 2, the length of the domain", 2.0 < self.period < float("inf"))
        _check("low_share", self.low_share, "a share in [0, 1]", 0.0 <= self.low_share <= 1.0)
        _check("band_limit", self.band_limit, "a fraction of Nyquist in (0, 1]", 0.0 < self.band_limit <= 1.0)
        _check(
            "low_limit", self.low_limit, "more than 0 and not above band_limit", 0.0 < self.low_limit <= self.band_limit
        )
        for name in ("bound_low", "bound_high", "bound_deep", "deviation"):
            value = getattr(self, name)
            _check(name, value, "a finite number above 0", isfinite(value) and value > 0.0)


def _check(name: str, value: object, expected: str, holds: bool) -> None:
    if not holds:
        raise ConfigError(f"{name} is {value}, expected {expected}")
