"""Watched samples: which network a fit returns, when it stops, what its checkpoints hold, and who never sees them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.signals import blob
from tuner.decibels import mse_to_psnr_db
from tuner.errors import ConfigError, StateMismatch
from tuner.fit.config import Budget, EikonalConfig, FirstOrderConfig, FitConfig, NaturalGradientConfig, WatchConfig
from tuner.fit.loop import Fingerprints, train
from tuner.fit.natural.batch import fit_batch
from tuner.fit.progress import Clock, Progress, Verdict
from tuner.fit.result import FitOutcome, FitSummary
from tuner.fit.sines.fit import fit
from tuner.fit.state import FitState
from tuner.fit.watch import Watch, watched_mask
from tuner.metrics import held_out_mask
from tuner.network.sines.config import NetworkConfig
from tuner.signal.scattered import on_grid
from tuner.signal.signal import Signal

NAMES = Fingerprints(config="c" * 64, signal="s" * 64)
SHAPE = (20, 18)
NOISY = Signal(
    values=(blob(SHAPE) + np.random.default_rng(0).normal(0, 0.05, (*SHAPE, 1))).astype(np.float32),
)
# More weights than samples: such a network learns all of the noise.
CONFIG = FitConfig(
    network=NetworkConfig(frequencies=40, hidden=(16,), low_limit=0.2, band_limit=0.8),
    budget=Budget(max_steps=12),
    trainer=NaturalGradientConfig(),
    watch=WatchConfig(share=0.15, every=1, margin_db=0.05, patience=6),
)

EVERY_SECOND = WatchConfig(every=2, margin_db=0.1, patience=4)


class Counting:
    """A trainer whose only weight is the number of its steps."""

    def __init__(self) -> None:
        self.count = torch.zeros((), dtype=torch.float64)

    def step(self) -> float:
        self.count += 1
        return float(0.5**self.count)

    def finish(self) -> float:
        return float(0.5**self.count)

    def tensors(self) -> dict[str, Tensor]:
        return {"count": self.count}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        assert set(tensors) == {"count"}
        self.count.copy_(tensors["count"])


def watched_run(
    qualities: Mapping[int, float],
    *,
    resume: FitState | None = None,
    steps: int = 12,
    target: float | None = None,
    settings: WatchConfig = EVERY_SECOND,
) -> tuple[FitSummary, Counting, list[Progress], list[FitState]]:
    """Train on a trainer whose quality after each step is given; every second step is measured."""
    trainer, reports, states = Counting(), [], []

    def on_step(progress: Progress) -> Verdict:
        reports.append(progress)
        states.append(FitState.from_bytes(progress.capture().to_bytes()))
        return Verdict.CONTINUE

    steps_of, values = zip(*sorted(qualities.items()), strict=True)
    watch = Watch(settings, lambda: float(np.interp(float(trainer.count), steps_of, values)))
    clock = Clock(Budget(max_steps=steps, target_psnr_db=target))
    summary = train(trainer, clock, NAMES, resume=resume, on_step=on_step, watch=watch)
    return summary, trainer, reports, states


RISE_AND_FALL = {2: 20.0, 4: 22.0, 6: 22.05, 8: 21.0, 10: 19.0, 12: 18.0}


def test_the_best_network_is_returned_and_the_fit_stops_when_no_better_one_comes() -> None:
    summary, trainer, reports, _ = watched_run(RISE_AND_FALL)
    assert (summary.outcome, summary.steps) == (FitOutcome.PLATEAU, 8)
    assert (summary.best_step, summary.watched_psnr_db) == (4, 22.0)  # 0.05 dB more at step 6 is no better network
    assert float(trainer.count) == 4
    assert summary.psnr_db == mse_to_psnr_db(0.5**4)
    assert [each.held_out_psnr_db for each in reports] == [None, 20.0, 20.0, 22.0, 22.0, 22.05, 22.05, 21.0]


def test_a_rising_quality_is_followed_to_the_end() -> None:
    summary, trainer, _, _ = watched_run({step: float(step) for step in range(2, 13)})
    assert (summary.outcome, summary.best_step, float(trainer.count)) == (FitOutcome.STEP_LIMIT, 12, 12)


def test_a_target_that_is_reached_is_what_counts() -> None:
    summary, trainer, _, _ = watched_run(RISE_AND_FALL, target=mse_to_psnr_db(0.5**6) - 1e-6)
    assert (summary.outcome, float(trainer.count)) == (FitOutcome.CONVERGED, 6)


@pytest.mark.parametrize("step", [1, 3, 5, 7])
def test_a_resumed_fit_keeps_the_same_network(step: int) -> None:
    whole, trainer, _, states = watched_run(RISE_AND_FALL)
    resumed, other, _, _ = watched_run(RISE_AND_FALL, resume=states[step - 1])
    assert replace(resumed, seconds=0.0) == replace(whole, seconds=0.0)
    assert torch.equal(trainer.count, other.count)


def test_a_network_that_is_too_far_ahead_on_what_it_has_seen_is_not_kept() -> None:
    gains = {step: 3.0 * step - 0.2 * step for step in range(2, 13, 2)}  # what is seen gains 3.01 dB a step
    settings = WatchConfig(every=2, patience=4, max_gap_db=1.0)
    summary, trainer, _, _ = watched_run(gains, settings=settings)
    # 4 steps lead by 0.8 dB and 6 by 1.3. Halfway is 5, whose 1.05 dB are too many; 4.5 and 4.75 are not.
    assert (summary.best_step, float(trainer.count), summary.outcome) == (6, 4.75, FitOutcome.PLATEAU)
    assert summary.steps == 6


def test_a_fit_that_went_too_far_ahead_is_over_when_it_is_resumed() -> None:
    settings = WatchConfig(every=2, patience=4, max_gap_db=1.0)
    whole, _, passed, states = watched_run({2: 5.6, 4: 11.2, 6: 16.8}, settings=settings)
    assert passed[-1].held_out_psnr_db == 16.8, "that of the step, as its loss is"
    resumed, trainer, reports, _ = watched_run({2: 5.6, 4: 11.2, 6: 16.8}, settings=settings, resume=states[-1])
    assert (replace(resumed, seconds=0.0), reports) == (replace(whole, seconds=0.0), [])
    assert float(trainer.count) == 4.75


def test_where_no_network_between_is_near_enough_the_kept_one_is_what_a_checkpoint_holds() -> None:
    settings = WatchConfig(every=2, patience=4, max_gap_db=0.85)  # 4.25 steps lead by 0.89 dB
    summary, trainer, _, states = watched_run({2: 5.6, 4: 11.2, 6: 16.8}, settings=settings)
    assert (summary.best_step, float(trainer.count), summary.outcome) == (4, 4, FitOutcome.PLATEAU)
    assert float(states[-1].tensors["count"]) == 4


def test_a_target_that_is_reached_counts_even_where_that_network_is_too_far_ahead() -> None:
    settings = WatchConfig(every=2, patience=4, max_gap_db=1.0)
    target = mse_to_psnr_db(0.5**6) - 1e-6
    summary, trainer, _, _ = watched_run({2: 5.6, 4: 11.2, 6: 16.8}, settings=settings, target=target)
    assert (summary.outcome, float(trainer.count)) == (FitOutcome.CONVERGED, 6)


def test_a_checkpoint_of_a_version_that_went_on_ahead_is_gone_on_from() -> None:
    whole, _, _, states = watched_run(RISE_AND_FALL)
    facts = states[4].tensors["watch.facts"][:3]
    earlier = replace(states[4], tensors={**states[4].tensors, "watch.facts": facts})
    resumed, _, _, _ = watched_run(RISE_AND_FALL, resume=earlier)
    assert replace(resumed, seconds=0.0) == replace(whole, seconds=0.0)


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="max_gap_db is 0"):
        WatchConfig(max_gap_db=0.0)


def test_a_checkpoint_without_watched_samples_is_refused() -> None:
    _, _, _, states = watched_run(RISE_AND_FALL)
    bare = replace(states[0], tensors={"count": states[0].tensors["count"]})
    with pytest.raises(StateMismatch, match="no watched samples"):
        watched_run(RISE_AND_FALL, resume=bare)


def captured(config: FitConfig, signal: Signal = NOISY) -> Iterator[FitState]:
    states: list[FitState] = []

    def on_step(progress: Progress) -> Verdict:
        states.append(FitState.from_bytes(progress.capture().to_bytes()))
        return Verdict.CONTINUE

    fit(signal, config, on_step=on_step)
    yield from states


@pytest.mark.parametrize("prior", [0.0, 1.0])
def test_a_resumed_fit_returns_the_same_weights_even_if_the_best_came_before(prior: float) -> None:
    config = replace(CONFIG, trainer=NaturalGradientConfig(prior=prior))
    whole = fit(NOISY, config)
    states = list(captured(config))
    for state in (states[0], states[-1]):
        resumed = fit(NOISY, config, resume=state)
        assert replace(resumed, seconds=0.0, network=whole.network) == replace(whole, seconds=0.0)
        for name, tensor in whole.network.state_dict().items():
            assert torch.equal(tensor, resumed.network.state_dict()[name]), name


def test_the_returned_network_is_near_the_best_that_the_fit_passed() -> None:
    seen: list[float] = []

    def on_step(progress: Progress) -> Verdict:
        assert progress.held_out_psnr_db is not None
        seen.append(progress.held_out_psnr_db)
        return Verdict.CONTINUE

    result = fit(NOISY, CONFIG, on_step=on_step)
    assert result.watched_psnr_db is not None
    assert result.best_step is not None
    assert result.best_step < result.steps
    assert max(seen) - 0.05 <= result.watched_psnr_db <= max(seen)
    assert seen[-1] < result.watched_psnr_db - 0.05  # else nothing was to be prevented
    assert result.watched_psnr_db == seen[result.best_step - 1]


@pytest.mark.parametrize(
    "trainer", [NaturalGradientConfig(), FirstOrderConfig(batch_samples=40)], ids=["natural", "first order"]
)
def test_watched_samples_teach_nothing(trainer: NaturalGradientConfig | FirstOrderConfig) -> None:
    config = replace(CONFIG, trainer=trainer, watch=replace(CONFIG.watch, patience=99))  # type: ignore[type-var]
    out = held_out_mask(NOISY.sample_count, 0.1, seed=5).reshape(SHAPE)
    assert config.watch is not None
    watched = watched_mask(SHAPE, config.watch, config.seed + 1_000_003) & ~out
    values = np.where(watched[..., None], np.float32(0.5), NOISY.values)
    one, other = (fit(signal, config, held_out=out) for signal in (NOISY, replace(NOISY, values=values)))
    assert one.history == other.history
    assert one.watched_psnr_db != other.watched_psnr_db


def test_scattered_samples_are_watched_too() -> None:
    samples = on_grid(NOISY, np.ones(SHAPE, np.bool_))
    assert fit(samples, CONFIG).best_step is not None


def test_blocks_and_single_samples_are_drawn_by_the_seed() -> None:
    config = WatchConfig(share=0.1, block_share=0.5, block_side=4)
    mask = watched_mask((60, 50), config, seed=0)
    assert np.array_equal(mask, watched_mask((60, 50), config, seed=0))
    assert not np.array_equal(mask, watched_mask((60, 50), config, seed=1))
    assert 0.085 < mask.mean() <= 0.1
    inner = np.lib.stride_tricks.sliding_window_view(mask, (4, 4)).all((2, 3))
    assert inner.sum() >= 5  # whole blocks, which single samples would hardly ever make
    singles = watched_mask((60, 50), replace(config, block_share=0.0), seed=0)
    assert not np.lib.stride_tricks.sliding_window_view(singles, (4, 4)).all((2, 3)).any()
    assert watched_mask((3,), replace(config, share=0.9), seed=0).any()


def test_what_cannot_be_watched_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected some and not all"):
        fit(NOISY, replace(CONFIG, trainer=EikonalConfig()))
    with pytest.raises(ConfigError, match="watches 0 of"):
        fit(NOISY, replace(CONFIG, watch=WatchConfig(share=1e-6)))
    with pytest.raises(ConfigError, match="one by one"):
        fit_batch([NOISY], CONFIG)
    for wrong in ({"share": 0.0}, {"share": 1.0}, {"block_share": 2.0}, {"every": 0}, {"margin_db": -1.0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            WatchConfig(**wrong)
