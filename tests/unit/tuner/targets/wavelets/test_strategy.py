"""Networks with wavelets by target: never over the bytes, near the quality, and what they cannot do is said."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tests.signals import blob
from tests.unit.tuner.targets.cases import PICTURE, quality, wavelets
from tests.wavelets import random_wavelets
from tuner.codec.decode import decode
from tuner.errors import ConfigError
from tuner.fit.progress import Verdict
from tuner.fit.wavelets.config import WaveletConfig
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.signal.array import array_signal
from tuner.signal.details import AudioDetails
from tuner.signal.signal import SampleFormat, Signal, SignalKind
from tuner.targets.ask import WaveletsAsk
from tuner.targets.files import File
from tuner.targets.request import ask_for
from tuner.targets.result import TargetOutcome
from tuner.targets.search import fit_to_target
from tuner.targets.target import Target, TargetKind
from tuner.targets.wavelets.forecast import ENOUGH_BYTES
from tuner.targets.wavelets.strategy import _TINY_BYTES, WaveletsStrategy, WaveletsTrial

NETWORK = random_wavelets()


# Some 3,800 bytes hold this picture to the last bit that its samples can show: more cannot be used.
@pytest.mark.parametrize("size", [1500, 3500])
def test_bytes_are_never_exceeded_and_nearly_all_used(size: int) -> None:
    result = fit_to_target(PICTURE, wavelets("bytes", size))
    assert result.content is not None
    assert 0.95 * size <= len(result.content) <= size
    assert isinstance(decode(result.content).parameters, WaveletParameters)
    assert f"The target of {size} bytes was met" in result.sentence


@pytest.mark.parametrize("steps", [1, 7])
def test_bytes_are_not_exceeded_by_a_fit_that_had_no_time(steps: int) -> None:
    result = fit_to_target(PICTURE, wavelets("bytes", 1500, steps=steps, trials=1))
    assert result.content is not None
    assert len(result.content) <= 1500


def test_what_else_the_file_holds_counts() -> None:
    profile = np.random.default_rng(0).bytes(1500)
    signal = replace(PICTURE, icc_profile=profile)
    result = fit_to_target(signal, wavelets("bytes", 3000, signal=signal))
    assert result.content is not None
    assert 0.95 * 3000 <= len(result.content) <= 3000


@pytest.mark.parametrize("psnr_db", [32.0, 36.0])
def test_a_quality_is_met_and_hardly_exceeded(psnr_db: float) -> None:
    result = fit_to_target(PICTURE, wavelets("psnr_db", psnr_db))
    assert result.outcome is TargetOutcome.MET, result.sentence
    # Of files of two hundred bytes, the next smaller one may be some tenths worse.
    assert psnr_db - 0.1 <= quality(PICTURE, result) <= psnr_db + 0.45


def test_a_quality_out_of_reach_is_said() -> None:
    noise = array_signal(np.random.default_rng(0).normal(size=(40, 30)))
    result = fit_to_target(noise, wavelets("psnr_db", 170.0, steps=3, signal=noise))
    assert result.outcome is TargetOutcome.MISSED
    assert "was missed" in result.sentence


def test_no_advice_is_given_for_more_than_there_is() -> None:
    levels = replace(PICTURE, values=(np.round(PICTURE.values * 255.0) / 255.0).astype(np.float32))
    exact = fit_to_target(levels, wavelets("psnr_db", 200.0, steps=3, signal=levels))
    assert exact.sentence.endswith("Every sample comes back as it was.")
    smooth = array_signal(blob((48, 56))[..., 0])
    floats = fit_to_target(smooth, wavelets("psnr_db", 200.0, steps=3, signal=smooth))
    assert floats.sentence.endswith("Values are computed as 32-bit floats, which come hardly closer.")


def test_a_quality_that_no_learned_weights_reach_is_met_by_a_network_that_learns_nothing() -> None:
    smooth = array_signal(blob((48, 56))[..., 0])
    result = fit_to_target(smooth, wavelets("psnr_db", 100.0, steps=3, signal=smooth))
    assert result.outcome is TargetOutcome.MET
    trials = [trial for trial in result.trials if isinstance(trial, WaveletsTrial)]
    assert {trial.learned for trial in trials if trial.file_bytes is not None} == {False}
    assert {trial.learned for trial in trials} == {False, True}


def test_of_small_files_the_better_network_is_kept() -> None:
    """One that learns nothing has no layers to pay for."""
    ask = wavelets("bytes", 400)
    assert isinstance(ask.config, WaveletConfig)
    found = fit_to_target(PICTURE, ask)
    exact = fit_to_target(PICTURE, replace(ask, config=replace(ask.config, learned=False, steps=1)))
    assert found.content == exact.content
    assert found.trials[0].psnr_db < exact.trials[0].psnr_db


def test_sizes_that_differ_by_little_share_their_networks() -> None:
    """Each is trained for a size below, never above, and from one pair of sizes to the next one network is the same."""

    def trained_for(size: int) -> list[float | None]:
        ask = wavelets("bytes", size)
        assert isinstance(ask, WaveletsAsk)
        return [config.bits_per_sample for config in WaveletsStrategy(PICTURE, ask)._shared]

    sizes = range(1000, 1100)
    found = [trained_for(size) for size in sizes]
    for size, bits in zip(sizes, found, strict=True):
        wanted = 8.0 * size / PICTURE.sample_count
        assert all(each is not None and 0.85 * wanted < each < wanted for each in bits)
    pairs = list(pairwise(found))
    assert all(after in (before, [after[0], *before[:-1]]) for before, after in pairs)
    assert 2 <= sum(before != after for before, after in pairs) <= 3  # 4 % apart, over 10 %


def test_a_network_that_is_shared_has_as_many_neurons_for_all_that_share_it() -> None:
    found: dict[float | None, set[tuple[int, ...]]] = {}
    for size in range(3800, 4200, 20):
        ask = ask_for(PICTURE, "balanced", Target(TargetKind.BYTES, size))
        assert isinstance(ask, WaveletsAsk)
        for config in WaveletsStrategy(PICTURE, ask)._shared:
            found.setdefault(config.bits_per_sample, set()).add(config.widths)
    assert {len(widths) for widths in found.values()} == {1}
    assert len({widths for each in found.values() for widths in each}) == 2


@pytest.mark.parametrize(("excess", "networks"), [(1.0, 2), (1.2, 3)])
def test_where_a_network_came_out_too_large_one_more_is_made(excess: float, networks: int) -> None:
    ask = wavelets("bytes", 1500)
    assert isinstance(ask, WaveletsAsk)
    strategy = WaveletsStrategy(PICTURE, ask)
    trials: list[WaveletsTrial] = []
    file = File(bytes(1490), 30.0, 0.5, NETWORK)
    while (plan := strategy.next_plan(trials, file)) is not None:
        trials.append(
            WaveletsTrial(
                network=(2, 8),
                weights=100,
                steps=plan.config.steps,
                max_steps=plan.config.steps,
                seconds=1.0,
                work=1.0,
                psnr_db=30.0,
                file_bytes=1490,
                learned=plan.config.learned,
                largest=20,
                excess=excess,
            )
        )
    assert [each.learned for each in trials] == [True] * networks + [False]


@pytest.mark.parametrize(
    ("psnr_db", "steps", "size", "expected"),
    [
        (30.0, 30, ENOUGH_BYTES, None),
        (30.0, 30, ENOUGH_BYTES + 1, True),  # has room for layers
        (31.0, 30, 200, None),  # could be no smaller
        (31.0, 30, 300, True),  # more than was asked for
        (29.0, 30, 300, False),  # aims higher
    ],
)
def test_a_small_file_of_a_quality_takes_no_learning(
    psnr_db: float, steps: int, size: int, *, expected: bool | None
) -> None:
    ask = wavelets("psnr_db", 30.0, steps=steps)
    assert isinstance(ask, WaveletsAsk)
    strategy = WaveletsStrategy(PICTURE, ask)
    first = strategy.next_plan([], None)
    assert first is not None
    assert not first.config.learned
    fitted = strategy.fit(first, None, lambda _: Verdict.CONTINUE)
    trial = strategy.learn(first, fitted, [])[1]
    following = strategy.next_plan([trial], File(bytes(size), psnr_db, 0.1, NETWORK))
    assert (following and following.config.learned) is expected


def test_who_asks_for_many_steps_gets_both_networks_as_do_large_signals() -> None:
    large = Signal(values=np.zeros((256, 256, 3), dtype=np.float32))
    for signal, ask in (
        (PICTURE, wavelets("psnr_db", 30.0, steps=100)),
        (large, wavelets("psnr_db", 30.0, signal=large)),
    ):
        assert isinstance(ask, WaveletsAsk)
        first = WaveletsStrategy(signal, ask).next_plan([], None)
        assert first is not None
        assert first.config.learned


def test_a_quality_that_rounding_misses_is_met_by_aiming_higher_without_learning() -> None:
    """A nearly flat picture at a low quality: its first file is of zeros alone."""
    coords = np.linspace(0.45, 0.55, 48, dtype=np.float32)
    values = np.broadcast_to(coords[:, None, None], (48, 48, 3)).copy()
    flat = Signal(values=values, sample_format=SampleFormat.U8)
    result = fit_to_target(flat, wavelets("psnr_db", 32.0, signal=flat))
    assert result.outcome is TargetOutcome.MET, result.sentence
    assert [trial.learned for trial in result.trials if isinstance(trial, WaveletsTrial)] == [False] * len(
        result.trials
    )


def test_the_smoother_a_signal_the_more_every_byte_is_worth() -> None:
    smooth = array_signal(blob((48, 56))[..., 0])
    found = [fit_to_target(smooth, wavelets("bytes", size, steps=3, signal=smooth)) for size in (700, 1000, 1500)]
    for size, result in zip((700, 1000, 1500), found, strict=True):
        assert result.content is not None
        assert 0.97 * size <= len(result.content) <= size
    qualities = [quality(smooth, result) for result in found]
    assert qualities[0] + 3.0 < qualities[1] < qualities[2] - 3.0


def test_a_file_that_holds_no_network_is_refused_with_the_least() -> None:
    with pytest.raises(ConfigError, match=r"ask for more, about \d+ bytes"):
        fit_to_target(PICTURE, wavelets("bytes", 60, steps=3))


def test_a_time_is_kept() -> None:
    result = fit_to_target(PICTURE, wavelets("seconds", 0.3, steps=100_000))
    assert result.content is not None
    assert result.seconds <= 0.3 + 5 * result.seconds / result.steps


def test_other_grids_work_when_they_are_asked_for() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.1, (3000, 1)).cumsum(0) % 1.0
    sound = Signal(
        values=values.astype(np.float32),
        kind=SignalKind.AUDIO,
        sample_format=SampleFormat.S16,
        details=AudioDetails(sample_rate=8000),
    )
    target = Target(TargetKind.BYTES, 2500)
    result = fit_to_target(sound, ask_for(sound, "fast", target, kind="wavelets", steps=30))
    assert result.content is not None
    assert len(result.content) <= 2500
    assert decode(result.content).details == sound.details


def test_the_weights_of_an_estimate_are_those_of_the_fit() -> None:
    result = fit_to_target(PICTURE, wavelets("bytes", 1500, steps=2, trials=1))
    config = wavelets("bytes", 1500).config
    assert isinstance(config, WaveletConfig)
    assert result.trials[0].weights == config.weight_count(PICTURE.grid_shape, 3)


def test_learning_ends_where_it_would_not_make_a_smaller_file() -> None:
    """What was there is kept, and nothing more is tried."""
    ask = wavelets("psnr_db", 30.0, steps=30)
    assert isinstance(ask, WaveletsAsk)
    strategy = WaveletsStrategy(PICTURE, ask)
    first = strategy.next_plan([], None)
    assert first is not None
    made = strategy.learn(first, strategy.fit(first, None, lambda _: Verdict.CONTINUE), [])[1]
    there = File(bytes(_TINY_BYTES + 1), 31.0, 0.1, NETWORK)
    second = strategy.next_plan([made], there)
    assert second is not None
    assert second.rival_bytes == _TINY_BYTES + 1
    file, trial = strategy.learn(second, strategy.fit(second, None, lambda _: Verdict.CONTINUE), [made])
    assert file is None
    assert trial.is_beaten
    assert trial.steps < 30
    assert strategy.next_plan([made, trial], there) is None
