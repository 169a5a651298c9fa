"""Signals of every kind, generated or from what a library ships: for pictures of the pages, and for benchmarks."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from skimage import data

from tuner.signal.array import array_signal
from tuner.signal.details import AudioDetails, VideoDetails, VolumeDetails
from tuner.signal.formats import read_signal
from tuner.signal.samples import SampleFormat
from tuner.signal.signal import Signal, SignalKind


def photo() -> Signal:
    """A part of a photograph that scikit-image ships."""
    return Signal(values=(data.astronaut()[0:128, 160:288] / 255.0).astype(np.float32))


def sound() -> Signal:
    """Half a second of four plucked strings."""
    t = np.arange(11025) / 22050.0
    notes = [(220.0, 0.0), (277.2, 0.1), (329.6, 0.2), (440.0, 0.3)]
    strings = (
        np.where(
            t >= start,
            np.exp(-6 * (t - start)) * sum(np.sin(2 * np.pi * n * f * (t - start)) / n**2 for n in (1, 2, 3)),
            0,
        )
        for f, start in notes
    )
    values = 0.3 * sum(strings)
    return Signal(
        values=np.asarray(values, np.float32)[:, None],
        kind=SignalKind.AUDIO,
        sample_format=SampleFormat.S16,
        details=AudioDetails(sample_rate=22050),
    )


def volume() -> Signal:
    """A phantom: a shell, two hollows and a rod, as 16-bit integers in a space of 2 mm cells."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in (40, 44, 36)), indexing="ij")

    def ball(a: float, b: float, c: float, radius: float) -> Any:
        return 1 / (1 + np.exp(18 * (np.sqrt((z - a) ** 2 + (y - b) ** 2 + (x - c) ** 2) - radius)))

    density = (
        900 * ball(0, 0, 0, 0.85)
        - 500 * ball(0, 0, 0, 0.7)
        - 300 * ball(0.2, -0.3, 0, 0.25)
        + 700 * ball(-0.2, 0.3, 0.1, 0.2)
    )
    signal = array_signal(np.rint(density).astype(np.int16))
    affine = (2.0, 0.0, 0.0, -40.0, 0.0, 2.0, 0.0, -44.0, 0.0, 0.0, 2.0, -36.0, 0.0, 0.0, 0.0, 1.0)
    return Signal(
        values=signal.values,
        kind=SignalKind.VOLUME,
        sample_format=signal.sample_format,
        scaling=signal.scaling,
        details=VolumeDetails(affine=affine, space_unit="mm", codes=(1, 1)),
    )


def video() -> Signal:
    """A ball that rolls over a striped floor."""
    t, y, x = np.meshgrid(np.linspace(0, 1, 24), np.linspace(-1, 1, 48), np.linspace(-1, 1, 64), indexing="ij")
    ball = 1 / (1 + np.exp(30 * (np.hypot(x - 1.4 * t + 0.7, y - 0.3 * np.cos(6 * t)) - 0.3)))
    floor = 0.5 + 0.2 * np.sin(9 * x + 3 * y)
    values = np.stack(
        [floor + (0.95 - floor) * ball, floor * (1 - 0.6 * ball), 0.4 * (1 - ball) + 0.1 * y * (1 - ball)], -1
    )
    return Signal(
        values=np.clip(values, 0, 1).astype(np.float32), kind=SignalKind.VIDEO, details=VideoDetails(rate=(24, 1))
    )


def knot() -> bytes:
    """A knot as an OBJ file."""
    u, v = np.meshgrid(
        np.linspace(0, 2 * np.pi, 120, endpoint=False), np.linspace(0, 2 * np.pi, 16, endpoint=False), indexing="ij"
    )
    centre = np.stack([np.sin(u) + 2 * np.sin(2 * u), np.cos(u) - 2 * np.cos(2 * u), -np.sin(3 * u)], -1)
    along = np.gradient(centre[:, 0], axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.cross(along, [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(side, along)
    points = centre + 0.45 * (np.cos(v)[..., None] * side[:, None] + np.sin(v)[..., None] * up[:, None])
    lines = [f"v {a:.5f} {b:.5f} {c:.5f}" for a, b, c in points.reshape(-1, 3)]
    for i in range(120):
        for j in range(16):
            a, b = 16 * i + j, 16 * i + (j + 1) % 16
            c, d = 16 * ((i + 1) % 120) + j, 16 * ((i + 1) % 120) + (j + 1) % 16
            lines += [f"f {a + 1} {b + 1} {c + 1}", f"f {b + 1} {d + 1} {c + 1}"]
    return "\n".join(lines).encode()


def mesh() -> Signal:
    """The distances to a knot."""
    return read_signal(knot(), resolution=48)


def pan() -> Signal:
    """A view that moves over a photograph which scikit-image ships: 24 frames of 96 x 128."""
    photograph, frames = data.astronaut() / 255.0, []
    for frame in range(24):
        y, x = round(40 + 1.5 * frame), 120 + 2 * frame
        frames.append(photograph[y : y + 192, x : x + 256].reshape(96, 2, 128, 2, 3).mean((1, 3)))
    values = (np.rint(255.0 * np.stack(frames)) / 255.0).astype(np.float32)
    return Signal(values=values, kind=SignalKind.VIDEO, details=VideoDetails(rate=(24, 1)))


def head() -> Signal:
    """Magnetic resonance of a head, which nibabel ships: the first moment of its example, 128 x 96 x 24, 16 bits."""
    example = nibabel.load(Path(nibabel.__file__).parent / "tests" / "data" / "example4d.nii.gz")
    signal = array_signal(np.asarray(example.dataobj)[..., 0].astype(np.int16))
    return Signal(
        values=signal.values,
        kind=SignalKind.VOLUME,
        sample_format=signal.sample_format,
        scaling=signal.scaling,
        details=VolumeDetails(),
    )


def terrain() -> Signal:
    """Heights in metres, as doubles: a few waves and a crater."""
    y, x = np.meshgrid(np.linspace(-1, 1, 90), np.linspace(-1, 1, 120), indexing="ij")
    r = np.hypot(x - 0.3, y + 0.2)
    heights = (
        800
        + 120 * np.sin(4 * x + 2 * y)
        + 60 * np.cos(7 * y - 3 * x)
        - 300 * np.exp(-25 * r**2)
        + 90 * np.exp(-90 * (r - 0.3) ** 2)
    )
    return array_signal(heights)
