"""Meshes to signed distance fields and back: OBJ, PLY and STL through trimesh, marching cubes through scikit-image.

A mesh becomes a grid of distances to its surface, negative inside, in a box of cubic cells around it
(`tuner.signal.distance` measures them). Where the network is zero is the surface; marching cubes on any grid finds it.
"""

from dataclasses import dataclass
from io import BytesIO
from typing import Final

import numpy as np

from tuner.errors import DamagedSignal, InvalidSignal, SignalError
from tuner.shapes import DoubleArray
from tuner.signal.details import DistanceDetails
from tuner.signal.distance import signed_distances
from tuner.signal.extras import require
from tuner.signal.limits import SignalLimits
from tuner.signal.samples import SampleFormat, Scaling, Storage
from tuner.signal.signal import Signal, SignalKind
from tuner.signal.triangles import Heed, Mesh, nobody

RESOLUTION: Final = 64
# Around the mesh, as a share of its longest side, so that the surface never touches the border.
_MARGIN: Final = 0.1
_STL_HEADER, _STL_FACE = 84, 50  # bytes


def read_mesh_field(
    data: bytes, limits: SignalLimits, file_type: str, *, resolution: int = RESOLUTION, heed: Heed = nobody
) -> Signal:
    """Decode a mesh into the signed distances around it, a signal of shape (x, y, z, 1).

    Args:
        data: of the file.
        limits: held against the header, where there is one, and against the mesh.
        file_type: "obj", "ply" or "stl".
        resolution: samples along the longest side, >= 4; the others get as many cells of the same size as they need.
        heed: called several times a second while distances are measured; what it raises ends the reading.

    Returns:
        The signal; its details say where the grid lies, in the units of the mesh.

    Raises:
        UnsupportedFormat: if trimesh, scipy or scikit-image is not installed.
        DamagedSignal: if it is truncated or corrupt.
        InvalidSignal: if it has no faces or no extent, or a vertex is NaN or infinite.
        SignalTooLarge: if it is over a limit.
    """
    mesh = read_mesh(data, limits, file_type)
    return distance_signal(mesh, resolution, limits, heed)


def read_mesh(data: bytes, limits: SignalLimits, file_type: str) -> Mesh:
    """Decode a mesh into triangles; arguments and errors are those of `read_mesh_field`."""
    trimesh = require("trimesh", "mesh")
    _check_header(data, limits, file_type)
    try:
        loaded = trimesh.load_mesh(BytesIO(data), file_type=file_type, process=False, skip_materials=True)
        vertices, faces = np.asarray(loaded.vertices, dtype=np.float64), np.asarray(loaded.faces, dtype=np.int64)
    except SignalError:
        raise
    except Exception as error:  # a hostile file makes a decoder raise nearly anything
        raise DamagedSignal(f"the mesh is truncated or corrupt: {error}") from error
    limits.check("faces", len(faces))
    if faces.ndim != 2 or not len(faces):
        raise InvalidSignal("the mesh has no faces, expected triangles that enclose something")
    if not np.isfinite(vertices).all():
        raise InvalidSignal("a vertex of the mesh is NaN or infinite: repair the mesh first")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise DamagedSignal(f"a face refers to vertex {faces.max()} of {len(vertices)}: the mesh is corrupt")
    return Mesh(vertices, faces)


def distance_signal(
    mesh: Mesh,
    resolution: int = RESOLUTION,
    limits: SignalLimits = SignalLimits(),  # noqa: B008  frozen
    heed: Heed = nobody,
) -> Signal:
    """The signed distances around a mesh; see `read_mesh_field`."""
    grid = _box(mesh, resolution)
    limits.check("points", int(np.prod(grid.shape)))
    axes: list[DoubleArray] = [
        np.float64(first) + grid.cell * np.arange(count) for first, count in zip(grid.origin, grid.shape, strict=True)
    ]
    distances = signed_distances(mesh, axes, heed)
    # In coordinates the longest side of the grid is 2.
    scaling = Scaling(grid.cell * max(grid.shape) / 2.0)
    return Signal(
        values=Storage(SampleFormat.F32, scaling).to_values(distances[..., None]),
        kind=SignalKind.DISTANCE,
        sample_format=SampleFormat.F32,
        scaling=scaling,
        details=DistanceDetails(origin=grid.origin, spacing=(grid.cell, grid.cell, grid.cell)),
    )


