"""Every kind of signal, asked for by target: wavelets, a file that keeps what belongs to the kind, what it renders."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from typer.testing import CliRunner

from tests.signals import AFFINE, blob, chirp, clip, torus
from tuner.cli import app
from tuner.codec.decode import decode
from tuner.export.cli import exported
from tuner.metrics import written_psnr_db
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.quality.surface import occupancy_iou
from tuner.signal.array import array_signal
from tuner.signal.details import AudioDetails, VideoDetails, VolumeDetails
from tuner.signal.formats import encode_signal, read_signal
from tuner.signal.mesh import distance_signal
from tuner.signal.samples import SampleFormat, Scaling
from tuner.signal.signal import Signal, SignalKind
from tuner.targets.ask import NetworkKind
from tuner.targets.request import ask_for
from tuner.targets.result import TargetOutcome
from tuner.targets.search import fit_to_target
from tuner.targets.target import Target, TargetKind

SOUND = Signal(
    values=chirp(9000, channels=2),  # in several tiles, the last of them short
    kind=SignalKind.AUDIO,
    sample_format=SampleFormat.S16,
    details=AudioDetails(sample_rate=8000),
)
VOLUME = Signal(
    values=blob((24, 22, 9)),
    kind=SignalKind.VOLUME,
    sample_format=SampleFormat.S16,
    scaling=Scaling(4095.0, -1024.0),
    details=VolumeDetails(affine=AFFINE, space_unit="mm", codes=(1, 1)),
)
FILM = Signal(values=clip(6, 20, 28), kind=SignalKind.VIDEO, details=VideoDetails(rate=(30000, 1001)))
FIELD = distance_signal(torus(), resolution=28)
GRAIN = np.random.default_rng(4).normal(0.0, 300.0, (50, 60))
HEIGHTS = array_signal(1e5 * blob((50, 60))[..., 0] - 3e4 + GRAIN)
LINE = array_signal(chirp(3000)[:, 0] + np.random.default_rng(5).normal(0.0, 3e-3, 3000))

# Bytes, and the quality that they must give at least: two to three decibels below what they gave, and more than sines.
ASKED = {
    "sound": (SOUND, 1200, 72.0, ".wav"),
    "volume": (VOLUME, 1500, 54.0, ".nii.gz"),
    "video": (FILM, 1800, 48.0, ".mkv"),
    "field": (FIELD, 1800, 45.5, ".ply"),
    "array of two axes": (HEIGHTS, 1100, 54.0, ".npy"),
    "array of one axis": (LINE, 1000, 50.0, ".npy"),
}

# How much of the bytes is used at least.
USED = dict.fromkeys(ASKED, 0.85)


@lru_cache
def fitted(name: str) -> bytes:
    signal, size, *_ = ASKED[name]
    return by_target(signal, Target(TargetKind.BYTES, size))[0]


def by_target(signal: Signal, target: Target, steps: int | None = None) -> tuple[bytes, TargetOutcome]:
    """As the service and `tuner fit --target` ask, the network kind left to the library."""
    ask = ask_for(signal, "fast", target, steps=steps)
    assert ask.kind is NetworkKind.WAVELETS
    result = fit_to_target(signal, ask)
    assert result.content is not None
    return result.content, result.outcome


@pytest.mark.parametrize("name", ASKED)
def test_bytes_are_kept_and_worth_more_than_sines_make_of_them(name: str) -> None:
    signal, size, least_db, _ = ASKED[name]
    content = fitted(name)
    assert USED[name] * size < len(content) <= size
    representation = decode(content)
    assert isinstance(representation.parameters, WaveletParameters)
    assert (representation.kind, representation.details) == (signal.kind, signal.details)
    assert (representation.scaling, representation.sample_format) == (signal.scaling, signal.sample_format)
    assert written_psnr_db(signal.values, representation.render().values, signal.storage) > least_db


@pytest.mark.parametrize("name", ASKED)
def test_it_is_rendered_in_part_and_at_another_scale(name: str) -> None:
    signal, representation = ASKED[name][0], decode(fitted(name))
    whole = representation.render()
    half = tuple(samples // 2 for samples in signal.grid_shape)
    region = [(-1.0, 2.0 * count / samples - 1.0) for count, samples in zip(half, signal.grid_shape, strict=True)]
    corner = representation.render(shape=half, region=region)
    expected = whole.values[tuple(slice(count) for count in half)]
    np.testing.assert_allclose(corner.values, expected, atol=2e-3 * float(np.ptp(expected)))
    finer = representation.render(scale=3.0)
    assert finer.grid_shape == tuple(3 * samples for samples in signal.grid_shape)
    middle = finer.values[(slice(1, None, 3),) * len(half)]
    np.testing.assert_allclose(middle, whole.values, atol=2e-3 * float(np.ptp(whole.values)))
    if isinstance(finer.details, AudioDetails) and isinstance(signal.details, AudioDetails):
        assert finer.details.sample_rate == 3 * signal.details.sample_rate


@pytest.mark.parametrize("name", ASKED)
def test_commands_write_its_own_format_and_say_what_it_is(name: str, tmp_path: Path) -> None:
    signal, suffix = ASKED[name][0], ASKED[name][3]
    file, back = tmp_path / "a.tnr", tmp_path / f"b{suffix}"
    file.write_bytes(fitted(name))
    for arguments in (["decode", str(file), "-o", str(back)], ["info", str(file)]):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
    assert signal.kind.value in result.output
    again = read_signal(back, resolution=28)
    if signal.kind is SignalKind.DISTANCE:
        assert again.kind is SignalKind.DISTANCE
        assert occupancy_iou(signal.values, decode(fitted(name)).render().values) > 0.95
    else:
        rendered = decode(fitted(name)).render()
        as_written = rendered.storage.to_samples(rendered.values)
        np.testing.assert_allclose(again.storage.to_samples(again.values), as_written, atol=1, rtol=1e-5)


@pytest.mark.parametrize("name", ASKED)
def test_exports_give_the_same_values(name: str) -> None:
    representation = decode(fitted(name))
    coords = np.random.default_rng(0).uniform(-1, 1, (40, representation.parameters.dimensions)).astype(np.float32)
    session = onnxruntime.InferenceSession(exported(representation, ".onnx"), providers=["CPUExecutionProvider"])
    (values,) = session.run(None, {"coords": coords})
    np.testing.assert_allclose(values, representation.at(coords), atol=2e-3)


@pytest.mark.parametrize(("signal", "psnr_db"), [(VOLUME, 40.0), (VOLUME, 55.0), (SOUND, 50.0)])
def test_a_quality_is_met(signal: Signal, psnr_db: float) -> None:
    content, outcome = by_target(signal, Target(TargetKind.PSNR_DB, psnr_db))
    reached_db = written_psnr_db(signal.values, decode(content).render().values, signal.storage)
    assert outcome is TargetOutcome.MET
    assert psnr_db - 0.1 <= reached_db <= psnr_db + 1.0


@pytest.mark.parametrize("target", [Target(TargetKind.PSNR_DB, 40.0), Target(TargetKind.BYTES, 1500)], ids=str)
def test_what_says_nothing_is_said_in_few_bytes(target: Target) -> None:
    for values in (np.full(4000, 3.5), np.zeros((20, 20, 20), dtype=np.int16)):
        signal = array_signal(values)
        content, outcome = by_target(signal, target, steps=4)
        assert outcome is TargetOutcome.MET
        assert written_psnr_db(signal.values, decode(content).render().values, signal.storage) > 90.0


@pytest.mark.parametrize(
    "shape",
    [
        (3000, 1),
        pytest.param((1, 3000), marks=pytest.mark.long),
        pytest.param((1, 1, 3000), marks=pytest.mark.long),
        (2, 3, 700),
        pytest.param((700, 2, 3), marks=pytest.mark.long),
    ],
    ids=str,
)
def test_axes_may_be_as_short_as_they_like(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).normal(size=shape).cumsum(int(np.argmax(shape)))
    content, _ = by_target(array_signal(values), Target(TargetKind.BYTES, 2000), steps=3)
    assert len(content) <= 2000


def test_the_command_fits_wavelets_to_every_kind(tmp_path: Path) -> None:
    source, output = tmp_path / "a.wav", tmp_path / "a.tnr"
    source.write_bytes(encode_signal(SOUND, "a.wav"))
    wanted = ["--network", "wavelets", "--target", "bits=2", "--steps", "8"]
    arguments = ["fit", str(source), "-o", str(output), *wanted]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "kbit/s" in result.output
    assert len(output.read_bytes()) <= 9000 / 4
    hyper = tmp_path / "four.npy"
    hyper.write_bytes(encode_signal(array_signal(np.ones((3, 3, 3, 3))), "four.npy"))
    refused = CliRunner().invoke(app, ["fit", str(hyper), "-o", str(output), *wanted])
    assert refused.exit_code == 1
    assert "4 axes" in refused.output
