"""Signed distances to a mesh of triangles, with a sign that open and untidy meshes do not upset.

The distance is that to the nearest point of a triangle. Candidates come from a tree of the triangles' centres, large
triangles being cut first: once the k nearest have been tried, no other can be nearer than the k-th centre's distance
less the largest radius; where that leaves room, k doubles. Far from the surface, where it nearly always leaves room and
hardly ever matters, the first 12 decide. The sign comes from the generalised winding number, the sum of the solid
angles of all triangles (Jacobson, Kavan & Sorkine-Hornung 2013; van Oosterom & Strackee 1983 for the angle): beyond
one half either way is inside, so that a mesh turned inside out does no harm. It is dear, so it is asked for near the
surface only, and once for each connected part of the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tuner.shapes import BoolArray, DoubleArray, IndexArray
from tuner.signal.extras import require

_CANDIDATES: Final = 12
_PAIRS: Final = 1 << 19  # point-triangle pairs in memory at a time
_MOST_PIECES: Final = 1 << 20
_BLOCK: Final = 4  # samples
_EXACT_STEPS: Final = 3.0  # steps of the grid within which distances are exact


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """Triangles.

    Attributes:
        vertices: float64 (V, 3).
        faces: int64 (F, 3), indices of vertices, counter-clockwise seen from outside.
    """

    vertices: DoubleArray
    faces: IndexArray

    @property
    def triangles(self) -> DoubleArray:
        """Corners of each face, (F, 3, 3)."""
        triangles: DoubleArray = self.vertices[self.faces]
        return triangles

    @property
    def normals(self) -> DoubleArray:
        """Unit vector across each face, (F, 3); zero for a face without area."""
        first, second, third = self.triangles.transpose(1, 0, 2)
        across = np.cross(second - first, third - first)
        length = np.linalg.norm(across, axis=1, keepdims=True)
        normals: DoubleArray = np.divide(across, length, out=np.zeros_like(across), where=length > 0)
        return normals

    def sample(self, count: int, seed: int) -> tuple[DoubleArray, DoubleArray]:
        """Points drawn evenly from the surface, and the normals there, each (count, 3)."""
        random = np.random.default_rng(seed)
        corners = self.triangles
        areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        faces = random.choice(len(areas), size=count, p=areas / areas.sum())
        # The square root makes the fold of a parallelogram into a triangle even.
        u, v = np.sqrt(random.random((count, 1))), random.random((count, 1))
        first, second, third = corners[faces].transpose(1, 0, 2)
        return (1 - u) * first + u * (1 - v) * second + u * v * third, self.normals[faces]


def signed_distances(mesh: Mesh, axes: Sequence[DoubleArray]) -> DoubleArray:
    """Distances on a grid of three evenly spaced axes, negative inside, (x, y, z)."""
    shape = tuple(len(axis) for axis in axes)
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    step = max((float(axis[1] - axis[0]) for axis in axes if len(axis) > 1), default=np.inf)
    distances = unsigned_distances(mesh, points, exact_below=_EXACT_STEPS * step)
    # Between two neighbours that are both farther away than their step there is no surface.
    inside = _inside(mesh, points, (distances <= step).reshape(shape))
    return np.where(inside, -distances, distances).reshape(shape)


def unsigned_distances(mesh: Mesh, points: DoubleArray, *, exact_below: float = np.inf) -> DoubleArray:
    """Distance from each point (P, 3) to the nearest triangle, (P,).

    Args:
        mesh: the triangles.
        points: where to measure.
        exact_below: distances above it are those to the nearest of the 12 triangles whose centres are nearest.
    """
    spatial = require("scipy.spatial", "mesh")
    triangles = _without_large(mesh.triangles)
    centres = triangles.mean(1)
    radius = float(_radii(triangles).max())
    tree, measure = spatial.cKDTree(centres), _Triangles(triangles)
    best = np.full(len(points), np.inf)
    left, count = np.arange(len(points)), _CANDIDATES
    while len(left):
        count = min(count, len(centres))
        done = []
        for part in np.array_split(left, max(1, -(-len(left) * count // _PAIRS))):
            reach, nearest = tree.query(points[part], k=count)
            reach, nearest = reach.reshape(len(part), -1), nearest.reshape(len(part), -1)
            best[part] = np.sqrt(measure.squares(points[part], nearest).min(1))
            known = (best[part] <= reach[:, -1] - radius) | (count == len(centres))
            done.append(known | (best[part] > exact_below))
        left, count = left[~np.concatenate(done)], 2 * count
    return best


def winding_numbers(mesh: Mesh, points: DoubleArray) -> DoubleArray:
    """How often the mesh goes around each point (P, 3): 1 inside a closed one, 0 outside, in between near a hole."""
    middle = mesh.vertices.mean(0)
    a, b, c = (mesh.triangles - middle).transpose(1, 0, 2)
    # Of the corners seen from a point, a triple product is linear in the point and an inner product almost so:
    # matrices of points and faces take three multiplications an entry.
    volumes, across = np.einsum("fd,fd->f", a, np.cross(b, c)), np.cross(a, b) + np.cross(b, c) + np.cross(c, a)
    turns = np.empty(len(points))
    for part in np.array_split(np.arange(len(points)), max(1, -(-len(points) * len(a) // _PAIRS))):
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


def _radii(triangles: DoubleArray) -> DoubleArray:
    radii: DoubleArray = np.linalg.norm(triangles - triangles.mean(1, keepdims=True), axis=2).max(1)
    return radii


def _without_large(triangles: DoubleArray) -> DoubleArray:
    """Cut triangles of more than twice the usual radius into four, as often as it takes; the surface stays the same."""
    usual = float(np.median(_radii(triangles)))
    while len(triangles) < _MOST_PIECES:
        large = _radii(triangles) > 2.0 * usual
        if not large.any():
            break
        a, b, c = triangles[large].transpose(1, 0, 2)
        ab, bc, ca = (a + b) / 2.0, (b + c) / 2.0, (c + a) / 2.0
        pieces = [np.stack(corners, 1) for corners in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
        triangles = np.concatenate([triangles[~large], *pieces])
    return triangles


def _inside(mesh: Mesh, points: DoubleArray, near: BoolArray) -> BoolArray:
    ndimage = require("scipy.ndimage", "mesh")
    unsure = near | _crossed(mesh, points.reshape(*near.shape, 3))
    labels, parts = ndimage.label(~unsure)
    flat = labels.reshape(-1)
    # One point stands for each connected part.
    chosen, first = np.unique(flat, return_index=True)
    inside_part = np.zeros(parts + 1, dtype=bool)
    inside_part[chosen] = _encloses(mesh, points[first])
    inside: BoolArray = inside_part[flat]
    close = np.flatnonzero(unsure.reshape(-1))
    inside[close] = _encloses(mesh, points[close])
    return inside


def _encloses(mesh: Mesh, points: DoubleArray) -> BoolArray:
    """Whether the mesh goes around each point, in whatever sense its faces turn."""
    enclosed: BoolArray = np.abs(winding_numbers(mesh, points)) > 0.5
    return enclosed


def _crossed(mesh: Mesh, points: DoubleArray) -> BoolArray:
    """The blocks whose corners are not all on one side: there the border runs through a hole of the mesh."""
    corners = [np.unique([*range(0, samples, _BLOCK), samples - 1]) for samples in points.shape[:3]]
    sides = _encloses(mesh, points[np.ix_(*corners)].reshape(-1, 3))
    least = most = sides.reshape([len(axis) for axis in corners])
    for axis in range(3):
        low, high = slice(None, -1), slice(1, None)
        part = tuple(slice(None) for _ in range(axis))
        least, most = least[(*part, low)] & least[(*part, high)], most[(*part, low)] | most[(*part, high)]
    block = [
        np.minimum(np.arange(samples) // _BLOCK, len(axis) - 2)
        for samples, axis in zip(points.shape, corners, strict=False)
    ]
    crossed: BoolArray = (most & ~least)[np.ix_(*block)]
    return crossed


class _Triangles:
    """Squared distances to triangles: to the plane where the foot lies inside, else to the nearest edge."""

    def __init__(self, triangles: DoubleArray) -> None:
        self._corner, b, c = triangles.transpose(1, 0, 2)
        self._first, self._second = b - self._corner, c - self._corner
        self._products = tuple(
            np.einsum("fd,fd->f", one, other)
            for one, other in (
                (self._first, self._first),
                (self._first, self._second),
                (self._second, self._second),
            )
        )

    def squares(self, points: DoubleArray, chosen: IndexArray) -> DoubleArray:
        """From each point (P, 3) to each of its chosen triangles (P, K), (P, K)."""
        offset = points[:, None] - self._corner[chosen]
        length = np.einsum("pkd,pkd->pk", offset, offset)
        along_first = np.einsum("pkd,pkd->pk", offset, self._first[chosen])
        along_second = np.einsum("pkd,pkd->pk", offset, self._second[chosen])
        first, mixed, second = (product[chosen] for product in self._products)
        area = first * second - mixed * mixed
        flat = area > 0.0
        area = np.where(flat, area, 1.0)
        v = (second * along_first - mixed * along_second) / area
        w = (first * along_second - mixed * along_first) / area
        plane = length - v * along_first - w * along_second
        third, along_third = first - 2.0 * mixed + second, along_second - along_first - mixed + first
        edges = np.minimum(
            np.minimum(_to_edge(length, along_first, first), _to_edge(length, along_second, second)),
            _to_edge(length - 2.0 * along_first + first, along_third, third),
        )
        inside = flat & (v >= 0.0) & (w >= 0.0) & (v + w <= 1.0)
        return np.maximum(np.where(inside, plane, edges), 0.0)


def _to_edge(length: DoubleArray, along: DoubleArray, edge: DoubleArray) -> DoubleArray:
    """Squared distance to an edge, from |o|^2, <o, e> and |e|^2, with o the offset from its start."""
    share = np.clip(along / np.where(edge > 0.0, edge, 1.0), 0.0, 1.0)
    squares: DoubleArray = length - share * (2.0 * along - share * edge)
    return squares
