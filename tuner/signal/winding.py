"""How often a mesh goes around a point: the generalised winding number, exactly, and fast on grids.

The winding number is the sum of the solid angles of all triangles over 4 pi (Jacobson, Kavan & Sorkine-Hornung 2013;
van Oosterom & Strackee 1983 for the angle): 1 inside a closed mesh, 0 outside, in between near a hole.
`winding_numbers` adds them up, which costs every point the whole mesh. On a grid there is a shorter way to the same
numbers. Seen from a point the mesh covers each direction some whole number of times, and that number changes only
where an edge is seen that a single face has. So it is the number of faces that a ray leaves by, less those it enters
by, which a grid counts for all points of a column at once, plus the solid angle of a fan from the opposite direction
over the border edges. Closed meshes have none, whatever their number of faces. Where triangles hardly share a corner,
corners that nearly touch are first made one. `tuner.signal.distance` asks for signs here.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from tuner.shapes import DoubleArray, IndexArray, IntArray
from tuner.signal.triangles import PAIRS, Heed, Mesh, expanded, nobody, welded

_TOUCHING: Final = 1e-3  # of a step of the grid, and of an edge
_AWRY: Final = (1.618e-8, 2.236e-8, 0.0)  # of the length of an axis


def winding_numbers(mesh: Mesh, points: DoubleArray, heed: Heed = nobody) -> DoubleArray:
    """How often the mesh goes around each point (P, 3), by the solid angle of each face."""
    middle = mesh.vertices.mean(0)
    a, b, c = (mesh.triangles - middle).transpose(1, 0, 2)
    # Of the corners seen from a point, a triple product is linear in the point and an inner product almost so:
    # matrices of points and faces take three multiplications an entry.
    volumes, across = np.einsum("fd,fd->f", a, np.cross(b, c)), np.cross(a, b) + np.cross(b, c) + np.cross(c, a)
    turns = np.empty(len(points))
    for part in np.array_split(np.arange(len(points)), max(1, -(-len(points) * len(a) // PAIRS))):
        heed()
        near = points[part] - middle
        square = np.einsum("pd,pd->p", near, near)[:, None]

        def inner(
            first: DoubleArray, second: DoubleArray, near: DoubleArray = near, square: DoubleArray = square
        ) -> DoubleArray:
            product: DoubleArray = square - near @ (first + second).T + np.einsum("fd,fd->f", first, second)
            return product

        la, lb, lc = (np.sqrt(np.maximum(inner(corner, corner), 0.0)) for corner in (a, b, c))
        scale = la * lb * lc + inner(a, b) * lc + inner(b, c) * la + inner(c, a) * lb
        turns[part] = np.arctan2(volumes - near @ across.T, scale).sum(1) / (2.0 * np.pi)
    return turns


class GridWinding:
    """Winding numbers at the points of a grid.

    Attributes:
        closed: whether every edge is passed as often one way as the other; numbers are then whole.

    Args:
        mesh: the triangles.
        axes: three evenly spaced axes.
        heed: called between pieces of the work.
    """

    def __init__(self, mesh: Mesh, axes: Sequence[DoubleArray], heed: Heed = nobody) -> None:
        # Off by less than matters, so that no border edge of a regular mesh lies right above or below a point.
        self._axes = [axis + share * (axis[-1] - axis[0]) for axis, share in zip(axes, _AWRY, strict=True)]
        self._heed = heed
        border = _border(mesh)
        if len(border[2]) > len(mesh.faces):
            # So little that no sample is on another side afterwards, unless it was as good as on the surface.
            step = max(float(np.ptp(axis)) / max(1, len(axis) - 1) for axis in axes)
            edges = np.linalg.norm(mesh.triangles - np.roll(mesh.triangles, 1, axis=1), axis=2)
            mesh = welded(mesh, _TOUCHING * min(step, float(np.median(edges))))
            border = _border(mesh)
        self._mesh = mesh
        self._starts, self._ends, self._times = border
        self.closed = not len(self._times)
        # Where nearly every edge is a border, the sum over faces is the shorter one.
        self._direct = len(self._times) > len(mesh.faces)
        self._leaving = np.zeros(0) if self._direct else leaving(mesh, self._axes, heed).reshape(-1)

    def at(self, indices: IndexArray) -> DoubleArray:
        """The numbers at points of the grid, by their place in row-major order (P,)."""
        shape = tuple(len(axis) for axis in self._axes)
        if self.closed:
            return self._leaving[indices].astype(np.float64)
        place = np.unravel_index(indices, shape)
        points = np.stack([axis[index] for axis, index in zip(self._axes, place, strict=True)], -1)
        if self._direct:
            return winding_numbers(self._mesh, points, self._heed)
        return self._leaving[indices] + self._fans(points)

    def _fans(self, points: DoubleArray) -> DoubleArray:
        """Solid angles of the triangles from straight down to both ends of each border edge, over 4 pi, (P,)."""
        turns = np.empty(len(points))
        for part in np.array_split(np.arange(len(points)), max(1, -(-len(points) * len(self._times) // PAIRS))):
            self._heed()
            a, b = (ends - points[part, None] for ends in (self._starts, self._ends))
            la, lb = np.linalg.norm(a, axis=-1), np.linalg.norm(b, axis=-1)
            volume = a[..., 1] * b[..., 0] - a[..., 0] * b[..., 1]
            scale = la * lb - a[..., 2] * lb - b[..., 2] * la + np.einsum("ped,ped->pe", a, b)
            turns[part] = np.arctan2(volume, scale) @ self._times / (2.0 * np.pi)
        return turns


def leaving(mesh: Mesh, axes: Sequence[DoubleArray], heed: Heed = nobody) -> IntArray:
    """For each point of a grid, how many faces the ray upwards from it leaves by, less those it enters by; (x, y, z).

    Seen along the rays every face is a triangle that covers a run of columns in each row of the grid. Where a run
    begins is worked out from one edge alone, the same for both faces that share it, so that no column slips between
    them or counts twice, and a closed mesh is entered as often as left on every ray.

    Args:
        mesh: the triangles.
        axes: positions along x, y and z, rising; rays go along z.
        heed: called between pieces of the work.
    """
    x_axis, y_axis, z_axis = axes
    steps = np.zeros((len(x_axis), len(y_axis), len(z_axis) + 1), dtype=np.int32)  # memory
    corners, turns = _by_height(mesh.triangles)
    low, high = (np.searchsorted(y_axis, corners[:, corner, 1]) for corner in (0, 2))
    wide = np.searchsorted(x_axis, corners[:, :, 0].max(1)) - np.searchsorted(x_axis, corners[:, :, 0].min(1))
    for some in _pieces((high - low) * wide):
        heed()
        item, place = expanded((high - low)[some])
        face, row = some[item], low[some][item] + place
        y = y_axis[row]
        first, second, third = corners[face].transpose(1, 0, 2)
        lower = (y < second[:, 1])[:, None]
        ends = (
            _at_height(first, third, y),
            _at_height(np.where(lower, first, second), np.where(lower, second, third), y),
        )
        # Counter-clockwise faces are left, and have the long side first if their corners rise in that order.
        forward = ends[0][:, 0] <= ends[1][:, 0]
        begin, end = (np.where(forward[:, None], ends[i], ends[1 - i]) for i in (0, 1))
        left, right = np.searchsorted(x_axis, begin[:, 0]), np.searchsorted(x_axis, end[:, 0])
        item, place = expanded(right - left)
        column = left[item] + place
        share = (x_axis[column] - begin[item, 0]) / (end[item, 0] - begin[item, 0])
        height = begin[item, 1] + share * (end[item, 1] - begin[item, 1])
        sign = np.where(forward, turns[face], -turns[face])[item]
        np.add.at(steps, (column, row[item], np.searchsorted(z_axis, height)), sign)
    # A face above the first n points of a column counts for all of them.
    counts: IntArray = np.cumsum(steps[:, :, :0:-1], axis=2, dtype=np.int32)[:, :, ::-1]
    return counts


def _by_height(triangles: DoubleArray) -> tuple[DoubleArray, IndexArray]:
    """Corners of each triangle from the lowest y to the highest; 1 where that keeps the sense of turning, else -1."""
    order = np.argsort(triangles[:, :, 1], axis=1, kind="stable")
    even = (order[:, 1] - order[:, 0]) % 3 == 1
    return np.take_along_axis(triangles, order[:, :, None], axis=1), np.where(even, 1, -1)


def _at_height(start: DoubleArray, end: DoubleArray, y: DoubleArray) -> DoubleArray:
    """X and z of an edge that rises from `start` to `end`, at a height, (N, 2)."""
    share = (y - start[:, 1]) / (end[:, 1] - start[:, 1])
    return start[:, ::2] + share[:, None] * (end[:, ::2] - start[:, ::2])


def _pieces(counts: IndexArray) -> list[IndexArray]:
    """Items with something to do, so many at a time that their parts fit in memory."""
    busy = np.flatnonzero(counts)
    pieces = np.cumsum(counts[busy]) // PAIRS
    return np.split(busy, np.flatnonzero(np.diff(pieces)) + 1) if len(busy) else []


def _border(mesh: Mesh) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """Edges that are passed more often one way than the other: both ends (E, 3), and how often (E,).

    Corners at the same place are one, whatever their indices: files of triangles repeat them.
    """
    used, faces = np.unique(mesh.faces, return_inverse=True)
    places, same = np.unique(mesh.vertices[used] + 0.0, axis=0, return_inverse=True)
    faces = same.reshape(-1)[faces.reshape(-1, 3)]
    starts, ends = faces.reshape(-1), np.roll(faces, -1, axis=1).reshape(-1)
    low, high = np.minimum(starts, ends), np.maximum(starts, ends)
    keys, edge = np.unique(low * len(places) + high, return_inverse=True)
    times = np.bincount(edge.reshape(-1), np.sign(ends - starts))
    border = np.flatnonzero(times)
    starts, ends = np.divmod(keys[border], len(places))
    return places[starts], places[ends], times[border].astype(np.float64)
