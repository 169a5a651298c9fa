"""Tiny files of every kind of signal, generated: what the tests of readers, writers and fits share."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from tuner.shapes import FloatArray
from tuner.signal.details import AudioDetails, VideoDetails, VolumeDetails
from tuner.signal.mesh import distance_signal
from tuner.signal.samples import SampleFormat, Scaling
from tuner.signal.signal import Signal, SignalKind
from tuner.signal.triangles import Mesh

AFFINE = (-2.0, 0.0, 0.0, 30.0, 0.0, 2.0, 0.0, -40.0, 0.0, 0.0, 3.5, -20.0, 0.0, 0.0, 0.0, 1.0)


def chirp(samples: int = 512, channels: int = 1) -> FloatArray:
    """A tone that rises, in [-1, 1], each channel a little later."""
    t = np.linspace(0, 1, samples)[:, None] + 0.1 * np.arange(channels)
    values: FloatArray = (0.7 * np.sin(2 * np.pi * (4 * t + 14 * t * t)) * np.exp(-t)).astype(np.float32)
    return values


def blob(shape: tuple[int, ...] = (12, 10, 8)) -> FloatArray:
    """A soft ball beside a plane, in [0, 1]."""
    axes = np.meshgrid(*(np.linspace(-1, 1, samples) for samples in shape), indexing="ij")
    distance = np.sqrt(sum(np.square(axis - 0.1) for axis in axes))
    values = 0.7 / (1 + np.exp(12 * (distance - 0.6))) + 0.15 * (axes[0] + 1)
    scaled: FloatArray = ((values - values.min()) / np.ptp(values)).astype(np.float32)
    return scaled[..., None]


def clip(frames: int = 6, height: int = 16, width: int = 20) -> FloatArray:
    """A disc that crosses a gradient."""
    t, y, x = np.meshgrid(
        np.linspace(-1, 1, frames), np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij"
    )
    disc = 1 / (1 + np.exp(12 * (np.hypot(x - 0.6 * t, y) - 0.4)))
    return np.stack([disc, 0.5 + 0.4 * x * y, 0.5 - 0.3 * y * disc], -1).astype(np.float32)


def octahedron(radius: float = 1.5, centre: float = 10.0) -> Mesh:
    """Eight faces around a point that is not the origin, seen from outside counter-clockwise."""
    corners = radius * np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=np.float64)
    faces = [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]]
    return Mesh(corners + centre, np.array(faces, dtype=np.int64))


def torus(around: int = 24, across: int = 12, radius: float = 0.4) -> Mesh:
    """A tube of that radius around a circle of radius 1 in the plane z = 0, with 2 x around x across faces."""
    u, v = np.meshgrid(*(np.linspace(0, 2 * np.pi, count, endpoint=False) for count in (around, across)), indexing="ij")
    reach = 1 + radius * np.cos(v)
    corners = np.stack([reach * np.cos(u), reach * np.sin(u), radius * np.sin(v)], -1).reshape(-1, 3)
    index = np.arange(around * across).reshape(around, across)
    a, b = index, np.roll(index, -1, 0)
    c, d = np.roll(a, -1, 1), np.roll(b, -1, 1)
    return Mesh(corners, np.concatenate([np.stack(face, -1).reshape(-1, 3) for face in ((a, b, c), (b, d, c))]))


def apart(mesh: Mesh) -> Mesh:
    """The same triangles, none of which shares a corner with another, moved so little that it cannot be seen."""
    corners = mesh.triangles.reshape(-1, 3)
    shaken = corners + 1e-6 * np.random.default_rng(3).standard_normal(corners.shape)
    return Mesh(shaken, np.arange(len(corners)).reshape(-1, 3))


def obj(mesh: Mesh) -> bytes:
    """A mesh as a file."""
    lines = [f"v {x} {y} {z}" for x, y, z in mesh.vertices] + [f"f {a} {b} {c}" for a, b, c in mesh.faces + 1]
    return "\n".join(["# made by a test", *lines, ""]).encode()


def octahedron_obj() -> bytes:
    """The octahedron as a file."""
    return obj(octahedron())


def npy(array: NDArray[np.generic]) -> bytes:
    """An array as a file."""
    file = BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


SIGNALS: dict[str, Signal] = {
    "image": Signal(values=blob((9, 14))),
    "sound": Signal(
        values=chirp(channels=2),
        kind=SignalKind.AUDIO,
        sample_format=SampleFormat.S16,
        details=AudioDetails(sample_rate=8000),
    ),
    "volume": Signal(
        values=blob(),
        kind=SignalKind.VOLUME,
        sample_format=SampleFormat.S16,
        scaling=Scaling(4095.0, -1024.0),
        details=VolumeDetails(affine=AFFINE, space_unit="mm", codes=(1, 1)),
    ),
    "video": Signal(values=clip(), kind=SignalKind.VIDEO, details=VideoDetails(rate=(30000, 1001))),
    "mesh": distance_signal(octahedron(), resolution=16),
    "array": Signal(
        values=blob((6, 5, 4, 3)), kind=SignalKind.ARRAY, sample_format=SampleFormat.F64, scaling=Scaling(3e-4, -7.0)
    ),
}
