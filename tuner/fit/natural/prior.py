"""A Gaussian prior on the hidden weights, as strong as the samples themselves say: what keeps a fit from chasing noise.

The objective is the mean squared residual plus strength x sum of cost_j W_ij^2. The strength maximises the evidence
(MacKay 1992, "Bayesian interpolation"): it is the ratio of the variance of the residual to that of a weight, as far as
the samples determine weights at all. It is set anew at every step, so a fit that comes closer is held less.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from tuner.fit.natural.sums import Hidden, Moves
from tuner.fit.natural.sweeps import Sweeps


class Prior:
    """The prior of B fits.

    Args:
        costs: cost of the weights of each column of each hidden layer, (I,) float64, > 0; biases cost nothing.
        members: number of fits B.

    Attributes:
        costs: those costs.
        strength: strength of each member's prior, (B,) float64.
    """

    def __init__(self, costs: Sequence[Tensor], members: int) -> None:
        self.costs = list(costs)
        self.strength = torch.zeros(members, dtype=torch.float64, device=self.costs[0].device)

    def energy(self, point: Hidden) -> Tensor:
        """Sum of cost x weight^2, (B,)."""
        return self.inner(point, point)

    def inner(self, one: Hidden, other: Hidden) -> Tensor:
        """Sum of cost x weight x weight, (B,)."""
        total = torch.zeros_like(self.strength)
        for mine, its, costs in zip(one.layers, other.layers, self.costs, strict=True):
            total = total + (mine[:, :, :-1].double() * its[:, :, :-1].double() * costs).sum((1, 2))
        return total

    def pulled(self, gradient: Hidden, point: Hidden) -> Hidden:
        """A gradient of half the mean squared residual, with that of the prior at a point added."""
        layers = []
        for slope, layer, costs in zip(gradient.layers, point.layers, self.costs, strict=True):
            pull = layer.double() * torch.cat([costs, costs.new_zeros(1)]) * self.strength[:, None, None]
            layers.append(slope + pull)
        return Hidden(gradient.phases, tuple(layers))

    def added(self, moves: Moves, point: Hidden, directions: Sequence[Hidden], samples: int) -> Moves:
        """The sums of the quadratic model, with the prior's own share of them."""
        weight = samples * self.strength
        products = torch.stack([torch.stack([self.inner(a, b) for b in directions], -1) for a in directions], -2)
        slopes = torch.stack([self.inner(point, a) for a in directions], -1)
        return Moves(
            moves.products + weight[:, None, None] * products,
            moves.residual_products + weight[:, None] * slopes,
            moves.feature_products,
        )

    def weigh(self, point: Hidden, squares: Tensor, determined: Tensor, sweeps: Sweeps, factor: float) -> None:
        """Set the strength to that of the greatest evidence, times a factor.

        Args:
            point: weights reached.
            squares: sums of squared residuals there, (B,).
            determined: number of weights that the samples determine, (B,).
            sweeps: samples of the fits.
            factor: factor by which the strength exceeds that of white residuals.
        """
        numbers = sweeps.samples * sweeps.targets_BCP.shape[1]
        variance = squares / (numbers - determined).clamp(min=0.1 * numbers)
        strength = factor * determined * variance / (sweeps.samples * self.energy(point))
        self.strength = strength.nan_to_num(0.0, 0.0, 0.0)
