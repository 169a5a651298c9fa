"""Signed distances to a mesh of triangles, with a sign that open and untidy meshes do not upset.

The distance is that to the nearest point of a triangle. Candidates come from a tree of the triangles' centres, large
triangles being cut first: once the k nearest have been tried, no other can be nearer than the k-th centre's distance
less the largest radius; where that leaves room, k grows. Far from the surface, where it nearly always leaves room and
hardly ever matters, the first 12 decide. The sign comes from the winding number (`tuner.signal.winding`): beyond one
half either way is inside, so that a mesh turned inside out does no harm. In an open mesh it is dear, so it is asked for
near the surface only, and once for each connected part of the rest.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from tuner.shapes import BoolArray, DoubleArray, IndexArray
from tuner.signal.extras import require
from tuner.signal.triangles import PAIRS, Heed, Mesh, Triangles, nobody
from tuner.signal.winding import GridWinding

_CANDIDATES: Final = 12
_GROWTH: Final = 4
_MOST_PIECES: Final = 1 << 20
_BLOCK: Final = 4  # samples
_EXACT_STEPS: Final = 2.0  # steps of the grid within which distances are exact


def signed_distances(mesh: Mesh, axes: Sequence[DoubleArray], heed: Heed = nobody) -> DoubleArray:
    """Distances on a grid of three evenly spaced axes, negative inside, (x, y, z).

    Args:
        mesh: the triangles.
        axes: positions along x, y and z, rising.
        heed: called several times a second; what it raises ends the work.
    """
    shape = tuple(len(axis) for axis in axes)
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    step = max((float(axis[1] - axis[0]) for axis in axes if len(axis) > 1), default=np.inf)
    distances = unsigned_distances(mesh, points, exact_below=_EXACT_STEPS * step, heed=heed)
    winding = GridWinding(mesh, axes, heed)
    # Between two neighbours that are both farther away than their step there is no surface.
    inside = _inside(winding, (distances <= step).reshape(shape))
    return np.where(inside, -distances.reshape(shape), distances.reshape(shape))


def unsigned_distances(
    mesh: Mesh, points: DoubleArray, *, exact_below: float = np.inf, heed: Heed = nobody
) -> DoubleArray:
    """Distance from each point (P, 3) to the nearest triangle, (P,).

    Args:
        mesh: the triangles.
        points: positions to measure from, (P, 3).
        exact_below: distances above it are those to the nearest of the 12 triangles whose centres are nearest.
        heed: called between pieces of the work.
    """
    spatial = require("scipy.spatial", "mesh")
    triangles = _without_large(mesh.triangles)
    centres = triangles.mean(1)
    radius = float(_radii(triangles).max())
    tree, measure = spatial.cKDTree(centres), Triangles(triangles)
    best = np.full(len(points), np.inf)
    left, count = np.arange(len(points)), _CANDIDATES
    while len(left):
        count = min(count, len(centres))
        done = []
        for part in np.array_split(left, max(1, -(-len(left) * count // PAIRS))):
            heed()
            reach, nearest = tree.query(points[part], k=count)
            reach, nearest = reach.reshape(len(part), -1), nearest.reshape(len(part), -1)
            best[part] = np.sqrt(measure.squares(points[part], nearest).min(1))
            # Triangles that have not been tried are at least this far away.
            others = reach[:, -1] - radius
            done.append((best[part] <= others) | (others > exact_below) | (count == len(centres)))
        left, count = left[~np.concatenate(done)], _GROWTH * count
    return best


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


def _inside(winding: GridWinding, near: BoolArray) -> BoolArray:
    """Where the mesh goes around the points of a grid, in whatever sense its faces turn, (x, y, z)."""
    if winding.closed:
        return _encloses(winding, np.arange(near.size)).reshape(near.shape)
    ndimage = require("scipy.ndimage", "mesh")
    unsure = near | _crossed(winding, near.shape)
    labels, parts = ndimage.label(~unsure)
    flat = labels.reshape(-1)
    # One point stands for each connected part.
    chosen, first = np.unique(flat, return_index=True)
    inside_part = np.zeros(parts + 1, dtype=bool)
    inside_part[chosen] = _encloses(winding, first)
    inside: BoolArray = inside_part[flat]
    close = np.flatnonzero(unsure.reshape(-1))
    inside[close] = _encloses(winding, close)
    return inside.reshape(near.shape)


def _encloses(winding: GridWinding, indices: IndexArray) -> BoolArray:
    enclosed: BoolArray = np.abs(winding.at(indices)) > 0.5
    return enclosed


def _crossed(winding: GridWinding, shape: tuple[int, ...]) -> BoolArray:
    """The blocks whose corners are not all on one side: there the border runs through a hole of the mesh."""
    corners = [np.unique([*range(0, samples, _BLOCK), samples - 1]) for samples in shape]
    where = np.meshgrid(*corners, indexing="ij")
    sides = _encloses(winding, np.ravel_multi_index(tuple(where), shape).reshape(-1))
    least = most = sides.reshape([len(axis) for axis in corners])
    for axis in range(3):
        low, high = slice(None, -1), slice(1, None)
        part = tuple(slice(None) for _ in range(axis))
        least, most = least[(*part, low)] & least[(*part, high)], most[(*part, low)] | most[(*part, high)]
    block = [
        np.minimum(np.arange(samples) // _BLOCK, len(axis) - 2) for samples, axis in zip(shape, corners, strict=True)
    ]
    crossed: BoolArray = (most & ~least)[np.ix_(*block)]
    return crossed
