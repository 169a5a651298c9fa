"""The table of input frequencies: bounds c_j and largest weights beside |k|, fixed and learned."""

import numpy as np
import pytest
import torch

from tests.unit.tuner.experiment.worlds import colour_samples, recipe
from tuner.experiment.frequencies import chosen_frequencies
from tuner.experiment.methods import REGIMES, Regime, hidden_sines, make_network
from tuner.experiment.networks.learned_bounds import learned
from tuner.experiment.training import train
from tuner.fit.sines.module import SineNetwork
from tuner.network.sines.frequencies import axis_limits

SAMPLES = colour_samples()


def trained(regime: Regime, **options: float) -> SineNetwork:
    network = make_network(REGIMES[regime], SAMPLES.grid, 3, widths=(30, 12), seed=0, **options)
    train(network, SAMPLES, recipe(20), seed=0)
    assert isinstance(network, SineNetwork)
    return network


def test_fixed_bounds_stand_beside_the_largest_index() -> None:
    options = {"low_limit": 0.25, "band_limit": 0.9, "bound_low": 1.0, "bound_high": 0.6}
    network = trained(Regime.FIXED_BOUNDS, **options)
    rows = chosen_frequencies(network, SAMPLES.grid)
    weights = hidden_sines(network)[0].weight_HM.detach().abs().amax(dim=0)
    low = axis_limits(SAMPLES.grid.nyquist, 0.25)
    assert len(rows) == 30
    for row, k, weight in zip(rows, network.frequencies_MD.tolist(), weights.tolist(), strict=True):
        assert [row["k0"], row["k1"]] == k
        assert row["largest"] == max(abs(k[0]), abs(k[1]))
        assert row["of_nyquist"] == pytest.approx(max(np.abs(k) / SAMPLES.grid.nyquist))
        inside = all(abs(index) <= limit for index, limit in zip(k, low, strict=True))
        bound = 1.0 if inside else 0.6
        assert row["bound"] == pytest.approx(bound)
        assert row["weight"] == pytest.approx(weight)
        assert weight <= bound + 1e-6
    assert len({row["bound"] for row in rows}) == 2


def test_learned_bounds_are_shown_as_they_have_become() -> None:
    network = trained(Regime.LEARNED_BOUNDS)
    (bound,) = learned(network)
    shown = torch.tensor([row["bound"] for row in chosen_frequencies(network, SAMPLES.grid)])
    torch.testing.assert_close(shown, bound.bounds_M.detach().abs())
    assert len(set(shown.tolist())) > 20, "each column has its own by now"


def test_every_stage_has_its_rows() -> None:
    network = make_network(REGIMES[Regime.INTEGER_MRNET], SAMPLES.grid, 3, widths=(30, 12), seed=0)
    rows = chosen_frequencies(network, SAMPLES.grid)
    assert {row["stage"] for row in rows} == set(range(len({row["stage"] for row in rows})))
    assert len({row["stage"] for row in rows}) > 1
    assert all(row["bound"] is None for row in rows)
