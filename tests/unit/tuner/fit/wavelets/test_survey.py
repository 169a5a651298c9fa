"""What coefficients tell of fits: compared with coefficients that are quantised."""

import numpy as np
import pytest
import torch

from tests.cases import waves
from tuner.fit.wavelets.config import WaveletConfig
from tuner.fit.wavelets.start import in_steps, own_coefficients
from tuner.fit.wavelets.subbands import Subbands
from tuner.fit.wavelets.survey import foreseen_bits, foreseen_squares, survey
from tuner.signal.signal import Signal, SignalKind

CONFIG = WaveletConfig(latent_step=0.1)


def test_squares_are_about_those_of_coefficients_in_steps() -> None:
    values = waves() + np.random.default_rng(0).normal(0, 0.05, (48, 32, 1)).astype(np.float32)
    counts = survey(Signal(values=values, kind=SignalKind.ARRAY), CONFIG)
    layout = CONFIG.layout((48, 32), 1)
    assert counts.sum() == layout.latents
    _, _, coefficients = own_coefficients(torch.from_numpy(values).reshape(1, -1), Subbands.of_points(layout))
    for step in (0.03, 0.1, 0.3):
        codes = in_steps(coefficients, step)
        squares = sum(float((c - step * q).square().sum()) for c, q in zip(coefficients, codes, strict=True))
        assert foreseen_squares(counts, step) == pytest.approx(squares, rel=0.1)


def test_coarser_steps_have_fewer_bits_and_more_error_without_jumps() -> None:
    counts = survey(Signal(values=waves(), kind=SignalKind.ARRAY), CONFIG)
    steps = np.geomspace(1e-3, 10.0, 200)
    bits = [foreseen_bits(counts, step) for step in steps]
    squares = [foreseen_squares(counts, step) for step in steps]
    assert (np.diff(bits) <= 1e-9).all()
    assert (np.diff(squares) >= -1e-9).all()
    assert (-np.diff(bits)).max() < 0.1 * bits[0]
