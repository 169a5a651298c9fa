"""How far few coefficients get: what a signal's compaction says of it."""

from itertools import pairwise

import numpy as np
import pytest

from tests.cases import noise, waves
from tuner.signal.compaction import HALVINGS, compaction_db


def test_compaction_falls_and_tells_order_from_noise() -> None:
    smooth, rough = compaction_db(waves()), compaction_db(noise()[..., :1])
    assert len(smooth) == HALVINGS
    assert all(more >= fewer for more, fewer in pairwise(smooth))
    assert smooth[3] > rough[3] + 10.0


def test_all_coefficients_leave_the_signal_itself() -> None:
    values = np.random.default_rng(3).random((32, 16, 1), dtype=np.float32)
    assert compaction_db(values)[0] > 100.0
    variance = float(np.var(values.astype(np.float64)))
    assert compaction_db(values)[-1] == pytest.approx(-10 * np.log10(variance), abs=0.1)


@pytest.mark.parametrize("shape", [(1, 1, 3), (5000, 2), (9, 12, 20, 1), (3, 4, 5, 6, 1), (1, 300, 1)])
def test_signals_of_every_shape_have_a_compaction(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).random(shape, dtype=np.float32)
    assert len(compaction_db(values)) == HALVINGS


def test_a_large_signal_is_known_by_some_of_its_blocks() -> None:
    values = np.random.default_rng(0).random((1600, 1600, 1), dtype=np.float32)
    part = compaction_db(np.ascontiguousarray(values[:320, :320]))
    assert compaction_db(values)[1:8] == pytest.approx(part[1:8], abs=0.1)
