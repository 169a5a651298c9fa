"""The estimate knows every kind of signal and network, and is a program that needs neither numpy nor torch."""

import json
import subprocess
import sys
from math import prod

import numpy as np
import pytest

from tuner.errors import ConfigError
from tuner.fit.presets import signal_config
from tuner.signal.signal import Signal, SignalKind
from tuner.targets.ask import NetworkKind
from tuner.targets.estimate import ask_from, estimate


@pytest.mark.parametrize(
    ("kind", "shape"), [("audio", [2000]), ("volume", [8, 9, 7]), ("sdf", [64, 20, 20]), ("array", [4, 5, 6, 7])]
)
@pytest.mark.parametrize(
    "target", [None, {"psnr_db": 30.0}, {"max_error": 0.1}, {"bytes": 400}, {"seconds": 2.0}], ids=str
)
def test_every_kind_can_be_estimated(kind: str, shape: list[int], target: dict[str, float] | None) -> None:
    request = {"kind": kind, "samples": prod(shape), "grid_shape": shape, "channels": 1, "effort": "fast"}
    ask, forecast = ask_from(request | {"target": target, "network_kind": "sines"})
    found = estimate(ask, forecast)
    assert (found.bytes is None) is (found.unforeseen is not None)
    assert (found.bytes or 1) > 0
    signal = Signal(values=np.zeros((*shape, 1), np.float32), kind=SignalKind(kind))
    assert ask.config == signal_config(signal, "fast")


@pytest.mark.parametrize("words", [{"network_kind": kind} for kind in NetworkKind] + [{"tiles": 128}], ids=str)
def test_the_estimate_is_a_program_without_arrays(words: dict[str, object]) -> None:
    request = {"samples": 2**18, "grid_shape": [512, 512], "channels": 3, "effort": "fast", "target": {"bytes": 9000}}
    code = "import sys, runpy; runpy.run_module('tuner.targets.estimate', run_name='__main__'); "
    code += "assert not {'numpy', 'torch'} & set(sys.modules)"
    asked = json.dumps(request | words)
    done = subprocess.run([sys.executable, "-c", code, asked], capture_output=True, check=True)
    answer = json.loads(done.stdout)
    assert answer.keys() == {"weights", "bytes", "psnr_db", "steps", "seconds", "unforeseen"}
    assert answer["bytes"] <= 9000


@pytest.mark.parametrize("target", [{"bits_per_sample": 0.3}, {"psnr_db": 32.0}, None, {"seconds": 4000.0}], ids=str)
def test_work_in_tiles_is_proportional_to_their_number(target: dict[str, float] | None) -> None:
    found = []
    for side in (4096, 8192):
        request = {"samples": side**2, "grid_shape": [side, side], "channels": 3, "effort": "fast", "target": target}
        # Beyond some size, more tiles have fewer steps each, unless the steps are asked for.
        found.append(estimate(*ask_from(request | {"max_steps": 6})))
    small, large = found
    assert small.psnr_db == pytest.approx(large.psnr_db, abs=0.2)
    assert small.bytes is not None
    assert large.bytes == pytest.approx(4 * small.bytes, rel=0.01)
    assert large.weights == pytest.approx(4 * small.weights, rel=0.2)
    if target != {"seconds": 4000.0}:
        assert large.seconds == pytest.approx(4 * small.seconds, rel=0.2)


def test_a_size_that_no_file_in_tiles_has_is_foreseen() -> None:
    request = {"samples": 1 << 26, "grid_shape": [8192, 8192], "channels": 3, "effort": "fast"}
    found = estimate(*ask_from(request | {"target": {"bytes": 9000}}))
    assert found.bytes is None
    assert "no file has at most" in (found.unforeseen or "")
    with pytest.raises(ConfigError, match="the limit is 1 second"):
        ask_from(request | {"target": {"seconds": 1.0}})


