"""Samples of a surface lie where they say, with the normals that belong there."""

import numpy as np
import torch

from tests.signals import torus
from tuner.fit.sines.surface_samples import SurfaceSamples
from tuner.signal.mesh import distance_signal

RING = torus(48, 24)
FIELD = distance_signal(RING, 24)
CPU = torch.device("cpu")


def test_samples_lie_on_the_surface_with_its_normals() -> None:
    samples = SurfaceSamples(FIELD, RING, 0, CPU)
    draw = samples.draw(500, 0.01, torch.Generator().manual_seed(1))
    # Back from coordinates to the space of the mesh, where the surface is known.
    details, counts = FIELD.details, np.array(FIELD.grid_shape)
    spacing, origin = np.array(details.spacing), np.array(details.origin)  # type: ignore[union-attr]
    places = origin + spacing * ((draw.on_PD.numpy() + 1) * counts - 1) / 2
    ring = places * [1, 1, 0]
    ring /= np.linalg.norm(ring, axis=1, keepdims=True)
    outwards = places - ring
    np.testing.assert_allclose(np.linalg.norm(outwards, axis=1), 0.4, atol=0.01)
    outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
    assert (outwards * draw.normals_PD.numpy()).sum(1).min() > 0.97
    near, anywhere = draw.off_PD[:500], draw.off_PD[500:]
    moved = ((near - draw.on_PD) / samples.stretch_D).std(0)
    torch.testing.assert_close(moved, torch.full((3,), 0.01), rtol=0.15, atol=0.0)
    assert (anywhere.abs().max() <= 1.0) & (anywhere.std(0).min() > 0.5)
    again = SurfaceSamples(FIELD, RING, 0, CPU).draw(500, 0.01, torch.Generator().manual_seed(1))
    assert torch.equal(again.off_PD, draw.off_PD)
