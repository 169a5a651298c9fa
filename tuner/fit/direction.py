"""The mathematics of one natural-gradient step, on small matrices in float64.

Everything here works on sums over samples that `tuner.fit.sweeps` has made; no function sees a sample. In the order of
an iteration:

1. `solve_readout`: the best output layer for fixed hidden layers (variable projection: Golub & Pereyra 1973);
2. `natural_direction`: per hidden matrix, the Gauss-Newton matrix is taken as a Kronecker product of the covariances of
   the layer's inputs and of the derivatives behind it (Martens & Grosse 2015, arXiv 1503.05671, section 4), each
   damped in proportion to its own mean diagonal. With distinct integer frequencies on a whole period the first
   layer's inputs are white, which is why this direction suits the network so well;
3. `best_combination`: how far to go along the direction and along the previous step, by the exact quadratic model of
   the loss, from which the part that a new output layer would absorb is projected out (Kaufman 1975).
"""

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from tuner.fit.sums import Hidden, Moves, Normal, Slopes

# Against rounding in the sums, relative to the mean square of a neuron; tried in turn until the factorisation holds.
_RIDGE_GROWTH = 100.0
_RIDGE_ATTEMPTS = 6


@dataclass(frozen=True, slots=True)
class Readout:
    """The best output layer [C, e], (C, H + 1) float32, and the Cholesky factor of the Gram matrix that gave it."""

    matrix: Tensor
    factor: Tensor


def solve_readout(normal: Normal, ridge: float) -> Readout:
    """Solve the normal equations with a ridge term on C, not on e.

    Args:
        normal: sums over samples.
        ridge: relative to the mean square of a hidden neuron, > 0. Raised if rounding makes the matrix indefinite.
    """
    mean_square = normal.gram.diagonal()[:-1].mean()
    for _ in range(_RIDGE_ATTEMPTS):
        damped = normal.gram.clone()
        damped.diagonal()[:-1] += ridge * mean_square
        factor, info = torch.linalg.cholesky_ex(damped)
        if int(info) == 0:
            break
        ridge *= _RIDGE_GROWTH
    solution = torch.cholesky_solve(normal.cross, factor)
    return Readout(solution.T.to(torch.float32).contiguous(), factor)


def natural_direction(slopes: Slopes, covariance: Tensor, hidden: Hidden, damping: float, *, phases: bool) -> Hidden:
    """Descent direction of every hidden matrix: minus the gradient, divided by the Kronecker-factored curvature.

    Args:
        slopes: gradient and factors.
        covariance: E[s~ s~^T] of the first layer's inputs, (M + 1, M + 1).
        hidden: the current point.
        damping: relative to the mean curvature, > 0.
        phases: whether the phases move too; their curvature is taken as diagonal.
    """
    inputs = (covariance, *slopes.input_side)
    layers = tuple(
        -_divided(gradient, output_side, input_side, damping).to(layer.dtype)
        for gradient, output_side, input_side, layer in zip(
            slopes.gradient.layers, slopes.output_side, inputs, hidden.layers, strict=True
        )
    )
    if not phases:
        return Hidden(torch.zeros_like(hidden.phases), layers)
    weight = hidden.layers[0][:, :-1].double()
    # d z_i / d phi_j = W_ij cos(.), and the mean square of a cosine is 1/2.
    curvature = 0.5 * (weight * (slopes.output_side[0] @ weight)).sum(0)
    turn = -slopes.gradient.phases / (curvature + damping * curvature.mean() + torch.finfo(torch.float64).tiny)
    return Hidden(turn.to(hidden.phases.dtype), layers)


def best_combination(moves: Moves, factor: Tensor) -> tuple[list[float], float]:
    """Coefficients of the directions that minimise the projected quadratic model.

    Args:
        moves: output changes of K directions, as sums over samples.
        factor: Cholesky factor of the output layer's Gram matrix.

    Returns:
        K coefficients, and the fall of the sum of squares that the model promises.
    """
    projected = moves.products.clone()
    half = torch.linalg.solve_triangular(factor, torch.cat(list(moves.feature_products), 1), upper=False)
    half = half.reshape(len(factor), len(projected), -1)
    projected -= torch.einsum("hkc,hlc->kl", half, half)
    # Scaled to a unit diagonal: the direction and the previous step may differ by orders of magnitude.
    scale = projected.diagonal().clamp(min=1e-30).sqrt()
    system = projected / torch.outer(scale, scale)
    system.diagonal().add_(1e-8)
    target = -moves.residual_products / scale
    scaled = torch.linalg.lstsq(system, target[:, None], driver="gelsd").solution[:, 0]
    promise = 2.0 * float(scaled @ target) - float(scaled @ system @ scaled)
    return (scaled / scale).tolist(), promise


def _divided(gradient: Tensor, output_side: Tensor, input_side: Tensor, damping: float) -> Tensor:
    """(G + ..)^-1 gradient (A + ..)^-1."""
    left = torch.cholesky_solve(gradient, _damped_factor(output_side, damping))
    return torch.cholesky_solve(left.T.contiguous(), _damped_factor(input_side, damping)).T


def _damped_factor(matrix: Tensor, damping: float) -> Tensor:
    mean = float(matrix.diagonal().mean())
    if not mean > 0.0:  # a layer that moves nothing: any positive definite matrix will do
        return torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    damped = matrix.clone()
    damped.diagonal().add_(sqrt(damping) * mean)
    factor: Tensor = torch.linalg.cholesky(damped)
    return factor
