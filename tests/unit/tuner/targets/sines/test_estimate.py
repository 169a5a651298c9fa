"""What is foreseen of a network of sines rises and falls as it must."""

import pytest

from tuner.fit.presets import image_config
from tuner.targets.ask import SinesAsk
from tuner.targets.estimate import estimate
from tuner.targets.sines.forecast import Forecast
from tuner.targets.target import Target, TargetKind

PICTURE = Forecast(samples=512 * 512, channels=3)


def asked(kind: str, value: float, effort: str = "balanced") -> SinesAsk:
    return SinesAsk(config=image_config((512, 512), 3, effort), target=Target(TargetKind(kind), value))


def test_more_is_better_larger_and_slower() -> None:
    fast, best = (estimate(asked("psnr_db", psnr_db), PICTURE) for psnr_db in (28.0, 34.0))
    assert fast.weights < best.weights
    assert 0 < (fast.bytes or 0) < (best.bytes or 0)
    assert fast.seconds < best.seconds
    small, large = (estimate(asked("bytes", size), PICTURE) for size in (20_000, 60_000))
    assert 0 < (small.psnr_db or 0) < (large.psnr_db or 0)
    assert (small.bytes, large.bytes) <= (20_000, 60_000)


def test_a_faster_machine_takes_less_time() -> None:
    slow, fast = (estimate(asked("bytes", 30_000), PICTURE, speed=speed) for speed in (1.0, 4.0))
    assert slow.seconds == pytest.approx(4.0 * fast.seconds, rel=0.01)
