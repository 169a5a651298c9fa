"""What a latent costs depends on what is around it."""

import torch

from tuner.fit.wavelets.rate import LatentRate
from tuner.network.wavelets.layout import Layout


def test_lonely_latents_cost_more_bits_than_crowds() -> None:
    shapes = [(1, 10, 10), (3, 10, 10), (3, 20, 20)]
    crowd, lonely = ([torch.zeros(shape) for shape in shapes] for _ in range(2))
    crowd[2][0, :3, :3] = 3.0
    lonely[2][0, 2::7, 2::7] = 3.0
    assert crowd[2].count_nonzero() == lonely[2].count_nonzero()
    bits, costs = zip(*(LatentRate(Layout((40, 40), 2, 1)).costs(codes) for codes in (crowd, lonely)), strict=True)
    assert bits[0] < 0.8 * bits[1]
    beside, far = costs[0][2], costs[1][2]
    assert float(beside.one[0, 1, 1]) < float(far.one[0, 5, 5])
