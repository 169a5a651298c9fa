"""Steps of the weights under latents that rest: the error falls, and a resumed descent goes on with the same bytes."""

import torch

from tests.unit.tuner.fit.wavelets.cases import passes_over
from tuner.fit.wavelets.config import WaveletConfig
from tuner.fit.wavelets.descent import WeightDescent

CONFIG = WaveletConfig(bits_per_sample=1.0, weight_steps=4)


def test_every_run_lowers_the_error() -> None:
    passes, _, weights = passes_over((20, 14))
    descent = WeightDescent(weights, CONFIG, torch.Generator().manual_seed(0))
    losses = [passes.loss(weights)]
    for _ in range(4):
        descent.run(passes, 0.0)
        losses.append(passes.loss(weights))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.5 * losses[0]


def test_passes_see_rounded_weights_once_there_are_steps() -> None:
    _, _, weights = passes_over((20, 14))
    descent = WeightDescent(weights, CONFIG, torch.Generator().manual_seed(0))
    assert descent.as_passes_see_them() is weights
    descent.step_sizes = tuple(0.5 for _ in weights.tensors())
    for tensor in descent.as_passes_see_them().tensors():
        assert torch.equal(tensor * 2.0, (tensor * 2.0).round())


def test_moments_and_the_count_of_runs_are_all_that_a_resumed_descent_needs() -> None:
    passes, _, weights = passes_over((20, 14))
    whole = WeightDescent(weights, CONFIG, torch.Generator().manual_seed(0))
    whole.run(passes, 0.1)
    copy = weights.rounded(tuple(1e-30 for _ in weights.tensors()))
    for mine, exact in zip(copy.tensors(), weights.tensors(), strict=True):
        mine.copy_(exact)
    resumed = WeightDescent(copy, CONFIG, torch.Generator().manual_seed(1))
    for name, moments in resumed.moments().items():
        for mine, exact in zip(moments, whole.moments()[name], strict=True):
            mine.copy_(exact)
    resumed.resume(1)
    for descent in (whole, resumed):
        descent._random.manual_seed(5)
        descent.run(passes, 0.2)
    for mine, exact in zip(copy.tensors(), weights.tensors(), strict=True):
        assert torch.equal(mine, exact)
