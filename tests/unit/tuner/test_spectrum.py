"""The picture of a spectrum is the authors': log(1 + |FFT of luminance|), shifted, scaled to [0, 1]."""

import numpy as np

from tests.networks import random_representation
from tuner.shapes import FloatArray
from tuner.spectrum import log_spectrum


def by_definition(luminance: np.ndarray) -> np.ndarray:
    """Term by term, without a fast transform."""
    height, width = luminance.shape
    rows, columns = (
        np.exp(-2j * np.pi * np.outer(np.arange(-(n // 2), n - n // 2), np.arange(n)) / n) for n in (height, width)
    )
    logs = np.log1p(np.abs(rows @ luminance @ columns.T))
    scaled: np.ndarray = (logs - logs.min()) / np.ptp(logs)
    return scaled


def test_a_spectrum_is_that_of_the_definition() -> None:
    values: FloatArray = np.random.default_rng(0).random((6, 9, 3), dtype=np.float32)
    luminance = values @ np.array([0.2126, 0.7152, 0.0722])
    np.testing.assert_allclose(log_spectrum(values), by_definition(luminance), atol=1e-5)
    np.testing.assert_allclose(log_spectrum(values[..., :1]), by_definition(values[..., 0]), atol=1e-5)


def test_a_representation_has_the_spectrum_of_what_it_renders() -> None:
    representation = random_representation((12, 8))
    np.testing.assert_array_equal(representation.spectrum(), log_spectrum(representation.render().values))
    assert representation.spectrum((20, 30)).shape == (20, 30)
