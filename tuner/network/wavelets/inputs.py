"""What turns the phases of a wavelet network, at points and on grids: its fields and what is around them.

The M inputs of the first layer beside the sines: each field of the first colour, for every other colour the sum of its
fields, and the differences of the sum of the first colour's (`tuner.network.wavelets.differences`), each times its
power of two. On the samples of the signal differences are taken of what is there, anywhere else of the splines.
`inputs_at` is the slow twin.
"""

from collections.abc import Sequence

import numpy as np

from tuner.network.wavelets.differences import offsets, stencils
from tuner.network.wavelets.fields import (
    FieldPart,
    are_samples,
    even_coordinates,
    field_parts,
    spline_nodes,
    spline_part,
)
from tuner.network.wavelets.layout import Layout
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.network.wavelets.splines import spline_taps
from tuner.shapes import FloatArray


def inputs_at(
    parameters: WaveletParameters,
    nodes: FloatArray,
    coords_PD: FloatArray,
    derivative: int | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Inputs beside the sines, float32 (M, P), and fields, float32 (U, P), or their derivatives by one coordinate.

    Args:
        parameters: numbers of the network.
        nodes: the fields as splines, from `spline_nodes`.
        coords_PD: coordinates of the points.
        derivative: number of the coordinate to differentiate by, or None for values.
    """
    shape = parameters.grid_shape
    u_UP = _at(nodes, coords_PD, derivative)
    brightness = brightness_nodes(parameters, nodes)
    seen = np.zeros((len(offsets(len(shape))), len(coords_PD)), dtype=np.float32)
    for number, steps in enumerate(offsets(len(shape))):
        moved = [moved_positions(coords_PD[:, axis], shape[axis], step) for axis, step in enumerate(steps)]
        seen[number] = _at(brightness, np.stack([positions for positions, _ in moved], 1), derivative)[0]
        if derivative is not None:
            seen[number] *= moved[derivative][1]
    m_MP = np.empty((parameters.layout.inputs, len(coords_PD)), dtype=np.float32)
    put_fields(parameters.layout, u_UP, m_MP)
    m_MP[parameters.layout.summed_inputs :] = stencils(len(shape)) @ seen
    m_MP *= parameters.gains[:, None]
    return m_MP, u_UP


def brightness_nodes(parameters: WaveletParameters, nodes: FloatArray) -> FloatArray:
    """Nodes of the spline of t, the sum of all fields of the first colour: float32 (1, *grid_shape).

    Args:
        parameters: numbers of the network.
        nodes: the fields as splines, from `spline_nodes`.
    """
    brightness: FloatArray = nodes[:: parameters.layout.colours].sum(axis=0, keepdims=True)
    return brightness


def moved_positions(positions_N: np.ndarray, samples: int, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions along an axis some samples further, within the outermost samples; and where they move with these."""
    last = 1.0 - 1.0 / samples
    inside = np.clip(positions_N.astype(np.float64), -last, last)
    wanted = inside + 2.0 * step / samples
    slack = 1e-9
    follows = (np.abs(positions_N) <= last + slack) & (np.abs(wanted) <= last + slack)
    return np.clip(wanted, -last, last), follows


class GridInputs:
    """The same on the product of some axes, tile by tile.

    Args:
        parameters: numbers of the network.
        axes: coordinates along each dimension, float (N_d,), ascending.
    """

    def __init__(self, parameters: WaveletParameters, axes: Sequence[FloatArray]) -> None:
        self._parameters, self._shape = parameters, tuple(len(axis) for axis in axes)
        self._parts = field_parts(parameters, axes)
        self._stencils = stencils(len(axes))
        self._offsets = offsets(len(axes))
        self._moved: list[FieldPart] = []
        self._on_samples = are_samples(parameters.grid_shape, axes)
        if not self._on_samples:
            nodes = brightness_nodes(parameters, spline_nodes(parameters))
            exact = [even_coordinates(axis) for axis in axes]
            for steps in self._offsets:
                taps = [
                    spline_taps(moved_positions(axis, samples, step)[0], samples)
                    for axis, samples, step in zip(exact, parameters.grid_shape, steps, strict=True)
                ]
                self._moved.append(spline_part(slice(0, 1), nodes, taps))

    def fill(self, m_MP: FloatArray, start: int, stop: int) -> FloatArray:
        """Put the inputs of rows [start, stop) of the first axis into `m_MP`; return the fields there, (U, P)."""
        parameters = self._parameters
        # Differences of samples need one more row on each side.
        margin = int(self._on_samples)
        first, last = max(0, start - margin), min(self._shape[0], stop + margin)
        every = self._fields(first, last)
        rows = every.reshape(len(every), last - first, -1)
        u_UP = np.ascontiguousarray(rows[:, start - first : stop - first]).reshape(len(every), -1)
        put_fields(parameters.layout, u_UP, m_MP)
        differences = m_MP[parameters.layout.summed_inputs :]
        if self._on_samples:
            brightness = rows[:: parameters.layout.colours].sum(axis=0).reshape(last - first, *self._shape[1:])
            beyond = [(int(start == 0), int(stop == self._shape[0])), *((1, 1),) * (len(self._shape) - 1)]
            put_differences(np.pad(brightness, beyond, mode="edge"), self._stencils, differences)
        else:
            differences[:] = 0.0
            for stencil, part in zip(self._stencils.T, self._moved, strict=True):
                seen = np.zeros((1, m_MP.shape[1]), dtype=np.float32)
                part.add_to(seen, start, stop)
                differences += stencil[:, None] * seen
        m_MP *= parameters.gains[:, None]
        return u_UP

    def _fields(self, start: int, stop: int) -> FloatArray:
        plane = int(np.prod(self._shape[1:]))
        u_UP = np.zeros((self._parameters.layout.field_channels, (stop - start) * plane), dtype=np.float32)
        for part in self._parts:
            part.add_to(u_UP, start, stop)
        return u_UP


def put_differences(brightness: FloatArray, stencils_VO: FloatArray, out_VP: FloatArray) -> None:
    """Put the differences of samples, or of slopes there, into float32 (V, P).

    Args:
        brightness: t at the samples, and at one more on each side along every axis; float32.
        stencils_VO: what `stencils` gives for so many axes.
        out_VP: room for the differences, at the samples that have others around them.
    """
    sizes, around = [size - 2 for size in brightness.shape], offsets(brightness.ndim)
    for out_P, stencil in zip(out_VP, stencils_VO, strict=True):
        total = np.zeros(sizes, dtype=np.float32)
        for steps, share in zip(around, stencil, strict=True):
            if share:
                where = tuple(slice(1 + step, 1 + step + size) for step, size in zip(steps, sizes, strict=True))
                total += share * brightness[where]
        out_P[:] = total.reshape(-1)


def put_fields(layout: Layout, u_UP: FloatArray, m_MP: FloatArray) -> None:
    """Put the inputs that are fields of the first colour, or sums of those of the others, into float32 (M, P)."""
    by_field = u_UP.reshape(layout.fields, layout.colours, -1)
    m_MP[: layout.fields] = by_field[:, 0]
    m_MP[layout.fields : layout.summed_inputs] = by_field[:, 1:].sum(axis=0)


def _at(nodes: FloatArray, coords_PD: np.ndarray, derivative: int | None) -> FloatArray:
    """Splines at any points, float32 (channels, P), or their derivatives by one coordinate."""
    channels, *shape = nodes.shape
    taps = [
        spline_taps(coords_PD[:, dimension], samples, derivative=dimension == derivative)
        for dimension, samples in enumerate(shape)
    ]
    values = nodes.reshape(channels, -1)
    total = np.zeros((channels, len(coords_PD)), dtype=np.float32)
    for corner in np.ndindex(*(taps[0].nodes.shape[1],) * len(taps)):
        where = np.ravel_multi_index([axis.nodes[:, tap] for axis, tap in zip(taps, corner, strict=True)], shape)
        share = np.prod([axis.weights[:, tap] for axis, tap in zip(taps, corner, strict=True)], axis=0)
        total += values[:, where] * share
    return total
