"""A surface as scattered samples in the coordinates of a distance field: on it, near it, anywhere.

A field can be learned from the surface alone, without a single distance: from points that lie on it, with normals, and
points that do not (Gropp et al. 2020, IGR; Sitzmann et al. 2020, SIREN). Points are drawn evenly by area, once; each
draw then takes some of them, as many more that are a Gaussian step away, and as many from anywhere in the box.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tuner.errors import InvalidSignal
from tuner.signal.details import DistanceDetails
from tuner.signal.mesh import surface_of
from tuner.signal.signal import Signal
from tuner.signal.triangles import Mesh

POINTS: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class SurfaceDraw:
    """Some samples of a surface and of the space around it.

    Attributes:
        on_PD: coordinates of points on the surface.
        normals_PD: unit vectors outwards at the points on the surface, in the space of the mesh.
        off_PD: coordinates of points that are not on the surface: near ones, then as many from anywhere.
    """

    on_PD: Float[Tensor, "points dims"]
    normals_PD: Float[Tensor, "points dims"]
    off_PD: Float[Tensor, "off_points dims"]


class SurfaceSamples:
    """Points of a surface in the coordinates of the field that stands for it.

    Attributes:
        stretch_D: coordinates per unit of the field's values, axis by axis; times a derivative by the coordinates, it
            gives the gradient in space, whose length is 1 in a distance field.

    Args:
        field: distance field whose details say where the surface lies in it.
        surface: mesh of the surface, in the units of the field's details; None for the one on which the field is zero.
        seed: seed of the points.
        device: device on which the points are needed.

    Raises:
        InvalidSignal: if the field is not one of distances in three dimensions, or has no surface.
    """

    def __init__(self, field: Signal, surface: Mesh | None, seed: int, device: torch.device) -> None:
        mesh = surface_of(field) if surface is None else surface
        details = field.details
        if len(field.grid_shape) != 3 or not isinstance(details, DistanceDetails):
            raise InvalidSignal(
                f"the signal is of kind {field.kind} on {field.grid_shape} samples, expected a distance field: read a "
                "mesh, which becomes one"
            )
        points, normals = mesh.sample(POINTS, seed)
        spacing, counts = np.array(details.spacing), np.array(field.grid_shape)
        # Sample i of an axis lies at (2 i + 1) / N - 1.
        coords = (2.0 * (points - np.array(details.origin)) / spacing + 1.0) / counts - 1.0
        stretch = 2.0 * field.storage.effective.scale / (spacing * counts)
        self._on_PD, self._normals_PD, self.stretch_D = (
            torch.tensor(array, dtype=torch.float32, device=device) for array in (coords, normals, stretch)
        )

    def draw(self, points: int, deviation: float, generator: torch.Generator) -> SurfaceDraw:
        """Random samples.

        Args:
            points: number of points on the surface, and of those near it, and of those anywhere, >= 1.
            deviation: standard deviation of the near points from the surface along each axis, in units of the field's
                values.
            generator: source of randomness, on the CPU.
        """
        device = self._on_PD.device
        pick = torch.randint(len(self._on_PD), (points,), generator=generator).to(device)
        away, anywhere = torch.randn(points, 3, generator=generator), torch.rand(points, 3, generator=generator)
        on_PD = self._on_PD[pick]
        near_PD = on_PD + deviation * self.stretch_D * away.to(device)
        return SurfaceDraw(on_PD, self._normals_PD[pick], torch.cat([near_PD, 2.0 * anywhere.to(device) - 1.0]))
