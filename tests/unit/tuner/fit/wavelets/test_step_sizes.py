"""Step sizes of the weights: coarser where a bit is worth more, and as much error as the trade foresees."""

import numpy as np
import pytest

from tests.unit.tuner.fit.wavelets.cases import SMALL, picture
from tuner.fit.wavelets.fit import fit_wavelets
from tuner.fit.wavelets.step_sizes import wavelet_step_sizes


def test_a_dearer_bit_makes_coarser_steps_by_the_square_root() -> None:
    parameters = fit_wavelets(picture((24, 20)), SMALL).parameters
    fine, coarse = (wavelet_step_sizes(parameters, trade) for trade in (1e-3, 4e-3))
    assert len(fine) == len(parameters.tensors())
    assert coarse == pytest.approx([2.0 * step for step in fine])


def test_no_step_is_too_fine_for_the_file() -> None:
    parameters = fit_wavelets(picture((24, 20)), SMALL).parameters
    for tensor, step in zip(parameters.tensors(), wavelet_step_sizes(parameters, 1e-30), strict=True):
        assert step > 0.0
        assert np.abs(tensor).max(initial=0.0) / step <= 1500.5
