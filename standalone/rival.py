"""The JPEG that a compressed picture is compared with: optimised, progressive, of the same PSNR; for the demo."""

import io
from collections.abc import Callable
from math import inf

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]

_SUBSAMPLINGS = (0, 2)  # Pillow's names for 4:4:4 and 4:2:0
_QUALITIES = (1, 100)


def jpeg_bytes(original: Picture, psnr_db: float, measure_db: Callable[[Picture], float]) -> float:
    """Bytes that a JPEG takes for a quality, the better of full and halved colours; infinite if none is so good.

    Args:
        original: photograph to compress, uint8 (height, width, 3), sRGB.
        psnr_db: the quality.
        measure_db: quality of a decoded picture.

    Returns:
        Interpolated between the two settings around the quality: a JPEG of exactly that quality need not exist.
    """
    return min(_bytes_with(original, psnr_db, measure_db, subsampling) for subsampling in _SUBSAMPLINGS)


def _bytes_with(original: Picture, psnr_db: float, measure_db: Callable[[Picture], float], subsampling: int) -> float:
    def coded(quality: int) -> tuple[float, float]:
        """Size and quality of one setting."""
        stream = io.BytesIO()
        image = Image.fromarray(original)
        image.save(stream, "JPEG", quality=quality, optimize=True, progressive=True, subsampling=subsampling)
        return float(stream.tell()), measure_db(np.asarray(Image.open(stream)))

    low, high = _QUALITIES
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if coded(middle)[1] < psnr_db else (low, middle)
    (smaller, worse_db), (larger, better_db) = coded(low), coded(high)
    if better_db < psnr_db:
        return inf
    share = (psnr_db - worse_db) / (better_db - worse_db) if better_db > worse_db else 1.0
    return smaller + min(max(share, 0.0), 1.0) * (larger - smaller)
