"""A surface made of triangles, and distances to single ones. Used by all that reads, measures or draws a mesh."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from tuner.shapes import DoubleArray, IndexArray
from tuner.signal.extras import require

PAIRS: Final = 1 << 19  # points with triangles, edges or nodes, in memory at a time
_MOST_NEIGHBOURS: Final = 32  # corners that nearly touch, on average: six faces meet in one, as a rule

# Called between pieces of long work; what it raises ends the work.
Heed = Callable[[], None]


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


def nobody() -> None:
    """The `Heed` of work that nobody will interrupt."""


def welded(mesh: Mesh, within: float) -> Mesh:
    """The mesh with corners that are less than `within` apart made one, as far as there are not too many of them.

    Programs that write each triangle by itself round its corners by themselves, too.
    """
    tree = require("scipy.spatial", "mesh").cKDTree(mesh.vertices)
    count = len(mesh.vertices)
    if tree.count_neighbors(tree, within) > _MOST_NEIGHBOURS * count:
        return mesh
    near, other = tree.query_pairs(within, output_type="ndarray").T
    sparse = require("scipy.sparse", "mesh")
    graph = sparse.coo_array((np.ones(len(near), dtype=np.int8), (near, other)), (count, count))
    _, group = require("scipy.sparse.csgraph", "mesh").connected_components(graph, directed=False)
    _, first = np.unique(group, return_index=True)
    return Mesh(mesh.vertices[first], group[mesh.faces].astype(np.int64))


def expanded(counts: IndexArray) -> tuple[IndexArray, IndexArray]:
    """For items that have `counts` parts each: the item of every part, and the part's place within its item."""
    item = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(item)) - np.repeat(np.cumsum(counts) - counts, counts)
    return item, place


class Triangles:
    """Squared distances to triangles: to the plane where the foot lies inside, else to the nearest edge.

    Args:
        corners: positions of the three corners of each triangle, (F, 3, 3).
    """

    def __init__(self, corners: DoubleArray) -> None:
        self._corner, b, c = corners.transpose(1, 0, 2)
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
        """From each point (P, 3) to the triangle chosen for it (P,), or to each of several (P, K); shaped as chosen."""
        offset = points.reshape(len(points), *(1,) * (chosen.ndim - 1), 3) - self._corner[chosen]
        length = np.einsum("...d,...d->...", offset, offset)
        along_first = np.einsum("...d,...d->...", offset, self._first[chosen])
        along_second = np.einsum("...d,...d->...", offset, self._second[chosen])
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
