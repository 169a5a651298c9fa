"""The estimate knows every kind of signal and network, and is a program that needs neither numpy nor torch."""

import json
import subprocess
import sys
from math import prod

import numpy as np
import pytest

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
    assert estimate(ask, forecast).bytes > 0
    signal = Signal(values=np.zeros((*shape, 1), np.float32), kind=SignalKind(kind))
    assert ask.config == signal_config(signal, "fast")


@pytest.mark.parametrize("kind", NetworkKind)
def test_the_estimate_is_a_program_without_arrays(kind: NetworkKind) -> None:
    request = {"samples": 2**18, "grid_shape": [512, 512], "channels": 3, "effort": "fast", "target": {"bytes": 9000}}
    code = "import sys, runpy; runpy.run_module('tuner.targets.estimate', run_name='__main__'); "
    code += "assert not {'numpy', 'torch'} & set(sys.modules)"
    asked = json.dumps(request | {"network_kind": kind})
    done = subprocess.run([sys.executable, "-c", code, asked], capture_output=True, check=True)
    answer = json.loads(done.stdout)
    assert answer.keys() == {"weights", "bytes", "psnr_db", "steps", "seconds"}
    assert answer["bytes"] <= 9000


def test_what_cannot_be_had_is_said() -> None:
    request = {"samples": 64, "grid_shape": [8, 8], "channels": 1, "effort": "fast", "network_kind": "wavelets"}
    command = [sys.executable, "-m", "tuner.targets.estimate", json.dumps(request | {"target": {"max_error": 0.1}})]
    done = subprocess.run(command, capture_output=True, check=True)
    assert "'sines'" in json.loads(done.stdout)["refused"]
