"""The input frequencies of a wavelet network on a grid, by angle addition."""

from collections.abc import Sequence
from math import pi

import numpy as np

from tuner.network.wavelets.parameters import WaveletParameters
from tuner.shapes import FloatArray


class GridSines:
    """Sines and cosines of all frequencies: those of the first axis times those of the rest.

    Args:
        parameters: numbers of the network.
        axes: coordinates along each dimension, float (N_d,).
    """

    def __init__(self, parameters: WaveletParameters, axes: Sequence[FloatArray]) -> None:
        self._angular_FD = parameters.frequencies * (2.0 * pi / parameters.period)
        angular = self._angular_FD
        rest = np.zeros((len(angular), 1))
        for dimension in range(1, len(axes)):
            along = angular[:, dimension, None] * axes[dimension].astype(np.float64)
            rest = (rest[:, :, None] + along[:, None, :]).reshape(len(angular), rest.shape[1] * along.shape[1])
        first = angular[:, 0, None] * axes[0].astype(np.float64)
        self._sin0, self._cos0 = np.sin(first).astype(np.float32), np.cos(first).astype(np.float32)
        self._sin1, self._cos1 = np.sin(rest).astype(np.float32), np.cos(rest).astype(np.float32)

    def fill(self, tile: FloatArray, start: int, stop: int) -> None:
        """Put sines, then cosines, at rows [start, stop) of the first axis into the first rows of float32 (I, P)."""
        count = len(self._sin0)
        if not count:
            return
        sin0, cos0 = self._sin0[:, start:stop, None], self._cos0[:, start:stop, None]
        sin1, cos1 = self._sin1[:, None], self._cos1[:, None]
        tile[:count] = (sin0 * cos1 + cos0 * sin1).reshape(count, -1)
        tile[count : 2 * count] = (cos0 * cos1 - sin0 * sin1).reshape(count, -1)

    def fill_slopes(self, tile: FloatArray, filled: FloatArray, axis: int) -> None:
        """Put their derivatives by one coordinate into the first rows of float32 (I, P), from what `fill` gave."""
        count = len(self._sin0)
        speed = self._angular_FD[:, axis, None].astype(np.float32)
        np.multiply(speed, filled[count : 2 * count], out=tile[:count])
        np.multiply(-speed, filled[:count], out=tile[count : 2 * count])
