"""What to fit, how, and for how long. No torch here: a configuration can be read and written anywhere.

A `FitConfig` is made of parts with one owner each: the network (`tuner.network.sines.config`), the trainer's settings,
the budget. `fingerprint` names a configuration in a checkpoint, so that a fit is never resumed under another one.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from math import isfinite

from tuner.errors import ConfigError
from tuner.network.sines.config import NetworkConfig


class Schedule(StrEnum):
    """How the learning rate moves over the steps of the budget."""

    CONSTANT = "constant"
    COSINE = "cosine"


class Rule(StrEnum):
    """What is done with a gradient (`tuner.fit.first_order.optimizers`)."""

    ADAM = "adam"
    MUON = "muon"
    SCHEDULE_FREE = "schedule_free"
    LBFGS = "lbfgs"


@dataclass(frozen=True, kw_only=True, slots=True)
class FirstOrderConfig:
    """First-order training of all parameters but the frozen frequencies.

    Attributes:
        rule: what is done with a gradient. Schedule-free wants a constant schedule, L-BFGS a rate of 1 and the whole
            grid.
        learning_rate: of the first step, in effective units, > 0.
        schedule: how it moves; cosine ends at a hundredth of it.
        batch_samples: about how many samples a step sees, >= 1; None for the whole grid.
        solve_readout: solve the output layer exactly in every step (variable projection) instead of training it.
        ridge: of that solve, relative to the mean square of a hidden neuron, > 0.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    rule: Rule = Rule.ADAM
    learning_rate: float = 1e-2
    schedule: Schedule = Schedule.COSINE
    batch_samples: int | None = None
    solve_readout: bool = True
    ridge: float = 1e-6

    def __post_init__(self) -> None:
        if not 0.0 < self.learning_rate < float("inf"):
            raise ConfigError(f"learning_rate is {self.learning_rate}, expected a finite number above 0")
        if self.batch_samples is not None and self.batch_samples < 1:
            raise ConfigError(f"batch_samples is {self.batch_samples}, expected at least 1, or None for all")
        if self.batch_samples is not None and self.rule is Rule.LBFGS:
            raise ConfigError(
                f"batch_samples is {self.batch_samples}, expected None: the line search of L-BFGS needs the same loss "
                "every time"
            )
        if not 0.0 < self.ridge < 1.0:
            raise ConfigError(f"ridge is {self.ridge}, expected a number between 0 and 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class NaturalGradientConfig:
    """Natural gradient with an exact output layer (`tuner.fit.natural.trainer`); it has no learning rate.

    Attributes:
        damping: of the first direction, relative to the mean curvature, > 0. Adapts itself.
        damping_floor: below which it does not fall, > 0.
        ridge: of the output layer, relative to the mean square of a hidden neuron, > 0.
        curvature_share: the curvature factors see one of so many samples, >= 1.
        inner_steps: directions that are tried at one point before the network is evaluated at the next, >= 1.
        train_phases: whether the phases of the input layer move too.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    damping: float = 1e-5
    damping_floor: float = 1e-8
    ridge: float = 1e-7
    curvature_share: int = 3
    inner_steps: int = 3
    train_phases: bool = False

    def __post_init__(self) -> None:
        for name in ("damping", "damping_floor", "ridge"):
            value = getattr(self, name)
            if not 0.0 < value < float("inf"):
                raise ConfigError(f"{name} is {value}, expected a finite number above 0")
        for name in ("curvature_share", "inner_steps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected at least 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class EikonalConfig:
    """A distance field from samples of its surface (`tuner.fit.sines.eikonal`).

    Attributes:
        start: how the first steps fit the distances on the grid.
        start_steps: how many of the budget's steps they are, >= 0.
        descent: how the loss is descended then; all parameters are trained, and every step has a draw of its own.
        points: on the surface, near it and anywhere, so many of each in a step, >= 1.
        deviation: of the near points from the surface, in units of the values, > 0.
        on_surface: weight of |f| on the surface, > 0.
        normals: weight of the angle between gradient and normal, > 0.
        eikonal: weight of the slope's distance from 1, > 0.
        off_surface: weight of what keeps f from being zero elsewhere, > 0.
        sharpness: of that, per unit of value, > 0.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    start: NaturalGradientConfig = field(default_factory=NaturalGradientConfig)
    start_steps: int = 45
    descent: FirstOrderConfig = field(default_factory=lambda: FirstOrderConfig(learning_rate=2e-3, solve_readout=False))
    points: int = 1024
    deviation: float = 0.05
    on_surface: float = 3e3
    normals: float = 1e2
    eikonal: float = 5e1
    off_surface: float = 1e2
    sharpness: float = 1e2

    def __post_init__(self) -> None:
        if self.descent.solve_readout or self.descent.rule is Rule.LBFGS:
            raise ConfigError(
                f"descent is {self.descent}, expected solve_readout=False and a rule without a line search: the "
                "eikonal loss is no sum of squares, and every step draws other samples"
            )
        if self.points < 1:
            raise ConfigError(f"points is {self.points}, expected at least 1")
        if self.start_steps < 0:
            raise ConfigError(f"start_steps is {self.start_steps}, expected 0 or more")
        for name in ("deviation", "on_surface", "normals", "eikonal", "off_surface", "sharpness"):
            value = getattr(self, name)
            if not 0.0 < value < float("inf"):
                raise ConfigError(f"{name} is {value}, expected a finite number above 0")


# Every trainer has one settings class; their union is what a FitConfig may hold.
TrainerConfig = FirstOrderConfig | NaturalGradientConfig | EikonalConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """When to stop; whichever comes first.

    Attributes:
        max_steps: >= 1.
        max_seconds: of training, > 0, or None.
        target_psnr_db: stop once the whole signal is reproduced this well, or None.
        plateau_steps: stop once this many steps have gained less than `plateau_db`, >= 1, or None.
        plateau_db: > 0.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    max_steps: int
    max_seconds: float | None = None
    target_psnr_db: float | None = None
    plateau_steps: int | None = None
    plateau_db: float = 0.01

    def __post_init__(self) -> None:
        if self.max_steps < 1:
            raise ConfigError(f"max_steps is {self.max_steps}, expected at least 1")
        if self.max_seconds is not None and not 0.0 < self.max_seconds < float("inf"):
            raise ConfigError(f"max_seconds is {self.max_seconds}, expected a finite number above 0, or None")
        if self.target_psnr_db is not None and not isfinite(self.target_psnr_db):
            raise ConfigError(f"target_psnr_db is {self.target_psnr_db}, expected a finite number, or None")
        if self.plateau_steps is not None and self.plateau_steps < 1:
            raise ConfigError(f"plateau_steps is {self.plateau_steps}, expected at least 1, or None")
        if not 0.0 < self.plateau_db < float("inf"):
            raise ConfigError(f"plateau_db is {self.plateau_db}, expected a finite number above 0")


@dataclass(frozen=True, kw_only=True, slots=True)
class FitConfig:
    """Everything that decides a fit, apart from the signal and the device.

    Attributes:
        network: the network to train.
        trainer: the algorithm, by the class of its settings.
        budget: when to stop.
        seed: of the frequencies, the initial weights and the batches, >= 0.

    Raises:
        ConfigError: if the seed is negative.
    """

    network: NetworkConfig
    budget: Budget
    trainer: TrainerConfig = field(default_factory=FirstOrderConfig)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}, expected 0 or more")

    def fingerprint(self) -> str:
        """SHA-256 of the settings, in hexadecimal: equal for equal configurations only."""
        settings = {"trainer_kind": type(self.trainer).__name__} | asdict(self)
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
