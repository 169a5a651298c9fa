"""Pictures that are too large to be held as values: arrays as they lie in memory or on disk, and decoded files."""

import warnings
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from tuner.signal.image import ImageLimits, read_stored_image
from tuner.signal.large import LargeSignal, Samples, picture_of_samples
from tuner.signal.limits import STORED_LIMITS

_PICTURE_DTYPES: Final = (np.dtype(np.uint8), np.dtype(np.uint16))
_MOST_CHANNELS: Final = 4
# What a reader of files in tiles allows, too: four times as many pixels as a picture has that is held as values.
LARGE_LIMITS: Final = ImageLimits(max_pixels=STORED_LIMITS.points, max_side=2**16)


def large_picture(given: Any, more_than: int, limits: ImageLimits = LARGE_LIMITS) -> LargeSignal | None:
    """A picture of many values, as it is stored; None for anything else, which `tuner.signal.given.signal_of` takes.

    Args:
        given: an array of bytes or 16-bit integers, (height, width) or (height, width, 1 to 4), in memory or
            memory-mapped, or the path of a picture, or the content of its file.
        more_than: number of values that the picture must have more than.
        limits: held against the header of a file before anything is decoded.

    Raises:
        SignalError: if it is the path of a picture that is large enough and cannot be decoded.
    """
    if isinstance(given, str | Path | bytes):
        source = Path(given) if isinstance(given, str) else given
        if _values_of_file(source) <= more_than:
            return None
        stored = read_stored_image(source, limits)
        return picture_of_samples(stored.samples, stored.icc_profile)
    if not isinstance(given, Samples) or isinstance(given, np.ma.MaskedArray) or _module(given) == "torch":
        return None
    shape = tuple(given.shape)
    is_picture = np.dtype(given.dtype).newbyteorder("=") in _PICTURE_DTYPES and (
        len(shape) == 2 or (len(shape) == 3 and shape[2] <= _MOST_CHANNELS)
    )
    return picture_of_samples(given) if is_picture and prod(shape) > more_than else None


def _module(given: Any) -> str:
    return type(given).__module__.partition(".")[0]


def _values_of_file(source: Path | bytes) -> int:
    """Number of values of a picture, from its header; 0 for what is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(
                BytesIO(source) if isinstance(source, bytes) else source, formats=("PNG", "JPEG", "WEBP", "TIFF")
            ) as image:
                frames = getattr(image, "n_frames", 1)
                return 0 if frames > 1 else image.width * image.height * len(image.getbands())
        except Exception:  # whoever reads the file says what is wrong with it
            return 0
