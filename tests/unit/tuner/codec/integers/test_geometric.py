"""Tables in three numbers suit the integers they were fitted to, and sum to one."""

import numpy as np
import pytest

from tuner.codec.integers.geometric import GeometricTable


def test_a_geometric_table_suits_what_it_was_fitted_to() -> None:
    values = np.rint(np.random.default_rng(0).laplace(0.0, 1.5, 5000)).astype(np.int32)
    counts = np.unique(values, return_counts=True)[1] / len(values)
    entropy_bits = -len(values) * float(counts @ np.log2(counts))
    assert GeometricTable.fitted(values).cost_bits(values) < 1.01 * entropy_bits


@pytest.mark.parametrize("largest", [0, 1, 3, 2047])
def test_geometric_tables_sum_to_one(largest: int) -> None:
    for zero, decay in ((1, 0), (4096, 255), (2000, 255), (4095, 1)):
        table = GeometricTable(zero, largest, decay).table()
        assert sum(table.frequencies) == 4096
        assert len(table.frequencies) == 2 * largest + 1
