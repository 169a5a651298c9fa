"""Probability tables without side information: ten bell curves, and integers divided by powers of two.

How large the integers of a matrix are is told by two small numbers, one for their row and one for their column; their
sum is a scale, in half octaves, and the scale says which table codes them. A full table takes 20 to 40 bytes, a tenth
of a small network, and cannot know rows and columns at once. Standard deviation of scale k: 2^(k/2) / 4. Chunk 03 of
`tuner/codec/format/sines.md` is the specification.
"""

from functools import cache

import numpy as np

from tuner.codec.integers.entropy import TABLE_BITS, IntegerTable, interval_bounds
from tuner.shapes import IntArray

# Probabilities of 0, 1, 2, ... (and of -1, -2, ...) in units of 2^-12, for deviations of 1/4, 1/4 sqrt 2, ...
# Normal curves with a twentieth of one twice as wide, and nothing below 1 up to six deviations.
BELLS = (
    (3850, 121, 1, 1),
    (3382, 352, 3, 1, 1),
    (2732, 662, 18, 1, 1),
    (2080, 911, 87, 7, 1, 1, 1),
    (1526, 976, 261, 37, 7, 2, 1, 1),
    (1100, 873, 434, 141, 34, 9, 3, 1, 1, 1, 1),
    (784, 699, 489, 271, 121, 45, 16, 6, 3, 2, 1, 1, 1, 1),
    (556, 527, 440, 325, 214, 126, 67, 33, 16, 8, 4, 2, 2, 1, 1, 1, 1, 1, 1),
    (388, 385, 352, 302, 244, 186, 134, 91, 59, 37, 22, 13, 8, 5, 3, 2, 2, *9 * (1,)),
    (264, 277, 265, 245, 220, 192, 163, 134, 107, 83, 63, 46, 33, 23, 16, 11, 8, 5, 4, 3, 2, 2, *14 * (1,)),
)
# Symbols on each side of 0; those beyond a bell keep the least probability of the coder, 2^-24.
REACH = 256
LARGEST_SCALE = len(BELLS) - 1 + 2 * TABLE_BITS
_ROUNDS = 8
# About what a scale of one's own costs.
_SCALE_BITS = 2.5


@cache
def scale_table(scale: int) -> IntegerTable:
    """The table of a scale, 0 to `LARGEST_SCALE`."""
    shift = max(0, (scale - len(BELLS) + 2) // 2)
    bell = BELLS[scale - 2 * shift]
    side = bell[1:] + (REACH - len(bell) + 1) * (0,)
    return IntegerTable(-(REACH << shift) - (1 << shift >> 1), shift, (*reversed(side), bell[0], *side))


def fitted_scales(matrix: IntArray, exponents_R: IntArray) -> tuple[IntArray, IntArray]:
    """Scales of rows and of columns with which a matrix takes about the fewest bits.

    Args:
        matrix: integers to be coded, (R, K).
        exponents_R: half octaves by which the steps of the rows are longer than the shortest; the scale of an integer
            is that of its column plus that of its row minus this.

    Returns:
        Row scales (R,), all 0 if they have one in common, and column scales (K,), all equal if they do.
    """
    lengths_R = 2.0 ** (exponents_R / 2.0)
    squares = np.square(matrix * lengths_R[:, None]) + np.square(lengths_R[:, None]) / 24.0
    candidates: list[tuple[float, int, tuple[IntArray, IntArray]]] = []
    for by_row in (False, True):
        for by_column in (False, True):
            scales = _alternating(squares, by_row=by_row, by_column=by_column)
            side = _SCALE_BITS * (by_row * matrix.shape[0] + by_column * matrix.shape[1])
            candidates.append((side + cost_bits(matrix, cell_scales(*scales, exponents_R)), len(candidates), scales))
    return min(candidates, key=lambda candidate: candidate[:2])[2]


def cell_scales(rows: IntArray, columns: IntArray, exponents_R: IntArray) -> IntArray:
    """The scale of every integer, (R, K), within what there is."""
    scales: IntArray = np.clip(rows[:, None] + columns - exponents_R[:, None], 0, LARGEST_SCALE).astype(np.int32)
    return scales


def covering(matrix: IntArray, rows: IntArray, columns: IntArray, exponents_R: IntArray) -> IntArray:
    """Row scales raised until the table of every integer holds it; no more than the largest scale can be needed."""
    raised = rows.copy()
    for _ in range(LARGEST_SCALE + 1):
        scales = cell_scales(raised, columns, exponents_R)
        shifts = np.maximum(0, (scales - len(BELLS) + 2) // 2)
        outside = (np.abs(matrix.astype(np.int64)) >= (REACH << shifts)).any(axis=1)
        if not outside.any():
            break
        raised[outside] += 1
    return raised


def cost_bits(matrix: IntArray, scales: IntArray) -> float:
    """Bits that the integers take with the tables of their scales; an integer that one does not hold counts as 24."""
    total = 0.0
    for scale in np.unique(scales).tolist():
        table = scale_table(scale)
        symbols = (matrix[scales == scale].astype(np.int64) - table.low) >> table.shift
        held = (symbols >= 0) & (symbols < len(table.frequencies))
        widths = np.diff(interval_bounds(table.frequencies))[symbols[held]]
        total += float(np.sum(24.0 - np.log2(widths))) + 24.0 * float(np.sum(~held)) + table.shift * symbols.size
    return total


def _alternating(squares: np.ndarray, *, by_row: bool, by_column: bool) -> tuple[IntArray, IntArray]:
    """Variances as products of one number per row and one per column, in half octaves from a deviation of 1/4."""
    rows = np.ones((len(squares), 1))
    columns = np.full((1, squares.shape[1]), squares.mean())
    for _ in range(_ROUNDS if by_row and by_column else 1):
        if by_column:
            columns = (squares / rows).mean(axis=0, keepdims=True)
        if by_row:
            rows = (squares / columns).mean(axis=1, keepdims=True)
            rows /= np.exp(np.log(rows).mean())
            if not by_column:
                columns = np.full_like(columns, (squares / rows).mean())
    in_rows = np.rint(np.log2(rows[:, 0])).astype(np.int32)
    in_columns = np.rint(np.log2(16.0 * columns[0])).astype(np.int32)
    return in_rows, in_columns
