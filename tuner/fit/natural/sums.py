"""Points and directions of the natural gradient, and the sums over samples that steer it; B fits of one shape at once.

`tuner.fit.natural.sweeps` makes the sums, `tuner.fit.natural.direction` turns them into a step; neither needs to know
the other. The first axis of every tensor is the member of the batch; input frequencies and phases are common to all
members.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Hidden:
    """A point, or a direction: phases (M,) and, per hidden layer, [W, b] of all members, (B, H, I + 1)."""

    phases: Tensor
    layers: tuple[Tensor, ...]

    @property
    def members(self) -> int:
        """Number of fits B."""
        return len(self.layers[0])

    def plus(self, steps: "Sequence[tuple[Tensor, Hidden]]") -> "Hidden":
        """Add a weighted sum of directions, each member with its own weights (B,).

        Phases move with the weight of the first member: they only move in batches of one.
        """
        phases, layers = self.phases, list(self.layers)
        for factors, step in steps:
            phases = phases + factors[0].to(phases.dtype) * step.phases
            layers = [
                layer + factors[:, None, None].to(layer.dtype) * move
                for layer, move in zip(layers, step.layers, strict=True)
            ]
        return Hidden(phases, tuple(layers))

    def minus(self, other: "Hidden") -> "Hidden":
        """The difference of two points, a direction."""
        layers = (mine - theirs for mine, theirs in zip(self.layers, other.layers, strict=True))
        return Hidden(self.phases - other.phases, tuple(layers))

    def where(self, mine: Tensor, other: "Hidden") -> "Hidden":
        """The members (B,) that are `mine` from here, the rest from `other`."""
        layers = (
            torch.where(mine[:, None, None], own, its) for own, its in zip(self.layers, other.layers, strict=True)
        )
        return Hidden(torch.where(mine[0], self.phases, other.phases), tuple(layers))

    def moves(self) -> bool:
        """Whether the hidden matrices of a direction are more than zeros; this waits for the device."""
        return any(bool(layer.any()) for layer in self.layers)

    def of(self, members: Tensor) -> "Hidden":
        """Some of the members, by their indices."""
        return Hidden(self.phases, tuple(layer[members] for layer in self.layers))

    def still(self) -> "Hidden":
        """A direction of the same shape that moves nothing."""
        return Hidden(torch.zeros_like(self.phases), tuple(torch.zeros_like(layer) for layer in self.layers))


@dataclass(frozen=True, slots=True)
class Normal:
    """Normal equations of the output layer: sums over samples of h~ h~^T and h~ y^T, with h~ = [h; 1], float64.

    Attributes:
        gram: sums of h~ h~^T, (B, H + 1, H + 1).
        cross: sums of h~ y^T, (B, H + 1, C).
    """

    gram: Tensor
    cross: Tensor


@dataclass(frozen=True, slots=True)
class Curvature:
    """Factors of the Gauss-Newton matrix of each hidden layer, means over samples, float64.

    Attributes:
        output_side: means of sum_c g_c g_c^T, (B, H, H), g_c being the derivative of channel c with respect to a
            pre-activation.
        input_side: means of h~ h~^T for the inputs of the second and later hidden layers, (B, I + 1, I + 1).
    """

    output_side: tuple[Tensor, ...]
    input_side: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class Moves:
    """Sums over samples for K directions with output changes t_k.

    Attributes:
        products: sums of <t_k, t_l>, (B, K, K).
        residual_products: sums of <r, t_k>, r being the residual, (B, K).
        feature_products: sums of h~ t_k^T, (B, K, H + 1, C).
    """

    products: Tensor
    residual_products: Tensor
    feature_products: Tensor


@dataclass(frozen=True, slots=True)
class Correction:
    """What a combination of directions does to the residual, according to the linear model.

    Attributes:
        coefficients: weights of the directions in the combination, (B, K).
        absorbed: part [C, e] of the change that the output layer takes back, (B, C, H + 1).
    """

    coefficients: Tensor
    absorbed: Tensor
