"""fit(): a signal becomes a network of sines whose hidden weights stay within bounds."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from tuner.fit.config import FitConfig
from tuner.fit.deadline import Deadline
from tuner.fit.loop import Fingerprints, signal_fingerprint, train
from tuner.fit.progress import Clock, Progress, Verdict
from tuner.fit.result import FitSummary
from tuner.fit.sines.memory import FrugalTrainer
from tuner.fit.sines.module import SineNetwork
from tuner.fit.sines.task import Task, make_trainer
from tuner.fit.state import FitState
from tuner.shapes import BoolArray
from tuner.signal.scattered import ScatteredSignal
from tuner.signal.signal import Signal
from tuner.signal.triangles import Mesh


@dataclass(frozen=True, kw_only=True, slots=True)
class FitResult(FitSummary):
    """A fitted network of sines and the facts of its fit.

    Attributes:
        network: module ready for use, on the device of the fit, its hidden weights within their bounds.
        held_out_psnr_db: exact quality in dB over the samples that were held out; None if none was. That of the base
            class is over all others that the fit has learnt from.
    """

    network: SineNetwork
    held_out_psnr_db: float | None = None


def fit(
    signal: Signal | ScatteredSignal,
    config: FitConfig,
    *,
    resume: FitState | None = None,
    on_step: Callable[[Progress], Verdict] | None = None,
    device: str = "cpu",
    held_out: BoolArray | float | None = None,
    surface: Mesh | None = None,
    deadline: Deadline | None = None,
) -> FitResult:
    """Fit a network of sines to a signal.

    On one CPU, the same signal, configuration and number of threads give the same bytes, also if the fit was
    interrupted and resumed in between (a time limit aside, which depends on the machine).

    Args:
        signal: what to represent: samples on a grid, or scattered ones (`tuner.signal.scattered`).
        config: network, trainer, budget and seed; `tuner.fit.presets` has good ones.
        resume: checkpoint of the same signal and configuration to go on from; None for a fit from the beginning.
        on_step: function that is called after every step; it may capture a checkpoint, and its answer may stop the fit.
        device: processor to compute on, as torch names it.
        held_out: samples that are kept out of the fit to test it with: a mask, bool (*grid_shape), or (P,) of scattered
            ones, true where one is; or a share of them, chosen by the seed, 0.05 in the paper.
        surface: mesh that a distance field stands for, for the eikonal loss; None for the surface in the field.
        deadline: moment after which no step begins but the first; None for none.

    Returns:
        The network, within its bounds, and how the fit ended.

    Raises:
        FitDiverged: if the loss is no longer a number.
        OutOfMemory: if not even small parts of the samples fit in memory.
        StateMismatch: if the checkpoint is of another signal or configuration.
        ConfigError: if `held_out` or `surface` does not fit the signal or the trainer, or scattered samples do not.
        InvalidSignal: if the eikonal loss is asked for on what is no distance field.
    """
    task, place = Task.checked(signal, config, held_out, surface), torch.device(device)
    trainer = FrugalTrainer(lambda parts: make_trainer(task, config, place, parts))
    fingerprint = signal_fingerprint(task.signal, task.held_out, task.surface)
    fingerprints = Fingerprints(config=config.fingerprint(), signal=fingerprint)
    watch = task.watch(config.watch, trainer)
    clock = Clock(config.budget)
    summary = train(trainer, clock, fingerprints, resume=resume, on_step=on_step, watch=watch, deadline=deadline)
    return FitResult(
        **summary.facts(), network=trainer.network, held_out_psnr_db=task.held_out_psnr_db(trainer.network)
    )
