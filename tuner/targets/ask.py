"""What may be asked of a fit: a target, and everything about the fit that the target leaves open. No torch here."""

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from math import isfinite

from tuner.errors import ConfigError
from tuner.fit.config import FitConfig
from tuner.fit.wavelets.config import WaveletConfig

# Networks that each preset may train to meet a target.
TRIALS = {"fast": 2, "balanced": 3, "best": 4}


class TargetKind(StrEnum):
    """Which property of the result is asked for."""

    PSNR_DB = "psnr_db"
    MAX_ERROR = "max_error"
    BYTES = "bytes"
    BITS_PER_SAMPLE = "bits_per_sample"
    SECONDS = "seconds"

    @property
    def is_quality(self) -> bool:
        """Whether it is asked how good the result is, and the smallest file that is so good is wanted."""
        return self in {TargetKind.PSNR_DB, TargetKind.MAX_ERROR}

    @property
    def is_size(self) -> bool:
        """Whether it is asked how large the file may be, and the best file of that size is wanted."""
        return self in {TargetKind.BYTES, TargetKind.BITS_PER_SAMPLE}


@dataclass(frozen=True, slots=True)
class Target:
    """One number that the result must meet.

    Attributes:
        kind: of what.
        value: > 0. dB of picture PSNR at least; the largest difference of a sample, as a share of the range of values,
            at most; bytes of the file at most; bits of the file per sample (all channels together) at most; seconds of
            training at most.

    Raises:
        ConfigError: if the value is not a finite number above 0.
    """

    kind: TargetKind
    value: float

    def __post_init__(self) -> None:
        if not (isfinite(self.value) and self.value > 0.0):
            raise ConfigError(f"the target {self.kind} is {self.value}, expected a finite number above 0")

    @classmethod
    def parse(cls, text: str) -> "Target":
        """The target that a command line names: `psnr=35`, `bytes=40000` and so on.

        Raises:
            ConfigError: if it names none.
        """
        name, _, value = text.partition("=")
        try:
            return cls(TargetKind("psnr_db" if name == "psnr" else name), float(value))
        except ValueError as error:
            known = ", ".join(kind.value for kind in TargetKind)
            raise ConfigError(f"the target is {text!r}, expected NAME=NUMBER with one of {known}") from error

    def __str__(self) -> str:
        unit = {TargetKind.PSNR_DB: "dB", TargetKind.MAX_ERROR: "largest error"}.get(self.kind, self.kind.value)
        return f"{self.value:g} {unit.replace('_', ' ')}"

    def max_bytes(self, samples: int) -> int | None:
        """Bytes that the file of a signal of so many samples may have, or None if its size is not the target."""
        if self.kind is TargetKind.BYTES:
            return int(self.value)
        return int(self.value * samples / 8.0) if self.kind is TargetKind.BITS_PER_SAMPLE else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """A whole request.

    Attributes:
        base: trainer, budget, seed, and the network in everything but its size.
        target: what the result must meet; None for the network of `base` as it is.
        trials: networks that may be trained to meet it, >= 1.
        free_size: whether the search chooses the size of the network; if not, only how long it trains and how coarsely
            it is rounded.
        max_loss_db: what rounding may cost where the target does not say, in dB, > 0.
        thorough: whether, where the target does not say how large the file may be or how good, it is rounded with all
            care; see `tuner.rounding.compress`.
        modulated: the modulated network to fit instead of the one of `base`; `tuner.targets.wavelets.choice` makes it.

    Raises:
        ConfigError: if no trial is allowed.
    """

    base: FitConfig
    target: Target | None = None
    trials: int = 3
    free_size: bool = True
    max_loss_db: float = 0.1
    thorough: bool = False
    modulated: WaveletConfig | None = None

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ConfigError(f"trials is {self.trials}, expected at least 1")

    def fingerprint(self) -> str:
        """SHA-256 of the request, in hexadecimal: equal for equal requests only."""
        settings = asdict(self) | {"base": self.base.fingerprint()}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
