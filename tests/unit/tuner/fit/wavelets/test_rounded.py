"""What a file will hold, as arrays: the numbers of the fit in the order of the file, and the quality of its error."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.unit.tuner.fit.wavelets.cases import SMALL, passes_over, values_of
from tuner.fit.wavelets.rounded import RoundedNetwork, as_parameters
from tuner.network.wavelets.synthesis import values_on_grid
from tuner.signal.grid import Grid


def test_parameters_have_the_numbers_and_the_values_of_the_fit() -> None:
    passes, latents, weights = passes_over((12, 10))
    parameters = as_parameters(replace(SMALL, reach=4), passes, weights, latents)
    for own, tensor in zip(parameters.tensors(), weights.tensors(), strict=True):
        assert np.array_equal(own, tensor.numpy())
    for codes, integers in zip(latents, parameters.latents, strict=True):
        assert np.array_equal(integers, codes.numpy())
    axes = [Grid((12, 10), 2.5).axis(dimension) for dimension in range(2)]
    values = torch.from_numpy(values_on_grid(parameters, axes).reshape(passes.points, -1).T.copy())
    torch.testing.assert_close(values, values_of(passes, latents, weights))


def test_the_quality_is_that_of_the_error() -> None:
    passes, latents, weights = passes_over((12, 10))
    parameters = as_parameters(replace(SMALL, reach=4), passes, weights, latents)
    assert RoundedNetwork(parameters=parameters, step_sizes=(), mse=1e-3).psnr_db == pytest.approx(30.0)
