"""The mathematics of natural-gradient steps, on small matrices in float64, for all members of a batch at once.

Everything here works on sums over samples that `tuner.fit.natural.sweeps` has made; no function sees a sample. In the
order of an iteration:

1. `solve_readout`: the best output layer for fixed hidden layers (variable projection: Golub & Pereyra 1973);
2. `Preconditioner`: per hidden matrix, the Gauss-Newton matrix is taken as a Kronecker product of the covariances of
   the layer's inputs and of the derivatives behind it (Martens & Grosse 2015, arXiv 1503.05671, section 4), each
   damped in proportion to its own mean diagonal. With distinct integer frequencies on a whole period the first
   layer's inputs are white, which is why this direction suits the network so well;
3. `best_combination`: how far to go along each of several directions, by the exact quadratic model of the loss, from
   which the part that a new output layer would absorb is projected out (Kaufman 1975).

A member whose numbers are no longer finite gets zeros or NaN of its own; nothing here raises for it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from tuner.fit.natural.prior import Prior
from tuner.fit.natural.sums import Correction, Curvature, Hidden, Moves, Normal

# Against rounding in the sums, relative to the mean square of a neuron; tried in turn until the factorisation holds.
_RIDGE_GROWTH = 100.0
_RIDGE_ATTEMPTS = 6
# Directions whose independent part is smaller than this, relative to their length, are rounding: sums are float32.
_INDEPENDENT = 1e-6


@dataclass(frozen=True, slots=True)
class Readout:
    """The best output layers [C, e], (B, C, H + 1) float32, and the Cholesky factors of the Gram matrices."""

    matrix: Tensor
    factor: Tensor

    def of(self, members: Tensor) -> "Readout":
        """Some of the members, by their indices."""
        return Readout(self.matrix[members], self.factor[members])


def solve_readout(normal: Normal, ridge: float) -> Readout:
    """Solve the normal equations with a ridge term on C, not on e.

    Args:
        normal: normal equations, summed over all samples.
        ridge: penalty of C, relative to the mean square of a hidden neuron, > 0. Raised for a member whose matrix is
            indefinite by rounding.
    """
    mean_square = normal.gram.diagonal(dim1=1, dim2=2)[:, :-1].mean(1, keepdim=True)
    ridges = torch.full_like(mean_square, ridge)
    for _ in range(_RIDGE_ATTEMPTS):
        damped = normal.gram.clone()
        damped.diagonal(dim1=1, dim2=2)[:, :-1] += ridges * mean_square
        factor, info = torch.linalg.cholesky_ex(damped)
        if not bool(info.any()):
            break
        ridges[info != 0] *= _RIDGE_GROWTH
    solution = torch.cholesky_solve(normal.cross, factor)
    return Readout(solution.mT.to(torch.float32).contiguous(), factor)


class Preconditioner:
    """The Kronecker-factored curvature at a point, factorised once and applied to several gradients.

    Args:
        curvature: Kronecker factors of the curvature of every layer.
        covariance: E[s~ s~^T] of the first layer's inputs, (M + 1, M + 1), common to all members.
        hidden: weights and phases at which the curvature was taken.
        damping: damping of each member, relative to its mean curvature, (B,), > 0.
        phases: whether the phases move too; their curvature is taken as diagonal.
    """

    def __init__(
        self, curvature: Curvature, covariance: Tensor, hidden: Hidden, damping: Tensor, *, phases: bool
    ) -> None:
        self._dtype = hidden.layers[0].dtype
        inputs = (covariance[None], *curvature.input_side)
        self._factors = [
            (_damped_factor(output_side, damping), _damped_factor(input_side, damping))
            for output_side, input_side in zip(curvature.output_side, inputs, strict=True)
        ]
        self._turning: Tensor | None = None
        if phases:
            weight = hidden.layers[0][:, :, :-1].double()
            # d z_i / d phi_j = W_ij cos(.), and the mean square of a cosine is 1/2.
            turning = 0.5 * (weight * (curvature.output_side[0] @ weight)).sum((0, 1))
            self._turning = turning + damping[0] * turning.mean() + torch.finfo(torch.float64).tiny

    def direction(self, gradient: Hidden) -> Hidden:
        """Minus the gradient, divided by the curvature: (G + ..)^-1 gradient (A + ..)^-1 of every hidden matrix."""
        layers = []
        for slope, (output_factor, input_factor) in zip(gradient.layers, self._factors, strict=True):
            left = torch.cholesky_solve(slope, output_factor)
            layers.append(-torch.cholesky_solve(left.mT, input_factor).mT.to(self._dtype).contiguous())
        if self._turning is None:
            return Hidden(torch.zeros_like(gradient.phases, dtype=self._dtype), tuple(layers))
        return Hidden((-gradient.phases / self._turning).to(self._dtype), tuple(layers))


class PriorPreconditioner:
    """The same with a Gaussian prior on the weights: (G x A + strength D + damping) is diagonal in its eigenvectors.

    Args:
        curvature: Kronecker factors of the curvature of every layer.
        covariance: E[s~ s~^T] of the first layer's inputs, (M + 1, M + 1), common to all members.
        hidden: weights and phases at which the curvature was taken.
        damping: damping of each member, relative to its mean curvature, (B,), > 0.
        prior: costs and strength of the prior.
    """

    def __init__(self, curvature: Curvature, covariance: Tensor, hidden: Hidden, damping: Tensor, prior: Prior) -> None:
        self._dtype = hidden.layers[0].dtype
        self._parts: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        self.determined = torch.zeros_like(damping)
        inputs = (covariance[None], *curvature.input_side)
        for output_side, input_side, costs in zip(curvature.output_side, inputs, prior.costs, strict=True):
            # The bias costs nothing; here it is scaled like a cheap weight, which only changes the direction.
            scale = torch.cat([costs, costs.min()[None]]).rsqrt()
            low, left = torch.linalg.eigh(output_side)
            high, right = torch.linalg.eigh(scale[:, None] * input_side * scale)
            product = low.clamp(min=0.0)[:, :, None] * high.clamp(min=0.0)[:, None]
            strength = prior.strength[:, None, None]
            self.determined += (product / (product + strength)).nan_to_num(0.0).sum((1, 2))
            mean = product.mean((1, 2), keepdim=True)
            divisor = product + strength + damping[:, None, None] * torch.where(mean > 0.0, mean, 1.0)
            self._parts.append((left, right, scale, divisor))

    def direction(self, gradient: Hidden) -> Hidden:
        """Minus the gradient, divided by the curvature and the prior's own."""
        layers = []
        for slope, (left, right, scale, divisor) in zip(gradient.layers, self._parts, strict=True):
            turned = left.mT @ (slope * scale) @ right / divisor
            layers.append(-((left @ turned @ right.mT) * scale).to(self._dtype).contiguous())
        return Hidden(torch.zeros_like(gradient.phases, dtype=self._dtype), tuple(layers))


