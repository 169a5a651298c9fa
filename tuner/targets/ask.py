"""One request: which network is fitted with which settings, and the target that its file must meet. No torch here.

`tuner.targets.request.ask_for` makes one from what people say; `tuner.targets.search.fit_to_target` answers it.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import ClassVar

from tuner.errors import ConfigError
from tuner.fit.config import EikonalConfig, FirstOrderConfig, FitConfig
from tuner.fit.wavelets.config import WaveletConfig
from tuner.targets.target import Target, TargetKind


class NetworkKind(StrEnum):
    """Which of the two kinds of network is fitted."""

    SINES = "sines"
    WAVELETS = "wavelets"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask(ABC):
    """A whole request, in the class that belongs to its kind of network.

    Attributes:
        config: the settings of a fit: network, budget and seed.
        target: what the result must meet; None for the network of the settings as it is.
        trials: how many networks may be trained to meet the target, at least 1.

    Raises:
        ConfigError: if no trial is allowed.
    """

    kind: ClassVar[NetworkKind]
    config: FitConfig | WaveletConfig
    target: Target | None = None
    trials: int = 3

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ConfigError(f"trials is {self.trials}, expected at least 1")

    @property
    def seconds(self) -> float | None:
        """Time that the whole search may take, in seconds; None for no limit."""
        config = self.config
        limits = [config.max_seconds if isinstance(config, WaveletConfig) else config.budget.max_seconds]
        if self.target is not None and self.target.kind is TargetKind.SECONDS:
            limits.append(self.target.value)
        return min((limit for limit in limits if limit is not None), default=None)

    @property
    @abstractmethod
    def trainer(self) -> str:
        """What trains, in a word."""

    def fingerprint(self) -> str:
        """SHA-256 of the request, in hexadecimal: equal for equal requests only."""
        settings = asdict(self) | {"kind": self.kind, "config": self.config.fingerprint()}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class SinesAsk(Ask):
    """A request for a network of sines, whose weights are rounded once it is trained.

    Attributes:
        config: network, trainer, budget and seed; the size of the network only where the search may not choose it.
        free_size: whether the search chooses the size of the network; if not, only how long it trains and how coarsely
            it is rounded.
        max_loss_db: the PSNR in dB, above 0, that rounding may cost where no target says how good or large the file is.
        thorough: whether the weights of such a file are trained on before and while they are rounded, for a smaller
            file after one to two times as long as the fit took; see `tuner.rounding.compress`.
    """

    kind: ClassVar[NetworkKind] = NetworkKind.SINES
    config: FitConfig
    free_size: bool = True
    max_loss_db: float = 0.1
    thorough: bool = False

    @property
    def trainer(self) -> str:
        """What trains, in a word."""
        trainer = self.config.trainer
        if isinstance(trainer, FirstOrderConfig):
            return trainer.rule.value
        return "eikonal" if isinstance(trainer, EikonalConfig) else "natural_gradient"


@dataclass(frozen=True, kw_only=True, slots=True)
class WaveletsAsk(Ask):
    """A request for a network with wavelet latents, whose rate is part of its fit.

    Attributes:
        config: network, budget, seed, and the rate or the quality of the target.
    """

    kind: ClassVar[NetworkKind] = NetworkKind.WAVELETS
    config: WaveletConfig

    @property
    def trainer(self) -> str:
        """What trains, in a word."""
        return self.kind.value


@dataclass(frozen=True, kw_only=True, slots=True)
class TilesAsk(Ask):
    """A request for a signal in tiles that overlap, each with a network with wavelet latents of its own.

    Attributes:
        config: network, budget and seed of the fit of each tile, and the rate of a tile or the quality of all of them.
        side: most samples of a tile along each axis, at least 8.
    """

    kind: ClassVar[NetworkKind] = NetworkKind.WAVELETS
    config: WaveletConfig
    side: int

    @property
    def trainer(self) -> str:
        """What trains, in a word."""
        return self.kind.value
