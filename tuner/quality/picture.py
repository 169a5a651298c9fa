"""Measures of pictures beyond PSNR: what lies outside a band of frequencies, and structural similarity."""

import numpy as np

from tuner.errors import InvalidSignal
from tuner.shapes import FloatArray
from tuner.signal.extras import require
from tuner.spectrum import log_spectrum

# The authors widen the band by a tenth and a sample before they look outside of it.
_WIDENED = 1.1
_SSIM_WINDOW = 11


def out_of_band_energy(values: FloatArray, resolution: int) -> float:
    """Mean square of the 8-bit log spectrum outside the band of a coarser picture: how much a network adds above it.

    The band is the centred square of half width (1.1 resolution + 1)/2; log(1 + |FFT|) of the luminance is scaled
    from its own extremes to 0..255 and rounded down, as published.

    Args:
        values: picture (height, width, channels).
        resolution: samples along a side of the coarser picture whose band is looked outside of, >= 1.

    Returns:
        In squared 8-bit levels; 0 if the band covers the whole spectrum.

    Raises:
        InvalidSignal: if the values are no picture, or the resolution is below 1.
    """
    if values.ndim != 3 or resolution < 1:
        raise InvalidSignal(
            f"values have shape {values.shape} and the resolution is {resolution}, expected (height, width, channels) "
            "and at least 1"
        )
    spectrum = np.floor(255.0 * log_spectrum(values).astype(np.float64))
    half = (_WIDENED * resolution + 1.0) / 2.0
    rows, columns = (np.abs(np.arange(samples) - samples // 2) for samples in spectrum.shape)
    outside = (rows[:, None] > half) | (columns[None] > half)
    return float(np.mean(np.square(spectrum[outside]))) if outside.any() else 0.0


def ssim(reference: FloatArray, prediction: FloatArray) -> float:
    """Structural similarity as its authors define it (Wang et al. 2004), through torchmetrics.

    Windows are Gaussians of 1.5 samples, cut at 11; variances are those of the window; the peak is 1; the mean is over
    the channels and the windows that lie within the picture. torchmetrics takes it over all positions, with mirrored
    borders: 0.17 less on a noisy picture of 20 x 16. So its map is asked for, and the border of 5 samples left out.

    Args:
        reference: picture (height, width, channels), both sides at least 11.
        prediction: reproduction of the same shape.

    Returns:
        At most 1, which stands for no difference.

    Raises:
        InvalidSignal: if the shapes differ or are too small.
        UnsupportedFormat: if torchmetrics is not installed.
    """
    if reference.shape != prediction.shape or reference.ndim != 3 or min(reference.shape[:2]) < _SSIM_WINDOW:
        raise InvalidSignal(
            f"the pictures have shapes {reference.shape} and {prediction.shape}, expected one shape "
            f"(height, width, channels) with sides of at least {_SSIM_WINDOW}"
        )
    image, torch = require("torchmetrics.functional.image", "metrics"), require("torch", "metrics")
    pictures = [
        torch.tensor(picture.transpose(2, 0, 1)[None], dtype=torch.float64) for picture in (prediction, reference)
    ]
    _, similarity = image.structural_similarity_index_measure(
        *pictures, sigma=1.5, kernel_size=_SSIM_WINDOW, data_range=1.0, return_full_image=True
    )
    border = _SSIM_WINDOW // 2
    return float(similarity[..., border:-border, border:-border].mean())
