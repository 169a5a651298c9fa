"""Meshes to signed distance fields and back: readers of our own, marching cubes through scikit-image, STL by trimesh.

A mesh becomes a grid of distances to its surface, negative inside, in a box of cubic cells around it
(`tuner.signal.distance` measures them). Where the network is zero is the surface; marching cubes on any grid finds it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from tuner.errors import DamagedSignal, InvalidSignal, SignalError
from tuner.shapes import DoubleArray, IndexArray
from tuner.signal.details import DistanceDetails
from tuner.signal.distance import signed_distances
from tuner.signal.extras import require
from tuner.signal.limits import SignalLimits
from tuner.signal.obj import read_obj
from tuner.signal.ply import read_ply
from tuner.signal.samples import SampleFormat, Scaling, Storage
from tuner.signal.signal import Signal, SignalKind
from tuner.signal.stl import read_stl
from tuner.signal.triangles import Heed, Mesh, nobody

RESOLUTION: Final = 64
# Around the mesh, as a share of its longest side, so that the surface never touches the border.
_MARGIN: Final = 0.1
_MOST_ROUNDING: Final = 0.01  # of the distance of two samples
# Share of the samples within a step of the surface; of a closed one about half are inside.
_LEAST_INSIDE: Final = 0.05
_MOST_COORDINATE: Final = 1e100
_FLAT: Final = 1e-14  # square of thickness over width
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def read_mesh_field(
    data: bytes, limits: SignalLimits, file_type: str, *, resolution: int = RESOLUTION, heed: Heed = nobody
) -> Signal:
    """Decode a mesh into the signed distances around it, a signal of shape (x, y, z, 1).

    Args:
        data: content of the file.
        limits: held against the header, where there is one, and against the mesh.
        file_type: "obj", "ply" or "stl".
        resolution: samples along the longest side, >= 4; the others get as many cells of the same size as they need.
        heed: called several times a second while distances are measured; what it raises ends the reading.

    Returns:
        The signal; its details say where the grid lies, in the units of the mesh.

    Raises:
        UnsupportedFormat: if it is made of free-form surfaces, or trimesh, scipy or scikit-image is not installed.
        DamagedSignal: if it is truncated or corrupt.
        InvalidSignal: if it has no faces, or they enclose nothing, or a vertex is NaN or infinite.
        SignalTooLarge: if it is over a limit.
    """
    mesh = read_mesh(data, limits, file_type)
    signal = distance_signal(mesh, resolution, limits, heed)
    near = signal.values[np.abs(signal.values) <= 2.0 / max(signal.grid_shape)]
    if (near < 0.0).mean() < _LEAST_INSIDE if near.size else True:
        # Nothing to write back after the fit: there would be no surface, or scraps of one.
        raise InvalidSignal(
            f"the mesh encloses next to none of the {'x'.join(map(str, signal.grid_shape))} samples: it is open, or "
            "thinner than their distance: close it, give it some thickness, or ask for a higher resolution"
        )
    return signal


def read_mesh(data: bytes, limits: SignalLimits, file_type: str) -> Mesh:
    """Decode a mesh into triangles; arguments and errors are those of `read_mesh_field`."""
    read = {"obj": read_obj, "ply": read_ply, "stl": read_stl}[file_type]
    try:
        vertices, faces = read(data.removeprefix(BYTE_ORDER_MARK), limits)
    except SignalError:
        raise
    except Exception as error:  # numbers that no array holds, for example
        raise DamagedSignal(f"the mesh is truncated or corrupt: {error}") from error
    limits.check("faces", len(faces))
    if faces.ndim != 2 or not len(faces):
        raise InvalidSignal("the mesh has no faces, expected triangles that enclose something")
    if not np.isfinite(vertices).all():
        raise InvalidSignal("a vertex of the mesh is NaN or infinite: repair the mesh first")
    if np.abs(vertices).max() > _MOST_COORDINATE:
        raise InvalidSignal(
            f"a coordinate of the mesh is {np.abs(vertices).max():g}, expected at most {_MOST_COORDINATE:g}: its "
            "square is no number any more, so choose another unit"
        )
    if faces.min() < 0 or faces.max() >= len(vertices):
        wrong = int(faces.min() if faces.min() < 0 else faces.max())
        raise DamagedSignal(
            f"a face refers to vertex {wrong}, expected 0 to {len(vertices) - 1}, counted from 0: the mesh is corrupt"
        )
    _refuse_flat(vertices[np.unique(faces)])
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
    vertices, faces = surface.vertices, surface.faces
    if file_type == "ply":
        return _ply(vertices, faces)
    if file_type == "obj":
        lines = [f"v {x:.15g} {y:.15g} {z:.15g}" for x, y, z in vertices.tolist()]
        lines += [f"f {a} {b} {c}" for a, b, c in (faces + 1).tolist()]
        return "\n".join([*lines, ""]).encode()
    trimesh = require("trimesh", "mesh")
    spacing = min(signal.details.spacing) if isinstance(signal.details, DistanceDetails) else 1.0
    if float(np.spacing(np.float32(np.abs(vertices).max()))) > _MOST_ROUNDING * spacing:
        raise InvalidSignal(
            f"coordinates reach {np.abs(vertices).max():.10g}, where the single precision of an STL is coarser "
            "than the surface: write a .ply or an .obj"
        )
    return bytes(trimesh.Trimesh(vertices, faces, process=False).export(file_type=file_type))


def _ply(vertices: DoubleArray, faces: IndexArray) -> bytes:
    """Coordinates in double precision: those of maps reach millions of metres."""
    header = (
        f"ply\nformat binary_little_endian 1.0\nelement vertex {len(vertices)}\n"
        "property double x\nproperty double y\nproperty double z\n"
        f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    records = np.empty(len(faces), dtype=[("count", "u1"), ("corners", "<i4", (3,))])
    records["count"], records["corners"] = 3, faces
    return header.encode() + vertices.astype("<f8").tobytes() + records.tobytes()


def _refuse_flat(vertices: DoubleArray) -> None:
    """A mesh in a plane has no inside, so that nothing of it would come back."""
    middle = vertices - vertices.mean(0)
    thinnest, _, widest = np.linalg.eigvalsh(middle.T @ middle)
    if thinnest <= _FLAT * widest:
        raise InvalidSignal("the mesh is flat, all of its vertices lie in one plane: it encloses nothing, extrude it")
