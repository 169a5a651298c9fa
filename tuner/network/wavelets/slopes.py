"""Exact derivatives of a wavelet network on the samples of its own signal, if that is small, all at once.

Between samples the fields are cubic splines, which are products along the axes. So at the samples the derivative along
one axis asks nothing of the others, and is a sum of differences of the samples on either side:

    v'(n) = 3 sum over k >= 1 of q^k (v(n - k) - v(n + k)) per sample,   q = sqrt(3) - 2,

where the samples go on beyond the borders as in a mirror, since the outermost node of a spline is repeated there.
Each of the same points by itself reads sixteen nodes of every field instead, several times over
(`tuner.network.wavelets.synthesis.gradients_at`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np

from tuner.network.wavelets.differences import stencils
from tuner.network.wavelets.fields import fields_on_samples
from tuner.network.wavelets.inputs import put_differences, put_fields
from tuner.network.wavelets.layout import Layout
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.network.wavelets.splines import Reading, Taps, kept
from tuner.network.wavelets.waves import GridSines
from tuner.shapes import FloatArray

# Values of all fields: 90 x 90 in colour. Libraries for products divide what is larger among threads, which hold their
# processors while they wait for each other: of 112 x 112 that took six times as long as points by the core.
_MOST_VALUES = 12 << 13
# Samples further away count for less than a billionth.
_REACH = 16


@dataclass(frozen=True, slots=True)
class SlopeReading(Reading):
    """Which samples along an axis tell the slope at each of them, per unit of the coordinate.

    Attributes:
        samples: number N of samples along the axis.
    """

    samples: int

    @property
    def positions(self) -> int:
        """Number N of samples."""
        return self.samples

    def rows(self, start: int, stop: int) -> Taps:
        """What the slopes at samples [start, stop) read."""
        distance = np.arange(1, _REACH + 1)
        weights = 3.0 * (np.sqrt(3.0) - 2.0) ** distance * (self.samples / 2.0)
        nodes = np.arange(start, stop)[:, None] + np.concatenate([-distance, distance])
        unfolded = nodes % (2 * self.samples)
        mirrored = np.minimum(unfolded, 2 * self.samples - 1 - unfolded)
        both = np.concatenate([weights, -weights]).astype(np.float32)
        return Taps(mirrored, np.broadcast_to(both, mirrored.shape))


@lru_cache(maxsize=16)
def _slope_reading(samples: int) -> Reading:
    return kept(SlopeReading(samples))


def is_small(layout: Layout) -> bool:
    """Whether derivatives on all samples are made at once; of a line they are not, whose samples share nothing."""
    return layout.dimensions > 1 and layout.field_channels * prod(layout.grid_shape) <= _MOST_VALUES


def slopes_on_samples(parameters: WaveletParameters, axes: Sequence[FloatArray]) -> FloatArray:
    """Derivatives on the samples of the signal, in memory for all fields and inputs there.

    Args:
        parameters: numbers of the network.
        axes: coordinates of the samples along each dimension, float (N_d,).

    Returns:
        float32 (*grid_shape, C, D), per unit of the coordinates.
    """
    fields = fields_on_samples(parameters)
    if not parameters.readout_weight.any():
        return _slopes_of_sum(parameters, fields)
    shape, dimensions = parameters.grid_shape, parameters.dimensions
    around, waves = stencils(dimensions), GridSines(parameters, axes)
    inputs_IP = np.empty((parameters.hidden[0].weight.shape[1], prod(shape)), dtype=np.float32)
    waves.fill(inputs_IP, 0, shape[0])
    _put(parameters, inputs_IP, fields, around, None)
    tangents_DIP = np.empty((dimensions, *inputs_IP.shape), dtype=np.float32)
    skipped_DCP = np.empty((dimensions, parameters.channels, prod(shape)), dtype=np.float32)
    for axis, tangent_IP in enumerate(tangents_DIP):
        waves.fill_slopes(tangent_IP, inputs_IP, axis)
        slopes = _slope_reading(shape[axis]).apply(fields, 1 + axis)
        skipped_DCP[axis] = parameters.skip @ _put(parameters, tangent_IP, slopes, around, axis)
    hidden, tangents = inputs_IP, tangents_DIP
    for layer in parameters.hidden:
        angles = layer.weight @ hidden
        angles += layer.bias[:, None]
        tangents = np.matmul(layer.weight, tangents)
        tangents *= np.cos(angles)
        hidden = np.sin(angles, out=angles)
    found_DCP = np.matmul(parameters.readout_weight, tangents)
    found_DCP += skipped_DCP
    slopes_PCD: FloatArray = np.ascontiguousarray(found_DCP.T)
    return slopes_PCD.reshape(*shape, parameters.channels, dimensions)


def _slopes_of_sum(parameters: WaveletParameters, fields: FloatArray) -> FloatArray:
    """The same of values that are sums of fields alone, as those of a network that has learned nothing are."""
    values = np.tensordot(parameters.skip, fields, 1)
    along = [_slope_reading(samples).apply(values, 1 + axis) for axis, samples in enumerate(parameters.grid_shape)]
    return np.ascontiguousarray(np.moveaxis(np.stack(along, axis=-1), 0, -2))


def _put(
    parameters: WaveletParameters, inputs_IP: FloatArray, fields: FloatArray, around: FloatArray, axis: int | None
) -> FloatArray:
    """Put all inputs but the sines, or their derivatives along an axis, into the last rows of float32 (I, P).

    Args:
        parameters: numbers of the network.
        inputs_IP: room for all inputs.
        fields: the fields, float32 (U, *grid_shape), or their derivatives along the axis.
        around: the differences as sums over offsets, from `stencils`.
        axis: number of the axis, None for the inputs themselves.

    Returns:
        The fields, float32 (U, P).
    """
    layout = parameters.layout
    u_UP = np.ascontiguousarray(fields).reshape(len(fields), -1)
    m_MP = inputs_IP[len(inputs_IP) - layout.inputs :]
    put_fields(layout, u_UP, m_MP)
    brightness = fields[:: layout.colours].sum(axis=0)
    for number in range(layout.dimensions):
        # Beyond the outermost samples the brightness is theirs, and does not follow along that axis.
        beyond = [(int(other == number),) * 2 for other in range(layout.dimensions)]
        brightness = np.pad(brightness, beyond, mode="constant" if number == axis else "edge")
    put_differences(brightness, around, m_MP[layout.summed_inputs :])
    m_MP *= parameters.gains[:, None]
    return u_UP
