"""The projection of rows is the nearest point, against SciPy's slow search for it."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from tuner.fit.sines.row_bounds import project_rows, row_costs


@pytest.mark.parametrize("seed", range(4))
def test_the_projection_is_the_nearest_row_within_the_limit(seed: int) -> None:
    random = np.random.default_rng(seed)
    row, costs = random.normal(size=6), random.uniform(0.1, 2.0, 6)
    projected = torch.tensor(row[None], dtype=torch.float64)
    project_rows(projected, torch.tensor(costs), 1.5)
    found = projected.numpy()[0]
    assert np.abs(found) @ costs == pytest.approx(1.5)

    def distance(sizes: np.ndarray) -> float:
        return float(((sizes - np.abs(row)) ** 2).sum())

    limit = {"type": "ineq", "fun": lambda sizes: 1.5 - sizes @ costs}
    best = minimize(distance, np.zeros(6), bounds=[(0, None)] * 6, constraints=[limit], method="SLSQP", tol=1e-12)
    np.testing.assert_allclose(np.abs(found), best.x, atol=1e-4)


def test_rows_within_their_limit_stay_as_they_are_and_no_weight_grows() -> None:
    weight = torch.tensor([[0.1, -0.2, 0.0], [2.0, -3.0, 1.0]])
    before = weight.clone()
    project_rows(weight, torch.ones(3), 1.0)
    assert torch.equal(weight[0], before[0])
    assert float(weight[1].abs().sum()) == pytest.approx(1.0)
    assert bool((weight.abs() <= before.abs()).all())
    again = weight.clone()
    project_rows(again, torch.ones(3), 1.0)
    torch.testing.assert_close(again, weight)


def test_costs_are_fractions_of_each_axis() -> None:
    costs = row_costs(np.array([[10, 0], [5, 20], [0, -10]], np.int32), (20.0, 40.0))
    np.testing.assert_allclose(costs, [0.5, 0.5, 0.25])
