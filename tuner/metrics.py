"""How well a signal is reproduced, each number exactly defined.

Two PSNRs, because they answer two questions. `psnr_db` is what a fit minimises and what papers report: all channels,
nothing clamped or rounded. `picture_psnr_db` is what a user measures between two files: the prediction is first clipped
and rounded as it would be when written. Both have a peak of 1, the largest value of a sample.
"""

from collections.abc import Callable
from math import inf, log10
from typing import Literal

import numpy as np

from tuner.decibels import PSNR_CEILING_DB, mse_to_psnr_db
from tuner.errors import ConfigError, InvalidSignal
from tuner.shapes import BoolArray, FloatArray
from tuner.signal.samples import SampleFormat, Storage
from tuner.spectrum import luminance

# float32 holds values in [0.5, 1] to half of 2^-24: errors below 2^-24 cannot be told from none. Keeps PSNRs finite.


def psnr_db(reference: FloatArray, prediction: FloatArray) -> float:
    """10 log10(1 / MSE) over all points and channels, unclamped, in dB.

    Args:
        reference: values of the signal, float32 of any shape.
        prediction: values of its reproduction, float32 of the same shape.

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
        reference: values of the signal, float32 of any shape.
        prediction: values of its reproduction, float32 of the same shape.
        sample_format: format of a sample in the files that are compared.

    Returns:
        At most `PSNR_CEILING_DB`, which stands for no difference.
    """
    return written_psnr_db(reference, prediction, Storage(sample_format))


def written_psnr_db(reference: FloatArray, prediction: FloatArray, storage: Storage) -> float:
    """PSNR in dB, peak 1, after both have been stored and read again, whatever the kind of signal.

    Args:
        reference: values of the signal, float32 of any shape.
        prediction: values of its reproduction, float32 of the same shape.
        storage: how the files that are compared store a value.

    Returns:
        At most `PSNR_CEILING_DB`, which stands for no difference.
    """
    return psnr_db(storage.as_written(reference), storage.as_written(prediction))


def snr_db(reference: FloatArray, prediction: FloatArray) -> float:
    """10 log10(sum of squares of the reference / sum of squared errors), in dB: the usual measure of sounds.

    Args:
        reference: values of the signal, float32 of any shape.
        prediction: values of its reproduction, float32 of the same shape.

    Returns:
        At most `PSNR_CEILING_DB`; minus infinity for a silent reference that is not met.
    """
    power = float(np.mean(np.square(reference.astype(np.float64))))
    error = float(np.mean(np.square(reference.astype(np.float64) - prediction)))
    if error <= power * 2.0**-48:
        return PSNR_CEILING_DB
    return 10.0 * log10(power / error) if power else -inf


def held_out_mask(sample_count: int, share: float = 0.05, seed: int = 0) -> BoolArray:
    """Which samples a training does not see, so that they can test it: at random places, the same for the same seed.

    Args:
        sample_count: number of samples of the signal, >= 1.
        share: share of the samples that is kept out, in [0, 1); the authors keep 5 %.
        seed: seed of the draw.

    Returns:
        bool (P,), true where a sample is kept out.

    Raises:
        ConfigError: if the share is out of its range.
    """
    if not 0.0 <= share < 1.0:
        raise ConfigError(f"the share held out is {share}, expected at least 0 and less than 1")
    mask = np.zeros(sample_count, dtype=np.bool_)
    mask[np.random.default_rng(seed).permutation(sample_count)[: round(share * sample_count)]] = True
    return mask


# Luminance of the reference picture: ITU-R BT.601. The prediction's is BT.709 (`tuner.spectrum`), as published.
_REFERENCE_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def gradient_psnr_db(reference_image: FloatArray, gradients: FloatArray) -> float:
    """The gradient PSNR of a picture: analytic gradients of the network against Sobel's of the picture.

    Magnitudes of the luminance gradient are compared, the network's scaled from its extremes to 0..255 and rounded,
    the picture's divided by its largest; the difference is taken in float16. The authors' definition, but for what
    `authors_gradient_psnr_db` keeps to the letter.

    Args:
        reference_image: picture to compare with, (H, W, C) in [0, 1].
        gradients: gradients of the network at the pixels, (H, W, C, 2), per unit of the coordinates, which span
            [-1, 1].

    Returns:
        20 log10(1 / RMSE) in dB.

    Raises:
        InvalidSignal: if the shapes do not fit.
    """
    return _gradient_psnr_db(reference_image, gradients, np.rint, "reflect")


def authors_gradient_psnr_db(reference_image: FloatArray, gradients: FloatArray) -> float:
    """The gradient PSNR to the letter of the authors' code, for comparisons with published numbers.

    Levels of 0..255 are cut off instead of rounded, as Pillow does where it makes bytes of floats, and Sobel's filter
    sees the picture mirrored with its last row repeated, as SciPy has it. So no slope at all is left across the
    border, and a network of exactly the right slopes is some tenths of a dB worse than in `gradient_psnr_db`.

    Args:
        reference_image: picture to compare with, (H, W, C) in [0, 1].
        gradients: gradients of the network at the pixels, (H, W, C, 2), per unit of the coordinates, which span
            [-1, 1].

    Returns:
        20 log10(1 / RMSE) in dB.

    Raises:
        InvalidSignal: if the shapes do not fit.
    """
    return _gradient_psnr_db(reference_image, gradients, np.trunc, "symmetric")


def _gradient_psnr_db(
    reference_image: FloatArray,
    gradients: FloatArray,
    to_level: Callable[[FloatArray], FloatArray],
    border: Literal["reflect", "symmetric"],
) -> float:
    height, width, channels = reference_image.shape
    if gradients.shape != (height, width, channels, 2):
        raise InvalidSignal(f"the gradients have shape {gradients.shape}, expected {(height, width, channels, 2)}")
    # Per pixel instead of per unit, which matters where the picture is not square.
    slopes = luminance(gradients.swapaxes(2, 3)) * (2.0 / np.array([height, width]))
    magnitude = np.linalg.norm(slopes, axis=-1)
    span = float(np.ptp(magnitude))
    scaled = to_level((magnitude - magnitude.min()) / span * 255.0) / 255.0 if span > 0 else np.zeros_like(magnitude)
    reference = sobel_magnitude(reference_image, border)
    difference = scaled.astype(np.float16) - reference.astype(np.float16)
    return mse_to_psnr_db(float(np.mean(np.square(difference.astype(np.float64)))))


def sobel_magnitude(image: FloatArray, border: Literal["reflect", "symmetric"] = "reflect") -> FloatArray:
    """Magnitude of Sobel's gradient of the luminance of a picture (H, W, C), divided by its largest value.

    Beyond its border the picture is mirrored, without ("reflect") or with ("symmetric") its last row repeated.
    """
    grey = image[..., :3] @ _REFERENCE_LUMINANCE if image.shape[-1] >= 3 else image[..., 0]
    padded = np.pad(grey, 1, mode=border if min(grey.shape) > 1 else "edge")
    down = padded[2:] - padded[:-2]
    across = padded[:, 2:] - padded[:, :-2]
    magnitude = np.hypot(down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:], across[:-2] + 2 * across[1:-1] + across[2:])
    largest = float(magnitude.max())
    scaled: FloatArray = (magnitude / largest if largest > 0 else magnitude).astype(np.float32)
    return scaled
