"""What a wavelet network sees around a point: differences of the brightness between samples nearby.

    v(x) = G [t(x + e) - t(x - e)] / 2,   G [t(x + e) - 2 t(x) + t(x - e)],   and for pairs of axes
           G [t(x + e + f) - t(x + e - f) - t(x - e + f) + t(x - e - f)] / 4,      e, f: one sample along an axis

t is the sum of all fields of the first colour. The fields themselves say what a picture is like at one point; these say
which way its edges run, so that a narrow network can sharpen along them and smooth across. On photographs they are
worth 0.15 to 0.3 dB at the same latents (docs/decisions/0018-differences-between-samples.md). Coordinates outside the
outermost samples are moved to these first. Arithmetic on small arrays only.
"""

from functools import cache
from itertools import combinations, product

import numpy as np

from tuner.shapes import FloatArray

# G, which brings differences to the order of fields.
GAIN = 4.0


def difference_kinds(dimensions: int) -> list[tuple[tuple[int, ...], int]]:
    """Axes and order of every difference: first and second along each axis, then first along both axes of each pair."""
    axes = range(dimensions)
    return [
        *(((axis,), 1) for axis in axes),
        *(((axis,), 2) for axis in axes),
        *((pair, 1) for pair in combinations(axes, 2)),
    ]


def offsets(dimensions: int) -> list[tuple[int, ...]]:
    """Where t is read, in samples from a point: itself, and one sample along one axis or two."""
    return [steps for steps in product((-1, 0, 1), repeat=dimensions) if sum(map(abs, steps)) <= 2]


@cache
def stencils(dimensions: int) -> FloatArray:
    """Each difference as a sum over the offsets: float32 (V, offsets), read-only."""
    found = [[_share(steps, *kind) for steps in offsets(dimensions)] for kind in difference_kinds(dimensions)]
    shares: FloatArray = np.array(found, dtype=np.float32) * np.float32(GAIN)
    shares.flags.writeable = False
    return shares


def _share(steps: tuple[int, ...], axes: tuple[int, ...], order: int) -> float:
    if any(step for axis, step in enumerate(steps) if axis not in axes):
        return 0.0
    if order == 2:
        return 1.0 if steps[axes[0]] else -2.0
    return float(np.prod([steps[axis] / 2.0 for axis in axes]))
