"""The eight ways in which EXIF, TIFF and the track header of a video say that rows and columns are to be turned."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def upright(samples: NDArray[Any], orientation: int, axis: int = 0) -> NDArray[Any]:
    """Samples with an orientation undone: mirrored (2, 4, 5, 7), upside down (3, 4), on its side (5 to 8).

    Args:
        samples: array of any number of axes, rows and columns next to each other among them.
        orientation: 1 to 8, as EXIF counts.
        axis: number of the axis of rows; columns follow.

    Returns:
        The samples as they are to be seen, contiguous.
    """
    rows, columns = axis, axis + 1
    if orientation in {5, 6, 7, 8}:
        samples = samples.swapaxes(rows, columns)
    if orientation in {2, 3, 6, 7}:
        samples = np.flip(samples, columns)
    if orientation in {3, 4, 7, 8}:
        samples = np.flip(samples, rows)
    return np.ascontiguousarray(samples)
