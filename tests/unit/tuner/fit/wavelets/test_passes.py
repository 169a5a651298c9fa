"""Passes over a grid: their loss is that of the file, their gradients are those of differences."""

import pytest
import torch

from tests.unit.tuner.fit.wavelets.cases import passes_over, values_of


@pytest.mark.parametrize("shape", [(30,), (20, 14), (6, 5, 4)], ids=["one axis", "two axes", "three axes"])
def test_gradients_are_those_of_differences(shape: tuple[int, ...]) -> None:
    passes, latents, weights = passes_over(shape)
    found = passes.latent_gradients(weights, torch.ones(2, passes.points))
    assert found.loss == pytest.approx(passes.loss(weights), rel=1e-5)

    def loss() -> float:
        passes.show(latents)
        return passes.loss(weights)

    by_weights = passes.weight_gradients(weights, range(passes.tiles))
    for variables, gradients in ((latents, found.slopes), (weights.inner(), by_weights)):
        for variable, gradient in zip(variables, gradients, strict=True):
            step = 1e-2
            direction = gradient / gradient.norm()
            variable += step * direction
            above = loss()
            variable -= 2 * step * direction
            below = loss()
            variable += step * direction
            assert (above - below) / (2 * step) == pytest.approx(float(gradient.norm()), rel=0.02, abs=1e-4)
    before = loss()
    assert passes.solve_output(weights) == pytest.approx(before, rel=1e-5)
    assert passes.loss(weights) < before
    assert passes.solve_output(weights) == pytest.approx(passes.loss(weights), rel=1e-5)


def test_random_signs_sample_the_curvature() -> None:
    """In the mean over many signs the squares are the second differences of a loss whose error is zero."""
    passes, latents, weights = passes_over((20, 14))
    passes.targets_CP.copy_(values_of(passes, latents, weights))
    rest = passes.loss(weights)
    assert rest < 1e-7
    random, total = torch.Generator().manual_seed(1), [torch.zeros_like(each) for each in latents]
    samples = 400
    for _ in range(samples):
        signs = torch.randint(0, 2, (2, passes.points), generator=random).float() * 2.0 - 1.0
        for mean, bend in zip(total, passes.latent_gradients(weights, signs).second_derivatives, strict=True):
            mean += bend / samples
    for level, code in enumerate(latents):
        step = 2e-2
        place = (0, *(size // 2 for size in code.shape[1:]))
        code[place] += step
        passes.show(latents)
        measured = 2.0 * (passes.loss(weights) - rest) / step**2
        code[place] -= step
        assert float(total[level][place]) == pytest.approx(measured, rel=0.3)


@pytest.mark.parametrize("shape", [(30,), (9, 7), (6, 5, 4)], ids=["one axis", "two axes", "three axes"])
def test_the_fit_sees_what_the_file_stands_for(shape: tuple[int, ...]) -> None:
    passes, latents, weights = passes_over(shape)
    assert passes.loss(weights) > 1e-3
    passes.targets_CP.copy_(values_of(passes, latents, weights))
    assert passes.loss(weights) < 1e-7
