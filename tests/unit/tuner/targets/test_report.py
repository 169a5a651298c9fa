"""The report in a file: there, true, the same every time, and never at the cost of what was asked for."""

from dataclasses import replace

import pytest

from tests.cases import waves
from tests.networks import random_representation
from tests.signals import SIGNALS
from tests.wavelets import wavelet_representation
from tuner.codec.decode import decode
from tuner.codec.encode import encode
from tuner.codec.file.container import ChunkType, read_container
from tuner.codec.limits import DecodeLimits
from tuner.fit.presets import image_config
from tuner.metrics import written_psnr_db
from tuner.representation import Representation
from tuner.signal.signal import Signal
from tuner.targets import report
from tuner.targets.ask import SinesAsk
from tuner.targets.files import measured
from tuner.targets.report import reported, with_report
from tuner.targets.search import fit_to_target
from tuner.targets.target import Target, TargetKind

WAVES = Signal(values=waves())
BASE = image_config(WAVES.grid_shape, WAVES.channels, max_steps=6, seed=7)


def asked(kind: str, value: float) -> SinesAsk:
    return SinesAsk(config=BASE, target=Target(TargetKind(kind), value), trials=1)


def test_a_fit_without_a_target_says_how_it_was_made() -> None:
    ask = SinesAsk(config=BASE)
    one, other = fit_to_target(WAVES, ask), fit_to_target(WAVES, ask)
    assert one.content is not None
    assert one.content == other.content
    decoded = decode(one.content)
    quality_db = written_psnr_db(WAVES.values, decoded.render().values, WAVES.storage)
    assert decoded.report == {
        "psnr_db": pytest.approx(quality_db, abs=0.006),
        "steps": 6,
        "trainer": "natural_gradient",
        "seed": 7,
        "settings": ask.fingerprint()[:8],
    }
    assert len(one.content) - len(with_report(one.content, {})) < 110


@pytest.mark.parametrize(
    ("kind", "value"), [("bytes", 700), ("bits_per_sample", 3), ("psnr_db", 20), ("max_error", 0.5)]
)
def test_small_files_of_a_wanted_size_or_quality_spend_no_bytes_on_it(kind: str, value: float) -> None:
    content = fit_to_target(WAVES, asked(kind, value)).content
    assert content is not None
    assert decode(content).report == {}
    assert ChunkType.METADATA not in read_container(content, DecodeLimits())[1]


def test_a_limit_of_bytes_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "LEAST_BYTES", 100)
    content = encode(Representation.of(random_representation(WAVES.grid_shape, channels=1).parameters, WAVES))
    file = measured(content, WAVES)
    size = len(reported(file, WAVES, SinesAsk(config=BASE), 6))
    for limit in (size - 1, size, size + 1):
        given = reported(file, WAVES, asked("bytes", limit), 6)
        assert len(given) <= limit
        assert bool(decode(given).report) is (limit >= size)


def test_a_large_file_says_its_own_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "LEAST_BYTES", 100)
    result = fit_to_target(WAVES, asked("psnr_db", 20))
    assert result.content is not None
    assert decode(result.content).report
    assert f" {len(result.content)} bytes;" in result.sentence


@pytest.mark.parametrize("name", ["sound", "volume", "image"])
def test_nothing_else_changes(name: str) -> None:
    signal = SIGNALS[name]
    parameters = random_representation(signal.grid_shape, frequencies=5, channels=signal.channels).parameters
    representation = replace(
        Representation.of(parameters, signal), icc_profile=b"profile" if name == "image" else None, report={"old": 1}
    )
    before = encode(representation)
    after = with_report(before, {"new": 2})
    assert after == encode(replace(representation, report={"new": 2}))
    assert with_report(after, {"old": 1}) == before


def test_a_file_of_wavelets_takes_one_too() -> None:
    content = encode(wavelet_representation())
    network = read_container(content, DecodeLimits())[1][ChunkType.WAVELETS]
    whole = with_report(content, {"trainer": "wavelets"})
    assert decode(whole).report == {"trainer": "wavelets"}
    assert read_container(whole, DecodeLimits())[1][ChunkType.WAVELETS] == network
