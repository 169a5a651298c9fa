"""From a signal and its configuration to a trainer: all samples of a grid, those not held out, or scattered ones.

A grid has fast ways to be evaluated, and trainers keep them when samples are held out: what is evaluated whole can
leave some out of its sums. Only where most samples are held out are the others visited as scattered points.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from tuner.decibels import mse_to_psnr_db
from tuner.errors import ConfigError
from tuner.fit.config import EikonalConfig, FitConfig, NaturalGradientConfig, WatchConfig
from tuner.fit.first_order.blocks import Blocks, PointBlocks, SignalBlocks
from tuner.fit.first_order.trainer import FirstOrderTrainer
from tuner.fit.natural.samples import coarser_sweeps, grid_sweeps, scattered_sweeps
from tuner.fit.natural.sweeps import Sweeps
from tuner.fit.natural.trainer import NaturalGradientTrainer
from tuner.fit.sines.eikonal import EikonalTrainer
from tuner.fit.sines.module import SineNetwork
from tuner.fit.sines.surface_samples import SurfaceSamples
from tuner.fit.sines.trainer import SineTrainer
from tuner.fit.watch import Watch, watched_mask
from tuner.metrics import held_out_mask
from tuner.network.sines.synthesis import values_at
from tuner.network.sines.windows import fold
from tuner.shapes import BoolArray
from tuner.signal.grid import Grid
from tuner.signal.scattered import ScatteredSignal, on_grid
from tuner.signal.signal import Signal
from tuner.signal.triangles import Mesh

# Share of the samples of a grid beyond which it is cheaper to visit the others one by one.
MOST_LEFT_OUT = 0.5
WATCH_SEED = 1_000_003


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Task:
    """What a network is to be fitted to.

    Attributes:
        signal: samples as they were given, on a grid or scattered.
        held_out: mask of the samples that play no part, (*grid_shape) or (P,); None if all do.
        watched: mask of those among the others that the training algorithm does not see and the loop measures; None for
            none.
        surface: mesh that a distance field stands for, if the eikonal loss is to see another than the field's own; None
            otherwise.
    """

    signal: Signal | ScatteredSignal
    held_out: BoolArray | None
    watched: BoolArray | None
    surface: Mesh | None

    @classmethod
    def checked(
        cls,
        signal: Signal | ScatteredSignal,
        config: FitConfig,
        held_out: BoolArray | float | None,
        surface: Mesh | None,
    ) -> "Task":
        """The task, if the configuration can do it.

        Raises:
            ConfigError: if not.
        """
        shape = signal.grid_shape if isinstance(signal, Signal) else (signal.sample_count,)
        if isinstance(held_out, float):
            held_out = held_out_mask(signal.sample_count, held_out, config.seed).reshape(shape)
        if held_out is not None and (held_out.shape != shape or held_out.dtype != np.bool_ or held_out.all()):
            raise ConfigError(
                f"held_out is {held_out.dtype} {held_out.shape} with {np.count_nonzero(held_out)} samples set, "
                f"expected bool {shape} with at least one not set"
            )
        watched = None
        if config.watch is not None:
            # The seed of its own: a share held out by the same one would be the very same samples.
            watched = watched_mask(shape, config.watch, config.seed + WATCH_SEED)
            if held_out is not None:
                watched &= ~held_out
            left = watched if held_out is None else watched | held_out
            if left.all() or not watched.any() or isinstance(config.trainer, EikonalConfig):
                raise ConfigError(
                    f"{config.watch} watches {np.count_nonzero(watched)} of {watched.size} samples, expected some and "
                    "not all, and a trainer whose loss is that of the samples, not the eikonal one"
                )
        if config.network.windows > 1 and (
            held_out is not None or watched is not None or not isinstance(signal, Signal)
        ):
            raise ConfigError(
                "samples are scattered, or held out of a line cut into windows, expected all samples of a line, or a "
                "network with windows=1"
            )
        if isinstance(config.trainer, EikonalConfig):
            if held_out is not None and surface is None:
                raise ConfigError(
                    "samples are held out and no surface is given, expected the mesh: the surface in the field is made "
                    "of all samples"
                )
        elif surface is not None:
            raise ConfigError("a surface is given, expected none, or the eikonal trainer: the others fit the samples")
        return cls(signal=signal, held_out=held_out, watched=watched, surface=surface)

    @property
    def unseen(self) -> BoolArray | None:
        """Mask of all samples that the training algorithm does not see; None if it sees all."""
        if self.held_out is None or self.watched is None:
            return self.held_out if self.watched is None else self.watched
        return self.held_out | self.watched

    def held_out_psnr_db(self, network: SineNetwork) -> float | None:
        """How well the network knows the samples that play no part; None if there are none."""
        if self.held_out is None or not self.held_out.any():
            return None
        return _psnr_db(network, _part(self.signal, self.held_out))

    def watch(self, config: WatchConfig | None, trainer: SineTrainer) -> Watch | None:
        """The keeper of the best network by the watched samples; None if there are none."""
        if config is None or self.watched is None:
            return None
        samples = _part(self.signal, self.watched)

        def measure() -> float:
            trainer.finish()
            return _psnr_db(trainer.network, samples)

        return Watch(config, measure)


def make_trainer(task: Task, config: FitConfig, device: torch.device, parts: int) -> SineTrainer:
    """The trainer whose settings the configuration holds, with an untrained network.

    Args:
        task: signal to fit, and what of it is held out.
        config: architecture, training algorithm, budget and seed.
        device: processor to compute on.
        parts: number of times that chunks of samples are made smaller, for want of memory.
    """
    signal = task.signal if isinstance(task.signal, ScatteredSignal) else fold(task.signal, config.network.windows)
    grid = Grid(signal.grid_shape, config.network.period)
    network = SineNetwork.initial(config.network, grid, signal.channels, config.seed).to(device)
    is_swept_whole = task.unseen is None or task.unseen.mean() <= MOST_LEFT_OUT
    whole = signal if isinstance(signal, Signal) and is_swept_whole else None

    def sweeps(settings: NaturalGradientConfig) -> Sweeps:
        if whole is not None:
            return grid_sweeps(network, whole, settings, parts=parts, held_out=task.unseen)
        seen = signal if task.unseen is None else _part(signal, ~task.unseen)
        assert isinstance(seen, ScatteredSignal)  # noqa: S101  a part of a signal is
        coords_PD, values_PC = (torch.tensor(array, device=device) for array in (seen.coords, seen.values))
        return scattered_sweeps(network, coords_PD, values_PC, settings, parts=parts)

    def coarse(settings: NaturalGradientConfig) -> Callable[[], Iterator[Sweeps]] | None:
        if whole is None or settings.coarse_steps == 0:
            return None
        return lambda: coarser_sweeps(network, whole, settings, parts=parts, held_out=task.unseen)

    def blocks() -> Blocks:
        if isinstance(signal, Signal):
            return SignalBlocks(signal, grid, device, parts, task.unseen)
        return PointBlocks(signal if task.unseen is None else signal.chosen(~task.unseen), device, parts)

    trainer = config.trainer
    plan = {"total_steps": config.budget.max_steps, "seed": config.seed}
    if isinstance(trainer, NaturalGradientConfig):
        return NaturalGradientTrainer(network, sweeps(trainer), trainer, coarse(trainer))
    if isinstance(trainer, EikonalConfig):
        if not isinstance(signal, Signal):
            raise ConfigError("samples are scattered, expected a distance field on its grid for the eikonal trainer")
        begin = coarse(trainer.start) if trainer.start_steps else None
        start = NaturalGradientTrainer(network, sweeps(trainer.start), trainer.start, begin)
        surface = SurfaceSamples(signal, task.surface, config.seed, device)
        return EikonalTrainer(start, surface, blocks(), trainer, **plan)
    return FirstOrderTrainer(network, blocks(), trainer, **plan)


def _psnr_db(network: SineNetwork, samples: ScatteredSignal) -> float:
    error = values_at(network.parameters_numpy(), samples.coords) - samples.values
    return mse_to_psnr_db(float(np.mean(np.square(error, dtype=np.float64))))


def _part(signal: Signal | ScatteredSignal, chosen: BoolArray) -> ScatteredSignal:
    return signal.chosen(chosen) if isinstance(signal, ScatteredSignal) else on_grid(signal, chosen)
