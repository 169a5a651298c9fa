"""Row bounds: how fast a hidden neuron may oscillate, whatever the number of columns.

A bound c_j holds for one column; the small harmonics of hundreds of columns may still add up. The gradient of a
pre-activation z_i = sum_j W_ij s_j + b_i, however, is at most sum_j |W_ij| |w_j|, so that a bound on that sum of a row
is a bound on the local frequency of sin(z_i) everywhere. Frequencies are measured as fractions of Nyquist, on the axis
where the fraction is largest: a limit of 1 keeps every neuron below Nyquist along every axis. Stricter than the
published method's bounds, and used beside them (`HiddenSine.project`).
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tuner.shapes import FloatArray, IntArray


def row_costs(frequencies_MD: IntArray, nyquist: tuple[float, ...]) -> FloatArray:
    """What a unit of weight on each input frequency costs: the largest of |k_d| / Nyquist_d, float32 (M,)."""
    costs_M: FloatArray = (np.abs(frequencies_MD) / np.array(nyquist)).max(axis=1).astype(np.float32)
    return costs_M


@torch.no_grad()
def project_rows(weight_HM: Float[Tensor, "hidden inputs"], costs_M: Float[Tensor, " inputs"], limit: float) -> None:
    """Move every row, in place, to the nearest one with sum_j cost_j |W_ij| <= limit.

    The projection onto a weighted L1 ball: all weights of a row that breaks its limit shrink towards zero by the same
    amount times their cost, and those that reach zero stay there. Bounds of columns that held before hold afterwards.

    Args:
        weight_HM: weights of a layer, changed in place.
        costs_M: what a unit of each column's weight adds to the sum of a row, > 0.
        limit: largest sum of costs in a row, > 0.
    """
    broken = weight_HM.abs() @ costs_M > limit
    if not bool(broken.any()):
        return
    rows_BM = weight_HM[broken]
    sizes_BM = rows_BM.abs()
    # As the shrinkage grows, weights reach zero in the order of |W| / cost.
    order_BM = (sizes_BM / costs_M).argsort(dim=1, descending=True)
    ordered_BM, ordered_costs_BM = sizes_BM.gather(1, order_BM), costs_M[order_BM]
    excess_BM = (ordered_BM * ordered_costs_BM).cumsum(1) - limit
    shrinkage_BM = excess_BM / ordered_costs_BM.square().cumsum(1)
    alive_B = (ordered_BM > shrinkage_BM * ordered_costs_BM).sum(1, keepdim=True)
    shrinkage_B1 = shrinkage_BM.gather(1, alive_B - 1)
    weight_HM[broken] = rows_BM.sign() * (sizes_BM - shrinkage_B1 * costs_M).clamp(min=0.0)
