"""PSNR: the definitions, on numbers that can be checked by hand."""

import numpy as np
import pytest

from tuner.decibels import PSNR_CEILING_DB
from tuner.errors import InvalidSignal
from tuner.metrics import picture_psnr_db, psnr_db
from tuner.signal.signal import SampleFormat

ZEROS = np.zeros((4, 5, 3), np.float32)


def test_an_error_of_a_tenth_everywhere_is_twenty_decibels() -> None:
    assert psnr_db(ZEROS, ZEROS + np.float32(0.1)) == pytest.approx(20.0, abs=1e-5)


def test_all_channels_count_and_nothing_is_clamped() -> None:
    prediction = ZEROS.copy()
    prediction[..., 2] = -1.0
    assert psnr_db(ZEROS, prediction) == pytest.approx(10 * np.log10(3), abs=1e-6)
    assert picture_psnr_db(ZEROS, prediction, SampleFormat.U8) == PSNR_CEILING_DB


def test_a_picture_is_compared_as_it_is_written() -> None:
    almost = ZEROS + np.float32(0.4 / 255)
    assert picture_psnr_db(ZEROS, almost, SampleFormat.U8) == PSNR_CEILING_DB
    assert picture_psnr_db(ZEROS, almost, SampleFormat.U16) == pytest.approx(psnr_db(ZEROS, almost), abs=0.1)
    one_level = ZEROS + np.float32(0.6 / 255)
    assert picture_psnr_db(ZEROS, one_level, SampleFormat.U8) == pytest.approx(20 * np.log10(255), abs=1e-3)


def test_equal_signals_have_a_finite_psnr() -> None:
    assert psnr_db(ZEROS, ZEROS) == PSNR_CEILING_DB
    assert 144 < PSNR_CEILING_DB < 145


def test_shapes_must_agree() -> None:
    with pytest.raises(InvalidSignal, match="expected the reference's"):
        psnr_db(ZEROS, ZEROS[1:])
