"""Amplitude bounds: how strongly each input frequency may drive the first hidden layer.

Column j of the hidden weight multiplies input frequency k_j. Keeping |W_ij| <= c_j caps every harmonic built from k_j
(Theorem 2, arXiv 2407.21121), so c_j acts as a soft band limit. The class of a column follows from |k|_inf relative to
the low box of each axis, with absolute values. First-order trainers clamp the weights after each step
(`HiddenSine.project`), the natural gradient clamps each candidate (`tuner.fit.natural.descent`).
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tuner.shapes import FloatArray, IntArray


def column_bounds(
    frequencies: IntArray, low_limits: tuple[int, ...], *, bound_low: float, bound_high: float
) -> FloatArray:
    """Bound c_j of each column, by the class of its frequency.

    Args:
        frequencies: input frequencies in cycles per period, int32 (M, D).
        low_limits: half sides of the low box, one per axis (`tuner.network.sines.frequencies.axis_limits`).
        bound_low: largest weight c of the frequencies inside the low box, borders included.
        bound_high: largest weight c of all other frequencies.

    Returns:
        float32 (M,).
    """
    inside = (np.abs(frequencies) <= np.array(low_limits)).all(axis=1)
    return np.where(inside, bound_low, bound_high).astype(np.float32)


@torch.no_grad()
def project_columns(weight_HM: Float[Tensor, "hidden inputs"], bounds_M: Float[Tensor, " inputs"]) -> None:
    """Clamp each column of `weight_HM` to its bound, in place."""
    torch.clamp(weight_HM, -bounds_M, bounds_M, out=weight_HM)
