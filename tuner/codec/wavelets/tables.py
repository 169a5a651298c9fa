"""Tables of the contexts: one for each class of integers, shared where its own would not pay, packed in runs.

Neighbouring classes are merged greedily: a class gets its own three-number table only if that saves more bits than the
table takes.
"""

import numpy as np

from tuner.codec.file.primitives import ByteReader, pack_varint
from tuner.codec.integers.geometric import GeometricTable
from tuner.errors import CorruptFile

# Bits that a table of its own must save to be worth its four bytes.
_TABLE_BITS = 32

TableSet = list[GeometricTable]


def fit_tables(values_by_class: list[list[np.ndarray]]) -> TableSet:
    """One table per class; neighbouring classes have equal tables where two would not pay.

    Args:
        values_by_class: the integers of each class, in any number of arrays.
    """
    merged: list[tuple[int, np.ndarray]] = []
    for parts in values_by_class:
        values = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int32)
        if merged:
            before_count, before = merged[-1]
            both = np.concatenate([before, values])
            if _bits(both) <= _bits(before) + _bits(values) + _TABLE_BITS:
                merged[-1] = (before_count + 1, both)
                continue
        merged.append((1, values))
    tables: TableSet = []
    for count, values in merged:
        tables += count * [_fitted(values)]
    return tables


def pack_tables(sets: list[TableSet]) -> bytes:
    """All sets, as runs of equal tables."""
    packed = b""
    for tables in sets:
        start = 0
        while start < len(tables):
            stop = start + 1
            while stop < len(tables) and tables[stop] == tables[start]:
                stop += 1
            packed += pack_varint(stop - start) + tables[start].pack()
            start = stop
    return packed


def unpack_tables(reader: ByteReader, sets: int, classes: int) -> list[TableSet]:
    """Read what `pack_tables` returned.

    Args:
        reader: bytes of the chunk, the first set next.
        sets: number of sets.
        classes: number of tables in a set.

    Raises:
        CorruptFile: if a table is out of range.
    """
    found: list[TableSet] = []
    for number in range(sets):
        tables: TableSet = []
        while len(tables) < classes:
            what = f"table {len(tables)} of set {number} of the latents"
            repeats = reader.varint(what)
            if not 1 <= repeats <= classes - len(tables):
                raise CorruptFile(f"{what} stands for {repeats} classes, expected 1 to {classes - len(tables)}")
            tables += repeats * [GeometricTable.unpack(reader, what)]
        found.append(tables)
    return found


def _fitted(values: np.ndarray) -> GeometricTable:
    return GeometricTable.fitted(values) if len(values) else GeometricTable.fitted(np.zeros(1, dtype=np.int32))


def _bits(values: np.ndarray) -> float:
    return _fitted(values).cost_bits(values) if len(values) else 0.0
