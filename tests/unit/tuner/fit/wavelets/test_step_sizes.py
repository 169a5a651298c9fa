"""Step sizes of the weights: coarser where a bit is worth more, and as much error as the trade foresees."""

import numpy as np
import pytest
import torch

from tests.unit.tuner.fit.wavelets.cases import SMALL, picture
from tuner.fit.wavelets.fit import fit_wavelets
from tuner.fit.wavelets.passes import GridPasses
from tuner.fit.wavelets.step_sizes import wavelet_step_sizes
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.signal.grid import Grid


def _fitted() -> tuple[WaveletParameters, GridPasses]:
    """A network and its signal, with passes that show its latents."""
    signal = picture((24, 20))
    parameters = fit_wavelets(signal, SMALL).parameters
    axes = [Grid((24, 20), parameters.period).axis(dimension) for dimension in range(2)]
    passes = GridPasses(signal.values, axes, parameters.layout, parameters.frequencies, parameters.period)
    passes.gains.copy_(torch.from_numpy(parameters.gains))
    passes.show([torch.from_numpy(codes).float() for codes in parameters.latents])
    return parameters, passes


def test_a_dearer_bit_makes_coarser_steps_by_the_square_root() -> None:
    parameters, passes = _fitted()
    fine, coarse = (wavelet_step_sizes(parameters, passes, trade) for trade in (1e-3, 4e-3))
    assert len(fine) == len(parameters.tensors())
    assert coarse == pytest.approx([2.0 * step for step in fine])


def test_no_step_is_too_fine_for_the_file() -> None:
    parameters, passes = _fitted()
    for tensor, step in zip(parameters.tensors(), wavelet_step_sizes(parameters, passes, 1e-30), strict=True):
        assert step > 0.0
        assert np.abs(tensor).max(initial=0.0) / step <= 1500.5
