"""The forecast's rules rise and fall as they must, and can be solved for the size of a network."""

from itertools import pairwise

import pytest

from tuner.targets.sines.forecast import Forecast

PICTURE = Forecast(samples=512 * 512, channels=3)


def test_more_weights_and_steps_are_better_and_larger() -> None:
    sizes = [500, 2000, 8000, 30_000]
    for steps in (20, 100):
        qualities = [PICTURE.psnr_db(weights, steps) for weights in sizes]
        files = [PICTURE.file_bytes(weights, quality, 0.4) for weights, quality in zip(sizes, qualities, strict=True)]
        assert all(fewer < more for fewer, more in pairwise(qualities))
        assert all(fewer < more for fewer, more in pairwise(files))
    assert PICTURE.psnr_db(2000, 100) > PICTURE.psnr_db(2000, 20)


def test_what_rounding_may_cost_saves_bytes() -> None:
    assert PICTURE.file_bytes(2000, 30.0, 1.0) < PICTURE.file_bytes(2000, 30.0, 0.1)


def test_weights_for_a_quality_and_a_size_are_those_that_have_it() -> None:
    weights = PICTURE.weights_for_psnr(26.0, 45)
    assert PICTURE.psnr_db(weights, 45) == pytest.approx(26.0, abs=0.01)
    weights = PICTURE.weights_for_bytes(9000, 45)
    assert PICTURE.file_bytes(weights, PICTURE.psnr_db(weights, 45), 0.4) == pytest.approx(9000, rel=0.01)


def test_no_network_has_more_weights_than_the_signal_has_values() -> None:
    thumbnail = Forecast(samples=64, channels=1)
    least, most = thumbnail.weight_range()
    assert least < most
    assert most == max(least + 1, 64)
