"""Trains any network with Adam, as the published recipes do, and measures it on the way.

    recipe = TrainingConfig(steps=1000, learning_rate=5e-4)
    curves = train(network, Samples.of(signal, grid, held_out=0.05, seed=0), recipe, seed=0)

`tuner.fit` is the better way to fit a signal; this is the common ground on which architectures are compared: dense
evaluation, batches without replacement, held-out samples, no schedule unless one is asked for. Used by
`tuner.experiment.run` and `tuner.experiment.paper`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import cos, isfinite, pi

import numpy as np
import torch
from torch import Tensor, nn

from tuner.decibels import mse_to_psnr_db
from tuner.errors import ConfigError, FitDiverged
from tuner.experiment.networks.learned_bounds import bound_penalty
from tuner.experiment.networks.mrnet import MRNet
from tuner.experiment.samples import Samples
from tuner.fit.config import Schedule
from tuner.fit.sines.trainable import Network, gradients
from tuner.metrics import authors_gradient_psnr_db, gradient_psnr_db
from tuner.quality.picture import out_of_band_energy
from tuner.shapes import FloatArray

CHUNK_POINTS = 16_384
LAST_RATE = 0.01  # of the cosine schedule, relative to the first


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig:
    """How a network is trained.

    Attributes:
        steps: number of steps of Adam, over all stages of an MR-Net together, >= 1.
        learning_rate: learning rate as published, that is, for weights stored without their omega; > 0.
        schedule: course of the learning rate over the steps.
        batch_samples: number of samples in a step, >= 1; None for all.
        hidden_rate: factor on the rate of bounded hidden layers, > 0. Their weights are stored in
            effective units, W = omega V; Adam on V at one rate is Adam on W at omega times that rate.
        bound_rate: factor on the rate of learned bounds, > 0.
        bound_penalty: weight of the mean learned bound in the loss, >= 0.
        measure_every: steps between two measurements, >= 1.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    steps: int = 1000
    learning_rate: float = 5e-4
    schedule: Schedule = Schedule.CONSTANT
    batch_samples: int | None = 65_536
    hidden_rate: float = 30.0
    bound_rate: float = 30.0
    bound_penalty: float = 0.0
    measure_every: int = 100

    def __post_init__(self) -> None:
        for name in ("steps", "measure_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected at least 1")
        if self.batch_samples is not None and self.batch_samples < 1:
            raise ConfigError(f"batch_samples is {self.batch_samples}, expected at least 1, or null for all")
        for name in ("learning_rate", "hidden_rate", "bound_rate"):
            value = getattr(self, name)
            if not 0.0 < value < float("inf"):
                raise ConfigError(f"{name} is {value}, expected a finite number above 0")
        if not 0.0 <= self.bound_penalty < float("inf"):
            raise ConfigError(f"bound_penalty is {self.bound_penalty}, expected a finite number, 0 or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """How good a network is after some steps; None where nothing was held out, or the signal is no picture.

    `authors_gradient_psnr_db` is the gradient PSNR to the letter of the published code (`tuner.metrics`);
    `out_of_band_energy` is that of `tuner.quality.picture` for the band of a picture of half the size.
    """

    step: int
    loss: float
    train_psnr_db: float
    test_psnr_db: float | None
    gradient_psnr_db: float | None
    authors_gradient_psnr_db: float | None = None
    out_of_band_energy: float | None = None


@dataclass(kw_only=True, slots=True)
class Curves:
    """What was seen during a training.

    Attributes:
        losses: loss of every step, the penalty included.
        measurements: measurements in order; the last one is of the finished network.
    """

    losses: list[float] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)


def train(
    network: Network,
    samples: Samples,
    config: TrainingConfig,
    *,
    seed: int,
    on_measure: Callable[[Measurement], None] | None = None,
) -> Curves:
    """Train a network in place.

    An MR-Net is trained stage by stage, each on its own level of the signal's pyramid and with an equal share of the
    steps, the stages before it frozen.

    Args:
        network: an untrained network.
        samples: samples of the signal.
        config: settings of the training.
        seed: seed of the batches.
        on_measure: called with every measurement.

    Returns:
        The curves.

    Raises:
        FitDiverged: if the loss is no longer a number.
    """
    curves = Curves()
    generator = torch.Generator().manual_seed(seed)

    def measure(loss: float) -> None:
        curves.measurements.append(measurement(network, samples, step=len(curves.losses), loss=loss))
        if on_measure is not None:
            on_measure(curves.measurements[-1])

    stages = network.detail if isinstance(network, MRNet) else 1
    for stage in range(stages):
        steps = config.steps * (stage + 1) // stages - config.steps * stage // stages
        for loss in _descend(network, stage, samples.level(stages - 1 - stage), config, steps, generator):
            curves.losses.append(loss)
            if not isfinite(loss):
                raise FitDiverged(f"the loss is {loss} after step {len(curves.losses)}: lower the learning rate")
            if len(curves.losses) % config.measure_every == 0 or len(curves.losses) == config.steps:
                measure(loss)
    return curves


def measurement(network: Network, samples: Samples, *, step: int, loss: float) -> Measurement:
    """Measure a network by the authors' definitions: nothing clamped or rounded, all channels."""
    prediction = predict(network, samples.coords_PD)
    squares_P = (prediction - samples.values_PC.numpy()).astype(np.float64) ** 2
    squares_P = squares_P.mean(axis=1)
    held = samples.held_out_P
    slopes = _gradient_psnrs_db(network, samples)
    return Measurement(
        step=step,
        loss=loss,
        train_psnr_db=mse_to_psnr_db(float(squares_P[~held].mean())),
        test_psnr_db=mse_to_psnr_db(float(squares_P[held].mean())) if held.any() else None,
        gradient_psnr_db=slopes[0],
        authors_gradient_psnr_db=slopes[1],
        out_of_band_energy=out_of_band_energy(prediction.reshape(*samples.shape, -1), min(samples.shape) // 2)
        if len(samples.shape) == 2 and min(samples.shape) > 1
        else None,
    )


@torch.no_grad()
def predict(network: Network, coords_PD: Tensor) -> FloatArray:
    """Values at any number of points, (P, C)."""
    return np.concatenate([network(part).numpy() for part in torch.split(coords_PD, CHUNK_POINTS)])


def predict_gradients(network: Network, coords_PD: Tensor) -> FloatArray:
    """Derivatives at any number of points, (P, C, D)."""
    return np.concatenate([gradients(network, part).numpy() for part in torch.split(coords_PD, CHUNK_POINTS)])


def _gradient_psnrs_db(network: Network, samples: Samples) -> tuple[float | None, float | None]:
    """Ours, and the authors'."""
    if len(samples.shape) != 2:
        return None, None
    shape = (*samples.shape, samples.channels)
    slopes = predict_gradients(network, samples.coords_PD).reshape(*shape, 2)
    picture = samples.values_PC.numpy().reshape(shape)
    return gradient_psnr_db(picture, slopes), authors_gradient_psnr_db(picture, slopes)


def _descend(
    network: Network, stage: int, samples: Samples, config: TrainingConfig, steps: int, generator: torch.Generator
) -> Iterator[float]:
    """Adam on one stage, or on the whole of any other network; yields the loss of each step, measured before it."""
    trained = network.stage(stage) if isinstance(network, MRNet) else network
    parameters = list(trained.parameters())
    adam = torch.optim.Adam(_groups(trained, config))
    rates = [group["lr"] for group in adam.param_groups]
    seen_PD, seen_PC = samples.seen()
    batches = _batches(len(seen_PD), config.batch_samples or len(seen_PD), generator)
    for step in range(steps):
        rows = next(batches)
        coords_PD = seen_PD[rows]
        values_PC = network.at(coords_PD, stage + 1.0) if isinstance(network, MRNet) else network(coords_PD)
        loss = (values_PC - seen_PC[rows]).square().mean() + config.bound_penalty * bound_penalty(trained)
        # Only what is trained is differentiated: the stages before it are frozen.
        for parameter, slope in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = slope
        for group, rate in zip(adam.param_groups, rates, strict=True):
            group["lr"] = rate * _schedule(config.schedule, step, steps)
        adam.step()
        network.project()
        yield float(loss.item())


def _groups(trained: nn.Module, config: TrainingConfig) -> list[dict[str, object]]:
    """Parameters by the rate at which they learn."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in trained.named_parameters():
        factor = 1.0
        if name.endswith(".bounds_M"):
            factor = config.bound_rate
        elif "hidden." in name:
            factor = config.hidden_rate
        groups.setdefault(factor, []).append(parameter)
    return [
        {"params": parameters, "lr": config.learning_rate * factor} for factor, parameters in sorted(groups.items())
    ]


def _schedule(schedule: Schedule, step: int, steps: int) -> float:
    if schedule is Schedule.CONSTANT:
        return 1.0
    return LAST_RATE + (1.0 - LAST_RATE) * 0.5 * (1.0 + cos(pi * step / steps))


def _batches(points: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Epochs without replacement; the last batch of an epoch may be smaller."""
    if size >= points:
        while True:
            yield torch.arange(points)
    while True:
        yield from torch.split(torch.randperm(points, generator=generator), size)
