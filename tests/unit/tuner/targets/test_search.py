"""Asking by target: never over the bytes, at most 0.1 dB short, and the same file after an interruption anywhere."""

from dataclasses import replace

import pytest

from tests.cases import colours, noise, waves
from tuner.codec.decode import decode
from tuner.errors import ConfigError, StateMismatch
from tuner.fit.config import Budget, FitConfig
from tuner.fit.presets import image_config
from tuner.fit.progress import Progress, Verdict
from tuner.fit.state import FitState
from tuner.metrics import picture_psnr_db
from tuner.signal.signal import SampleFormat, Signal
from tuner.targets.ask import SinesAsk
from tuner.targets.files import max_error
from tuner.targets.result import TargetOutcome, TargetResult
from tuner.targets.search import fit_to_target, forecast_of
from tuner.targets.sines.plan import Trial, next_plan
from tuner.targets.sines.sizes import weight_count
from tuner.targets.target import Target, TargetKind

WAVES = Signal(values=waves())
COLOURS = Signal(values=colours(), sample_format=SampleFormat.U8)
NOISE = Signal(values=noise())


def base(signal: Signal, steps: int = 40) -> FitConfig:
    return image_config(signal.grid_shape, signal.channels, max_steps=steps)


def ask(signal: Signal, kind: str, value: float, *, steps: int = 40, trials: int = 3) -> SinesAsk:
    return SinesAsk(config=base(signal, steps), target=Target(TargetKind(kind), value), trials=trials)


def quality(signal: Signal, result: TargetResult) -> float:
    assert result.content is not None
    return picture_psnr_db(signal.values, decode(result.content).render().values, signal.sample_format)


@pytest.mark.parametrize(("signal", "psnr_db"), [(WAVES, 24.0), (COLOURS, 34.0)], ids=["waves", "colours"])
def test_a_quality_is_met_and_said(signal: Signal, psnr_db: float) -> None:
    result = fit_to_target(signal, ask(signal, "psnr_db", psnr_db))
    assert result.outcome is TargetOutcome.MET, result.sentence
    assert quality(signal, result) >= psnr_db - 0.1
    assert f"{quality(signal, result):.2f} dB" in result.sentence


@pytest.mark.parametrize(
    ("signal", "size"), [(WAVES, 250), (WAVES, 700), (COLOURS, 1200), (NOISE, 500)], ids=["250", "700", "1200", "noise"]
)
def test_bytes_are_never_exceeded_and_mostly_used(signal: Signal, size: int) -> None:
    result = fit_to_target(signal, ask(signal, "bytes", size, steps=10))
    assert result.content is not None
    assert 0.7 * size < len(result.content) <= size


def test_bits_per_sample_are_bytes() -> None:
    result = fit_to_target(WAVES, ask(WAVES, "bits_per_sample", 3.0, steps=15))
    assert result.content is not None
    assert len(result.content) <= 3.0 * WAVES.sample_count / 8.0


def test_a_largest_error_is_kept() -> None:
    result = fit_to_target(COLOURS, ask(COLOURS, "max_error", 0.3, trials=2))
    assert result.outcome is TargetOutcome.MET, result.sentence
    assert result.content is not None
    assert max_error(COLOURS, decode(result.content).render().values) <= 0.3


def test_what_cannot_be_reached_is_said_and_the_best_is_kept() -> None:
    result = fit_to_target(NOISE, ask(NOISE, "psnr_db", 80.0, steps=4))
    assert result.outcome is TargetOutcome.MISSED
    assert "missed" in result.sentence
    assert result.content is not None


def test_a_file_that_holds_no_network_is_refused_with_the_least() -> None:
    with pytest.raises(ConfigError, match=r"ask for more, about \d+ bytes"):
        fit_to_target(WAVES, ask(WAVES, "bytes", 20, steps=3))


def test_more_bytes_buy_more_quality() -> None:
    few, many = (fit_to_target(COLOURS, ask(COLOURS, "bytes", size, steps=15)) for size in (300, 1200))
    assert quality(COLOURS, many) > quality(COLOURS, few) + 3.0


def test_a_network_that_was_asked_for_is_kept() -> None:
    config = base(WAVES)
    config = replace(config, network=replace(config.network, frequencies=30, hidden=(12,)))
    target = Target(TargetKind.BYTES, 600)
    config = replace(config, budget=Budget(max_steps=5))
    result = fit_to_target(WAVES, SinesAsk(config=config, target=target, free_size=False))
    assert [trial.network for trial in result.trials] == [(30, 12)]
    assert result.content is not None
    assert len(result.content) <= 600


def test_a_fit_that_falls_just_short_goes_on_with_the_same_network() -> None:
    config = base(WAVES, 6)
    config = replace(config, network=replace(config.network, frequencies=30, hidden=(12,)))
    alone = fit_to_target(WAVES, SinesAsk(config=config))
    target = Target(TargetKind.PSNR_DB, quality(WAVES, alone) + 0.5)
    result = fit_to_target(WAVES, SinesAsk(config=config, target=target, free_size=False))
    assert [trial.goes_on for trial in result.trials] == [False, True]
    assert result.steps == result.trials[1].steps > 6
    assert result.outcome is TargetOutcome.MET, result.sentence