def best_combination(moves: Moves, factor: Tensor) -> tuple[Correction, Tensor]:
    """Coefficients of the directions that minimise the projected quadratic model.

    Args:
        moves: changes of the outputs along K directions, as sums over samples.
        factor: Cholesky factors of the output layers' Gram matrices, (B, H + 1, H + 1).

    Returns:
        The combination, all zeros for a member whose sums are not finite, and the fall of the sum of squares that the
        model promises, (B,).
    """
    batch, count, width, channels = moves.feature_products.shape
    features = moves.feature_products.transpose(1, 2).reshape(batch, width, count * channels)
    half = torch.linalg.solve_triangular(factor, features, upper=False).reshape(batch, width, count, channels)
    projected = moves.products - torch.einsum("bhkc,bhlc->bkl", half, half)
    # Scaled to a unit diagonal: the directions may differ by orders of magnitude.
    scale = projected.diagonal(dim1=1, dim2=2).clamp(min=1e-30).sqrt()
    system = (projected / (scale[:, :, None] * scale[:, None])).nan_to_num(0.0, 0.0, 0.0)
    target = (-moves.residual_products / scale).nan_to_num(0.0, 0.0, 0.0)
    values, vectors = torch.linalg.eigh(system)
    inverse = torch.where(values > _INDEPENDENT, 1.0 / values, 0.0)
    scaled = torch.einsum("bkl,bl,bml,bm->bk", vectors, inverse, vectors, target)
    promise = 2.0 * (scaled * target).sum(1) - torch.einsum("bk,bkl,bl->b", scaled, system, scaled)
    coefficients = (scaled / scale).nan_to_num(0.0, 0.0, 0.0)
    combined = torch.einsum("bk,bkhc->bhc", coefficients, moves.feature_products)
    absorbed = torch.cholesky_solve(combined, factor).mT
    return Correction(coefficients, absorbed), promise


def _damped_factor(matrix: Tensor, damping: Tensor) -> Tensor:
    """Cholesky factors of matrix + sqrt(damping) mean(diagonal) I, (B, n, n)."""
    mean = matrix.diagonal(dim1=1, dim2=2).mean(1)
    # A layer that moves nothing has no curvature: any positive definite matrix will do.
    added = torch.where(mean > 0.0, damping.sqrt() * mean, 1.0)
    damped = matrix.expand(len(added), -1, -1).clone()
    damped.diagonal(dim1=1, dim2=2).add_(added[:, None])
    factor: Tensor = torch.linalg.cholesky_ex(damped).L
    return factor
