"""fit(): the loop that turns a signal into a network.

It begins, steps until the budget or the caller says stop, and finishes. Which algorithm makes a step is the trainer's
business (`tuner.fit.trainer`); budgets, progress, checkpoints and outcomes are the loop's.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from time import monotonic

import numpy as np
import torch

from tuner.decibels import mse_to_psnr_db
from tuner.errors import FitDiverged, StateMismatch
from tuner.fit.config import FitConfig
from tuner.fit.result import FitOutcome, FitResult, spent
from tuner.fit.sines.memory import FrugalTrainer
from tuner.fit.sines.task import Task, make_trainer
from tuner.fit.state import FitState
from tuner.shapes import BoolArray
from tuner.signal.scattered import ScatteredSignal
from tuner.signal.signal import Signal
from tuner.signal.triangles import Mesh


class Verdict(StrEnum):
    """What the caller wants after a step."""

    CONTINUE = "continue"
    STOP = "stop"


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Where a fit stands after a step.

    Attributes:
        step: steps taken.
        total_steps: of the budget.
        loss: mean squared error, as the last step reported it.
        psnr_db: of that loss; an estimate if the trainer's is. The result's is exact.
        seconds: of training so far.
        eta_seconds: until the budget is used up, at the present pace.
        capture: returns the state at this very step; call it before returning, the fit moves on.
    """

    step: int
    total_steps: int
    loss: float
    psnr_db: float
    seconds: float
    eta_seconds: float | None
    capture: Callable[[], FitState]


def fit(
    signal: Signal | ScatteredSignal,
    config: FitConfig,
    *,
    resume: FitState | None = None,
    on_step: Callable[[Progress], Verdict] | None = None,
    device: str = "cpu",
    held_out: BoolArray | float | None = None,
    surface: Mesh | None = None,
) -> FitResult:
    """Fit a network to a signal.

    On one CPU, the same signal, configuration and number of threads give the same bytes, also if the fit was
    interrupted and resumed in between (a time limit aside, which depends on the machine).

    Args:
        signal: what to represent: samples on a grid, or scattered ones (`tuner.signal.scattered`).
        config: network, trainer, budget and seed; `tuner.fit.presets` has good ones.
        resume: a checkpoint of the same signal and configuration.
        on_step: called after every step; may capture a checkpoint, and may stop the fit.
        device: where to compute, as torch names it.
        held_out: which samples are kept out of the fit to test it with: bool (*grid_shape), or (P,) of scattered ones,
            true where one is; or a share of them, chosen by the seed, 0.05 in the paper.
        surface: that a distance field stands for, for the eikonal loss; None for the one in the field.

    Returns:
        The network, within its bounds, and how the fit ended.

    Raises:
        FitDiverged: if the loss is no longer a number.
        OutOfMemory: if not even small parts of the samples fit in memory.
        StateMismatch: if the checkpoint is of another signal or configuration.
        ConfigError: if `held_out` or `surface` does not fit the signal or the trainer, or scattered samples do not.
        InvalidSignal: if the eikonal loss is asked for on what is no distance field.
    """
    run = _Run(Task.checked(signal, config, held_out, surface), config, torch.device(device), resume)
    while (outcome := run.outcome()) is None:
        progress = run.step()
        if on_step is not None and on_step(progress) is Verdict.STOP:
            outcome = FitOutcome.STOPPED
            break
    return run.finish(outcome)


class _Run:
    """The state of one call of `fit`, in the order begin, outcome?, step, finish."""

    def __init__(self, task: Task, config: FitConfig, device: torch.device, resume: FitState | None) -> None:
        self._task = task
        self._budget = config.budget
        fingerprint = signal_fingerprint(task.signal, task.held_out, task.surface)
        self._names = {"config": config.fingerprint(), "signal": fingerprint}
        self._trainer = FrugalTrainer(lambda parts: make_trainer(task, config, device, parts))
        self._history: list[float] = []
        self._seconds = 0.0
        self._steps_before = 0
        self._seconds_before = 0.0
        if resume is not None:
            self._resume(resume)

    def _resume(self, state: FitState) -> None:
        for name, own in self._names.items():
            if getattr(state, name) != own:
                raise StateMismatch(
                    f"the checkpoint is of another {name} ({getattr(state, name)[:12]}..., expected {own[:12]}...): "
                    f"resume with the very {name} it was made with, or start the fit anew"
                )
        self._trainer.load_tensors(state.tensors)
        self._history = list(state.history)
        self._seconds = self._seconds_before = state.seconds
        self._steps_before = state.step

    def outcome(self) -> FitOutcome | None:
        """Why the fit is over, or None if it is not."""
        return FitOutcome.CONVERGED if self._on_target() else spent(self._budget, self._history, self._seconds)

    def step(self) -> Progress:
        """Let the trainer step, and say where the fit stands."""
        started = monotonic()
        loss = self._trainer.step()
        self._seconds += monotonic() - started
        self._history.append(loss)
        if not isfinite(loss):
            raise FitDiverged(
                f"the loss is {loss} after step {len(self._history)}, expected a number: "
                "lower the learning rate or the bounds"
            )
        return Progress(
            step=len(self._history),
            total_steps=self._budget.max_steps,
            loss=loss,
            psnr_db=mse_to_psnr_db(loss),
            seconds=self._seconds,
            eta_seconds=self._eta_seconds(),
            capture=self._capture,
        )

    def finish(self, outcome: FitOutcome) -> FitResult:
        """Make the network ready for use and measure it."""
        psnr_db = mse_to_psnr_db(self._trainer.finish())
        return FitResult(
            network=self._trainer.network,
            outcome=outcome,
            steps=len(self._history),
            seconds=self._seconds,
            psnr_db=psnr_db,
            held_out_psnr_db=self._task.held_out_psnr_db(self._trainer.network),
            history=tuple(self._history),
        )

    def _on_target(self) -> bool:
        """Whether the target is reached; the exact loss is only asked for once the reported one says so."""
        target = self._budget.target_psnr_db
        if target is None or not self._history or mse_to_psnr_db(self._history[-1]) < target:
            return False
        return mse_to_psnr_db(self._trainer.finish()) >= target

    def _eta_seconds(self) -> float:
        steps = len(self._history)
        pace = (self._seconds - self._seconds_before) / (steps - self._steps_before)
        eta = pace * (self._budget.max_steps - steps)
        return eta if self._budget.max_seconds is None else max(0.0, min(eta, self._budget.max_seconds - self._seconds))

    def _capture(self) -> FitState:
        return FitState(
            **self._names,
            step=len(self._history),
            seconds=self._seconds,
            history=tuple(self._history),
            tensors={name: tensor.to("cpu", copy=True) for name, tensor in self._trainer.tensors().items()},
        )


def signal_fingerprint(
    signal: Signal | ScatteredSignal, held_out: BoolArray | None = None, surface: Mesh | None = None
) -> str:
    """SHA-256 of the samples, where they lie, which of them are held out, and the surface that is fitted instead."""
    digest = hashlib.sha256(str((signal.kind.value, signal.values.shape)).encode())
    arrays: list[np.ndarray] = [signal.values]
    if isinstance(signal, ScatteredSignal):
        digest.update(str(signal.grid_shape).encode())
        arrays.append(signal.coords)
    if held_out is not None:
        arrays.append(np.packbits(held_out))
    if surface is not None:
        arrays.append(surface.triangles)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)  # not a copy of it
    return digest.hexdigest()
