"""The picture that a configuration trains on when nobody has given one: made by a formula, the same everywhere.

It has what networks find easy and hard in photographs: slopes of light, hard edges, thin lines, texture, and rings that
get finer outwards, up to half of what the pixels can hold.
"""

from typing import Final

import numpy as np

from tuner.signal.samples import SampleFormat
from tuner.signal.signal import Signal

SAMPLE: Final = "sample"  # what `image` says instead of a path
_SIDE: Final = 512


def sample_picture() -> Signal:
    """512 x 512 pixels of 8 bits, red, green and blue.

    Example:
        >>> sample_picture().values.shape
        (512, 512, 3)
    """
    y, x = np.meshgrid(*(np.linspace(0.0, 1.0, _SIDE),) * 2, indexing="ij")
    picture = np.stack([0.35 + 0.4 * y, 0.5 + 0.25 * y, 0.85 - 0.3 * y], -1)  # a sky
    _put(picture, np.hypot(x - 0.72, y - 0.22) < 0.1, (0.98, 0.9, 0.55))
    for number, colour in enumerate([(0.45, 0.5, 0.6), (0.3, 0.42, 0.4), (0.2, 0.32, 0.2)]):
        ridge = 0.48 + 0.12 * number + 0.05 * np.sin(7 * x + 2 * number) + 0.02 * np.sin(23 * x + 5 * number)
        _put(picture, y > ridge, colour)
    texture = 0.05 * np.sin(90 * x + 12 * np.sin(9 * y)) * np.sin(70 * y + 8 * np.sin(11 * x))
    picture += np.where(y > 0.7, texture, 0.0)[..., None]
    wall = (np.abs(x - 0.25) < 0.13) & (y > 0.45) & (y < 0.85)
    joint = (np.mod(y * 40, 1.0) < 0.12) | (np.mod(x * 20 + 0.5 * np.floor(y * 40), 1.0) < 0.08)
    _put(picture, wall, (0.62, 0.3, 0.22))
    _put(picture, wall & joint, (0.8, 0.76, 0.7))
    waves = 0.5 + 0.5 * np.cos(0.25 * np.pi * _SIDE * ((x - 0.75) ** 2 + (y - 0.75) ** 2) / 0.2)
    disc = np.hypot(x - 0.75, y - 0.75) < 0.2
    picture[disc] = (waves[..., None] * [0.9, 0.85, 0.8])[disc]
    levels = np.rint(np.clip(picture, 0.0, 1.0) * 255.0)
    return Signal(values=(levels / 255.0).astype(np.float32), sample_format=SampleFormat.U8)


def _put(picture: np.ndarray, where: np.ndarray, colour: tuple[float, float, float]) -> None:
    picture[where] = colour
