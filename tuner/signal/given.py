"""What a Python program has at hand, as a signal: a path, an array, a tensor, a picture, a list.

An array says nothing about what its axes mean, so there is one rule, and words to say otherwise. Bytes and 16-bit
integers of shape (height, width) or (height, width, 1 to 4) are pictures. Everything else is an array: every axis is an
axis of the grid, but for a last one of at most four entries behind at least two others, which holds channels. With a
sample rate it is a sound. Arrays keep their dtype, so that what is decoded later has the dtype that went in.
"""

from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from tuner.errors import InvalidSignal
from tuner.signal.array import array_signal
from tuner.signal.details import AudioDetails
from tuner.signal.formats import read_signal
from tuner.signal.image import in_plain_mode, orientation_of
from tuner.signal.kind import SignalKind
from tuner.signal.objects import plain_array
from tuner.signal.orientation import upright
from tuner.signal.samples import SampleFormat, Storage
from tuner.signal.signal import Signal

_PICTURE_DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16))
_MOST_CHANNELS = 4
_MOST_VALUE: Final = 2.0  # of a picture whose largest level is 1: interpolation overshoots by less
_NUMBERS_OF_PILLOW: Final = {"I", "F", "I;16", "I;16L", "I;16B", "I;16N"}


def signal_of(given: Any, *, sample_rate: int | None = None, channels_last: bool | None = None) -> Signal:
    """The signal that some object of a Python program stands for.

    Example:
        >>> import numpy as np
        >>> signal_of(np.zeros((8, 6, 3), dtype=np.uint8)).kind.value
        'image'
        >>> signal_of(np.random.default_rng(0).normal(size=(8, 6, 5))).grid_shape
        (8, 6, 5)
        >>> signal_of([0, 3, -5, 2], sample_rate=8000).kind.value
        'audio'

    Args:
        given: a signal, the path of a file, a Pillow picture, or anything that numpy makes an array of numbers from:
            an array of any integer or floating dtype, contiguous or not, memory-mapped or read-only, a list, a torch
            tensor on any device, a data frame of numbers, an xarray.DataArray.
        sample_rate: samples per second of a sound, in Hz, which makes an array (samples,) or (samples, channels) a
            sound; None if it is none.
        channels_last: whether the last axis of an array holds channels instead of samples; None to let the shape
            decide.

    Returns:
        The signal.

    Raises:
        InvalidSignal: if the object is no array of numbers, is masked, empty or holds NaN or infinity.
        SignalError: if it is the path of a file that cannot be read; see `tuner.signal.formats.read_signal`.
    """
    if isinstance(given, Signal):
        _check_range(given)
        return given
    if isinstance(given, str | PathLike):
        return read_signal(Path(given))
    if isinstance(given, Image.Image):
        return _of_pillow(given)
    samples = plain_array(given)
    if samples.ndim < 1 or samples.size == 0:
        raise InvalidSignal(f"the array has shape {samples.shape}, expected at least one axis, and none of them empty")
    if sample_rate is not None:
        return _sound(samples, sample_rate)
    if channels_last is None:
        channels_last = samples.ndim >= 3 and samples.shape[-1] <= _MOST_CHANNELS
    if _is_of_picture(samples) and samples.ndim == 2 + channels_last:
        return _picture(samples if channels_last else samples[..., None])
    return array_signal(samples, channels_last=channels_last)


def _of_pillow(picture: Any) -> Signal:
    """What a file of this picture would be read as: upright, palette and inks as colours."""
    orientation = orientation_of(picture)
    plain = picture if picture.mode in _NUMBERS_OF_PILLOW else in_plain_mode(picture)
    samples = np.asarray(plain)
    samples = upright(samples if samples.ndim == 3 else samples[..., None], orientation)
    if not _is_of_picture(samples):
        return array_signal(samples, channels_last=True)
    profile = None if picture.mode == "CMYK" else picture.info.get("icc_profile")
    return replace(_picture(samples), icc_profile=profile)


def _is_of_picture(samples: np.ndarray) -> bool:
    """Whether the elements are those of a picture, in either byte order."""
    return samples.dtype.newbyteorder("=") in _PICTURE_DTYPES


def _check_range(signal: Signal) -> None:
    """Numbers of 0 to 255 in a signal whose values are shares of the largest level would all be white."""
    natural = signal.sample_format.is_integer and signal.scaling is None
    if signal.kind in {SignalKind.IMAGE, SignalKind.VIDEO} and natural:
        low, high = float(signal.values.min()), float(signal.values.max())
        if high > _MOST_VALUE or low < 1.0 - _MOST_VALUE:
            raise InvalidSignal(
                f"values of the {signal.kind} span {low:.6g} to {high:.6g}, expected 0 to 1: divide them by their "
                "largest, for example 255, or give an array of uint8"
            )


def _picture(samples: np.ndarray) -> Signal:
    return _stored(samples, SignalKind.IMAGE)


def _sound(samples: np.ndarray, sample_rate: int) -> Signal:
    if samples.ndim > 2:
        raise InvalidSignal(f"the sound has shape {samples.shape}, expected (samples,) or (samples, channels)")
    if samples.dtype.kind == "u":
        raise InvalidSignal(f"the sound is {samples.dtype}, expected signed integers or floats: subtract its middle")
    return _stored(samples.reshape(len(samples), -1), SignalKind.AUDIO, AudioDetails(sample_rate=sample_rate))


def _stored(samples: np.ndarray, kind: SignalKind, details: AudioDetails | None = None) -> Signal:
    sample_format = SampleFormat.of(samples.dtype)
    native = samples.astype(samples.dtype.newbyteorder("="))
    values = np.ascontiguousarray(Storage(sample_format).to_values(native), dtype=np.float32)
    return Signal(values=values, kind=kind, sample_format=sample_format, details=details)
