"""Differences as sums over neighbouring samples are those of the formulas."""

import numpy as np
import pytest

from tuner.network.wavelets.differences import GAIN, difference_kinds, offsets, stencils


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_polynomials_have_the_differences_of_their_derivatives(dimensions: int) -> None:
    """Of t = a + b x + x C x / 2 they are exact: b at the middle, and the entries of C."""
    random = np.random.default_rng(dimensions)
    slope, bend = random.normal(size=dimensions), random.normal(size=(dimensions, dimensions))
    bend = bend + bend.T
    around = np.array(offsets(dimensions), dtype=float)
    values = 0.7 + around @ slope + np.einsum("oi,ij,oj->o", around, bend, around) / 2
    expected = [
        bend[axes[0], axes[1]] if len(axes) == 2 else bend[axes[0], axes[0]] if order == 2 else slope[axes[0]]
        for axes, order in difference_kinds(dimensions)
    ]
    np.testing.assert_allclose(stencils(dimensions) @ values, GAIN * np.array(expected), atol=1e-5)


def test_flat_places_have_none() -> None:
    np.testing.assert_allclose(stencils(3).sum(1), 0.0, atol=1e-6)
