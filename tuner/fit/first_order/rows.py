"""The first hidden map on a grid, differentiable, without visiting every pair of point and frequency.

Along the last axis x, sin(a + w k x) = sin(a) cos(w k x) + cos(a) sin(w k x), and many frequencies share |k|. So W s on
a row of the grid is a short Fourier series in x whose coefficients depend on the other coordinates only: contract the
columns of W once per row, then multiply by a table of 2F cosines and sines, F being the number of distinct |k|. Exact
up to rounding; for 364 frequencies on an image a point costs some 40 multiplications per neuron instead of 364.
`SineNetwork.forward` is the slow twin.
"""

from math import pi

import torch
from jaxtyping import Float
from torch import Tensor

from tuner.fit.sines.module import SineNetwork


class RowSeries:
    """The frequencies of a network, grouped by the size of their last coordinate.

    Made once per network, since frequencies are frozen.
    """

    def __init__(self, network: SineNetwork) -> None:
        last_M = network.frequencies_MD[:, -1]
        self._unit = 2.0 * pi / network.period
        self._outer_ME = network.frequencies_MD[:, :-1].double() * self._unit
        self._sign_M = last_M.sign().to(network.phases_M.dtype)
        sizes_F, group_M = torch.unique(last_M.abs(), return_inverse=True)
        self._sizes_F = sizes_F.double() * self._unit
        self._members_FG = _members(group_M)

    def preactivation(
        self,
        network: SineNetwork,
        outer_OE: Float[Tensor, "outer outer_dims"],
        last_X: Float[Tensor, " last"],
    ) -> Float[Tensor, "hidden points"]:
        """W s + b of the first hidden layer at every pair of an outer point and a position on the last axis.

        Args:
            network: network that this was made for; gradients flow to its phases, first weight and first bias.
            outer_OE: coordinates of the outer points on all axes but the last, (O, D - 1).
            last_X: positions on the last axis, (X,).

        Returns:
            (H, O X), the last axis running fastest.
        """
        layer = network.layers[0]
        dtype = network.phases_M.dtype
        # Large angles lose digits in float32: reduce them in float64, once per row of the grid.
        angle_MO = (self._outer_ME @ outer_OE.double().T).remainder(2.0 * pi).to(dtype) + network.phases_M[:, None]
        weight_FHG = _grouped(layer.weight_HM.T, self._members_FG).transpose(1, 2)
        cosine_part_FHO = weight_FHG @ _grouped(angle_MO.sin(), self._members_FG)
        sine_part_FHO = weight_FHG @ _grouped(angle_MO.cos() * self._sign_M[:, None], self._members_FG)
        series = torch.cat([cosine_part_FHO, sine_part_FHO])

        angle_FX = self._sizes_F[:, None] * last_X.double()
        table = torch.cat([angle_FX.cos(), angle_FX.sin()]).to(dtype)
        bias = layer.bias_H.repeat_interleave(len(outer_OE))[:, None]
        return torch.addmm(bias, series.flatten(1).T, table).view(len(layer.bias_H), -1)


def _members(group_M: Tensor) -> Tensor:
    """Indices of each group's frequencies, (F, G); short groups end with M, the index of a row of zeros."""
    counts = torch.bincount(group_M).tolist()
    members_FG = group_M.new_full((len(counts), max(counts)), len(group_M))
    for group, count in enumerate(counts):
        members_FG[group, :count] = (group_M == group).nonzero().squeeze(1)
    return members_FG


def _grouped(rows_MR: Tensor, members_FG: Tensor) -> Tensor:
    """Rows gathered by group, (F, G, R)."""
    return torch.cat([rows_MR, rows_MR.new_zeros(1, rows_MR.shape[1])])[members_FG]
