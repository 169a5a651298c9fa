"""Distances and winding numbers on a grid against the sums over all triangles that they stand for."""

import numpy as np
import pytest

from tests.signals import apart, octahedron, torus
from tuner.shapes import DoubleArray
from tuner.signal.distance import signed_distances, unsigned_distances
from tuner.signal.triangles import Mesh, Triangles, welded
from tuner.signal.winding import GridWinding, leaving, winding_numbers

RANDOM = np.random.default_rng(5)
RING = torus()
OCTAHEDRON = octahedron(1.0, 0.0)
TURNED = RANDOM.random(len(RING.faces)) < 0.1

MESHES = {
    "closed": RING,
    "corners repeated": Mesh(RING.triangles.reshape(-1, 3), np.arange(3 * len(RING.faces)).reshape(-1, 3)),
    "twice": Mesh(RING.vertices, np.concatenate([RING.faces, RING.faces])),
    "torn": Mesh(RING.vertices, RING.faces[RANDOM.random(len(RING.faces)) < 0.9]),
    "half": Mesh(RING.vertices, RING.faces[: len(RING.faces) // 4]),
    "some turned around": Mesh(RING.vertices, np.where(TURNED[:, None], RING.faces[:, ::-1], RING.faces)),
    "tangle": Mesh(RANDOM.standard_normal((12, 3)), RANDOM.integers(0, 12, (60, 3))),
    "apart": apart(RING),
    "confetti": Mesh(RANDOM.standard_normal((180, 3)), np.arange(180).reshape(-1, 3)),
    # Every corner and every edge lies in a column of the grid.
    "on the grid": OCTAHEDRON,
    "on the grid, torn": Mesh(OCTAHEDRON.vertices, OCTAHEDRON.faces[2:]),
}


def grid(samples: int = 13) -> list[DoubleArray]:
    return [np.linspace(-1.5, 1.5, samples)] * 2 + [np.linspace(-0.75, 0.75, samples - 4)]


def points_of(axes: list[DoubleArray]) -> DoubleArray:
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)


@pytest.mark.parametrize("name", MESHES)
def test_winding_on_a_grid_is_the_sum_of_solid_angles(name: str) -> None:
    mesh, axes = MESHES[name], grid()
    points = points_of(axes)
    winding = GridWinding(mesh, axes)
    assert winding.closed == (name in {"closed", "corners repeated", "twice", "apart", "on the grid"})
    # On the surface itself the number jumps, and either side is right.
    off = unsigned_distances(mesh, points) > 1e-3
    assert np.count_nonzero(off) > 0.8 * len(points)
    expected = winding_numbers(mesh, points)[off]
    np.testing.assert_allclose(winding.at(np.arange(len(points)))[off], expected, atol=1e-4)
    assert np.ptp(expected) > 0.3


def test_corners_that_nearly_touch_are_one() -> None:
    whole = welded(MESHES["apart"], 1e-4)
    assert len(whole.vertices) == len(RING.vertices)
    np.testing.assert_allclose(whole.triangles, RING.triangles, atol=2e-5)
    crowd = Mesh(1e-6 * RANDOM.standard_normal((90, 3)), np.arange(90).reshape(-1, 3))
    assert welded(crowd, 1e-4) is crowd, "pairs of all with all might not fit in memory"


def test_a_ray_leaves_a_closed_mesh_as_often_as_it_enters() -> None:
    """Below everything nothing is left over, in columns that run along edges and through corners as in others."""
    for mesh in (OCTAHEDRON, RING, MESHES["twice"]):
        axes = [np.unique(np.concatenate([np.linspace(-1.5, 1.5, 25), mesh.vertices[:, d]])) for d in range(2)]
        columns = leaving(mesh, [*axes, np.array([-9.0, 0.0, 9.0])])
        assert not columns[:, :, [0, 2]].any()
        assert columns[:, :, 1].max() >= 1


@pytest.mark.parametrize("name", MESHES)
def test_distances_on_a_grid_are_those_to_all_triangles(name: str) -> None:
    mesh, axes = MESHES[name], grid()
    points, step = points_of(axes), axes[0][1] - axes[0][0]
    everyone = np.broadcast_to(np.arange(len(mesh.faces)), (len(points), len(mesh.faces)))
    exact = np.sqrt(Triangles(mesh.triangles).squares(points, everyone).min(1))
    found = signed_distances(mesh, axes).reshape(-1)
    near = exact <= 2.0 * step
    np.testing.assert_allclose(np.abs(found)[near], exact[near], atol=1e-12)
    np.testing.assert_allclose(np.abs(found), exact, atol=0.05 * step)
    # Within a step of the surface each point is asked; farther away neighbours follow one another.
    turns = np.abs(winding_numbers(mesh, points))
    asked = (exact > 1e-3) & (exact < 0.99 * step) & (np.abs(turns - 0.5) > 0.05)
    np.testing.assert_array_equal(found[asked] < 0, turns[asked] > 0.5)


class Enough(Exception):
    """Raised by whoever has waited long enough."""


@pytest.mark.parametrize("name", ["closed", "torn", "apart"])
def test_the_work_asks_whether_to_go_on(name: str) -> None:
    calls = 0

    def heed() -> None:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise Enough

    with pytest.raises(Enough):
        signed_distances(MESHES[name], grid(40), heed)
