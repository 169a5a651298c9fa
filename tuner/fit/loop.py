"""The loop of every fit: it begins, steps until the budget or the caller says stop, and finishes.

Budgets, progress, checkpoints and outcomes are the loop's business. What a step does, and to what kind of network, is
that of the training algorithm (`tuner.fit.trainer`), which the loop is given; `tuner.fit.sines.fit` and
`tuner.fit.wavelets.fit` make one from a signal and a configuration.
"""

import hashlib
from collections.abc import Callable
from math import isfinite
from time import monotonic
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tuner.decibels import mse_to_psnr_db
from tuner.errors import FitDiverged, StateMismatch
from tuner.fit.deadline import Deadline
from tuner.fit.progress import Clock, Progress, Verdict
from tuner.fit.result import FitOutcome, FitSummary, spent
from tuner.fit.state import FitState
from tuner.fit.trainer import Trainer
from tuner.fit.watch import PREFIX, Watch
from tuner.shapes import BoolArray
from tuner.signal.scattered import ScatteredSignal
from tuner.signal.signal import Signal
from tuner.signal.triangles import Mesh

# How often the way from the kept network to one that is too far ahead on what it has seen is halved.
HALVINGS = 3


class Fingerprints(NamedTuple):
    """What a checkpoint must agree with before a fit goes on from it.

    Attributes:
        config: SHA-256 of the configuration, in hexadecimal.
        signal: SHA-256 of the signal and of what else the fit sees, in hexadecimal; see `signal_fingerprint`.
    """

    config: str
    signal: str


def train(
    trainer: Trainer,
    clock: Clock,
    fingerprints: Fingerprints,
    *,
    resume: FitState | None = None,
    on_step: Callable[[Progress], Verdict] | None = None,
    watch: Watch | None = None,
    deadline: Deadline | None = None,
) -> FitSummary:
    """Let a training algorithm step until its budget is used up, its target is reached, or the caller has enough.

    Args:
        trainer: algorithm to run, with the network and the signal that it is bound to; the network is ready for use
            afterwards.
        clock: budget of the fit, of which nothing has been used yet.
        fingerprints: identity of configuration and signal, which checkpoints carry.
        resume: checkpoint of the same configuration and signal to go on from; None for a fit from the beginning.
        on_step: function that is called after every step; it may capture a checkpoint, and its answer may stop the fit.
        watch: keeper of the best network by samples that the algorithm does not see, which is returned unless the last
            one has reached the target; None to return the last one.
        deadline: moment after which no step begins but the first, however little of the budget is used; None for none.

    Returns:
        How the fit ended, and how good the network is.

    Raises:
        FitDiverged: if the loss is no longer a number.
        StateMismatch: if the checkpoint is of another signal or configuration.
    """
    run = _Run(trainer, clock, fingerprints, watch, deadline)
    if resume is not None:
        run.resume(resume)
    while (outcome := run.outcome()) is None:
        progress = run.step()
        if on_step is not None and on_step(progress) is Verdict.STOP:
            outcome = FitOutcome.STOPPED
            break
    return run.finish(outcome)


