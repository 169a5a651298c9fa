"""The Fourier transform of a signal, drawn as the method's authors draw it."""

import numpy as np

from tuner.shapes import FloatArray

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)


def luminance(values: FloatArray) -> FloatArray:
    """Brightness of a picture (*grid, channels) as (*grid), by the weights of ITU-R BT.709; else the first channel."""
    colours: FloatArray = values[..., :3] @ LUMINANCE if values.shape[-1] >= 3 else values[..., 0]
    return colours


def log_spectrum(values: FloatArray) -> FloatArray:
    """log(1 + |FFT|) of the luminance, zero frequency in the middle, scaled to [0, 1].

    Args:
        values: values of the signal, (*grid, channels), any number of axes.

    Returns:
        float32 (*grid); all zeros for a constant spectrum.
    """
    magnitude = np.log1p(np.abs(np.fft.fftshift(np.fft.fftn(luminance(values)))))
    span = float(np.ptp(magnitude))
    scaled = (magnitude - magnitude.min()) / span if span > 0 else np.zeros_like(magnitude)
    return scaled.astype(np.float32)
