"""The JPEG that the demo compares with is the smallest of the same quality, found by settings."""

import io
from math import inf

import numpy as np
import pytest
from PIL import Image

from standalone.rival import Picture, jpeg_bytes
from tuner.metrics import psnr_db

_WAVES = np.sin(np.arange(64)[:, None] / 5.0 + np.arange(48) / 9.0)
PICTURE = np.rint(120 + 90 * _WAVES[..., None] * np.array([1.0, 0.5, -0.3])).astype(np.uint8)


def quality_db(decoded: Picture) -> float:
    return psnr_db((PICTURE / 255.0).astype(np.float32), (decoded / 255.0).astype(np.float32))


def coded(quality: int, subsampling: int) -> tuple[int, float]:
    stream = io.BytesIO()
    image = Image.fromarray(PICTURE)
    image.save(stream, "JPEG", quality=quality, optimize=True, progressive=True, subsampling=subsampling)
    return stream.tell(), quality_db(np.asarray(Image.open(stream)))


@pytest.mark.parametrize("psnr", [28.0, 34.0])
def test_it_is_no_larger_than_any_setting_that_is_so_good(psnr: float) -> None:
    sizes = [size for q in range(5, 96, 10) for s in (0, 2) for size, quality in [coded(q, s)] if quality >= psnr]
    worse = [size for q in range(5, 96, 10) for size, quality in [coded(q, 2)] if quality < psnr]
    assert max(worse, default=0) * 0.8 < jpeg_bytes(PICTURE, psnr, quality_db) <= min(sizes)


def test_no_jpeg_is_perfect() -> None:
    assert jpeg_bytes(PICTURE, 90.0, quality_db) == inf
