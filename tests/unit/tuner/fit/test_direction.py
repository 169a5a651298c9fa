"""The small-matrix mathematics, against dense references."""

import pytest
import torch
from torch import Tensor

from tuner.fit.direction import best_combination, natural_direction, solve_readout
from tuner.fit.sums import Hidden, Moves, Normal, Slopes


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed + sum(shape)))


def covariance(size: int, seed: int = 0) -> Tensor:
    rows = normal(size, 3 * size, seed=seed)
    return rows @ rows.T / (3 * size)


def test_direction_solves_the_damped_kronecker_system() -> None:
    """vec(D) = -(A kron G)^-1 vec(gradient), with each factor damped by its mean diagonal."""
    gradients = (normal(4, 6), normal(3, 5))
    output_side, input_side = (covariance(4), covariance(3)), (covariance(6), covariance(5))
    hidden = Hidden(normal(5), (normal(4, 6, seed=1), normal(3, 5, seed=1)))
    slopes = Slopes(Hidden(normal(5), gradients), output_side, input_side[1:])
    damping = 1e-2
    direction = natural_direction(slopes, input_side[0], hidden, damping, phases=False)
    for move, gradient, g, a in zip(direction.layers, gradients, output_side, input_side, strict=True):
        g_damped = g + damping**0.5 * g.diagonal().mean() * torch.eye(len(g), dtype=g.dtype)
        a_damped = a + damping**0.5 * a.diagonal().mean() * torch.eye(len(a), dtype=a.dtype)
        expected = -torch.linalg.solve(torch.kron(g_damped, a_damped), gradient.reshape(-1))
        torch.testing.assert_close(move.reshape(-1), expected)
    assert not direction.phases.any()


def test_phases_move_against_their_gradient_only_if_asked() -> None:
    hidden = Hidden(normal(5), (normal(4, 6),))
    slopes = Slopes(Hidden(normal(5, seed=3), (normal(4, 6),)), (covariance(4),), ())
    moved = natural_direction(slopes, covariance(6), hidden, 1e-2, phases=True).phases
    assert bool((moved * slopes.gradient.phases < 0).all())


def test_a_layer_without_curvature_does_not_move_or_fail() -> None:
    hidden = Hidden(normal(5), (normal(4, 6),))
    still = Slopes(Hidden(torch.zeros(5), (torch.zeros(4, 6, dtype=torch.float64),)), (torch.zeros(4, 4).double(),), ())
    direction = natural_direction(still, covariance(6), hidden, 1e-5, phases=True)
    assert not direction.layers[0].any()
    assert not direction.phases.any()


def test_combination_minimises_the_projected_model() -> None:
    """Least squares of the residual on the moves, both freed of what the output layer can absorb."""
    features, targets = normal(4, 50), normal(2, 50)
    moves = normal(3, 2, 50)
    factor = torch.linalg.cholesky(features @ features.T)
    solution = torch.linalg.lstsq(features.T, targets.T).solution.T
    residual = solution @ features - targets
    flat = moves.reshape(3, -1)
    sums = Moves(flat @ flat.T, flat @ residual.reshape(-1), torch.einsum("hp,kcp->khc", features, moves))
    coefficients, promise = best_combination(sums, factor)

    absorbed = moves @ torch.linalg.pinv(features)
    projected = (moves - absorbed @ features).reshape(3, -1)
    expected = torch.linalg.pinv(projected.T) @ -residual.reshape(-1)
    torch.testing.assert_close(torch.tensor(coefficients, dtype=torch.float64), expected, rtol=1e-5, atol=1e-6)
    after = residual.reshape(-1) + torch.tensor(coefficients, dtype=torch.float64) @ projected
    assert promise == pytest.approx(float(residual.square().sum() - after.square().sum()))


def test_combination_survives_equal_and_vanishing_moves() -> None:
    one = normal(2, 9)
    moves = torch.stack([one, one, torch.zeros_like(one)])
    flat, residual = moves.reshape(3, -1), normal(2, 9, seed=5).reshape(-1)
    features = normal(3, 9)
    sums = Moves(flat @ flat.T, flat @ residual, torch.einsum("hp,kcp->khc", features, moves))
    coefficients, promise = best_combination(sums, torch.linalg.cholesky(features @ features.T))
    assert all(abs(c) < 1e3 for c in coefficients)
    assert promise > 0


def test_readout_of_repeated_neurons() -> None:
    """A singular Gram matrix gets just enough ridge to be solved."""
    row = normal(1, 30)
    features = torch.cat([row, row, torch.ones(1, 30, dtype=torch.float64)])
    targets = 3 * row + 1
    readout = solve_readout(Normal(features @ features.T, features @ targets.T), 1e-14)
    torch.testing.assert_close(readout.matrix.double() @ features, targets, rtol=0, atol=1e-4)
