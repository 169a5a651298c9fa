"""Latents in crowds are cheap, and the estimate of a fit knows how cheap."""

import numpy as np
import pytest
import torch

from tuner.core import host
from tuner.fit.wavelets.rate.by_subband import LatentRate
from tuner.network.wavelets.layout import Layout


def test_wavelets_in_crowds_pay_and_the_estimate_knows() -> None:
    """What `tuner.fit.wavelets.rate` foresees is what the coder takes."""
    random = np.random.default_rng(5)
    energy = np.kron(random.uniform(0.0, 1.0, (8, 8)) ** 4, np.ones((32, 32)))
    layout = Layout((256, 256), 3, 1)
    latents, scattered = [], []
    for level in layout.levels:
        scale = energy[:: level.spacing, :: level.spacing]
        codes = np.rint(random.laplace(0.0, level.spacing * scale, level.shape)).astype("i4")
        latents.append(codes)
        scattered.append(random.permutation(codes.reshape(-1)).reshape(codes.shape))
    sizes = []
    for each in (latents, scattered):
        integers = np.concatenate([codes.reshape(-1) for codes in each])
        sizes.append(8 * len(host.encode(integers, host.Layout(layout.grid_shape, layout.colours, layout.scales))))
    assert sizes[0] < 0.8 * sizes[1]
    estimated, _ = LatentRate(layout).costs([torch.from_numpy(codes).float() for codes in latents])
    assert estimated == pytest.approx(sizes[0], rel=0.05)
