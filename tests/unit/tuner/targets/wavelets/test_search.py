"""Networks with wavelets by target: never over the bytes, near the quality, the same file after an interruption."""

import json
import subprocess
import sys
from dataclasses import replace
from math import prod

import numpy as np
import pytest

from tests.signals import blob
from tuner.codec.decode import decode
from tuner.errors import ConfigError, StateMismatch
from tuner.fit.progress import Progress, Verdict
from tuner.fit.state import FitState
from tuner.fit.wavelets.config import WaveletConfig
from tuner.metrics import picture_psnr_db
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.signal.array import array_signal
from tuner.signal.details import AudioDetails
from tuner.signal.grid import Grid
from tuner.signal.signal import SampleFormat, Signal, SignalKind
from tuner.targets.ask import Ask, NetworkKind
from tuner.targets.estimate import ask_from, estimate
from tuner.targets.request import ask_for
from tuner.targets.result import TargetOutcome, TargetResult
from tuner.targets.search import fit_to_target, forecast_of
from tuner.targets.target import Target, TargetKind


def picture(shape: tuple[int, ...] = (64, 48)) -> Signal:
    """Soft shapes, an edge, and some grain."""
    coords = Grid(shape, 2.5).coords()
    wave = np.sin(coords @ np.linspace(3.0, 7.0, len(shape))) + (coords[:, 0] > 0.2)
    grain = np.random.default_rng(2).normal(0.0, 0.02, (len(coords), 1))
    values = 0.4 + 0.2 * wave[:, None] * np.linspace(0.5, 1.0, 3) + grain
    return Signal(values=np.clip(values, 0, 1).reshape(*shape, 3).astype(np.float32), sample_format=SampleFormat.U8)


PICTURE = picture()


def ask(
    kind: str, value: float, *, steps: int = 40, trials: int = 2, signal: Signal = PICTURE, scales: int | None = None
) -> Ask:
    target = Target(TargetKind(kind), value)
    # A network that leaves something to the latents, even of so small a picture.
    network = {"widths": (6,), "frequencies": 2, "scales": scales}
    return ask_for(signal, "fast", target, kind="wavelets", steps=steps, trials=trials, network=network)


def quality(result: TargetResult, signal: Signal = PICTURE) -> float:
    assert result.content is not None
    return picture_psnr_db(signal.values, decode(result.content).render().values, signal.sample_format)


@pytest.mark.parametrize("size", [1500, 4000])
def test_bytes_are_never_exceeded_and_nearly_all_used(size: int) -> None:
    result = fit_to_target(PICTURE, ask("bytes", size))
    assert result.content is not None
    assert 0.95 * size <= len(result.content) <= size
    assert isinstance(decode(result.content).parameters, WaveletParameters)
    assert f"The target of {size} bytes was met" in result.sentence


@pytest.mark.parametrize("steps", [1, 7])
def test_bytes_are_not_exceeded_by_a_fit_that_had_no_time(steps: int) -> None:
    result = fit_to_target(PICTURE, ask("bytes", 1500, steps=steps, trials=1))
    assert result.content is not None
    assert len(result.content) <= 1500


def test_what_else_the_file_holds_counts() -> None:
    profile = np.random.default_rng(0).bytes(1500)
    signal = replace(PICTURE, icc_profile=profile)
    result = fit_to_target(signal, ask("bytes", 3000, signal=signal))
    assert result.content is not None
    assert 0.95 * 3000 <= len(result.content) <= 3000


@pytest.mark.parametrize("psnr_db", [32.0, 36.0])
def test_a_quality_is_met_and_hardly_exceeded(psnr_db: float) -> None:
    result = fit_to_target(PICTURE, ask("psnr_db", psnr_db))
    assert result.outcome is TargetOutcome.MET, result.sentence
    assert psnr_db - 0.1 <= quality(result) <= psnr_db + 0.2


def test_a_quality_out_of_reach_is_said() -> None:
    result = fit_to_target(PICTURE, ask("psnr_db", 90.0, steps=3, scales=1))
    assert result.outcome is TargetOutcome.MISSED
    assert "was missed" in result.sentence
    assert [trial.goes_on for trial in result.trials] == [False, True]
    assert result.steps == result.trials[-1].steps > 3


def test_integers_that_a_file_does_not_hold_are_said() -> None:
    result = fit_to_target(PICTURE, ask("psnr_db", 90.0, steps=3, trials=1))
    assert "as large as a file holds" in result.sentence


def test_a_file_that_holds_no_network_is_refused_with_the_least() -> None:
    with pytest.raises(ConfigError, match=r"ask for more, about \d+ bytes"):
        fit_to_target(PICTURE, ask("bytes", 60, steps=3))


def test_a_time_is_kept() -> None:
    result = fit_to_target(PICTURE, ask("seconds", 0.3, steps=100_000))
    assert result.content is not None
    assert result.seconds <= 0.3 + 5 * result.seconds / result.steps


