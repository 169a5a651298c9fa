"""What a bit is worth moves towards what was asked for, and comes to rest before the fit ends."""

import pytest

from tuner.fit.wavelets.config import WaveletConfig
from tuner.fit.wavelets.trade import Trade

SIZE = WaveletConfig(bits_per_sample=2.0)
QUALITY = WaveletConfig(psnr_db=30.0)


def moved(config: WaveletConfig, latent_bits: float, mse: float, share: float = 0.5) -> float:
    """By which factor lambda moves."""
    trade = Trade(config, points=100_000, weights=100, channels=1)
    trade.share = share - 0.01
    trade.follow(latent_bits, mse, share)
    return trade.value


def test_too_many_bits_make_bits_dear_and_too_few_cheap() -> None:
    assert moved(SIZE, 300_000.0, 1e-3) > 1.0 > moved(SIZE, 100_000.0, 1e-3)


def test_too_much_quality_makes_bits_dear_and_too_little_cheap() -> None:
    assert moved(QUALITY, 1.0, 1e-4) > 1.0 > moved(QUALITY, 1.0, 1e-2)


def test_what_the_fit_has_left_out_counts() -> None:
    trade = Trade(SIZE, points=100_000, weights=100, channels=1)
    trade.other_bits = 150_000.0
    assert trade.latent_budget == 50_000.0
    trade.other_bits = 190_000.0
    assert trade.latent_budget == 50_000.0, "latents keep a quarter, whatever the rest takes"


@pytest.mark.parametrize("config", [SIZE, QUALITY], ids=["a size", "a quality"])
def test_it_rests_at_the_end_of_a_fit_and_when_a_longer_one_goes_on(config: WaveletConfig) -> None:
    assert moved(config, 900_000.0, 1e-9, share=0.95) == 1.0
    trade = Trade(config, points=100_000, weights=100, channels=1)
    trade.share = 0.8
    trade.follow(900_000.0, 1e-9, 0.4)
    assert (trade.value, trade.share) == (1.0, 0.4)


def test_numbers_bring_it_back() -> None:
    trade, other = (Trade(SIZE, points=1000, weights=10, channels=1) for _ in range(2))
    trade.value, trade.other_bits, trade.quality_offset_db, trade.share = 0.3, 77.0, -0.4, 0.6
    other.restore(trade.numbers())
    assert other.numbers() == trade.numbers() == [0.3, 77.0, -0.4, 0.6]


def test_a_fit_of_many_values_gains_until_its_end_and_one_of_few_does_not() -> None:
    """Halfway there, half a decibel short of what was asked for."""
    moves = []
    for channels in (1, 2):
        trade = Trade(QUALITY, points=3 << 14, weights=100, channels=channels)
        trade.share = 0.49
        trade.follow(1.0, 10.0**-2.95, 0.5)
        moves.append(trade.value)
    few, many = moves
    assert few < 1.0 < many


def test_a_file_is_foreseen_to_be_larger_the_more_its_quality_lacks() -> None:
    trade = Trade(QUALITY, points=4096, weights=100, channels=3)
    trade.other_bits = 2000.0
    assert trade.foreseen_bits(8000.0, 1e-3) == pytest.approx(10_000.0)
    assert trade.foreseen_bits(8000.0, 1e-2) > 20_000.0
    trade.quality_offset_db = -1.0
    assert 10_500.0 < trade.foreseen_bits(8000.0, 1e-3) < 12_000.0
