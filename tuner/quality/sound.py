"""Measures of sounds beyond the signal-to-noise ratio (`tuner.metrics.snr_db`)."""

from typing import Final

import numpy as np

from tuner.errors import InvalidSignal
from tuner.shapes import DoubleArray, FloatArray

WINDOW: Final = 2048  # samples, and a quarter of it between windows
# Of the power of a full-scale sine in a window's spectrum: -100 dB, below which nobody hears a difference.
_FLOOR: Final = 1e-10


def log_spectral_distance_db(reference: FloatArray, prediction: FloatArray, *, window: int = WINDOW) -> float:
    """Root mean square difference of the log power spectra of two sounds, in dB.

    Spectra are those of Hann windows of `window` samples, a quarter apart; sounds shorter than a window are one,
    padded with silence. Within a window the root is taken over frequencies, then the mean over windows and channels
    (Gray & Markel 1976). Powers below -100 dB of full scale count as that.

    Args:
        reference: sound to compare with, (samples, channels) in [-1, 1].
        prediction: reproduction of the same shape.
        window: samples, >= 4.

    Returns:
        0 for equal sounds.

    Raises:
        InvalidSignal: if the shapes differ or are no sounds.
    """
    if reference.shape != prediction.shape or reference.ndim != 2 or window < 4:
        raise InvalidSignal(
            f"the sounds have shapes {reference.shape} and {prediction.shape}, expected one shape (samples, channels)"
        )
    difference = _log_power_db(reference, window) - _log_power_db(prediction, window)
    return float(np.sqrt(np.mean(np.square(difference), axis=-1)).mean())


def _log_power_db(values: FloatArray, window: int) -> DoubleArray:
    """Power of each window and frequency, (channels, windows, window / 2 + 1), in dB of full scale."""
    samples = values.T.astype(np.float64)
    if samples.shape[1] < window:
        samples = np.pad(samples, ((0, 0), (0, window - samples.shape[1])))
    pieces = np.lib.stride_tricks.sliding_window_view(samples, window, axis=1)[:, :: window // 4]
    weights = np.hanning(window + 1)[:-1]
    power = np.square(np.abs(np.fft.rfft(pieces * weights, axis=-1)) / (weights.sum() / 2.0))
    decibels: DoubleArray = 10.0 * np.log10(np.maximum(power, _FLOOR))
    return decibels