def test_a_pilot_that_promises_enough_goes_on_with_the_same_network() -> None:
    result = fit_to_target(COLOURS, ask(COLOURS, "psnr_db", 34.0))
    pilot, *rest = result.trials
    if rest and rest[0].network == pilot.network:
        assert (pilot.is_pilot, rest[0].goes_on, pilot.file_bytes) == (True, True, None)
        assert result.steps == sum(trial.steps for trial in result.trials[1:])
    assert sum(trial.is_pilot for trial in result.trials) <= 1


def test_a_pilot_that_promises_too_little_makes_room_for_a_larger_network() -> None:
    # Noise of one kind looks like any other to a cosine transform, and no network of few weights can follow it.
    request = ask(NOISE, "psnr_db", 14.0, steps=20)
    forecast = forecast_of(NOISE)
    hopeful = replace(forecast, compaction_db=tuple(db + 6.0 for db in forecast.compaction_db))
    first = next_plan(request, hopeful, ())
    assert first is not None
    assert first.is_pilot
    assert first.config.budget.max_steps == 8
    shown = Trial(
        network=(first.config.network.frequencies, *first.config.network.hidden),
        weights=weight_count(first.config.network, 3),
        steps=8,
        max_steps=8,
        seconds=1.0,
        work=1.0,
        psnr_db=10.0,
        late_gain_db=0.1,
        peak=3.0,
        loss_db=None,
        file_bytes=None,
        is_pilot=True,
    )
    second = next_plan(request, hopeful, [shown])
    assert second is not None
    assert not second.goes_on
    assert weight_count(second.config.network, 3) > 1.3 * shown.weights
    # The very same, but rising fast: it will do.
    kept = next_plan(request, hopeful, [replace(shown, psnr_db=13.5, late_gain_db=2.5)])
    assert kept is not None
    assert (kept.goes_on, kept.config.network, kept.config.budget.max_steps) == (True, first.config.network, 20)


def test_a_pilot_is_no_network_of_its_own() -> None:
    result = fit_to_target(WAVES, ask(WAVES, "psnr_db", 24.0, trials=1))
    assert result.content is not None
    assert sum(not trial.is_pilot for trial in result.trials) == 1


def test_a_time_is_kept() -> None:
    result = fit_to_target(WAVES, ask(WAVES, "seconds", 0.3))
    assert result.content is not None
    slowest_step = max(trial.seconds / trial.steps for trial in result.trials)
    assert result.seconds <= 0.3 + 5 * slowest_step


class Recorder:
    """Keeps the checkpoint of every step, and stops at one of them."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.states: list[FitState] = []
        self.totals: list[int] = []
        self._stop_at = stop_at

    def __call__(self, progress: Progress) -> Verdict:
        self.states.append(FitState.from_bytes(progress.capture().to_bytes()))
        self.totals.append(progress.total_steps)
        assert self.states[-1].step == progress.step
        return Verdict.STOP if progress.step == self._stop_at else Verdict.CONTINUE


# Each takes several networks, the second one goes on with the first one's.
SEVERAL = [
    ask(WAVES, "bytes", 500, steps=5),
    ask(NOISE, "psnr_db", 30.0, steps=4),
    ask(COLOURS, "psnr_db", 32.0, steps=14),
    SinesAsk(
        config=replace(base(WAVES, 6), network=replace(base(WAVES).network, frequencies=30, hidden=(12,))),
        target=Target(TargetKind.PSNR_DB, 27.5),
        free_size=False,
    ),
]


@pytest.mark.parametrize(
    ("signal", "request_"),
    list(zip([WAVES, NOISE, COLOURS, WAVES], SEVERAL, strict=True)),
    ids=["bytes", "short", "pilot", "goes on"],
)
def test_resumed_anywhere_it_ends_with_the_same_bytes(signal: Signal, request_: SinesAsk) -> None:
    recorder = Recorder()
    whole = fit_to_target(signal, request_, on_step=recorder)
    assert [state.step for state in recorder.states] == list(range(1, whole.steps + 1))
    assert all(state.step <= total for state, total in zip(recorder.states, recorder.totals, strict=True))
    ends = [trial.steps for trial in whole.trials]
    for state in {ends[0], ends[0] + 1, whole.steps - 1} & set(range(1, whole.steps + 1)):
        resumed = fit_to_target(signal, request_, resume=recorder.states[state - 1])
        assert resumed.content == whole.content
        assert [trial.network for trial in resumed.trials] == [trial.network for trial in whole.trials]
        assert (resumed.steps, resumed.outcome) == (whole.steps, whole.outcome)
        assert resumed.sentence == whole.sentence


def test_the_search_of_several_networks_is_among_the_tests() -> None:
    lengths = [len(fit_to_target(WAVES, request_).trials) for request_ in (SEVERAL[0], SEVERAL[3])]
    assert max(lengths) > 1


def test_a_stopped_search_has_no_file() -> None:
    recorder = Recorder(stop_at=3)
    result = fit_to_target(WAVES, ask(WAVES, "bytes", 500), on_step=recorder)
    assert (result.content, result.outcome) == (None, TargetOutcome.STOPPED)
    assert len(recorder.states) == 3


def test_a_checkpoint_of_another_request_is_refused() -> None:
    recorder = Recorder(stop_at=1)
    fit_to_target(WAVES, ask(WAVES, "bytes", 500), on_step=recorder)
    with pytest.raises(StateMismatch, match="another request"):
        fit_to_target(WAVES, ask(WAVES, "bytes", 501), resume=recorder.states[0])
    with pytest.raises(StateMismatch):
        fit_to_target(COLOURS, ask(WAVES, "bytes", 500), resume=recorder.states[0])
