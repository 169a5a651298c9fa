"""Tables without side information are those of the page, and the scales that choose them are found."""

from pathlib import Path

import numpy as np

from tests.reference import tnr_decoder
from tuner.codec.sines.scales import BELLS, LARGEST_SCALE, REACH, cell_scales, covering, fitted_scales, scale_table


def test_every_table_is_one() -> None:
    for scale in range(LARGEST_SCALE + 1):
        table = scale_table(scale)
        assert sum(table.frequencies) == 1 << 12
        assert len(table.frequencies) == 2 * REACH + 1
        assert min(table.frequencies) >= 0
        spread = np.arange(-REACH, REACH + 1) * 2.0**table.shift
        deviation = np.sqrt(np.square(spread) @ np.array(table.frequencies) / 4096)
        # A third more at most: the wider curve, and the width of a symbol.
        assert 0.95 <= deviation / (0.25 * 2.0 ** (scale / 2)) <= 1.7
    assert all(bell[1:] == tuple(sorted(bell[1:], reverse=True)) for bell in BELLS)


def test_the_tables_are_those_of_the_page() -> None:
    page = (Path(__file__).parents[5] / "tuner/codec/format/sines.md").read_text(encoding="utf-8")
    for number, bell in enumerate(BELLS):
        assert f"    {number}: {' '.join(map(str, bell))}\n" in page
    assert tuple(tuple(map(int, line.split())) for line in tnr_decoder.BELLS) == BELLS


def test_scales_of_rows_and_columns_are_found() -> None:
    random = np.random.default_rng(0)
    rows, columns = random.integers(0, 5, 60), random.integers(8, 14, 50)
    deviations = 0.25 * 2.0 ** ((rows[:, None] + columns) / 2)
    matrix = np.rint(random.normal(size=(60, 50)) * deviations).astype(np.int32)
    none = np.zeros(60, np.int32)
    found = fitted_scales(matrix, none)
    assert np.abs(found[0][:, None] + found[1] - rows[:, None] - columns).max() <= 2
    covered = covering(matrix, *found, none)
    assert (covered >= found[0]).all()
    assert cell_scales(covered, found[1], none).max() <= LARGEST_SCALE
