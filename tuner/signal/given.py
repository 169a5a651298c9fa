"""What a Python program has at hand, as a signal: a path, an array, a tensor, a picture, a list.

An array says nothing about what its axes mean, so there is one rule, and words to say otherwise. Bytes and 16-bit
integers of shape (height, width) or (height, width, 1 to 4) are pictures. Everything else is an array: every axis is an
axis of the grid, but for a last one of at most four entries behind at least two others, which holds channels. With a
sample rate it is a sound. Arrays keep their dtype, so that what is decoded later has the dtype that went in.
"""

from pathlib import Path
from typing import Any

import numpy as np

from tuner.errors import InvalidSignal
from tuner.signal.array import array_signal
from tuner.signal.details import AudioDetails
from tuner.signal.formats import read_signal
from tuner.signal.kind import SignalKind
from tuner.signal.samples import SampleFormat, Storage
from tuner.signal.signal import Signal

_PICTURE_DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16))
_MOST_CHANNELS = 4


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
        given: a signal, the path of a file, or anything that numpy makes an array of numbers from: an array of any
            integer or floating dtype, contiguous or not, a torch tensor on any device, a list, a Pillow picture.
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
        return given
    if isinstance(given, str | Path):
        return read_signal(Path(given))
    samples = _array(given)
    if sample_rate is not None:
        return _sound(samples, sample_rate)
    if channels_last is None:
        channels_last = samples.ndim >= 3 and samples.shape[-1] <= _MOST_CHANNELS
    if samples.dtype in _PICTURE_DTYPES and samples.ndim == 2 + channels_last:
        return _picture(samples if channels_last else samples[..., None])
    return array_signal(samples, channels_last=channels_last)


def _array(given: Any) -> np.ndarray:
    if isinstance(given, np.ma.MaskedArray) and np.ma.is_masked(given):
        raise InvalidSignal(
            f"{np.count_nonzero(given.mask)} of {given.size} samples are masked, expected samples everywhere: fill "
            "them, or fit the others as scattered samples (tuner.scattered_signal)"
        )
    if type(given).__module__.partition(".")[0] == "torch" and hasattr(given, "detach"):
        given = given.detach().cpu()
        if "bfloat16" in str(given.dtype):  # numpy has none, and no float32 differs from it
            given = given.float()
        given = given.numpy()
    try:
        samples = np.asarray(given)
    except Exception as error:  # an object's own __array__ may raise anything
        raise InvalidSignal(f"the {type(given).__name__} is no array of numbers: {error}") from error
    if samples.dtype.kind not in "iuf":
        raise InvalidSignal(
            f"the {type(given).__name__} makes an array of {samples.dtype}, expected a path, or integers or floats: "
            "convert it, for example with .astype(numpy.float32)"
        )
    if samples.ndim < 1 or samples.size == 0:
        raise InvalidSignal(f"the array has shape {samples.shape}, expected at least one axis, and none of them empty")
    return samples


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
