"""Differences of a field on a grid are those of the network on arrays, and their transpose is the adjoint."""

from math import prod

import numpy as np
import pytest
import torch

from tuner.fit.wavelets.differences import Differences
from tuner.network.wavelets.differences import offsets, stencils

SHAPES = [(11,), (6, 5), (4, 3, 5), (1, 4)]


@pytest.mark.parametrize("shape", SHAPES)
def test_they_are_those_of_the_network(shape: tuple[int, ...]) -> None:
    field = torch.randn(prod(shape), generator=torch.Generator().manual_seed(0))
    differences = Differences(shape)
    found = torch.empty(len(stencils(len(shape))), prod(shape))
    differences.fill(field, found)
    places = np.indices(shape).reshape(len(shape), -1)
    limits = np.array(shape)[:, None] - 1
    around = [
        field.numpy().reshape(shape)[tuple(np.clip(places + np.array(steps)[:, None], 0, limits))]
        for steps in offsets(len(shape))
    ]
    np.testing.assert_allclose(found.numpy(), stencils(len(shape)) @ np.array(around), atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_transpose_is_the_adjoint(shape: tuple[int, ...]) -> None:
    random = torch.Generator().manual_seed(1)
    differences = Differences(shape)
    field = torch.randn(prod(shape), generator=random)
    gradients = torch.randn(len(stencils(len(shape))), prod(shape), generator=random)
    found = torch.empty_like(gradients)
    differences.fill(field, found)
    forth, back = float((found * gradients).sum()), float((field * differences.transposed(gradients)).sum())
    assert forth == pytest.approx(back, rel=1e-4, abs=1e-4)
