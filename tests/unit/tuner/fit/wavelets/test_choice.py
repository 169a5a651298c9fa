"""Latents go to the integers that serve error and bits together, and no farther than a file can hold."""

import pytest
import torch

from tuner.fit.wavelets.choice import cheapest, choose, free_values, moving_share
from tuner.fit.wavelets.rate.by_subband import LatentRate
from tuner.fit.wavelets.rate.costs import Costs
from tuner.network.wavelets.layout import Layout


@pytest.mark.parametrize(("nearest", "share"), [(False, 0.4), (True, 0.998)], ids=["from zeros", "from the nearest"])
def test_latents_go_where_error_and_bits_together_are_least(nearest: bool, share: float) -> None:
    wanted = [
        torch.randn(shape, generator=torch.Generator().manual_seed(2)) * 2.0 for shape in ((1, 40, 40), (3, 40, 40))
    ]
    codes = [each.round() if nearest else torch.zeros_like(each) for each in wanted]
    curvatures, random = [torch.full_like(each, 2.0) for each in codes], torch.Generator().manual_seed(3)
    rate, trade = LatentRate(Layout((80, 80), 1, 1)), 0.1
    objectives = []
    for _ in range(40):
        error = sum(float((code - each).square().sum()) for code, each in zip(codes, wanted, strict=True))
        bits, costs = rate.costs(codes)
        objectives.append(error + trade * bits)
        gradients = [2.0 * (code - each) for code, each in zip(codes, wanted, strict=True)]
        free = free_values(codes, gradients, curvatures)
        for code, each, goal in zip(codes, free, wanted, strict=True):
            torch.testing.assert_close(each, code + (goal - code).clamp(-1.5, 1.5))
        choose(codes, free, curvatures, costs, trade, random)
    assert objectives[-1] < share * objectives[0]


def test_no_latent_outgrows_what_a_file_can_hold() -> None:
    """One that hardly matters has its optimum anywhere."""
    one = torch.ones(1, 1)
    (found,) = cheapest([torch.tensor([[-12345.0]])], [one], [Costs(one, one, *[0.0 * one] * 3)], trade=1e-9)
    assert found.tolist() == [[-2000.0]]


def test_fewer_latents_move_at_the_end_of_a_long_fit_alone() -> None:
    shares = [moving_share(step / 60, step) for step in range(60)]
    assert shares[36] == 0.2
    assert shares == sorted(shares, reverse=True)
    assert 0.03 < shares[-1] < 0.04
    assert moving_share(2.0, 100) == pytest.approx(0.03)  # a fit that goes on beyond its end
    assert {moving_share(step / 30, step) for step in range(30)} == {0.2}


def test_a_share_of_the_latents_moves() -> None:
    """All of them would, as far as their costs go."""
    codes, goal, nothing = [torch.zeros(1, 10_000)], [torch.full((1, 10_000), 3.0)], torch.zeros(1, 10_000)
    costs = [Costs(*[nothing] * 5)]
    choose(codes, goal, [nothing + 1.0], costs, 0.1, torch.Generator().manual_seed(1), 0.03)
    assert 250 < int((codes[0] == 3.0).sum()) < 350
