"""Rows of a grid by short series are what the network gives at every point, and so are their gradients."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from tuner.fit.first_order.rows import RowSeries
from tuner.fit.sines.module import SineNetwork
from tuner.network.sines.config import NetworkConfig
from tuner.signal.grid import Grid


@pytest.mark.parametrize("shape", [(48, 32), (17,), (5, 6, 7)])
def test_rows_of_a_grid_agree_with_the_network(shape: tuple[int, ...]) -> None:
    grid = Grid(shape, 2.5)
    net = SineNetwork.initial(NetworkConfig(frequencies=30, hidden=(12,), band_limit=1.0), grid, 1, seed=0)
    outer = Grid(shape[:-1], 2.5).coords() if len(shape) > 1 else np.zeros((1, 0), np.float32)
    with torch.no_grad():
        fast = RowSeries(net).preactivation(net, torch.tensor(outer), torch.tensor(grid.axis(len(shape) - 1)))
        layer = net.layers[0]
        slow = net.input_sines(torch.tensor(grid.coords())) @ layer.weight_HM.T + layer.bias_H
    torch.testing.assert_close(fast.T, slow, rtol=0, atol=2e-5)


def test_gradients_of_rows_are_right() -> None:
    config = NetworkConfig(frequencies=9, hidden=(4,))
    net = SineNetwork.initial(config, Grid((48, 32), config.period), 1, seed=0).double()
    series = RowSeries(net)
    outer, last = torch.rand(3, 1, dtype=torch.float64), torch.rand(4, dtype=torch.float64)
    parameters = (net.phases_M, net.layers[0].weight_HM, net.layers[0].bias_H)
    assert gradcheck(lambda *_: series.preactivation(net, outer, last), parameters)
