"""The forecast's rules rise and fall as they must; the estimate is a program that needs neither numpy nor torch."""

import json
import subprocess
import sys
from itertools import pairwise
from math import prod

import numpy as np
import pytest

from tests.cases import noise, waves
from tuner.fit.presets import image_config, signal_config
from tuner.signal.compaction import HALVINGS, compaction_db
from tuner.signal.signal import Signal, SignalKind
from tuner.targets.ask import SinesAsk
from tuner.targets.estimate import ask_from, estimate
from tuner.targets.sines.forecast import Forecast
from tuner.targets.target import Target, TargetKind

PICTURE = Forecast(samples=512 * 512, channels=3)


def asked(kind: str, value: float, effort: str = "balanced") -> SinesAsk:
    return SinesAsk(config=image_config((512, 512), 3, effort), target=Target(TargetKind(kind), value))


def test_compaction_falls_and_tells_order_from_noise() -> None:
    smooth, rough = compaction_db(waves()), compaction_db(noise()[..., :1])
    assert len(smooth) == HALVINGS
    assert all(more >= fewer for more, fewer in pairwise(smooth))
    assert smooth[3] > rough[3] + 10.0


def test_all_coefficients_leave_the_signal_itself() -> None:
    values = np.random.default_rng(3).random((32, 16, 1), dtype=np.float32)
    assert compaction_db(values)[0] > 100.0
    variance = float(np.var(values.astype(np.float64)))
    assert compaction_db(values)[-1] == pytest.approx(-10 * np.log10(variance), abs=0.1)


@pytest.mark.parametrize("shape", [(1, 1, 3), (5000, 2), (9, 12, 20, 1), (3, 4, 5, 6, 1), (1, 300, 1)])
def test_signals_of_every_shape_have_a_compaction(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).random(shape, dtype=np.float32)
    assert len(compaction_db(values)) == HALVINGS


def test_a_large_signal_is_known_by_some_of_its_blocks() -> None:
    values = np.random.default_rng(0).random((1600, 1600, 1), dtype=np.float32)
    part = compaction_db(np.ascontiguousarray(values[:320, :320]))
    assert compaction_db(values)[1:8] == pytest.approx(part[1:8], abs=0.1)


def test_more_is_better_larger_and_slower() -> None:
    fast, best = (estimate(asked("psnr_db", psnr_db), PICTURE) for psnr_db in (28.0, 34.0))
    assert fast.weights < best.weights
    assert fast.bytes < best.bytes
    assert fast.seconds < best.seconds
    small, large = (estimate(asked("bytes", size), PICTURE) for size in (20_000, 60_000))
    assert small.psnr_db < large.psnr_db
    assert (small.bytes, large.bytes) <= (20_000, 60_000)


def test_a_faster_machine_takes_less_time() -> None:
    slow, fast = (estimate(asked("bytes", 30_000), PICTURE, speed=speed) for speed in (1.0, 4.0))
    assert slow.seconds == pytest.approx(4.0 * fast.seconds, rel=0.01)


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


def test_the_estimate_is_a_program_without_arrays() -> None:
    request = {"samples": 64, "grid_shape": [8, 8], "channels": 1, "effort": "fast", "target": {"bytes": 300}}
    code = "import sys, runpy; runpy.run_module('tuner.targets.estimate', run_name='__main__'); "
    code += "assert not {'numpy', 'torch'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, json.dumps(request)], capture_output=True, check=True)
    answer = json.loads(done.stdout)
    assert answer.keys() == {"weights", "bytes", "psnr_db", "steps", "seconds"}
    assert answer["bytes"] <= 300
