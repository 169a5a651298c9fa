"""The loop with an algorithm of one number, whose every step and every call can be counted."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from tuner.decibels import mse_to_psnr_db
from tuner.errors import FitDiverged, StateMismatch
from tuner.fit.config import Budget
from tuner.fit.loop import Fingerprints, signal_fingerprint, train
from tuner.fit.progress import Clock, Progress, Verdict
from tuner.fit.result import FitOutcome, FitSummary
from tuner.fit.state import FitState
from tuner.fit.trainer import Trainer
from tuner.signal.signal import Signal, SignalKind

NAMES = Fingerprints(config="c" * 64, signal="s" * 64)


class Halving:
    """An error that halves with every step; the exact one is `flattery` times the reported one."""

    def __init__(self, clock: Clock, flattery: float = 1.0) -> None:
        self.error = torch.ones((), dtype=torch.float64)
        self.flattery = flattery
        self.finished = 0
        self.shares: list[float] = []
        self._clock = clock

    def step(self) -> float:
        self.shares.append(self._clock.share)
        self.error /= 2.0
        return float(self.error)

    def finish(self) -> float:
        self.finished += 1
        return self.flattery * float(self.error)

    def tensors(self) -> dict[str, Tensor]:
        return {"error": self.error}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        self.error.copy_(tensors["error"])


class Watch:
    """Notes every step, captures each, and stops at one."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.seen: list[Progress] = []
        self.states: list[FitState] = []
        self._stop_at = stop_at

    def __call__(self, progress: Progress) -> Verdict:
        self.seen.append(progress)
        self.states.append(progress.capture())
        return Verdict.STOP if progress.step == self._stop_at else Verdict.CONTINUE


def run(budget: Budget, *, resume: FitState | None = None, watch: Watch | None = None) -> FitSummary:
    clock = Clock(budget)
    return train(Halving(clock), clock, NAMES, resume=resume, on_step=watch)


def test_steps_end_at_the_limit_and_everything_is_reported() -> None:
    clock, watch = Clock(Budget(max_steps=4)), Watch()
    trainer = Halving(clock)
    assert isinstance(trainer, Trainer)
    summary = train(trainer, clock, NAMES, on_step=watch)
    assert (summary.outcome, summary.steps) == (FitOutcome.STEP_LIMIT, 4)
    assert summary.history == (0.5, 0.25, 0.125, 0.0625)
    assert summary.psnr_db == mse_to_psnr_db(0.0625)
    assert trainer.finished == 1
    assert trainer.shares == [0.0, 0.25, 0.5, 0.75]
    assert [(each.step, each.total_steps, each.loss) for each in watch.seen] == [
        (1, 4, 0.5),
        (2, 4, 0.25),
        (3, 4, 0.125),
        (4, 4, 0.0625),
    ]
    assert summary.seconds == watch.seen[-1].seconds > 0.0
    assert watch.seen[-1].eta_seconds == 0.0


@pytest.mark.parametrize("step", [1, 3, 5, 6])
def test_a_resumed_fit_ends_as_an_uninterrupted_one(step: int) -> None:
    watch, budget = Watch(), Budget(max_steps=6)
    whole = run(budget, watch=watch)
    state = FitState.from_bytes(watch.states[step - 1].to_bytes())
    assert (state.step, state.history) == (step, whole.history[:step])
    resumed = run(budget, resume=state)
    assert replace(resumed, seconds=0.0) == replace(whole, seconds=0.0)
    assert resumed.seconds >= state.seconds


def test_a_checkpoint_does_not_move_on_with_the_fit() -> None:
    watch = Watch()
    run(Budget(max_steps=3), watch=watch)
    assert [float(state.tensors["error"]) for state in watch.states] == [0.5, 0.25, 0.125]


def test_the_caller_stops_it() -> None:
    summary = run(Budget(max_steps=9), watch=Watch(stop_at=2))
    assert (summary.outcome, summary.steps) == (FitOutcome.STOPPED, 2)


def test_time_ends_it() -> None:
    summary = run(Budget(max_steps=10**9, max_seconds=1e-6))
    assert summary.outcome is FitOutcome.TIME_LIMIT


def test_a_target_is_believed_only_when_the_exact_error_says_so() -> None:
    clock = Clock(Budget(max_steps=20, target_psnr_db=mse_to_psnr_db(0.25)))
    trainer = Halving(clock, flattery=4.0)
    summary = train(trainer, clock, NAMES)
    assert (summary.outcome, summary.steps) == (FitOutcome.CONVERGED, 4)
    assert summary.psnr_db == mse_to_psnr_db(0.25)
    assert trainer.finished == 4  # after steps 2, 3 and 4, and in the end


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_it_with_advice(loss: float, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(Budget(max_steps=3))
    trainer = Halving(clock)
    monkeypatch.setattr(trainer, "step", lambda: loss)
    with pytest.raises(FitDiverged, match=r"after step 1, .* lower the learning rate"):
        train(trainer, clock, NAMES)


@pytest.mark.parametrize("name", Fingerprints._fields)
def test_a_checkpoint_of_something_else_is_refused_by_name(name: str) -> None:
    watch, clock = Watch(), Clock(Budget(max_steps=2))
    names = NAMES._replace(**{name: "o" * 64})
    train(Halving(clock), clock, names, on_step=watch)
    with pytest.raises(StateMismatch, match=f"another {name} \\(oooooooooooo"):
        run(Budget(max_steps=2), resume=watch.states[0])


def test_a_signal_is_known_by_its_samples_its_kind_and_what_is_held_out() -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4, 1) / 12.0
    signal = Signal(values=values)
    mask = np.zeros((3, 4), dtype=np.bool_)
    marked = mask.copy()
    marked[1, 1] = True
    prints = [
        signal_fingerprint(signal),
        signal_fingerprint(Signal(values=values.reshape(4, 3, 1))),
        signal_fingerprint(Signal(values=1.0 - values)),
        signal_fingerprint(Signal(values=values, kind=SignalKind.ARRAY)),
        signal_fingerprint(signal, mask),
        signal_fingerprint(signal, marked),
    ]
    assert len(set(prints)) == len(prints)
    assert signal_fingerprint(Signal(values=values.copy())) == prints[0]
