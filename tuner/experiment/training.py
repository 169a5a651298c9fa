"""Trains any network with Adam, as the published recipes do, and measures it on the way.

    recipe = TrainingConfig(steps=1000, learning_rate=5e-4)
    curves = train(network, Samples.of(signal, grid, held_out=0.05, seed=0), recipe, seed=0)

`tuner.fit` is the better way to fit a signal; this is the common ground on which architectures are compared: dense
evaluation, batches without replacement, held-out samples, no schedule unless one is asked for; columns may be pruned,
and samples watched, on the way. Used by `tuner.experiment.run` and `tuner.experiment.paper`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from math import cos, isfinite, pi

import numpy as np
import torch
from torch import Tensor, nn

from tuner.decibels import mse_to_psnr_db
from tuner.errors import ConfigError, FitDiverged
from tuner.experiment.methods import hidden_sines
from tuner.experiment.networks.learned_bounds import bound_penalty
from tuner.experiment.networks.mrnet import MRNet
from tuner.experiment.pruning import Pruned, PrunedLayer, PruningConfig, require_prunable
from tuner.experiment.samples import Samples
from tuner.fit.config import Schedule, WatchConfig
from tuner.fit.sines.task import WATCH_SEED
from tuner.fit.sines.trainable import Network, gradients
from tuner.fit.watch import Watch, watched_mask
from tuner.metrics import authors_gradient_psnr_db, gradient_psnr_db
from tuner.quality.picture import out_of_band_energy
from tuner.quality.surface import occupancy_iou
from tuner.shapes import BoolArray, FloatArray

CHUNK_POINTS = 16_384
LAST_RATE = 0.01  # of the cosine schedule, relative to the first
# A step of Adam is a tenth of one of the library's own: measured more seldom, waited for longer.
ADAM_WATCH = WatchConfig(every=50, patience=500)


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
        prune: columns of hidden sine layers that are set to zero on the way; None to keep them all.
        watch: samples that decide which network of the way is kept, and end the training when no better one comes; None
            to keep the last one. They are drawn from those that are not held out. An MR-Net watches its last stage.

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
    prune: PruningConfig | None = None
    watch: WatchConfig | None = None

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
    """How good a network is after some steps; None where nothing was held out, or the signal is of another kind.

    `train_psnr_db` is over the samples that the training learns from, `test_psnr_db` over those that are held out,
    `watched_psnr_db` over those that decide when to stop. `authors_gradient_psnr_db` is the gradient PSNR to the letter
    of the published code (`tuner.metrics`); `out_of_band_energy` is that of `tuner.quality.picture` for the band of a
    picture of half the size. Of a mesh `iou` is the overlap of the insides on the grid (`tuner.quality.surface`), and
    `normal_error_degrees` the mean angle between the normals of the mesh and the slope of the network.
    """

    step: int
    loss: float
    train_psnr_db: float
    test_psnr_db: float | None
    gradient_psnr_db: float | None
    authors_gradient_psnr_db: float | None = None
    out_of_band_energy: float | None = None
    watched_psnr_db: float | None = None
    iou: float | None = None
    normal_error_degrees: float | None = None


@dataclass(kw_only=True, slots=True)
class Curves:
    """What was seen during a training.

    Attributes:
        losses: loss of every step, the penalty included.
        measurements: measurements in order.
        best_step: number of steps after which the returned network was as it is, if samples were watched; None if it is
            the last one because none were.
        restored: measurement of the returned network, if it is an earlier one than the last.
        pruned: report of every layer that was pruned.
    """

    losses: list[float] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    best_step: int | None = None
    restored: Measurement | None = None
    pruned: list[PrunedLayer] = field(default_factory=list)

    @property
    def final(self) -> Measurement:
        """The measurement of the returned network."""
        return self.restored or self.measurements[-1]


def train(
    network: Network,
    samples: Samples,
    config: TrainingConfig,
    *,
    seed: int,
    on_measure: Callable[[Measurement], None] | None = None,
    on_step: Callable[[int], None] | None = None,
) -> Curves:
    """Train a network in place.

    An MR-Net is trained stage by stage, each on its own level of the signal's pyramid and with an equal share of the
    steps, the stages before it frozen.

    Args:
        network: an untrained network.
        samples: samples of the signal.
        config: settings of the training.
        seed: seed of the batches and of the watched samples.
        on_measure: called with every measurement.
        on_step: called after every step with the number of steps so far.

    Returns:
        The curves.

    Raises:
        FitDiverged: if the loss is no longer a number.
        ConfigError: if there is nothing to prune, or no sample is left to learn from.
    """
    if config.prune is not None:
        require_prunable(network)
    curves = Curves()
    generator = torch.Generator().manual_seed(seed)
    watched_P = _watched(samples, config.watch, seed)
    learnt = replace(samples, held_out_P=samples.held_out_P | watched_P)
    if learnt.held_out_P.all():
        raise ConfigError("all samples are held out or watched, expected some to learn from: lower the shares")

    def measure() -> None:
        seen = measurement(network, samples, step=len(curves.losses), loss=curves.losses[-1], watched_P=watched_P)
        curves.measurements.append(seen)
        if on_measure is not None:
            on_measure(seen)

    stages = network.detail if isinstance(network, MRNet) else 1
    watch = None if config.watch is None else Watch(config.watch, lambda: _psnr_db(network, samples, watched_P))
    for stage in range(stages):
        steps = config.steps * (stage + 1) // stages - config.steps * stage // stages
        first = len(curves.losses)
        # Coarser stages are no networks of the signal yet, and before columns are pruned there is another network.
        watched_from = config.steps if stage + 1 < stages else first
        if config.prune is not None and stage + 1 == stages:
            watched_from += config.prune.step(steps)
        for taken in _descend(network, stage, learnt.level(stages - 1 - stage), config, steps, generator):
            curves.losses.append(taken.loss)
            curves.pruned += [replace(layer, step=first + layer.step) for layer in taken.pruned]
            step = len(curves.losses)
            if not isfinite(taken.loss):
                raise FitDiverged(f"the loss is {taken.loss} after step {step}: lower the learning rate")
            over = False
            if watch is not None and step > watched_from:
                watch.look(step, mse_to_psnr_db(taken.error), network.state_dict)
                over = watch.is_over(step)
            if step % config.measure_every == 0 or step == config.steps or over:
                measure()
            if on_step is not None:
                on_step(step)
            if over:
                break
    if watch is not None and watch.best():
        curves.best_step = watch.best_step
        if watch.best_step < len(curves.losses):
            network.load_state_dict(watch.best())
            loss = curves.losses[watch.best_step - 1]
            curves.restored = measurement(network, samples, step=watch.best_step, loss=loss, watched_P=watched_P)
    return curves


def measurement(
    network: Network, samples: Samples, *, step: int, loss: float, watched_P: BoolArray | None = None
) -> Measurement:
    """Measure a network by the authors' definitions: nothing clamped or rounded, all channels."""
    prediction = predict(network, samples.coords_PD)
    squares_P = (prediction - samples.values_PC.numpy()).astype(np.float64) ** 2
    squares_P = squares_P.mean(axis=1)
    held = samples.held_out_P
    watched = np.zeros_like(held) if watched_P is None else watched_P
    slopes = _gradient_psnrs_db(network, samples)
    surface = samples.surface
    return Measurement(
        step=step,
        loss=loss,
        train_psnr_db=mse_to_psnr_db(float(squares_P[~(held | watched)].mean())),
        test_psnr_db=mse_to_psnr_db(float(squares_P[held].mean())) if held.any() else None,
        gradient_psnr_db=slopes[0],
        authors_gradient_psnr_db=slopes[1],
        out_of_band_energy=out_of_band_energy(prediction.reshape(*samples.shape, -1), min(samples.shape) // 2)
        if len(samples.shape) == 2 and min(samples.shape) > 1
        else None,
        watched_psnr_db=mse_to_psnr_db(float(squares_P[watched].mean())) if watched.any() else None,
        iou=None if surface is None else occupancy_iou(samples.values_PC.numpy(), prediction),
        normal_error_degrees=None
        if surface is None
        else surface.normal_error_degrees(predict_gradients(network, surface.coords_PD)[:, 0]),
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


def _watched(samples: Samples, config: WatchConfig | None, seed: int) -> BoolArray:
    """Which samples are watched: none that is held out to test the finished network."""
    if config is None:
        return np.zeros_like(samples.held_out_P)
    watched_P = watched_mask(samples.shape, config, seed + WATCH_SEED).reshape(-1) & ~samples.held_out_P
    if not watched_P.any():
        raise ConfigError(f"a share of {config.share} watches no sample of {len(watched_P)}: raise it")
    return watched_P


@torch.no_grad()
def _psnr_db(network: Network, samples: Samples, mask_P: BoolArray) -> float:
    chosen = torch.tensor(mask_P)
    difference = predict(network, samples.coords_PD[chosen]) - samples.values_PC[chosen].numpy()
    return mse_to_psnr_db(float(np.mean(difference.astype(np.float64) ** 2)))


@dataclass(frozen=True, slots=True)
class _Step:
    """One step: its loss and mean squared error, measured before it, and what was pruned after it."""

    loss: float
    error: float
    pruned: list[PrunedLayer]


def _descend(
    network: Network, stage: int, samples: Samples, config: TrainingConfig, steps: int, generator: torch.Generator
) -> Iterator[_Step]:
    """Adam on one stage, or on the whole of any other network."""
    trained = network.stage(stage) if isinstance(network, MRNet) else network
    parameters = list(trained.parameters())
    adam = torch.optim.Adam(_groups(trained, config))
    rates = [group["lr"] for group in adam.param_groups]
    seen_PD, seen_PC = samples.seen()
    batches = _batches(len(seen_PD), config.batch_samples or len(seen_PD), generator)
    pruned = Pruned()
    for step in range(steps):
        rows = next(batches)
        coords_PD = seen_PD[rows]
        values_PC = network.at(coords_PD, stage + 1.0) if isinstance(network, MRNet) else network(coords_PD)
        error = (values_PC - seen_PC[rows]).square().mean()
        loss = error + config.bound_penalty * bound_penalty(trained)
        # Only what is trained is differentiated: the stages before it are frozen.
        for parameter, slope in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = slope
        for group, rate in zip(adam.param_groups, rates, strict=True):
            group["lr"] = rate * _schedule(config.schedule, step, steps)
        adam.step()
        network.project()
        pruned.hold()
        report = []
        if config.prune is not None and step + 1 == config.prune.step(steps):
            inside = set(trained.modules())
            layers = [pair for pair in enumerate(hidden_sines(network)) if pair[1] in inside]
            report = pruned.cut(layers, config.prune.share, step + 1)
        yield _Step(float(loss.item()), float(error.item()), report)


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
