"""Values of a line cut into windows: each point is evaluated in the window that it lies in."""

from collections.abc import Iterator, Sequence

import numpy as np

from tuner.network.sines import by_core as network
from tuner.network.sines.windows import WindowedParameters
from tuner.shapes import DoubleArray, FloatArray, IndexArray

# Rounding error of a coordinate in single precision, near the ends of the line.
_ROUNDING = 1.5e-7


def values_at(parameters: WindowedParameters, coords_PD: FloatArray) -> FloatArray:
    """Values at any points, float32 (P, C)."""
    values = np.empty((len(coords_PD), parameters.channels), dtype=np.float32)
    for number, points, local_P in _by_window(parameters, coords_PD[:, 0].astype(np.float64)):
        values[points] = network.values_at(parameters.only([number]), local_P[:, None].astype(np.float32))
    return values


def gradients_at(parameters: WindowedParameters, coords_PD: FloatArray) -> FloatArray:
    """Derivatives at any points, float32 (P, C, 1), per unit of the coordinates of the line."""
    slopes = np.empty((len(coords_PD), parameters.channels, 1), dtype=np.float32)
    for number, points, local_P in _by_window(parameters, coords_PD[:, 0].astype(np.float64)):
        slopes[points] = network.gradients_at(parameters.only([number]), local_P[:, None].astype(np.float32))
    return slopes * np.float32(parameters.samples / parameters.window)


def values_on_grid(parameters: WindowedParameters, axes: Sequence[FloatArray]) -> FloatArray:
    """Values at points of an axis, float32 (N, C).

    Windows in which the points lie at the same places are evaluated together: on the signal's own grid, that is once.
    """
    exact = _exact(axes[0])
    values = np.empty((len(exact), parameters.channels), dtype=np.float32)
    alike: dict[bytes, list[tuple[int, IndexArray, DoubleArray]]] = {}
    for number, points, local_P in _by_window(parameters, exact):
        places = np.rint(local_P * parameters.window * 256).astype(np.int64).tobytes()
        alike.setdefault(places, []).append((number, points, local_P))
    for members in alike.values():
        chosen = [number for number, _, _ in members]
        local = members[0][2].astype(np.float32)
        found = network.values_on_grid(parameters.only(chosen), [local]).reshape(len(local), len(chosen), -1)
        for position, (_, points, _) in enumerate(members):
            values[points] = found[:, position]
    return values


def gradients_on_grid(parameters: WindowedParameters, axes: Sequence[FloatArray]) -> FloatArray:
    """Exact derivatives at points of an axis, float32 (N, C, 1), per unit of the coordinates of the line."""
    return gradients_at(parameters, axes[0][:, None])


def products_per_sample(parameters: WindowedParameters) -> int:
    """About the number of multiplications that one value takes."""
    return parameters.weight_count


def _by_window(parameters: WindowedParameters, places_P: DoubleArray) -> Iterator[tuple[int, IndexArray, DoubleArray]]:
    """For each window that has any: its number, which points, and their coordinates in it."""
    position = (places_P + 1.0) * (parameters.samples / (2.0 * parameters.window))
    # A point within rounding of a border belongs to the window that begins there.
    number = np.clip(np.floor(position + 1e-9), 0, parameters.windows - 1).astype(np.int64)
    order = np.argsort(number, kind="stable")
    found, starts = np.unique(number[order], return_index=True)
    for window, points in zip(found.tolist(), np.split(order, starts[1:]), strict=True):
        yield window, points, 2.0 * (position[points] - window) - 1.0


def _exact(axis: FloatArray) -> DoubleArray:
    """The even positions that a float32 axis was rounded from: of a minute of sound it tells samples apart, no more."""
    given = axis.astype(np.float64)
    whole = (2.0 * np.arange(len(axis)) + 1.0) / len(axis) - 1.0
    even = np.linspace(given[0], given[-1], len(axis))
    for exact in (whole, even):
        if np.abs(exact - given).max() <= _ROUNDING:
            return exact
    return given
