"""What is foreseen of a network of sines rises and falls as it must."""

from itertools import pairwise

import numpy as np
import pytest

from tests.cases import noise, waves
from tuner.fit.presets import image_config
from tuner.signal.compaction import HALVINGS, compaction_db
from tuner.targets.ask import SinesAsk
from tuner.targets.estimate import estimate
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
