"""What is foreseen of a network with wavelets rises and falls as it must, and is near what comes of it."""

import numpy as np
import pytest

from tuner.signal.array import array_signal
from tuner.targets.estimate import ask_from, estimate
from tuner.targets.request import ask_for
from tuner.targets.search import fit_to_target
from tuner.targets.sines.strategy import forecast_of
from tuner.targets.target import Target, TargetKind


@pytest.mark.long
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
        assert 0.5 < (foreseen.bytes or 0) / len(result.content) < 2.0
        assert 0.8 < foreseen.weights / result.trials[0].weights < 1.25


def test_more_is_better_larger_and_slower() -> None:
    request = {"samples": 2**18, "grid_shape": [512, 512], "channels": 3, "network_kind": None}
    few, many = (
        estimate(*ask_from(request | {"effort": "fast", "target": {"bytes": size}})) for size in (8000, 30_000)
    )
    assert 0.0 < (few.psnr_db or 0.0) < (many.psnr_db or 0.0)
    assert (few.bytes, many.bytes) == (8000, 30_000)
    low, high = (
        estimate(*ask_from(request | {"effort": effort, "target": {"psnr_db": psnr_db}}))
        for effort, psnr_db in (("fast", 28.0), ("best", 34.0))
    )
    assert 0 < (low.bytes or 0) < (high.bytes or 0)
    assert low.seconds < high.seconds
    hurried = estimate(*ask_from(request | {"effort": "best", "target": {"bytes": 8000}, "max_seconds": 5.0}))
    assert hurried.seconds < 10.0
