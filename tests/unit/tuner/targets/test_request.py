"""The same words make the same request whoever says them; what is said more exactly takes the preset's place."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from store.spec import FitSpec
from tests.cases import colours
from tuner.cli import app
from tuner.errors import ConfigError
from tuner.fit.config import FirstOrderConfig
from tuner.fit.presets import Effort, signal_config
from tuner.signal.formats import encode_signal, read_signal
from tuner.signal.kind import SignalKind
from tuner.signal.signal import SampleFormat, Signal
from tuner.targets import search
from tuner.targets.ask import Ask, NetworkKind, SinesAsk, TilesAsk, WaveletsAsk
from tuner.targets.estimate import ask_from
from tuner.targets.request import TRIALS, ask_for
from tuner.targets.target import Target, TargetKind
from worker.translate import ask_from_spec

SMALL = Signal(values=colours(), sample_format=SampleFormat.U8)
LARGE = Signal(values=np.full((128, 96, 3), 0.5, np.float32))
BYTES = Target(TargetKind.BYTES, 2500)


@pytest.mark.parametrize("effort", Effort)
def test_the_preset_decides_what_is_left_open(effort: Effort) -> None:
    ask = ask_for(SMALL, effort, kind="sines", seed=3)
    assert ask == SinesAsk(
        config=signal_config(SMALL, effort, seed=3), trials=TRIALS[effort], thorough=effort is Effort.BEST
    )


def test_the_kind_that_suits_is_chosen_unless_something_of_sines_is_asked_for() -> None:
    assert ask_for(LARGE, target=BYTES).kind is NetworkKind.WAVELETS
    assert ask_for(LARGE).kind is NetworkKind.WAVELETS
    assert ask_for(LARGE, max_loss_db=1.0).kind is NetworkKind.SINES
    assert ask_for(LARGE, target=Target(TargetKind.MAX_ERROR, 0.1)).kind is NetworkKind.SINES
    assert ask_for(LARGE, target=BYTES, kind="sines").kind is NetworkKind.SINES
    assert ask_for(LARGE, target=BYTES, trainer=FirstOrderConfig()).kind is NetworkKind.SINES
    assert ask_for(LARGE, target=BYTES, network={"period": 3.0}).kind is NetworkKind.SINES


@dataclass(frozen=True)
class Outline:
    grid_shape: tuple[int, ...]
    channels: int = 3
    kind: SignalKind = SignalKind.IMAGE


def test_what_is_too_large_for_one_network_of_wavelets_is_cut_and_not_left_to_sines() -> None:
    large, sound = Outline((8192, 8192)), Outline((1 << 24,), 1, SignalKind.AUDIO)
    for signal, side in ((large, 512), (sound, 1 << 17)):
        for words in ({}, {"target": BYTES}, {"kind": "wavelets"}, {"target": Target(TargetKind.PSNR_DB, 35.0)}):
            ask = ask_for(signal, **words)
            assert isinstance(ask, TilesAsk)
            assert ask.side == side
    assert isinstance(ask_for(large, kind="sines"), SinesAsk)
    assert isinstance(ask_for(large, target=Target(TargetKind.MAX_ERROR, 0.1)), SinesAsk)
    assert isinstance(ask_for(Outline((2000, 2000))), WaveletsAsk)


def test_what_only_tiles_can_hold_is_not_given_to_sines() -> None:
    volume, hour = Outline((512, 512, 512), 1, SignalKind.VOLUME), Outline((3600 * 44_100,), 2, SignalKind.AUDIO)
    for signal in (volume, hour):
        assert isinstance(ask_for(signal, target=BYTES), TilesAsk)
        for words in ({"kind": "sines"}, {"target": Target(TargetKind.MAX_ERROR, 0.1)}):
            with pytest.raises(ConfigError, match="expected at most 33554432"):
                ask_for(signal, **words)


def test_a_signal_of_any_size_is_cut_on_request() -> None:
    ask = ask_for(LARGE, target=BYTES, tiles=40, steps=7, seed=5)
    assert isinstance(ask, TilesAsk)
    assert (ask.side, ask.config.steps, ask.config.seed, ask.target) == (40, 7, 5, BYTES)
    assert ask.fingerprint() != ask_for(LARGE, target=BYTES, tiles=41, steps=7, seed=5).fingerprint()
    for words in ({"kind": "sines"}, {"trainer": FirstOrderConfig()}, {"target": Target(TargetKind.MAX_ERROR, 0.1)}):
        with pytest.raises(ConfigError):
            ask_for(LARGE, tiles=40, **words)
    with pytest.raises(ConfigError, match="at least 8"):
        ask_for(LARGE, tiles=7)


def test_only_a_size_that_is_given_ends_the_search_for_one() -> None:
    for network, is_free in (
        ({}, True),
        ({"period": 3.0}, True),
        ({"hidden": (9,)}, False),
        ({"frequencies": 9}, False),
    ):
        ask = ask_for(SMALL, kind="sines", network=network)
        assert isinstance(ask, SinesAsk)
        assert ask.free_size is is_free
        assert all(getattr(ask.config.network, name) == value for name, value in network.items())


def test_limits_and_seed_reach_either_kind() -> None:
    sines, wavelets = (ask_for(LARGE, target=BYTES, kind=kind, seed=5, steps=7, seconds=9.0) for kind in NetworkKind)
    assert isinstance(sines, SinesAsk)
    assert isinstance(wavelets, WaveletsAsk)
    assert (sines.config.seed, sines.config.budget.max_steps, sines.config.budget.max_seconds) == (5, 7, 9.0)
    assert (wavelets.config.seed, wavelets.config.steps, wavelets.config.max_seconds) == (5, 7, 9.0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"kind": "tuner"}, "expected one of sines, wavelets"),
        ({"effort": "heroic"}, "expected one of fast, balanced, best"),
        ({"kind": "wavelets", "trainer": FirstOrderConfig()}, "'sines'"),
        ({"kind": "wavelets", "target": Target(TargetKind.MAX_ERROR, 0.1)}, "'sines'"),
    ],
    ids=["kind", "effort", "trainer", "error"],
)
def test_what_cannot_be_asked_for_is_refused(words: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ask_for(LARGE, **words)  # type: ignore[arg-type]


@pytest.mark.parametrize("effort", Effort)
@pytest.mark.parametrize("target", [None, "bytes=2500", "psnr=30", "error=0.1", "bits=1.5", "seconds=3"])
@pytest.mark.parametrize("signal", [SMALL, LARGE], ids=["small", "large"])
def test_command_line_service_and_estimate_ask_for_the_same(
    signal: Signal, target: str | None, effort: Effort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, asked = tmp_path / "a.png", []
    source.write_bytes(encode_signal(signal, "a.png"))
    signal = read_signal(source)

    def note(signal: Signal, ask: Ask, **_: object) -> None:
        asked.append(ask)
        raise ConfigError("as far as this test goes")

    monkeypatch.setattr(search, "fit_to_target", note)
    words = ["--target", target] if target else []
    CliRunner().invoke(app, ["fit", str(source), "-o", str(tmp_path / "a.tnr"), "--effort", effort.value, *words])
    members = None if target is None else {(found := Target.parse(target)).kind.value: found.value}
    asked.append(ask_from_spec(FitSpec.model_validate({"preset": effort.value, "target": members}), signal))
    request = {"samples": signal.sample_count, "grid_shape": signal.grid_shape, "channels": signal.channels}
    asked.append(ask_from(request | {"effort": effort.value, "target": members})[0])
    assert len(asked) == 3
    assert {ask.fingerprint() for ask in asked} == {asked[0].fingerprint()}