@pytest.mark.parametrize("kind", NetworkKind)
@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({"bytes": 60}, "no file has at most 60 bytes"),
        ({"bits_per_sample": 0.03}, "no file has"),
        ({"psnr_db": 119.0}, "samples of 8 bits"),
    ],
    ids=str,
)
def test_no_number_is_named_for_what_cannot_be_had(kind: NetworkKind, target: dict[str, float], words: str) -> None:
    request = {"samples": 128**2, "grid_shape": [128, 128], "channels": 3, "effort": "fast", "network_kind": kind}
    found = estimate(*ask_from(request | {"target": target}), sample_format="u8")
    assert (found.bytes, found.psnr_db) == (None, None)
    assert words in (found.unforeseen or "")


@pytest.mark.parametrize("psnr_db", [65.0, 85.0])
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (NetworkKind.SINES, "is more than a file of this signal is expected to reach, about 49 dB PSNR"),
        (NetworkKind.WAVELETS, "above 59 dB PSNR all but some samples of 8 bits come back as they were"),
    ],
)
def test_sines_do_not_reach_a_quality_beyond_which_wavelets_have_nearly_every_sample(
    kind: NetworkKind, words: str, psnr_db: float
) -> None:
    request = {"samples": 128**2, "grid_shape": [128, 128], "channels": 3, "effort": "fast", "network_kind": kind}
    found = estimate(*ask_from(request | {"target": {"psnr_db": psnr_db}}), sample_format="u8")
    assert (found.bytes, found.psnr_db) == (None, None)
    assert words in (found.unforeseen or "")


@pytest.mark.parametrize(
    ("size", "psnr_db"), [(2304, 30.28), (4608, 37.19), (9216, 45.72), (13824, 51.67), (18432, 57.96)]
)
def test_beyond_as_many_coefficients_as_samples_a_file_still_gets_better(size: int, psnr_db: float) -> None:
    """Against fits of a photograph of 128 x 96 in colour, which has every sample from 27 kB on."""
    curve = [42.1, 33.9, 28.5, 24.7, 21.9, 19.5, 17.5, 15.9, 14.5, 13.4, 12.6, 12.0, 11.6, 11.3]
    request = {"samples": 96 * 128, "grid_shape": [96, 128], "channels": 3, "effort": "fast", "compaction_db": curve}
    found = estimate(*ask_from(request | {"target": {"bytes": size}}), sample_format="u8")
    assert found.psnr_db == pytest.approx(psnr_db, abs=2.5)
    exact = estimate(*ask_from(request | {"target": {"bytes": 40_000}}), sample_format="u8")
    assert (exact.bytes, exact.psnr_db) == (None, None)
    assert "all but some samples of 8 bits come back as they were" in (exact.unforeseen or "")
    floats = estimate(*ask_from(request | {"target": {"bytes": 40_000}}), sample_format="f32")
    assert 70.0 < (floats.psnr_db or 0.0) < 120.0


@pytest.mark.parametrize("target", [None, {"bytes": 4000}, {"psnr_db": 30.0}, {"seconds": 3.0}], ids=str)
@pytest.mark.parametrize("kind", NetworkKind)
def test_and_one_is_for_what_can(kind: NetworkKind, target: dict[str, float] | None) -> None:
    request = {"samples": 128**2, "grid_shape": [128, 128], "channels": 3, "effort": "fast", "network_kind": kind}
    found = estimate(*ask_from(request | {"target": target}), sample_format="u8")
    assert (found.unforeseen, found.bytes is None, found.psnr_db is None) == (None, False, False)


def test_what_cannot_be_asked_for_is_said() -> None:
    request = {"samples": 64, "grid_shape": [8, 8], "channels": 1, "effort": "fast", "network_kind": "wavelets"}
    command = [sys.executable, "-m", "tuner.targets.estimate", json.dumps(request | {"target": {"max_error": 0.1}})]
    done = subprocess.run(command, capture_output=True, check=True)
    assert "'sines'" in json.loads(done.stdout)["refused"]
