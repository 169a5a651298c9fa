"""What is measured of a mesh, against meshes whose distances and normals are known."""

import numpy as np
import pytest

from tests.signals import blob, torus
from tuner.errors import ConfigError
from tuner.experiment.plane import Plane
from tuner.experiment.samples import Samples
from tuner.experiment.surface import SurfacePoints, surface_measures
from tuner.shapes import FloatArray
from tuner.signal.mesh import distance_signal
from tuner.signal.signal import Signal, SignalKind
from tuner.signal.triangles import Mesh

MESH = torus(60, 30)
FIELD = distance_signal(MESH, 20)


def slopes_of_the_torus(coords: FloatArray) -> FloatArray:
    """By the formula of the distance, per unit of the coordinates, whose axes are not equally long."""
    details, shape = FIELD.details, np.array(FIELD.grid_shape)
    places = np.array(details.origin) + np.array(details.spacing) * ((coords + 1) * shape - 1) / 2  # type: ignore[union-attr]
    x, y, z = places.T
    out = np.hypot(x, y)
    length = np.hypot(out - 1, z)
    slopes = np.stack([(out - 1) * x / out, (out - 1) * y / out, z], -1) / length[:, None]
    in_coordinates: FloatArray = (slopes * shape / shape.max()).astype(np.float32)
    return in_coordinates


@pytest.mark.parametrize("inside_out", [False, True])
def test_slopes_of_the_distance_are_the_normals(inside_out: bool) -> None:
    mesh = Mesh(MESH.vertices, MESH.faces[:, ::-1]) if inside_out else MESH
    points = SurfacePoints.of(mesh, FIELD, seed=0)
    slopes = slopes_of_the_torus(points.coords_PD.numpy())
    assert len(set(FIELD.grid_shape)) > 1, "or the lengths of the axes would play no part"
    assert points.normal_error_degrees(slopes) < 4.5  # the mesh has flat faces
    assert points.normal_error_degrees(slopes[:, [1, 0, 2]]) > 20
    assert points.normal_error_degrees(0 * slopes) == 90


def test_only_a_distance_field_has_a_surface() -> None:
    with pytest.raises(ConfigError, match="of kind volume, expected a distance field"):
        SurfacePoints.of(MESH, Signal(values=blob(), kind=SignalKind.VOLUME), seed=0)


def test_the_field_itself_is_near_and_a_larger_one_is_as_far_as_it_is_larger() -> None:
    _, near = surface_measures(MESH, FIELD, FIELD.values)
    cell = FIELD.details.spacing[0]  # type: ignore[union-attr]
    grown, far = surface_measures(MESH, FIELD, FIELD.values - np.float32(0.1))
    assert near["chamfer"] is not None
    assert far["chamfer"] is not None
    assert near["chamfer"] < 0.2 * cell
    assert far["chamfer"] == pytest.approx(0.1 * cell * max(FIELD.grid_shape) / 2, rel=0.1)
    assert grown.details == FIELD.details
    assert surface_measures(MESH, FIELD, np.abs(FIELD.values) + np.float32(1))[1]["chamfer"] is None


def test_the_plane_of_a_mesh_is_seen_upright_with_a_step_at_its_surface() -> None:
    plane = Plane.of(Samples.of(FIELD, 2.5, held_out=0.0, seed=0))
    shown = plane.shown(plane.values)
    x, y, z = FIELD.grid_shape
    assert shown.shape == (y, x, 1)
    middle = FIELD.values[:, :, z // 2, 0]
    assert shown[0, -1, 0] == pytest.approx(0.65 + 0.35 * middle[-1, -1] / np.abs(middle).max())
    assert not ((shown > 0.36) & (shown < 0.64)).any()
    np.testing.assert_array_equal((shown[..., 0] < 0.5).T[:, ::-1], middle < 0)
    line = Signal(values=blob((9,)), kind=SignalKind.ARRAY)
    with pytest.raises(ConfigError, match="1 axes"):
        Plane.of(Samples.of(line, 2.5, held_out=0.0, seed=0))
