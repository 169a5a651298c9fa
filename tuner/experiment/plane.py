"""The picture that shows a signal of an experiment, and networks seen through it.

A picture is shown as it is. Of a distance field it is the plane across the last axis, at the sample nearest to the
middle, x to the right and y upwards: inside darker with depth, outside lighter with distance, and a step of grey at the
surface.
"""

from dataclasses import dataclass

import numpy as np
import torch

from tuner.errors import ConfigError
from tuner.experiment.samples import Samples
from tuner.experiment.training import predict, predict_gradients
from tuner.fit.sines.trainable import Network
from tuner.shapes import DoubleArray, FloatArray
from tuner.signal.grid import Grid


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """Rows and columns through a signal.

    Attributes:
        samples: samples along each axis of the signal, two or three axes.
        period: period of the networks.
        depth: coordinate of the plane along the third axis; 0 for pictures.
        values: values of the signal in the plane, (*shape, C).
        reach: largest distance in the plane, which is shown black or white; 0 for pictures.
    """

    samples: tuple[int, ...]
    period: float
    depth: float
    values: FloatArray
    reach: float

    @property
    def shape(self) -> tuple[int, int]:
        """Samples of the plane along its two axes, in the order of the signal's."""
        first, second = self.samples[:2]
        return first, second

    @classmethod
    def of(cls, samples: Samples) -> "Plane":
        """The plane of a picture, or of a field of three axes.

        Raises:
            ConfigError: if the signal has another number of axes.
        """
        values = samples.values_PC.numpy().reshape(*samples.shape, -1)
        if len(samples.shape) not in {2, 3}:
            raise ConfigError(f"the signal has {len(samples.shape)} axes, expected a picture or a mesh")
        if len(samples.shape) == 2:
            return cls(samples.shape, samples.period, 0.0, values, 0.0)
        middle = samples.shape[2] // 2
        depth = float(samples.coords_PD.reshape(*samples.shape, 3)[0, 0, middle, 2])
        plane = values[:, :, middle]
        return cls(samples.shape, samples.period, depth, plane, max(float(np.abs(plane).max()), 1e-12))

    def predict(self, network: Network, *, zoom: float = 1.0, wide: int = 1) -> FloatArray:
        """Values of a network in the plane.

        Args:
            network: a network of the signal's coordinates.
            zoom: magnification of the middle, which keeps the number of samples.
            wide: how far to look beyond the domain, in sides of the domain; as many samples per unit as in it.

        Returns:
            (rows, columns, C), not clipped.
        """
        shape = (wide * self.shape[0], wide * self.shape[1])
        return predict(network, self._coords(shape, wide / zoom)).reshape(*shape, -1)

    def slopes(self, network: Network) -> FloatArray:
        """Gradients of a network in the plane per unit of the coordinates, (rows, columns, C, axes)."""
        return predict_gradients(network, self._coords(self.shape, 1.0)).reshape(*self.shape, -1, len(self.samples))

    def shown(self, values: FloatArray) -> FloatArray:
        """Values in the plane as a picture in [0, 1]."""
        if self.reach:
            values = upright(values)
            values = (0.5 + 0.35 / self.reach * values + 0.15 * np.sign(values)).astype(np.float32)
        shown: FloatArray = np.clip(values, 0.0, 1.0)
        return shown

    def upright(self, values: FloatArray) -> FloatArray:
        """Values in the plane as they are seen."""
        return upright(values) if self.reach else values

    @property
    def steps(self) -> DoubleArray:
        """Distance between samples along each axis of the signal, in units of the coordinates."""
        steps: DoubleArray = 2.0 / np.array(self.samples)
        return steps

    def _coords(self, shape: tuple[int, int], scale: float) -> torch.Tensor:
        coords = Grid(shape, self.period).coords() * np.float32(scale)
        depth = np.full((len(coords), len(self.samples) - 2), self.depth, dtype=np.float32)
        return torch.tensor(np.concatenate([coords, depth], axis=1))


def upright(values: FloatArray) -> FloatArray:
    """A plane of x and y, x to the right and y upwards."""
    turned: FloatArray = np.ascontiguousarray(np.rot90(values))
    return turned
