"""Networks of sines by target: near the quality, never over the bytes, of the size that was asked for."""

from dataclasses import replace

import pytest

from tests.unit.tuner.targets.cases import COLOURS, NOISE, WAVES, base, quality, sines
from tuner.codec.decode import decode
from tuner.errors import ConfigError
from tuner.fit.config import Budget
from tuner.signal.signal import Signal
from tuner.targets.ask import SinesAsk
from tuner.targets.files import max_error
from tuner.targets.request import ask_for
from tuner.targets.result import TargetOutcome, TargetResult
from tuner.targets.search import fit_to_target
from tuner.targets.sines.plan import SinesTrial
from tuner.targets.target import Target, TargetKind


def trials_of(result: TargetResult) -> list[SinesTrial]:
    return [trial for trial in result.trials if isinstance(trial, SinesTrial)]


@pytest.mark.parametrize(("signal", "psnr_db"), [(WAVES, 24.0), (COLOURS, 34.0)], ids=["waves", "colours"])
def test_a_quality_is_met_and_said(signal: Signal, psnr_db: float) -> None:
    result = fit_to_target(signal, sines(signal, "psnr_db", psnr_db))
    assert result.outcome is TargetOutcome.MET, result.sentence
    assert quality(signal, result) >= psnr_db - 0.1
    assert f"{quality(signal, result):.2f} dB" in result.sentence


@pytest.mark.parametrize(
    ("signal", "size"), [(WAVES, 250), (WAVES, 700), (COLOURS, 1200), (NOISE, 500)], ids=["250", "700", "1200", "noise"]
)
def test_bytes_are_never_exceeded_and_mostly_used(signal: Signal, size: int) -> None:
    result = fit_to_target(signal, sines(signal, "bytes", size, steps=10))
    assert result.content is not None
    assert 0.7 * size < len(result.content) <= size


def test_bits_per_sample_are_bytes() -> None:
    result = fit_to_target(WAVES, sines(WAVES, "bits_per_sample", 3.0, steps=15))
    assert result.content is not None
    assert len(result.content) <= 3.0 * WAVES.sample_count / 8.0


def test_a_largest_error_is_kept() -> None:
    result = fit_to_target(COLOURS, sines(COLOURS, "max_error", 0.3, trials=2))
    assert result.outcome is TargetOutcome.MET, result.sentence
    assert result.content is not None
    assert max_error(COLOURS, decode(result.content).render().values) <= 0.3


def test_what_cannot_be_reached_is_said_and_the_best_is_kept() -> None:
    result = fit_to_target(NOISE, sines(NOISE, "psnr_db", 80.0, steps=4))
    assert result.outcome is TargetOutcome.MISSED
    assert "missed" in result.sentence
    assert result.content is not None


def test_an_error_of_less_than_a_level_is_told_to_be_none() -> None:
    result = fit_to_target(COLOURS, sines(COLOURS, "max_error", 1e-7, steps=4))
    assert result.outcome is TargetOutcome.MISSED
    assert result.sentence.endswith(
        "No larger network of sines is tried for this signal. Less than 0.0039, the smallest step of its samples, is "
        "no error at all. To come closer, ask for a quality (psnr_db), of the network kind 'wavelets'."
    )
    closer = fit_to_target(COLOURS, ask_for(COLOURS, "fast", Target(TargetKind.PSNR_DB, 100.0), steps=4))
    assert quality(COLOURS, closer) > quality(COLOURS, result) + 20.0


def test_a_file_that_holds_no_network_is_refused_with_the_least() -> None:
    with pytest.raises(ConfigError, match=r"ask for more, about \d+ bytes"):
        fit_to_target(WAVES, sines(WAVES, "bytes", 20, steps=3))


def test_more_bytes_buy_more_quality() -> None:
    few, many = (fit_to_target(COLOURS, sines(COLOURS, "bytes", size, steps=15)) for size in (300, 1200))
    assert quality(COLOURS, many) > quality(COLOURS, few) + 3.0


def test_a_network_that_was_asked_for_is_kept() -> None:
    config = base(WAVES)
    config = replace(config, network=replace(config.network, frequencies=30, hidden=(12,)))
    target = Target(TargetKind.BYTES, 600)
    config = replace(config, budget=Budget(max_steps=5))
    result = fit_to_target(WAVES, SinesAsk(config=config, target=target, free_size=False))
    assert [trial.network for trial in trials_of(result)] == [(30, 12)]
    assert result.content is not None
    assert len(result.content) <= 600


def test_a_fit_that_falls_just_short_goes_on_with_the_same_network() -> None:
    config = base(WAVES, 6)
    config = replace(config, network=replace(config.network, frequencies=30, hidden=(12,)))
    alone = fit_to_target(WAVES, SinesAsk(config=config))
    target = Target(TargetKind.PSNR_DB, quality(WAVES, alone) + 0.5)
    result = fit_to_target(WAVES, SinesAsk(config=config, target=target, free_size=False))
    assert [trial.goes_on for trial in trials_of(result)] == [False, True]
    assert result.steps == trials_of(result)[1].steps > 6
    assert result.outcome is TargetOutcome.MET, result.sentence


def test_a_pilot_that_promises_enough_goes_on_with_the_same_network() -> None:
    result = fit_to_target(COLOURS, sines(COLOURS, "psnr_db", 34.0))
    pilot, *rest = trials_of(result)
    if rest and rest[0].network == pilot.network:
        assert (pilot.is_pilot, rest[0].goes_on, pilot.file_bytes) == (True, True, None)
        assert result.steps == sum(trial.steps for trial in trials_of(result)[1:])
    assert sum(trial.is_pilot for trial in trials_of(result)) <= 1


def test_a_pilot_is_no_network_of_its_own() -> None:
    result = fit_to_target(WAVES, sines(WAVES, "psnr_db", 24.0, trials=1))
    assert result.content is not None
    assert sum(not trial.is_pilot for trial in trials_of(result)) == 1


def test_a_time_is_kept() -> None:
    result = fit_to_target(WAVES, sines(WAVES, "seconds", 0.3))
    assert result.content is not None
    slowest_step = max(trial.seconds / trial.steps for trial in trials_of(result))
    assert result.seconds <= 0.3 + 5 * slowest_step
