"""Weights as tensors: views in the order of the file, rounded copies, steps that a file can hold."""

import numpy as np
import torch

from tests.unit.tuner.fit.wavelets.cases import passes_over
from tuner.fit.wavelets.weights import Weights


def weights() -> Weights:
    return passes_over((9, 7))[2]


def test_tensors_are_views_of_all_weights_and_arrays_are_copies() -> None:
    mine = weights()
    assert sum(tensor.numel() for tensor in mine.tensors()) == sum(
        tensor.numel() for tensor in (*mine.inner(), *mine.output())
    )
    arrays = mine.arrays()
    for tensor in mine.tensors():
        tensor.zero_()
    assert all(not each.any() for each in (*mine.inner(), *mine.output()))
    assert all(array.any() for array in arrays)


def test_a_rounded_copy_is_in_whole_steps_and_leaves_the_weights_alone() -> None:
    mine = weights()
    before = mine.arrays()
    steps = tuple(0.01 * (1 + number) for number in range(len(mine.tensors())))
    for tensor, exact, step in zip(mine.rounded(steps).tensors(), before, steps, strict=True):
        integers = tensor.double().numpy() / np.float32(step)
        np.testing.assert_allclose(integers, np.rint(integers), atol=1e-3)
        assert float(np.abs(tensor.numpy() - exact).max()) <= 0.501 * step
    assert all(np.array_equal(now, then) for now, then in zip(mine.arrays(), before, strict=True))


def test_a_step_grows_with_a_tensor_that_a_file_could_not_hold() -> None:
    mine = weights()
    steps = tuple(1.0 for _ in mine.tensors())
    assert mine.widened(steps) == steps
    mine.bias[0] = -6000.0
    assert mine.widened(steps) == (*steps[:-1], 3.0)
    assert float(mine.rounded(mine.widened(steps)).bias[0]) == -6000.0
    assert torch.isfinite(mine.bias).all()
