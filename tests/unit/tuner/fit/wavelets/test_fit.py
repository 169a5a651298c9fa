"""A small signal becomes a file of about the size that was asked for, better than noise would have it."""

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.tuner.fit.wavelets.cases import SMALL, picture
from tuner.codec.encode import encode
from tuner.errors import ConfigError, StateMismatch
from tuner.fit.progress import Progress, Verdict
from tuner.fit.result import FitOutcome
from tuner.fit.state import FitState
from tuner.fit.wavelets.config import WaveletConfig
from tuner.fit.wavelets.fit import fit_wavelets
from tuner.network.wavelets.synthesis import values_on_grid
from tuner.representation import Representation
from tuner.signal.signal import Signal, SignalKind

TO_A_QUALITY = WaveletConfig(psnr_db=32.0, steps=40, widths=(8,), seed=2)


def test_a_fit_fills_its_bytes_and_says_what_they_are_worth() -> None:
    signal, seen = picture(), list[Progress]()

    def note(progress: Progress) -> Verdict:
        seen.append(progress)
        return Verdict.CONTINUE

    result = fit_wavelets(signal, SMALL, on_step=note)
    assert [progress.step for progress in seen] == list(range(1, 41))
    assert {progress.total_steps for progress in seen} == {40}
    representation = Representation.of(result.parameters, signal)
    bits_per_sample = 8 * len(encode(representation, result.network.step_sizes)) / signal.sample_count
    assert 2.0 < bits_per_sample < 5.2
    error = representation.render().values - signal.values
    assert -10.0 * np.log10(np.mean(error**2)) > 25.0
    assert result.psnr_db == pytest.approx(-10.0 * np.log10(np.mean(error**2)), abs=0.2)


@pytest.mark.parametrize("config", [SMALL, TO_A_QUALITY], ids=["a size", "a quality"])
@pytest.mark.parametrize("step", [1, 17, 36])
def test_a_resumed_fit_ends_with_the_bytes_of_an_uninterrupted_one(config: WaveletConfig, step: int) -> None:
    signal, states = picture((24, 20)), list[bytes]()

    def capture(progress: Progress) -> Verdict:
        if progress.step == step:
            states.append(progress.capture().to_bytes())
        return Verdict.CONTINUE

    whole = fit_wavelets(signal, config, on_step=capture)
    resumed = fit_wavelets(signal, config, resume=FitState.from_bytes(states[0]))
    one, other = (encode(Representation.of(r.parameters, signal), r.network.step_sizes) for r in (whole, resumed))
    assert one == other
    assert (whole.outcome, whole.steps, whole.psnr_db, whole.history) == (
        (resumed.outcome, resumed.steps, resumed.psnr_db, resumed.history)
    )
    assert whole.outcome is FitOutcome.STEP_LIMIT
    assert len(whole.history) == whole.steps == config.steps
    assert whole.psnr_db == whole.network.psnr_db


def test_a_checkpoint_of_another_configuration_is_refused() -> None:
    signal, states = picture((24, 20)), list[FitState]()

    def stop(progress: Progress) -> Verdict:
        states.append(progress.capture())
        return Verdict.STOP

    assert fit_wavelets(signal, SMALL, on_step=stop).outcome is FitOutcome.STOPPED
    with pytest.raises(StateMismatch, match="another config"):
        fit_wavelets(signal, TO_A_QUALITY, resume=states[0])


def test_what_is_fitted_is_in_whole_steps() -> None:
    signal = picture()
    result = fit_wavelets(signal, SMALL)
    first = encode(Representation.of(result.parameters, signal), result.network.step_sizes)
    for tensor, step in zip(result.parameters.tensors(), result.network.step_sizes, strict=True):
        integers = tensor.astype(np.float64) / np.float32(step)
        np.testing.assert_allclose(integers, np.rint(integers), atol=1e-3)
    assert first == encode(Representation.of(fit_wavelets(signal, SMALL).parameters, signal), result.network.step_sizes)


@pytest.mark.parametrize(("shape", "channels"), [((200,), 1), ((12, 10, 14), 1)], ids=["one axis", "three axes"])
def test_any_dimension(shape: tuple[int, ...], channels: int) -> None:
    config = WaveletConfig(bits_per_sample=8.0, steps=12, scales=2, widths=(6,), frequencies=2)
    assert fit_wavelets(picture(shape, channels), config).psnr_db > 15.0


def test_a_time_limit_ends_a_fit() -> None:
    config = WaveletConfig(bits_per_sample=4.0, steps=10**6, max_seconds=0.5, widths=(4,))
    result = fit_wavelets(picture((32, 32)), config)
    assert result.outcome is FitOutcome.TIME_LIMIT
    assert result.steps < 10**6


def test_a_grid_of_one_sample() -> None:
    signal = Signal(values=np.full((1, 1, 3), 0.5, dtype=np.float32))
    result = fit_wavelets(signal, WaveletConfig(bits_per_sample=100.0, steps=5, widths=(2,)))
    values = values_on_grid(result.parameters, [np.zeros(1, dtype=np.float32)] * 2)
    np.testing.assert_allclose(values, 0.5, atol=0.05)


def test_four_axes_are_refused_with_advice() -> None:
    signal = Signal(values=np.zeros((4, 4, 4, 4, 1), dtype=np.float32), kind=SignalKind.ARRAY)
    with pytest.raises(ConfigError, match=r"4 axes, .* 'sines'"):
        fit_wavelets(signal, SMALL)


@pytest.mark.parametrize("rival_bytes", [None, 200, 100_000])
def test_a_fit_gives_up_where_a_much_smaller_file_is_there(rival_bytes: int | None) -> None:
    result = fit_wavelets(picture((24, 20)), replace(TO_A_QUALITY, steps=6), rival_bytes=rival_bytes)
    is_beaten = rival_bytes == 200
    assert result.outcome is (FitOutcome.PLATEAU if is_beaten else FitOutcome.STEP_LIMIT)
    assert result.steps == (3 if is_beaten else 6)


@pytest.mark.parametrize("step", [2, 3])
def test_a_fit_gives_up_at_the_same_step_though_interrupted(step: int) -> None:
    signal, config, states = picture((24, 20)), replace(TO_A_QUALITY, steps=6), list[bytes]()

    def capture(progress: Progress) -> Verdict:
        if progress.step < step:
            return Verdict.CONTINUE
        states.append(progress.capture().to_bytes())
        return Verdict.STOP

    assert fit_wavelets(signal, config, on_step=capture, rival_bytes=200).outcome is FitOutcome.STOPPED
    resumed = fit_wavelets(signal, config, resume=FitState.from_bytes(states[0]), rival_bytes=200)
    assert (resumed.outcome, resumed.steps, len(resumed.history)) == (FitOutcome.PLATEAU, 3, 3)
