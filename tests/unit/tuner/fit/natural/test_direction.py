"""The small-matrix mathematics, against dense references; batches of one unless said otherwise."""

import pytest
import torch
from torch import Tensor

from tuner.fit.natural.direction import Preconditioner, best_combination, solve_readout
from tuner.fit.natural.sums import Curvature, Hidden, Moves, Normal


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed + sum(shape)))


def covariance(size: int, seed: int = 0) -> Tensor:
    rows = normal(size, 3 * size, seed=seed)
    return rows @ rows.T / (3 * size)


def alone(*tensors: Tensor) -> tuple[Tensor, ...]:
    return tuple(tensor[None] for tensor in tensors)


def moves_of(changes_KCP: Tensor, residual: Tensor, features: Tensor) -> Moves:
    flat = changes_KCP.flatten(1)
    feature_products = torch.einsum("hp,kcp->khc", features, changes_KCP)
    return Moves(*alone(flat @ flat.T, flat @ residual.reshape(-1), feature_products))


def test_direction_solves_the_damped_kronecker_system() -> None:
    """vec(D) = -(A kron G)^-1 vec(gradient), with each factor damped by its mean diagonal; two members at once."""
    damping = torch.tensor([1e-2, 3e-3], dtype=torch.float64)
    gradients = (normal(2, 4, 6), normal(2, 3, 5))
    output_side = tuple(torch.stack([covariance(n), covariance(n, seed=7)]) for n in (4, 3))
    first, second = covariance(6), torch.stack([covariance(5), covariance(5, seed=7)])
    hidden = Hidden(normal(5), (normal(2, 4, 6, seed=1), normal(2, 3, 5, seed=1)))
    curvature = Preconditioner(Curvature(output_side, (second,)), first, hidden, damping, phases=False)
    direction = curvature.direction(Hidden(normal(5), gradients))
    for b in range(2):
        for move, gradient, g, a in zip(
            direction.layers, gradients, output_side, (first.expand(2, -1, -1), second), strict=True
        ):
            g_damped = g[b] + damping[b] ** 0.5 * g[b].diagonal().mean() * torch.eye(g.shape[1], dtype=g.dtype)
            a_damped = a[b] + damping[b] ** 0.5 * a[b].diagonal().mean() * torch.eye(a.shape[1], dtype=a.dtype)
            expected = -torch.linalg.solve(torch.kron(g_damped, a_damped), gradient[b].reshape(-1))
            torch.testing.assert_close(move[b].reshape(-1), expected)
    assert not direction.phases.any()


DAMPING = torch.tensor([1e-2], dtype=torch.float64)


def test_phases_move_against_their_gradient_only_if_asked() -> None:
    hidden = Hidden(normal(5), (normal(1, 4, 6),))
    gradient = Hidden(normal(5, seed=3), (normal(1, 4, 6),))
    curvature = Preconditioner(Curvature((covariance(4)[None],), ()), covariance(6), hidden, DAMPING, phases=True)
    assert bool((curvature.direction(gradient).phases * gradient.phases < 0).all())


def test_a_layer_without_curvature_does_not_move_or_fail() -> None:
    hidden = Hidden(normal(5), (normal(1, 4, 6),))
    flat = Curvature((torch.zeros(1, 4, 4).double(),), ())
    still = Hidden(torch.zeros(5), (torch.zeros(1, 4, 6, dtype=torch.float64),))
    direction = Preconditioner(flat, covariance(6), hidden, DAMPING, phases=True).direction(still)
    assert not direction.layers[0].any()
    assert not direction.phases.any()


def test_combination_minimises_the_projected_model() -> None:
    """Least squares of the residual on the moves, both freed of what the output layer can absorb."""
    features, targets = normal(4, 50), normal(2, 50)
    moves = normal(3, 2, 50)
    factor = torch.linalg.cholesky(features @ features.T)
    solution = torch.linalg.lstsq(features.T, targets.T).solution.T
    residual = solution @ features - targets
    correction, promise = best_combination(moves_of(moves, residual, features), factor[None])

    absorbed = moves @ torch.linalg.pinv(features)
    projected = (moves - absorbed @ features).reshape(3, -1)
    expected = torch.linalg.pinv(projected.T) @ -residual.reshape(-1)
    torch.testing.assert_close(correction.coefficients[0], expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(correction.absorbed[0], torch.einsum("k,kch->ch", expected, absorbed))
    after = residual.reshape(-1) + correction.coefficients[0] @ projected
    assert float(promise[0]) == pytest.approx(float(residual.square().sum() - after.square().sum()))


def test_combination_survives_equal_and_vanishing_moves() -> None:
    one, residual, features = normal(2, 9), normal(2, 9, seed=5), normal(3, 9)
    moves = torch.stack([one, one, torch.zeros_like(one)])
    factor = torch.linalg.cholesky(features @ features.T)
    correction, promise = best_combination(moves_of(moves, residual, features), factor[None])
    assert bool((correction.coefficients.abs() < 1e3).all())
    assert float(promise[0]) > 0


def test_a_member_that_is_no_number_stays_and_harms_nobody() -> None:
    residual, features, changes = normal(2, 9), normal(3, 9), normal(2, 2, 9)
    factor = torch.linalg.cholesky(features @ features.T)
    well = moves_of(changes, residual, features)
    ill = Moves(
        *(torch.full_like(part, torch.nan) for part in (well.products, well.residual_products, well.feature_products))
    )
    both = Moves(
        torch.cat([ill.products, well.products]),
        torch.cat([ill.residual_products, well.residual_products]),
        torch.cat([ill.feature_products, well.feature_products]),
    )
    correction, _ = best_combination(both, torch.stack([torch.full_like(factor, torch.nan), factor]))
    expected, _ = best_combination(well, factor[None])
    assert not correction.coefficients[0].any()
    torch.testing.assert_close(correction.coefficients[1:], expected.coefficients)


def test_readout_of_repeated_neurons() -> None:
    """A singular Gram matrix gets just enough ridge to be solved."""
    row = normal(1, 30)
    features = torch.cat([row, row, torch.ones(1, 30, dtype=torch.float64)])
    targets = 3 * row + 1
    readout = solve_readout(Normal(*alone(features @ features.T, features @ targets.T)), 1e-14)
    torch.testing.assert_close(readout.matrix[0].double() @ features, targets, rtol=0, atol=1e-4)