def field_shape(mesh: Mesh, resolution: int = RESOLUTION) -> tuple[int, ...]:
    """Samples along each axis of the field that `distance_signal` would make, without making it."""
    return _box(mesh, resolution).shape


@dataclass(frozen=True, slots=True)
class _Box:
    """The grid around a mesh: its first sample, samples along each axis, and the distance between two."""

    origin: tuple[float, float, float]
    shape: tuple[int, ...]
    cell: float


def _box(mesh: Mesh, resolution: int) -> _Box:
    if resolution < 4:
        raise InvalidSignal(f"the resolution is {resolution}, expected at least 4 samples along the longest side")
    low, high = mesh.vertices[mesh.faces].min((0, 1)), mesh.vertices[mesh.faces].max((0, 1))
    longest = float((high - low).max())
    if not longest > 0.0:
        raise InvalidSignal("the mesh has no extent: all of its vertices are one point")
    cell = longest * (1.0 + 2.0 * _MARGIN) / resolution
    counts = [
        max(4, int(np.ceil(side / cell + 2.0 * _MARGIN * resolution / (1.0 + 2.0 * _MARGIN)))) for side in high - low
    ]
    counts = [min(count, resolution) for count in counts]
    x, y, z = ((low + high) / 2.0 - cell * (np.array(counts) - 1) / 2.0).tolist()
    return _Box((x, y, z), tuple(counts), cell)


def surface_of(signal: Signal) -> Mesh:
    """The surface on which a distance field is zero, by marching cubes, in the units of the mesh it came from.

    Raises:
        InvalidSignal: if the signal is no field of distances in three dimensions, or has no surface.
    """
    measure = require("skimage.measure", "mesh")
    if len(signal.grid_shape) != 3 or signal.channels != 1 or min(signal.grid_shape) < 2:
        raise InvalidSignal(f"values have shape {signal.values.shape}, expected (x, y, z, 1) of distances")
    values = signal.values[..., 0]
    if not values.min() < 0.0 < values.max():
        raise InvalidSignal("the field is nowhere zero: it has no surface to write")
    details = signal.details
    if not isinstance(details, DistanceDetails):
        details = DistanceDetails(origin=(0.0, 0.0, 0.0), spacing=(1.0, 1.0, 1.0))
    corners, faces, _, _ = measure.marching_cubes(values, 0.0, gradient_direction="descent")
    return Mesh(np.array(details.origin) + np.array(details.spacing) * corners, faces.astype(np.int64))


def write_mesh(signal: Signal, file_type: str) -> bytes:
    """Encode the surface of a distance field as "obj", "ply" or "stl"; errors are those of `surface_of`."""
    surface = surface_of(signal)
    trimesh = require("trimesh", "mesh")
    written = trimesh.Trimesh(surface.vertices, surface.faces, process=False).export(file_type=file_type)
    return written.encode() if isinstance(written, str) else bytes(written)


def _check_header(data: bytes, limits: SignalLimits, file_type: str) -> None:
    """What the formats with a header declare; an OBJ is as large as its text."""
    if file_type == "stl" and not data.lstrip().startswith(b"solid"):
        faces = int.from_bytes(data[_STL_HEADER - 4 : _STL_HEADER], "little")
        limits.check("faces", faces)
        missing = _STL_HEADER + _STL_FACE * faces - len(data)
        if missing > 0:
            raise DamagedSignal(f"the mesh lacks its last {missing} bytes: it is truncated")
    if file_type == "ply":
        header, separator, _ = data.partition(b"end_header")
        if not separator:
            raise DamagedSignal("the header of the PLY file has no end: it is truncated")
        for line in header.splitlines():
            words = line.split()
            if len(words) == 3 and words[0] == b"element":
                if not words[2].isdigit():
                    raise DamagedSignal(f"the PLY file declares {words[2]!r} elements, expected a number")
                limits.check("faces", int(words[2]) // (1 if words[1] == b"face" else 4))
