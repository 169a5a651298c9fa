"""A fit of sines: quality, budgets, bounds, and checkpoints that change nothing, whichever rule trains."""

from collections.abc import Callable
from dataclasses import replace
from math import isfinite

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.cases import CASES, Case
from tuner.decibels import PSNR_CEILING_DB
from tuner.errors import FitDiverged, InvalidSignal, StateMismatch
from tuner.fit import Budget, FitConfig, FitOutcome, FitResult, FitState, Progress, Verdict, fit
from tuner.fit.config import FirstOrderConfig, Rule, Schedule
from tuner.metrics import psnr_db
from tuner.network.sines.config import NetworkConfig
from tuner.signal.grid import Grid
from tuner.signal.signal import Signal

WAVES = CASES[0].signal()
ADAM = FirstOrderConfig(learning_rate=2e-2, batch_samples=400)
SMALL = FitConfig(
    network=NetworkConfig(frequencies=60, hidden=(40,), low_limit=0.3, band_limit=0.8),
    trainer=ADAM,
    budget=Budget(max_steps=30),
    seed=3,
)
WHOLE = replace(SMALL, trainer=replace(ADAM, batch_samples=None))
PUBLISHED = replace(SMALL, trainer=replace(ADAM, solve_readout=False))
DEEP = replace(SMALL, network=replace(SMALL.network, hidden=(30, 20)))
MUON = replace(DEEP, trainer=replace(ADAM, rule=Rule.MUON))
FREE = replace(SMALL, trainer=replace(ADAM, rule=Rule.SCHEDULE_FREE, schedule=Schedule.CONSTANT))
LBFGS = replace(SMALL, trainer=FirstOrderConfig(rule=Rule.LBFGS, learning_rate=1.0, schedule=Schedule.CONSTANT))
RECIPES = {
    "blocks": SMALL,
    "whole grid": WHOLE,
    "trained readout": PUBLISHED,
    "two hidden layers": DEEP,
    "Muon": MUON,
    "schedule-free": FREE,
    "L-BFGS": LBFGS,
}


def rendered(result: FitResult, signal: Signal) -> np.ndarray:
    """By the plain forward pass at every point, independent of the trainer's own evaluation."""
    grid = Grid(signal.grid_shape, result.network.period)
    with torch.no_grad():
        values_PC: Tensor = result.network(torch.tensor(grid.coords()))
    return np.asarray(values_PC.numpy().reshape(signal.values.shape))


def assert_same_bytes(one: FitResult, other: FitResult) -> None:
    a, b = one.network.state_dict(), other.network.state_dict()
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name
    assert one.history == other.history
    assert (one.steps, one.psnr_db, one.outcome) == (other.steps, other.psnr_db, other.outcome)


def capture_at(step: int, into: list[bytes]) -> Callable[[Progress], Verdict]:
    def on_step(progress: Progress) -> Verdict:
        if progress.step == step:
            into.append(progress.capture().to_bytes())
        return Verdict.CONTINUE

    return on_step


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_is_fitted(case: Case) -> None:
    signal = case.signal()
    config = replace(WHOLE, network=replace(WHOLE.network, frequencies=120, hidden=(60,)), budget=Budget(max_steps=150))
    result = fit(signal, config)
    assert result.psnr_db >= case.least_psnr_db
    assert result.outcome is FitOutcome.STEP_LIMIT


@pytest.mark.parametrize("name", RECIPES)
def test_the_reported_quality_is_that_of_the_network(name: str) -> None:
    result = fit(WAVES, RECIPES[name])
    assert result.psnr_db == pytest.approx(psnr_db(WAVES.values, rendered(result, WAVES)), abs=0.01)
    assert result.psnr_db > 15.0
    # What the steps said is close to the truth (it lags a little: it is from before the last steps).
    assert -10.0 * np.log10(result.history[-1]) == pytest.approx(result.psnr_db, abs=2.0)


