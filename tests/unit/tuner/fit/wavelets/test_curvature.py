"""Curvatures settle on the true ones, although each sample of them is mostly noise."""

import torch

from tuner.fit.wavelets.curvature import learn_curvatures


def test_curvatures_are_learned_from_samples() -> None:
    random = torch.Generator().manual_seed(0)
    true = torch.full((2, 40, 40), 1.0)
    true[0, :, 20:] = 4.0
    known = [torch.zeros_like(true)]
    for taken in range(10):
        learn_curvatures(known, [true * torch.randn(true.shape, generator=random).square()], taken)
    away = [slice(5, 15), slice(25, 35)]
    for columns in away:
        torch.testing.assert_close(
            known[0][:, 5:35, columns].mean(), true[:, 5:35, columns].mean(), rtol=0.15, atol=0.0
        )
    assert float(known[0].std()) < 3.0
    learn_curvatures(known, [torch.zeros_like(true)], 0)
    assert float(known[0].min()) > 0.0
