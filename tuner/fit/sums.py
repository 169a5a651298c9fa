"""What the natural-gradient trainer searches over, and the sums over samples that steer it.

`tuner.fit.sweeps` makes the sums, `tuner.fit.direction` turns them into a step; neither needs to know the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Hidden:
    """What the trainer searches over: phases (M,) and, per hidden layer, [W, b] as (H, I + 1)."""

    phases: Tensor
    layers: tuple[Tensor, ...]

    def plus(self, steps: "Sequence[tuple[float, Hidden]]") -> "Hidden":
        """Add a weighted sum of directions."""
        phases, layers = self.phases, list(self.layers)
        for factor, step in steps:
            phases = phases + factor * step.phases
            layers = [layer + factor * move for layer, move in zip(layers, step.layers, strict=True)]
        return Hidden(phases, tuple(layers))

    def minus(self, other: "Hidden") -> "Hidden":
        """The difference of two points, a direction."""
        return self.plus([(-1.0, other)])


@dataclass(frozen=True, slots=True)
class Normal:
    """Normal equations of the output layer: sums over samples of h~ h~^T and h~ y^T, with h~ = [h; 1], float64."""

    gram: Tensor
    cross: Tensor


@dataclass(frozen=True, slots=True)
class Slopes:
    """Means over samples, float64: the gradient of half the squared residual, and both curvature factors of a layer.

    Attributes:
        gradient: per hidden matrix, (H, I + 1), and for the phases.
        output_side: E[sum_c g_c g_c^T], (H, H), g_c being the derivative of channel c with respect to a pre-activation.
        input_side: E[h~ h~^T] of the inputs of the second and later hidden layers, (I + 1, I + 1).
    """

    gradient: Hidden
    output_side: tuple[Tensor, ...]
    input_side: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class Moves:
    """Sums over samples for K directions with output changes t_k: <t_k, t_l>, <r, t_k> and h~ t_k^T (K, H + 1, C)."""

    products: Tensor
    residual_products: Tensor
    feature_products: Tensor