@pytest.mark.parametrize("name", RECIPES)
def test_a_resumed_fit_ends_with_the_bytes_of_an_uninterrupted_one(name: str) -> None:
    config = RECIPES[name]
    states: list[bytes] = []
    whole = fit(WAVES, config, on_step=capture_at(11, states))
    resumed = fit(WAVES, config, resume=FitState.from_bytes(states[0]))
    assert_same_bytes(whole, resumed)
    assert resumed.seconds > 0.0


def test_capturing_changes_nothing_and_equal_fits_are_equal() -> None:
    def curious(progress: Progress) -> Verdict:
        progress.capture()
        return Verdict.CONTINUE

    assert_same_bytes(fit(WAVES, SMALL), fit(WAVES, SMALL, on_step=curious))


def test_another_seed_gives_another_network() -> None:
    one, other = fit(WAVES, SMALL), fit(WAVES, replace(SMALL, seed=4))
    assert not torch.equal(one.network.readout_weight_CH, other.network.readout_weight_CH)


@pytest.mark.parametrize("name", RECIPES)
def test_every_column_keeps_its_bound_after_every_step(name: str) -> None:
    config = RECIPES[name]
    assert isinstance(config.trainer, FirstOrderConfig)
    tight = replace(
        config,
        network=replace(config.network, bound_low=0.25, bound_high=0.1, bound_deep=0.2),
        trainer=replace(config.trainer, learning_rate=0.1),
    )

    bounds = [layer.bounds_M for layer in fit(WAVES, replace(tight, budget=Budget(max_steps=1))).network.layers]

    def within(progress: Progress) -> Verdict:
        tensors = progress.capture().tensors
        for i, bounds_M in enumerate(bounds):
            assert bounds_M is not None
            weight_HM = tensors[f"network.hidden.{i}.weight_HM"]
            assert (weight_HM.abs() <= bounds_M).all()
            assert (weight_HM.abs() == bounds_M).any() or progress.step < 9, "the bounds are at work"
        return Verdict.CONTINUE

    network = fit(WAVES, tight, on_step=within).network
    low = torch.tensor([int(0.3 * nyquist) for nyquist in Grid(WAVES.grid_shape, network.period).nyquist])
    inside = (network.frequencies_MD.abs() <= low).all(dim=1)
    assert inside.any()
    assert not inside.all()
    torch.testing.assert_close(bounds[0], torch.where(inside, 0.25, 0.1))


def test_frequencies_are_frozen_and_phases_are_trained() -> None:
    before = fit(WAVES, replace(SMALL, budget=Budget(max_steps=1))).network
    after = fit(WAVES, SMALL).network
    assert torch.equal(before.frequencies_MD, after.frequencies_MD)
    assert not torch.equal(before.phases_M, after.phases_M)


def test_a_target_ends_the_fit_as_soon_as_it_is_truly_reached() -> None:
    config = replace(SMALL, budget=Budget(max_steps=200, target_psnr_db=24.0))
    result = fit(WAVES, config)
    assert result.outcome is FitOutcome.CONVERGED
    assert 24.0 <= result.psnr_db < 28.0
    assert result.steps < 200


def test_a_report_that_flatters_does_not_end_the_fit() -> None:
    config = replace(SMALL, budget=Budget(max_steps=30, target_psnr_db=22.0))
    states: list[bytes] = []
    fit(WAVES, config, on_step=capture_at(5, states))
    state = FitState.from_bytes(states[0])
    result = fit(WAVES, config, resume=replace(state, history=(*state.history[:-1], 1e-9)))
    assert result.steps > 6
    assert result.psnr_db >= 22.0


def test_time_ends_the_fit() -> None:
    result = fit(WAVES, replace(SMALL, budget=Budget(max_steps=10**6, max_seconds=0.05)))
    assert result.outcome is FitOutcome.TIME_LIMIT
    assert result.seconds >= 0.05


def test_a_plateau_ends_the_fit() -> None:
    stuck = replace(SMALL, trainer=replace(ADAM, batch_samples=None, learning_rate=1e-12, schedule=Schedule.CONSTANT))
    result = fit(WAVES, replace(stuck, budget=Budget(max_steps=500, plateau_steps=10, plateau_db=0.1)))
    assert result.outcome is FitOutcome.PLATEAU
    assert result.steps == 11


