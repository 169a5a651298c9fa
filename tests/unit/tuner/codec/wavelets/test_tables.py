"""Classes have tables of their own where that pays, and all of them come back."""

import numpy as np
import pytest

from tuner.codec.file.primitives import ByteReader, pack_varint
from tuner.codec.wavelets.tables import fit_tables, pack_tables, unpack_tables
from tuner.errors import CorruptFile


def values(scale: float, count: int = 2000) -> list[np.ndarray]:
    return [np.rint(np.random.default_rng(0).laplace(0.0, scale, count)).astype(np.int32)]


def test_classes_that_differ_have_their_own_tables() -> None:
    still, calm, calmer, wild = fit_tables([values(0.01), values(1.0), values(1.02), values(20.0)])
    assert calm == calmer
    assert len({still, calm, wild}) == 3
    assert still.zero > calm.zero > wild.zero


def test_few_integers_share_the_table_of_others() -> None:
    first, second = fit_tables([values(1.0), values(3.0, count=3)])
    assert first == second


def test_a_class_without_integers_has_a_table() -> None:
    assert len(fit_tables([[], values(1.0), []])) == 3


def test_sets_come_back_in_runs_of_equal_tables() -> None:
    sets = [fit_tables([values(0.3), values(1.0), values(1.0), values(9.0)]), fit_tables([[], [], [], []])]
    packed = pack_tables(sets)
    reader = ByteReader(packed)
    assert unpack_tables(reader, 2, 4) == sets
    assert reader.remaining == 0
    assert len(pack_tables(sets[1:])) == 5


@pytest.mark.parametrize("repeats", [0, 5])
def test_runs_that_do_not_fit_their_set_are_refused(repeats: int) -> None:
    (table,) = set(fit_tables([[]]))
    with pytest.raises(CorruptFile, match="expected 1 to 4"):
        unpack_tables(ByteReader(pack_varint(repeats) + table.pack()), 1, 4)
