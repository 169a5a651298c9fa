"""The tiny signals that tests share, as data: small enough to fit in a moment, none of them square."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tuner.shapes import FloatArray
from tuner.signal.signal import SampleFormat, Signal


@dataclass(frozen=True)
class Case:
    """A signal, and the quality that a quick fit of it must reach."""

    name: str
    make: Callable[[], FloatArray]
    sample_format: SampleFormat
    least_psnr_db: float

    def signal(self) -> Signal:
        return Signal(values=self.make(), sample_format=self.sample_format)


def waves() -> FloatArray:
    """48 x 32, grey: three waves and an edge."""
    y, x = np.meshgrid(np.linspace(-1, 1, 48), np.linspace(-1, 1, 32), indexing="ij")
    values = 0.5 + 0.2 * np.sin(9 * x + 4 * y) + 0.1 * np.cos(14 * y) + np.where(x + 0.3 * y > 0.2, 0.15, -0.15)
    return values.astype(np.float32)[..., None]


def colours() -> FloatArray:
    """24 x 40, RGB: a disc on a gradient."""
    y, x = np.meshgrid(np.linspace(-1, 1, 24), np.linspace(-1, 1, 40), indexing="ij")
    disc = 1.0 / (1.0 + np.exp(20 * (np.hypot(x, y) - 0.6)))
    return np.stack([disc, 0.5 + 0.4 * x * y, 0.5 - 0.3 * y * disc], axis=-1).astype(np.float32)


def noise() -> FloatArray:
    """16 x 20 with alpha: nothing to hold on to."""
    return np.random.default_rng(5).random((16, 20, 4), dtype=np.float32)


CASES = [
    Case("waves", waves, SampleFormat.U8, 35.0),
    Case("colours", colours, SampleFormat.U16, 40.0),
    Case("noise", noise, SampleFormat.U8, 20.0),
]