def test_the_caller_may_stop_and_resume() -> None:
    states: list[FitState] = []

    def stop_at_seven(progress: Progress) -> Verdict:
        if progress.step < 7:
            return Verdict.CONTINUE
        states.append(progress.capture())
        return Verdict.STOP

    stopped = fit(WAVES, SMALL, on_step=stop_at_seven)
    assert (stopped.outcome, stopped.steps) == (FitOutcome.STOPPED, 7)
    assert stopped.psnr_db == pytest.approx(psnr_db(WAVES.values, rendered(stopped, WAVES)), abs=0.01)
    assert_same_bytes(fit(WAVES, SMALL, resume=states[0]), fit(WAVES, SMALL))


def test_progress_tells_where_the_fit_stands() -> None:
    seen: list[Progress] = []

    def watch(progress: Progress) -> Verdict:
        seen.append(progress)
        return Verdict.CONTINUE

    result = fit(WAVES, SMALL, on_step=watch)
    assert [p.step for p in seen] == list(range(1, 31))
    assert all(p.total_steps == 30 and isfinite(p.psnr_db) and p.seconds > 0 for p in seen)
    assert seen[-1].eta_seconds == 0.0
    assert seen[0].eta_seconds is not None
    assert seen[0].eta_seconds > 0.0
    assert seen[-1].psnr_db > seen[0].psnr_db
    assert tuple(p.loss for p in seen) == result.history


def test_a_resumed_fit_counts_on() -> None:
    states: list[bytes] = []
    fit(WAVES, SMALL, on_step=capture_at(20, states))
    seen: list[Progress] = []

    def watch(progress: Progress) -> Verdict:
        seen.append(progress)
        return Verdict.CONTINUE

    fit(WAVES, SMALL, resume=FitState.from_bytes(states[0]), on_step=watch)
    assert [p.step for p in seen] == list(range(21, 31))
    assert seen[0].seconds > FitState.from_bytes(states[0]).seconds


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 9, 1), (2, 2, 4)])
def test_the_smallest_pictures_fit(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).random(shape, dtype=np.float32)
    result = fit(Signal(values=values), SMALL)
    assert result.psnr_db > 40.0


def test_a_constant_picture_is_exact() -> None:
    result = fit(Signal(values=np.full((12, 9, 3), 0.3, np.float32)), replace(SMALL, budget=Budget(max_steps=5)))
    assert 100.0 < result.psnr_db <= PSNR_CEILING_DB


def test_values_that_are_no_numbers_never_reach_a_fit() -> None:
    values = np.zeros((4, 4, 1), np.float32)
    values[1, 2] = np.nan
    with pytest.raises(InvalidSignal, match="1 of 16 values"):
        Signal(values=values)


def test_a_fit_that_diverges_says_so() -> None:
    # Sines of bounded weights hardly can: the phases themselves have to overflow.
    wild = replace(SMALL, trainer=FirstOrderConfig(learning_rate=3e37, schedule=Schedule.CONSTANT))
    with pytest.raises(FitDiverged, match="lower the learning rate"):
        fit(WAVES, wild)


def test_a_checkpoint_of_something_else_is_refused() -> None:
    states: list[bytes] = []
    fit(WAVES, SMALL, on_step=capture_at(5, states))
    state = FitState.from_bytes(states[0])
    with pytest.raises(StateMismatch, match="another config"):
        fit(WAVES, replace(SMALL, seed=9), resume=state)
    with pytest.raises(StateMismatch, match="another signal"):
        fit(Signal(values=1.0 - WAVES.values), SMALL, resume=state)
    missing = {name: tensor for name, tensor in state.tensors.items() if name != "adam.first.phases_M"}
    with pytest.raises(StateMismatch, match=r"adam\.first\.phases_M"):
        fit(WAVES, SMALL, resume=replace(state, tensors=missing))
