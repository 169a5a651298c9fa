"""Measures of distance fields and of the surfaces in them."""

from typing import Final

import numpy as np

from tuner.errors import InvalidSignal
from tuner.shapes import FloatArray
from tuner.signal.extras import require
from tuner.signal.triangles import Mesh

SAMPLES: Final = 20_000


def occupancy_iou(reference: FloatArray, prediction: FloatArray) -> float:
    """Intersection over union of the insides of two distance fields, where values are below zero.

    Args:
        reference: signed distances, any shape.
        prediction: distances in the reproduction, of the same shape.

    Returns:
        In [0, 1]; 1 if both are empty.

    Raises:
        InvalidSignal: if the shapes differ.
    """
    if reference.shape != prediction.shape:
        raise InvalidSignal(f"the prediction has shape {prediction.shape}, expected the reference's {reference.shape}")
    either = np.count_nonzero((reference < 0) | (prediction < 0))
    return np.count_nonzero((reference < 0) & (prediction < 0)) / either if either else 1.0


def chamfer_distance(reference: Mesh, prediction: Mesh, *, samples: int = SAMPLES, seed: int = 0) -> float:
    """Mean distance from each surface to the nearest sample of the other, averaged over both directions.

    Args:
        reference: a surface.
        prediction: the mesh that reproduces it.
        samples: number of points drawn evenly from each, >= 1; so few add about half their spacing to the distance.
        seed: seed of the draw.

    Returns:
        In the units of the meshes (not squared).

    Raises:
        UnsupportedFormat: if scipy is not installed.
    """
    spatial = require("scipy.spatial", "mesh")
    first, second = (mesh.sample(samples, seed)[0] for mesh in (reference, prediction))
    there, _ = spatial.cKDTree(second).query(first)
    back, _ = spatial.cKDTree(first).query(second)
    return float(there.mean() + back.mean()) / 2.0