class _Run:
    """The state of one call of `train`, in the order resume, outcome?, step, finish."""

    def __init__(
        self,
        trainer: Trainer,
        clock: Clock,
        fingerprints: Fingerprints,
        watch: Watch | None,
        deadline: Deadline | None,
    ) -> None:
        self._deadline = deadline
        self._trainer, self._clock, self._fingerprints, self._watch = trainer, clock, fingerprints, watch
        self._history: list[float] = []

    def resume(self, state: FitState) -> None:
        """Go on from a checkpoint, if it is one of this fit."""
        for name, own in self._fingerprints._asdict().items():
            if getattr(state, name) != own:
                raise StateMismatch(
                    f"the checkpoint is of another {name} ({getattr(state, name)[:12]}..., expected {own[:12]}...): "
                    f"resume with the very {name} it was made with, or start the fit anew"
                )
        self._trainer.load_tensors(
            {name: tensor for name, tensor in state.tensors.items() if not name.startswith(PREFIX)}
        )
        if self._watch is not None:
            self._watch.load_tensors(state.tensors)
        self._history = list(state.history)
        self._clock.set(state.step, state.seconds)

    def outcome(self) -> FitOutcome | None:
        """Why the fit is over, or None if it is not."""
        if self._history and self._reaches_target(self._history[-1]):
            return FitOutcome.CONVERGED
        if self._watch is not None and self._watch.is_over(self._clock.steps):
            return FitOutcome.PLATEAU
        if self._deadline is not None and self._history and self._deadline.is_over:
            return FitOutcome.TIME_LIMIT
        return spent(self._clock.budget, self._history, self._clock.seconds)

    def step(self) -> Progress:
        """Let the trainer step, and say where the fit stands."""
        started = monotonic()
        loss = self._trainer.step()
        if self._watch is not None and isfinite(loss):
            self._watch.look(self._clock.steps + 1, mse_to_psnr_db(loss), self._trainer.tensors)
            if self._watch.is_ahead and not self._reaches_target(loss):
                self._go_back(self._watch)
        self._clock.tick(monotonic() - started)
        self._history.append(loss)
        if not isfinite(loss):
            raise FitDiverged(
                f"the loss is {loss} after step {self._clock.steps}, expected a number: lower the learning rate or the "
                "bounds of the weights, or scale the values of the signal to about 0 to 1"
            )
        return Progress(
            step=self._clock.steps,
            total_steps=self._clock.budget.max_steps,
            loss=loss,
            psnr_db=mse_to_psnr_db(loss),
            seconds=self._clock.seconds,
            eta_seconds=self._clock.eta_seconds,
            capture=self._capture,
            held_out_psnr_db=None if self._watch is None else self._watch.latest_psnr_db,
        )

    def finish(self, outcome: FitOutcome) -> FitSummary:
        """Make the network ready for use and measure it; the best one, where samples were watched."""
        watch = self._watch
        if watch is not None and watch.best() and outcome is not FitOutcome.CONVERGED:
            self._trainer.load_tensors(watch.best())
        is_kept = watch is not None and bool(watch.best())
        return FitSummary(
            outcome=outcome,
            steps=self._clock.steps,
            seconds=self._clock.seconds,
            psnr_db=mse_to_psnr_db(self._trainer.finish()),
            history=tuple(self._history),
            watched_psnr_db=watch.best_psnr_db if watch is not None and is_kept else None,
            best_step=watch.best_step if watch is not None and is_kept else None,
        )

    def _go_back(self, watch: Watch) -> None:
        """From a network that is too far ahead go back towards the kept one, no farther than need be, and keep it."""
        within = watch.best()
        beyond = {name: tensor.to("cpu", copy=True) for name, tensor in self._trainer.tensors().items()}
        for _ in range(HALVINGS):
            middle = {name: _halfway(within[name], tensor) for name, tensor in beyond.items()}
            self._trainer.load_tensors(middle)
            seen_psnr_db = mse_to_psnr_db(self._trainer.finish())
            if watch.look_between(self._clock.steps + 1, seen_psnr_db, middle):
                within = middle
            else:
                beyond = middle
        self._trainer.load_tensors(watch.best())

    def _reaches_target(self, loss: float) -> bool:
        """Whether the target is reached; the exact loss is only asked for once the reported one says so."""
        target = self._clock.budget.target_psnr_db
        if target is None or mse_to_psnr_db(loss) < target:
            return False
        return mse_to_psnr_db(self._trainer.finish()) >= target

    def _capture(self) -> FitState:
        tensors = self._trainer.tensors() | ({} if self._watch is None else self._watch.tensors())
        return FitState(
            **self._fingerprints._asdict(),
            step=self._clock.steps,
            seconds=self._clock.seconds,
            history=tuple(self._history),
            tensors={name: tensor.to("cpu", copy=True) for name, tensor in tensors.items()},
        )


def _halfway(one: Tensor, other: Tensor) -> Tensor:
    """The mean of two tensors of a trainer; counts are those of the other."""
    return torch.lerp(one, other, 0.5) if other.is_floating_point() else other


def signal_fingerprint(
    signal: Signal | ScatteredSignal, held_out: BoolArray | None = None, surface: Mesh | None = None
) -> str:
    """SHA-256 of everything that a fit sees of a signal, in hexadecimal.

    Args:
        signal: samples, whose values and places count.
        held_out: mask of the samples that are kept out of the fit; None if all take part.
        surface: mesh that is fitted in place of the samples; None if they are.
    """
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
