"""What every network here is: a function of coordinates that can be trained and kept within its bounds.

    values_PC = network(coords_PD)      coordinates (P, D) in [-1, 1]^D, D from 1 to 4, any number of channels C

`SineNetwork` is the method's own; the others are what it descends from and is compared with.
`tuner.experiment.networks.registry` makes them by name; `tuner.experiment` trains them all in the same way.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Network(nn.Module, ABC):
    """A coordinate network."""

    @abstractmethod
    def forward(self, coords_PD: Float[Tensor, "points dims"]) -> Float[Tensor, "points channels"]:
        """Values at any coordinates."""

    def project(self) -> None:
        """Bring every bounded weight back within its bound, in place. Called after each step of a training."""


def weight_count(network: nn.Module) -> int:
    """Number of scalars that a training may change: what networks are compared at. Frozen frequencies do not count."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def gradients(network: nn.Module, coords_PD: Float[Tensor, "points dims"]) -> Float[Tensor, "points channels dims"]:
    """Exact derivatives of any network at any points.

    Args:
        network: function from (P, D) to (P, C) that takes each point on its own.
        coords_PD: points at which to take the derivatives, (P, D).

    Returns:
        (P, C, D), per unit of the coordinates.
    """
    coords_PD = coords_PD.detach().requires_grad_(True)
    training = network.training
    network.eval()  # some networks take another gradient when they are trained
    with torch.enable_grad():
        values_PC = network(coords_PD)
        rows = [
            torch.autograd.grad(values_PC[:, channel].sum(), coords_PD, retain_graph=True)[0]
            for channel in range(values_PC.shape[1])
        ]
    network.train(training)
    return torch.stack(rows, dim=1)
