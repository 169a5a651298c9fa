"""What the first layer reads on a grid is what it reads at the same points, and stops at the outermost samples."""

from itertools import product

import numpy as np
import pytest

from tests.wavelets import random_wavelets
from tuner.network.wavelets.fields import spline_nodes
from tuner.network.wavelets.inputs import GridInputs, inputs_at, moved_positions
from tuner.signal.grid import Grid


@pytest.mark.parametrize("finer", [1, 2], ids=["on the samples", "between them"])
def test_inputs_on_a_grid_are_those_at_its_points(finer: int) -> None:
    parameters = random_wavelets((11, 9), scales=2)
    grid = Grid((11 * finer, 9 * finer), 2.5)
    on_grid = GridInputs(parameters, [grid.axis(0), grid.axis(1)])
    plane, expected = 9 * finer, inputs_at(parameters, spline_nodes(parameters), grid.coords())
    for start, stop in ((0, 4), (4, 11 * finer)):
        m_MP = np.empty((parameters.layout.inputs, (stop - start) * plane), dtype=np.float32)
        u_UP = on_grid.fill(m_MP, start, stop)
        for found, other in zip((m_MP, u_UP), expected, strict=True):
            np.testing.assert_allclose(found, other[:, start * plane : stop * plane], atol=2e-4)


def test_inputs_are_fields_sums_and_differences_times_their_gains() -> None:
    parameters = random_wavelets((11, 9), scales=2)
    layout, grid = parameters.layout, Grid((11, 9), 2.5)
    m_MP = np.empty((layout.inputs, 99), dtype=np.float32)
    u_UP = GridInputs(parameters, [grid.axis(0), grid.axis(1)]).fill(m_MP, 0, 11)
    m = (m_MP / parameters.gains[:, None]).reshape(-1, 11, 9)
    u = u_UP.reshape(layout.fields, layout.colours, 11, 9)
    np.testing.assert_allclose(m[: layout.fields], u[:, 0], rtol=1e-6)
    np.testing.assert_allclose(m[layout.fields : layout.summed_inputs], u[:, 1:].sum(0), atol=1e-5)
    t = np.pad(u[:, 0].sum(0), 1, mode="edge")
    moved = {step: t[1 + step[0] : 12 + step[0], 1 + step[1] : 10 + step[1]] for step in product((-1, 0, 1), repeat=2)}
    differences = [
        2 * (moved[1, 0] - moved[-1, 0]),
        2 * (moved[0, 1] - moved[0, -1]),
        4 * (moved[1, 0] - 2 * moved[0, 0] + moved[-1, 0]),
        4 * (moved[0, 1] - 2 * moved[0, 0] + moved[0, -1]),
        moved[1, 1] + moved[-1, -1] - moved[1, -1] - moved[-1, 1],
    ]
    np.testing.assert_allclose(m[layout.summed_inputs :], differences, atol=1e-4)


def test_positions_stop_at_the_outermost_samples() -> None:
    found, follows = moved_positions(np.array([-1.0, -0.75, 0.0, 0.75]), 4, 1)
    np.testing.assert_allclose(found, [-0.25, -0.25, 0.5, 0.75])
    assert follows.tolist() == [False, True, True, False]
