"""Small pictures to measure with: crops of photographs, or pictures whose spectrum falls as theirs does."""

from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 64  # pixels

Picture = np.ndarray


def small_pictures(count: int, folder: Path | None, seed: int) -> list[Picture]:
    """Crops of photographs, or pictures whose spectrum falls as that of photographs does."""
    random = np.random.default_rng(seed)
    if folder is None:
        return [made_up(random) for _ in range(count)]
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".png", ".jpg", ".webp"})
    found: list[Picture] = []
    for number in range(count):
        with Image.open(files[number % len(files)]) as photograph:
            values = np.asarray(photograph.convert("RGB"))
        y, x = (int(random.integers(0, length - SIDE + 1)) for length in values.shape[:2])
        found.append(np.ascontiguousarray(values[y : y + SIDE, x : x + SIDE]))
    return found


def made_up(random: np.random.Generator, side: int = SIDE) -> Picture:
    """A picture whose spectrum falls as that of photographs does.

    Args:
        random: source of random numbers.
        side: number of pixels of a side.
    """
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]) + 1.0 / side
    colours = random.normal(size=(3, 3)) * [1.0, 0.3, 0.15]
    planes = [
        np.fft.irfft2(np.fft.rfft2(random.normal(size=(side, side))) / frequency**1.4, (side, side)) for _ in range(3)
    ]
    planes = [plane / plane.std() for plane in planes]
    values = np.stack(planes, axis=-1) @ colours.T
    return np.clip(127.5 + 40.0 * values / values.std(), 0, 255).astype(np.uint8)
