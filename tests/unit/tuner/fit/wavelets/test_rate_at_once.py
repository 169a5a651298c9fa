"""The bits of small signals' latents, all subbands at once, are those that one subband after the other has."""

import pytest
import torch

from tuner.fit.wavelets.rate.at_once import RateAtOnce, rate_of
from tuner.fit.wavelets.rate.by_subband import LatentRate
from tuner.network.wavelets.layout import Layout


@pytest.mark.parametrize(
    ("shape", "scales", "colours"),
    [((300,), 2, 2), ((64, 64), 3, 3), ((41, 56), 2, 1), ((24, 17), 1, 3), ((20, 19, 22), 2, 2)],
    ids=["line", "picture", "one colour", "one scale", "solid"],
)
def test_all_subbands_at_once_cost_what_they_cost_one_after_the_other(
    shape: tuple[int, ...], scales: int, colours: int
) -> None:
    layout, random = Layout(shape, scales, colours), torch.Generator().manual_seed(1)
    # Most latents have nothing around them, and some see so much that logarithms are taken.
    codes = [
        (torch.randn(level.shape, generator=random) * 6.0 * torch.rand(level.shape, generator=random) ** 4).round()
        for level in layout.levels
    ]
    codes[-1][..., : shape[-1] // 5] = 0.0
    bits, costs = LatentRate(layout).costs(codes)
    rate = RateAtOnce(layout)
    for _ in range(2):  # what a call leaves behind does not matter to the next one
        found_bits, found = rate.costs(codes)
        assert found_bits == pytest.approx(bits, rel=1e-5)
        assert rate.bits(codes) == found_bits
        for level, one, other in zip(layout.levels, costs, found, strict=True):
            for name in ("zero", "one", "more", "lean", "others"):
                plane, other_plane = getattr(one, name), getattr(other, name)
                assert other_plane.shape == level.shape
                assert torch.allclose(plane, other_plane, atol=2e-3), (level.number, name)
        rate.bits([torch.zeros_like(each) for each in codes])


def test_latents_that_are_all_zero_have_costs_too() -> None:
    layout = Layout((16, 16), 1, 3)
    codes = [torch.zeros(level.shape) for level in layout.levels]
    bits, costs = RateAtOnce(layout).costs(codes)
    assert bits == pytest.approx(LatentRate(layout).bits(codes))
    assert all(bool(cost.one.isfinite().all()) for cost in costs)


def test_large_signals_keep_to_one_subband_after_the_other() -> None:
    assert isinstance(rate_of(Layout((64, 64), 3, 3)), RateAtOnce)
    assert isinstance(rate_of(Layout((512, 512), 5, 3)), LatentRate)
