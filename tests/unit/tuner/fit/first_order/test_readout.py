"""The output layer that is solved is the best one."""

import numpy as np
import torch

from tuner.fit.first_order.readout import ReadoutSolver


def test_the_solution_is_that_of_least_squares_however_the_samples_come() -> None:
    generator = torch.Generator().manual_seed(0)
    hidden, values = torch.randn(12, 500, generator=generator), torch.randn(3, 500, generator=generator) + 2.0
    whole, parts = (ReadoutSolver(12, 3, torch.device("cpu")) for _ in range(2))
    whole.add(hidden, values)
    for start in range(0, 500, 120):
        parts.add(hidden[:, start : start + 120], values[:, start : start + 120])
    design = np.concatenate([hidden.numpy().T, np.ones((500, 1))], axis=1)
    expected = np.linalg.lstsq(design.astype(np.float64), values.numpy().T, rcond=None)[0].T
    for solver in (whole, parts):
        weight, bias = solver.solve(1e-9)
        np.testing.assert_allclose(weight, expected[:, :-1], atol=1e-5)
        np.testing.assert_allclose(bias, expected[:, -1], atol=1e-5)


def test_neurons_that_say_the_same_share_the_work() -> None:
    hidden = torch.sin(torch.arange(40.0))[None].repeat(2, 1)
    solver = ReadoutSolver(2, 1, torch.device("cpu"))
    solver.add(hidden, 3.0 * hidden[:1] + 1.0)
    weight, bias = solver.solve(1e-6)
    torch.testing.assert_close(weight @ hidden + bias[:, None], 3.0 * hidden[:1] + 1.0, rtol=0, atol=1e-4)
    torch.testing.assert_close(weight, torch.full((1, 2), 1.5), rtol=0.2, atol=0)
