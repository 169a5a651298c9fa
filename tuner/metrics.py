"""How well a signal is reproduced, each number exactly defined.

Two PSNRs, because they answer two questions. `psnr_db` is what a fit minimises and what papers report: all channels,
nothing clamped or rounded. `picture_psnr_db` is what a user measures between two files: the prediction is first clipped
and rounded as it would be when written. Both have a peak of 1, the largest value of a sample.
"""

from math import inf, log10

import numpy as np

from tuner.errors import InvalidSignal
from tuner.shapes import FloatArray
from tuner.signal.samples import SampleFormat, Storage

# float32 holds values in [0.5, 1] to half of 2^-24: errors below 2^-24 cannot be told from none. Keeps PSNRs finite.
PSNR_CEILING_DB = 20.0 * log10(2.0**24)


def psnr_db(reference: FloatArray, prediction: FloatArray) -> float:
    """10 log10(1 / MSE) over all points and channels, unclamped, in dB.

    Args:
        reference: float32, any shape.
        prediction: float32, the same shape.

    Returns:
        At most `PSNR_CEILING_DB`, which stands for no difference.

    Raises:
        InvalidSignal: if the shapes differ.
    """
    if reference.shape != prediction.shape:
        raise InvalidSignal(f"the prediction has shape {prediction.shape}, expected the reference's {reference.shape}")
    return mse_to_psnr_db(float(np.mean(np.square(reference.astype(np.float64) - prediction))))


def picture_psnr_db(reference: FloatArray, prediction: FloatArray, sample_format: SampleFormat) -> float:
    """PSNR in dB after both have been clipped to [0, 1] and rounded to the levels of the sample format.

    Args:
        reference: float32, any shape.
        prediction: float32, the same shape.
        sample_format: of the files that are compared.

    Returns:
        At most `PSNR_CEILING_DB`, which stands for no difference.
    """
    return written_psnr_db(reference, prediction, Storage(sample_format))


def written_psnr_db(reference: FloatArray, prediction: FloatArray, storage: Storage) -> float:
    """PSNR in dB, peak 1, after both have been stored and read again, whatever the kind of signal.

    Args:
        reference: float32, any shape.
        prediction: float32, the same shape.
        storage: of the files that are compared.

    Returns:
        At most `PSNR_CEILING_DB`, which stands for no difference.
    """
    return psnr_db(storage.as_written(reference), storage.as_written(prediction))


def snr_db(reference: FloatArray, prediction: FloatArray) -> float:
    """10 log10(sum of squares of the reference / sum of squared errors), in dB: the usual measure of sounds.

    Args:
        reference: float32, any shape.
        prediction: float32, the same shape.

    Returns:
        At most `PSNR_CEILING_DB`; minus infinity for a silent reference that is not met.
    """
    power = float(np.mean(np.square(reference.astype(np.float64))))
    error = float(np.mean(np.square(reference.astype(np.float64) - prediction)))
    if error <= power * 2.0**-48:
        return PSNR_CEILING_DB
    return 10.0 * log10(power / error) if power else -inf


def mse_to_psnr_db(mse: float) -> float:
    """10 log10(1 / MSE) in dB, at most `PSNR_CEILING_DB`."""
    return PSNR_CEILING_DB if mse <= 2.0**-48 else -10.0 * log10(mse)
