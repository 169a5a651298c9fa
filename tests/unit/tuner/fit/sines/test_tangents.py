"""Tangents that travel beside the values are what autograd finds."""

import torch

from tests.signals import torus
from tuner.fit.sines.module import SineNetwork
from tuner.fit.sines.tangents import values_and_gradients
from tuner.fit.sines.trainable import gradients
from tuner.network.sines.config import NetworkConfig
from tuner.signal.grid import Grid
from tuner.signal.mesh import distance_signal

RING = torus(48, 24)
FIELD = distance_signal(RING, 24)


def network(hidden: tuple[int, ...] = (9, 7)) -> SineNetwork:
    config = NetworkConfig(frequencies=20, hidden=hidden)
    return SineNetwork.initial(config, Grid(FIELD.grid_shape, config.period), 1, seed=4)


def test_tangents_are_what_autograd_finds() -> None:
    coords = torch.rand(11, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for net in (network((9,)), network()):
        values, slopes = values_and_gradients(net, coords)
        torch.testing.assert_close(values, net(coords))
        torch.testing.assert_close(slopes, gradients(net, coords), atol=1e-4, rtol=1e-4)
