"""A mesh in an experiment: the distances around it that a network learns, and how well its surface is met."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from tuner.errors import ConfigError, InvalidSignal
from tuner.quality.surface import chamfer_distance
from tuner.shapes import DoubleArray, FloatArray
from tuner.signal.details import DistanceDetails
from tuner.signal.formats import read_signal, read_surface
from tuner.signal.mesh import surface_of
from tuner.signal.samples import SampleFormat
from tuner.signal.signal import Signal, SignalKind
from tuner.signal.triangles import Mesh

_POINTS: Final = 2000


@dataclass(frozen=True, slots=True, eq=False)
class SurfacePoints:
    """Points of a mesh at which the slope of a network is compared with the normal.

    Attributes:
        coords_PD: coordinates of the points in the domain of the network.
        normals_PD: unit normals of the mesh there.
        stretch_D: what a derivative by each coordinate is multiplied by, so that all axes have one unit of length.
    """

    coords_PD: Tensor
    normals_PD: DoubleArray
    stretch_D: DoubleArray

    @classmethod
    def of(cls, mesh: Mesh, signal: Signal, *, seed: int) -> "SurfacePoints":
        """2,000 points, drawn evenly from the mesh of a distance field.

        Raises:
            ConfigError: if the signal is no distance field that says where its grid lies.
        """
        details = signal.details
        if not isinstance(details, DistanceDetails):
            raise ConfigError(f"the signal is of kind {signal.kind}, expected a distance field beside its mesh")
        places, normals = mesh.sample(_POINTS, seed)
        shape = np.array(signal.grid_shape)
        index = (places - np.array(details.origin)) / np.array(details.spacing)
        coords = (2.0 * index + 1.0) / shape - 1.0
        return cls(torch.tensor(coords.astype(np.float32)), normals, shape.max() / shape)

    def normal_error_degrees(self, slopes_PD: FloatArray) -> float:
        """Mean angle between the normals and the slopes of a network, (P, 3) per unit of the coordinates.

        The sense of a face plays no part, so that a mesh turned inside out is as good as another: angles are 0 to 90.
        """
        slopes = slopes_PD * self.stretch_D
        length = np.maximum(np.linalg.norm(slopes, axis=1), 1e-12)
        cosine = np.abs((slopes * self.normals_PD).sum(1)) / length
        return float(np.degrees(np.arccos(np.clip(cosine, 0.0, 1.0))).mean())


def read_field(path: Path, resolution: int) -> tuple[Signal, Mesh]:
    """The signed distances around a mesh, and the mesh itself; raises what `read_surface` and `read_signal` raise."""
    mesh = read_surface(path)
    return read_signal(path, resolution=resolution), mesh


def surface_measures(mesh: Mesh, field: Signal, prediction: FloatArray) -> tuple[Signal, dict[str, float | None]]:
    """The field of a network, and how far its surface is from the mesh.

    Args:
        mesh: the mesh that was read.
        field: the distances that the network learnt from.
        prediction: values of the network on the grid of the field, (x, y, z, 1).

    Returns:
        The prediction as a distance field in the units of the mesh, and `chamfer`, in those units, with
        `chamfer_of_length`, the same as a share of the longest side of the mesh; None where there is no surface.
    """
    predicted = Signal(
        values=prediction,
        kind=SignalKind.DISTANCE,
        sample_format=SampleFormat.F32,
        scaling=field.scaling,
        details=field.details,
    )
    try:
        chamfer = chamfer_distance(mesh, surface_of(predicted))
    except InvalidSignal:
        return predicted, {"chamfer": None, "chamfer_of_length": None}
    used = mesh.vertices[mesh.faces]
    longest = float((used.max((0, 1)) - used.min((0, 1))).max())
    return predicted, {"chamfer": chamfer, "chamfer_of_length": chamfer / longest}
