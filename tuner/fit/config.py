"""Settings of a fit of a network of sines: its architecture, its training algorithm, its budget and its seed.

No torch here: a configuration can be read and written anywhere. A `FitConfig` is made of parts with one owner each: the
network (`tuner.network.sines.config`), the trainer's settings, the budget. `fingerprint` names a configuration in a
checkpoint, so that a fit is never resumed under another one. Wavelets have settings of their own
(`tuner.fit.wavelets.config`) and share the budget.
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
        learning_rate: learning rate of the first step, in effective units, > 0.
        schedule: how the learning rate moves from step to step; the cosine ends at a hundredth of the first.
        batch_samples: about how many samples a step sees, >= 1; None for the whole grid.
        solve_readout: whether every step solves the output layer exactly (variable projection) instead of training it.
        ridge: ridge of the solution of the output layer, relative to the mean square of a hidden neuron, > 0.

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
        damping: damping of the first direction, relative to the mean curvature, > 0; it adapts itself from there.
        damping_floor: value that the damping does not fall below, relative to the mean curvature, > 0.
        ridge: ridge of the solution of the output layer, relative to the mean square of a hidden neuron, > 0.
        curvature_share: the curvature factors see one sample of so many, >= 1.
        inner_steps: number of directions that are tried at one point before the network is evaluated at the next, >= 1.
        train_phases: whether the phases of the input layer move too.
        prior: strength of a Gaussian prior on the hidden weights (`tuner.fit.natural.prior`), relative to that which
            the samples make the most likely, >= 0; 0 for none, where the loss never rises. Needs fixed phases.
        prior_power: power of the frequency of a weight's column with which its cost under the prior grows, >= 0.
        coarse_steps: number of steps on each coarser version of the samples that are the first step together, >= 0; 0
            for none. Samples on a grid have such versions, unless they are few (`tuner.fit.natural.coarse`); scattered
            ones have none, nor has a grid most of which is held out. Each of them, on all versions, takes a quarter to
            a half of a step on all samples.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    damping: float = 1e-5
    damping_floor: float = 1e-8
    ridge: float = 1e-7
    curvature_share: int = 3
    inner_steps: int = 3
    train_phases: bool = False
    prior: float = 0.0
    prior_power: float = 1.0
    coarse_steps: int = 0

    def __post_init__(self) -> None:
        for name in ("damping", "damping_floor", "ridge"):
            value = getattr(self, name)
            if not 0.0 < value < float("inf"):
                raise ConfigError(f"{name} is {value}, expected a finite number above 0")
        for name in ("curvature_share", "inner_steps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected at least 1")
        if self.coarse_steps < 0:
            raise ConfigError(f"coarse_steps is {self.coarse_steps}, expected 0 or more")
        for name in ("prior", "prior_power"):
            if not 0.0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"{name} is {getattr(self, name)}, expected a finite number, 0 or more")
        if self.prior and self.train_phases:
            raise ConfigError(f"prior is {self.prior} and train_phases is true, expected fixed phases, or no prior")


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchConfig:
    """Samples that a fit does not learn from, which decide what network it returns (`tuner.fit.watch`).

    Attributes:
        share: share of the samples that is watched, above 0 and below 1.
        block_share: share of the watched samples that come in blocks instead of one by one, in [0, 1].
        block_side: number of samples along each axis of such a block, >= 1.
        every: number of steps from one measurement to the next, >= 1.
        margin_db: gain in dB that a later network must bring to take the place of the kept one, >= 0.
        patience: number of steps without such a gain after which the fit stops, >= 1.
        max_gap_db: lead in dB of the samples that the fit learns from over the watched ones beyond which a network is
            not kept, > 0; None for any. The first one beyond it ends the fit, at a network between that one and the
            kept one. It holds quality back for the sake of calm between the samples.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    share: float = 0.05
    block_share: float = 0.0
    block_side: int = 4
    every: int = 2
    margin_db: float = 0.1
    patience: int = 12
    max_gap_db: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.share < 1.0:
            raise ConfigError(f"share is {self.share}, expected a number between 0 and 1")
        if not 0.0 <= self.block_share <= 1.0:
            raise ConfigError(f"block_share is {self.block_share}, expected a number from 0 to 1")
        for name in ("block_side", "every", "patience"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected at least 1")
        if not 0.0 <= self.margin_db < float("inf"):
            raise ConfigError(f"margin_db is {self.margin_db}, expected a finite number, 0 or more")
        if self.max_gap_db is not None and not 0.0 < self.max_gap_db < float("inf"):
            raise ConfigError(f"max_gap_db is {self.max_gap_db}, expected a finite number above 0, or None")


@dataclass(frozen=True, kw_only=True, slots=True)
class EikonalConfig:
    """A distance field from samples of its surface (`tuner.fit.sines.eikonal`).

    Attributes:
        start: settings of the natural gradient with which the first steps fit the distances on the grid.
        start_steps: how many steps of the budget fit the distances on the grid, >= 0.
        descent: settings of the first-order steps that lower the eikonal loss then; all parameters are trained, and
            every step has a draw of its own.
        points: number of points on the surface that a step sees, and of those near it, and of those anywhere, >= 1.
        deviation: standard deviation of the near points from the surface, in units of the values, > 0.
        on_surface: weight of |f| on the surface, > 0.
        normals: weight of the angle between gradient and normal, > 0.
        eikonal: weight of the slope's distance from 1, > 0.
        off_surface: weight of the term that keeps f from being zero away from the surface, > 0.
        sharpness: how fast the last term falls with |f|, per unit of value, > 0.

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
        max_steps: largest number of steps, >= 1.
        max_seconds: longest time in steps, in seconds, > 0; None for no limit.
        target_psnr_db: quality in dB at which the fit stops, once the whole signal is reproduced this well; None for no
            target.
        plateau_steps: number of steps after which the fit stops if they have gained less than `plateau_db`, >= 1; None
            to go on.
        plateau_db: gain in dB that is too small to go on for, > 0.

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
        network: architecture of the network to train.
        trainer: training algorithm, named by the class of its settings.
        budget: limits at which the fit stops.
        seed: seed of the frequencies, the initial weights and the batches, >= 0.
        watch: samples that the fit does not learn from and that decide which of its networks is returned; None to learn
            from all and return the last one, as a network should that stands for the samples themselves.

    Raises:
        ConfigError: if the seed is negative.
    """

    network: NetworkConfig
    budget: Budget
    trainer: TrainerConfig = field(default_factory=FirstOrderConfig)
    seed: int = 0
    watch: WatchConfig | None = None

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}, expected 0 or more")

    def fingerprint(self) -> str:
        """SHA-256 of the settings, in hexadecimal: equal for equal configurations only."""
        settings = {"trainer_kind": type(self.trainer).__name__} | asdict(self)
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