class Recorder:
    """Keeps the checkpoint of every step, and stops at one of them."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.states: list[FitState] = []
        self._stop_at = stop_at

    def __call__(self, progress: Progress) -> Verdict:
        self.states.append(FitState.from_bytes(progress.capture().to_bytes()))
        assert self.states[-1].step == progress.step <= progress.total_steps
        return Verdict.STOP if progress.step == self._stop_at else Verdict.CONTINUE


# So smooth that its integers are as large as a file holds before they fill the bytes.
SMOOTH = array_signal(blob((48, 56))[..., 0])
# The second one goes on once, the third one is fitted anew with one scale less, and then goes on.
INTERRUPTED = [
    (PICTURE, ask("bytes", 1500, steps=16)),
    (PICTURE, ask("psnr_db", 90.0, steps=12, scales=1)),
    (SMOOTH, ask("bytes", 4000, steps=8, trials=3, signal=SMOOTH)),
]
NAMES = ["one fit", "goes on", "anew"]


@pytest.mark.parametrize(("signal", "request_"), INTERRUPTED, ids=NAMES)
def test_resumed_anywhere_it_ends_with_the_same_bytes(signal: Signal, request_: Ask) -> None:
    recorder = Recorder()
    whole = fit_to_target(signal, request_, on_step=recorder)
    assert [state.step for state in recorder.states] == list(range(1, whole.steps + 1))
    first = whole.trials[0].steps
    for step in {1, first - 3, first, first + 1, 2 * first + 1, whole.steps - 1} & set(range(1, whole.steps + 1)):
        resumed = fit_to_target(signal, request_, resume=recorder.states[step - 1])
        assert resumed.content == whole.content, step
        assert (resumed.steps, resumed.sentence) == (whole.steps, whole.sentence)


def test_one_of_the_interrupted_goes_on_and_one_is_fitted_anew() -> None:
    assert [trial.goes_on for trial in fit_to_target(*INTERRUPTED[1]).trials] == [False, True]
    result = fit_to_target(*INTERRUPTED[2])
    assert [(trial.is_full, trial.goes_on) for trial in result.trials] == [(True, False), (False, False), (False, True)]
    sizes = [trial.file_bytes for trial in result.trials]
    assert sizes[0] is not None
    assert sizes[1] is not None
    assert sizes[1] > 1.5 * sizes[0]
    assert result.trials[1].psnr_db > result.trials[0].psnr_db + 2.0


def test_a_stopped_search_has_no_file_and_other_requests_no_use_for_its_state() -> None:
    recorder = Recorder(stop_at=3)
    result = fit_to_target(PICTURE, ask("bytes", 1500), on_step=recorder)
    assert (result.content, result.outcome, len(recorder.states)) == (None, TargetOutcome.STOPPED, 3)
    with pytest.raises(StateMismatch, match="another request"):
        fit_to_target(PICTURE, ask("bytes", 1501), resume=recorder.states[0])
    with pytest.raises(StateMismatch):
        fit_to_target(picture((48, 64)), ask("bytes", 1500), resume=recorder.states[0])


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


@pytest.mark.parametrize(
    ("shape", "target", "chosen"),
    [
        ((512, 512), {"bytes": 20_000}, True),
        ((512, 512), {"bits_per_sample": 0.5}, True),
        ((512, 512), {"psnr_db": 32.0}, True),
        ((512, 512), {"bytes": 600}, False),  # hardly more than the network's fixed part
        ((512, 512), {"bits_per_sample": 9.0}, False),
        ((512, 512), {"psnr_db": 60.0}, False),
        ((512, 512), {"seconds": 5.0}, False),
        ((512, 512), {"max_error": 0.1}, False),
        ((512, 512), None, False),
        ((24, 40), {"psnr_db": 30.0}, False),
    ],
    ids=str,
)
def test_what_suits_is_chosen_where_nobody_has(
    shape: tuple[int, int], target: dict[str, float] | None, chosen: bool
) -> None:
    request = {"samples": shape[0] * shape[1], "grid_shape": shape, "channels": 3, "effort": "fast", "target": target}
    made, _ = ask_from(request | {"network_kind": None})
    assert (made.kind is NetworkKind.WAVELETS) is chosen
    refused = {"max_error"} & set(target or ())
    assert ask_from(request | {"network_kind": "sines"})[0].kind is NetworkKind.SINES
    if not refused:
        assert ask_from(request | {"network_kind": "wavelets"})[0].kind is NetworkKind.WAVELETS


@pytest.mark.parametrize(
    ("kind", "shape", "target", "chosen"),
    [
        ("audio", (40_000,), {"bytes": 4000}, True),
        ("audio", (40_000,), {"bytes": 16_000}, True),
        ("audio", (1000,), {"bytes": 1200}, False),  # hardly fewer than there are samples
        ("volume", (40, 40, 40), {"bytes": 2000}, True),
        ("volume", (40, 40, 40), {"bytes": 900}, False),
        ("volume", (40, 40, 40), {"bits_per_sample": 7.0}, False),
        ("volume", (40, 40, 40), {"psnr_db": 55.0}, True),
        ("volume", (40, 40, 40), {"psnr_db": 65.0}, False),  # of sixteen bits: the integers end before
        ("volume", (20, 20, 20, 20), {"psnr_db": 40.0}, False),
        ("volume", (500, 400, 80), {"psnr_db": 40.0}, False),
        ("video", (16, 64, 48), {"bytes": 2500}, True),
        ("sdf", (48, 48, 48), {"psnr_db": 40.0}, True),
        ("sdf", (48, 48, 48), {"max_error": 0.01}, False),
        ("sdf", (48, 48, 48), {"seconds": 5.0}, False),
        ("array", (60, 50), {"psnr_db": 45.0}, True),
        ("array", (12, 12), {"psnr_db": 30.0}, False),
    ],
    ids=str,
)
def test_what_suits_other_kinds(kind: str, shape: tuple[int, ...], target: dict[str, float], chosen: bool) -> None:
    request = {"kind": kind, "samples": prod(shape), "grid_shape": shape, "channels": 1, "effort": "balanced"}
    made, forecast = ask_from(request | {"target": target, "network_kind": None})
    assert (made.kind is NetworkKind.WAVELETS) is chosen
    if chosen and "bytes" in target:
        assert 20.0 < estimate(made, forecast).psnr_db < 60.0


def test_estimates_of_other_kinds_are_near() -> None:
    """Bytes for a quality, of signals that the constants have not seen: within a factor of two."""
    t = np.arange(10_000)
    sound = (np.sin(0.3 * t) + 0.5 * np.sin(0.71 * t)) * np.exp(-t / 9000.0)
    sound += np.random.default_rng(1).normal(0.0, 0.003, len(t))
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in (22, 24, 28)), indexing="ij")
    solid = np.tanh(6 * (np.sqrt(x * x + y * y + z * z) - 0.6)) + 0.02 * np.random.default_rng(2).normal(size=x.shape)
    for signal in (array_signal(sound), array_signal(solid)):
        target = Target(TargetKind.PSNR_DB, 48.0)
        asked = ask_for(signal, "fast", target)
        result = fit_to_target(signal, asked)
        assert result.content is not None
        foreseen = estimate(asked, forecast_of(signal))
        assert 0.5 < foreseen.bytes / len(result.content) < 2.0
        assert 0.8 < foreseen.weights / result.trials[0].weights < 1.25


def test_a_largest_error_is_refused_with_advice() -> None:
    with pytest.raises(ConfigError, match="'sines'"):
        ask("max_error", 0.1)


def test_a_picture_too_large_for_readers_keeps_to_the_other_kind() -> None:
    large, target = Signal(values=np.broadcast_to(np.float32(0.5), (3000, 2500, 3))), Target(TargetKind.BYTES, 10**6)
    assert ask_for(large, "fast", target).kind is NetworkKind.SINES
    with pytest.raises(ConfigError, match="'sines'"):
        ask_for(large, "fast", target, kind="wavelets")


def test_more_is_better_larger_and_slower() -> None:
    request = {"samples": 2**18, "grid_shape": [512, 512], "channels": 3, "network_kind": None}
    few, many = (
        estimate(*ask_from(request | {"effort": "fast", "target": {"bytes": size}})) for size in (8000, 30_000)
    )
    assert few.psnr_db < many.psnr_db
    assert (few.bytes, many.bytes) == (8000, 30_000)
    low, high = (
        estimate(*ask_from(request | {"effort": effort, "target": {"psnr_db": psnr_db}}))
        for effort, psnr_db in (("fast", 28.0), ("best", 34.0))
    )
    assert low.bytes < high.bytes
    assert low.seconds < high.seconds
    hurried = estimate(*ask_from(request | {"effort": "best", "target": {"bytes": 8000}, "max_seconds": 5.0}))
    assert hurried.seconds < 10.0


def test_the_weights_of_an_estimate_are_those_of_the_fit() -> None:
    result = fit_to_target(PICTURE, ask("bytes", 1500, steps=2, trials=1))
    config = ask("bytes", 1500).config
    assert isinstance(config, WaveletConfig)
    assert result.trials[0].weights == config.weight_count(PICTURE.grid_shape, 3)


def test_the_estimate_needs_no_arrays() -> None:
    request = {
        "samples": 2**18,
        "grid_shape": [512, 512],
        "channels": 3,
        "effort": "fast",
        "target": {"bytes": 9000},
        "network_kind": None,
    }
    code = "import sys, runpy; runpy.run_module('tuner.targets.estimate', run_name='__main__'); "
    code += "assert not {'numpy', 'torch'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, json.dumps(request)], capture_output=True, check=True)
    assert json.loads(done.stdout)["weights"] > 100_000


@pytest.mark.parametrize("both", [{}, {"bits_per_sample": 1.0, "psnr_db": 30.0}], ids=["neither", "both"])
def test_a_fit_aims_at_one_thing(both: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="exactly one"):
        WaveletConfig(**both)  # type: ignore[arg-type]
