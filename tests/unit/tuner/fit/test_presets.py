"""Presets: larger pictures and more effort give larger networks, within limits, and any picture gets one."""

import pytest

from tuner.fit.config import Budget, NaturalGradientConfig
from tuner.fit.presets import Effort, image_config


@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (64, 48), (512, 512), (4000, 6000)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_any_picture_has_a_configuration(shape: tuple[int, int], channels: int) -> None:
    weights = []
    for effort in Effort:
        config = image_config(shape, channels, effort)
        neurons = config.network.hidden[0]
        weights.append(neurons * config.network.frequencies)
        assert isinstance(config.trainer, NaturalGradientConfig)
    assert weights == sorted(weights)


def test_budgets_are_taken_over() -> None:
    config = image_config((64, 64), 3, "fast", seed=5, max_steps=7, max_seconds=2.0, target_psnr_db=30.0)
    assert config.budget == Budget(max_steps=7, max_seconds=2.0, target_psnr_db=30.0)
    assert config.seed == 5


def test_configurations_that_differ_have_different_fingerprints() -> None:
    prints = {image_config((64, 64), 3, effort, seed=seed).fingerprint() for effort in Effort for seed in range(3)}
    assert len(prints) == 9
    assert image_config((64, 64), 3).fingerprint() == image_config((64, 64), 3).fingerprint()
