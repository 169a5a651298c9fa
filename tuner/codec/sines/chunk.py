"""Chunk 01: the integers of a network of sines with a step for every matrix.

Every tensor is a matrix, a vector having one column. The columns of a matrix are divided into classes of similar
magnitude, each with a table of its own: the weights of a low input frequency are several times those of a high one,
and one table for both would cost 0.2 bits per weight in a large network and 0.6 in a small one. The frequencies come
first, as differences from row to row; sorted, most differences are 0 or 1. Payload: for each matrix its step (the
frequencies have none), the number of classes, the table of the class numbers, and one table per class; after the last
matrix the words of the range coder, which holds the integers in the same order.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tuner.codec.file.header import Header
from tuner.codec.file.primitives import ByteReader, pack_float
from tuner.codec.integers.entropy import IntegerDecoder, IntegerEncoder, IntegerTable
from tuner.codec.integers.steps import read_step
from tuner.codec.sines.quantise import LARGEST_FREQUENCY, QuantisedNetwork
from tuner.errors import ConfigError, CorruptFile
from tuner.shapes import IntArray

_CLASS_COUNTS = (1, 2, 3, 4, 6, 8, 12, 16)
_MOST_CLASSES = _CLASS_COUNTS[-1]


def pack_network(network: QuantisedNetwork) -> bytes:
    """The payload of the network chunk."""
    coder = IntegerEncoder()
    packed = pack_frequencies(network.frequencies, coder)
    for integers, step in zip(network.integers, network.steps, strict=True):
        if isinstance(step, tuple):
            raise ConfigError("a tensor has a step for each row, expected one: rows have theirs in another chunk")
        packed += pack_float(step) + _put_matrix(_as_matrix(integers), coder)
    return packed + coder.words()


def unpack_network(payload: bytes, header: Header) -> QuantisedNetwork:
    """Read the payload of the network chunk.

    Args:
        payload: bytes from `pack_network`.
        header: header of the file, already checked against the limits: it decides how many integers there are.

    Returns:
        The integers, exactly as they were packed.

    Raises:
        CorruptFile: if a table, a step or the coded integers are not what an encoder writes.
    """
    reader = ByteReader(payload)
    take_frequencies = unpack_frequencies(reader, header)
    steps, codes = [], []
    for name, shape in header.tensor_shapes:
        steps.append(read_step(reader, name))
        codes.append(_MatrixCode.unpack(reader, name, shape))
    coder = IntegerDecoder(reader.take(reader.remaining, "coded integers"))
    frequencies = take_frequencies(coder)
    integers = tuple(code.take(coder) for code in codes)
    coder.finish()
    return QuantisedNetwork(frequencies, header.period, integers, tuple(steps))


def pack_frequencies(frequencies: IntArray, coder: IntegerEncoder) -> bytes:
    """Append the frequencies to the coder; return what a reader must know to take them out again."""
    return _put_matrix(np.diff(frequencies, axis=0, prepend=np.int32(0)), coder)


def unpack_frequencies(reader: ByteReader, header: Header) -> Callable[[IntegerDecoder], IntArray]:
    """Read what `pack_frequencies` returned; what comes back takes the frequencies themselves from the coder."""
    code = _MatrixCode.unpack(reader, "frequencies", (header.frequencies, len(header.shape)))

    def take(coder: IntegerDecoder) -> IntArray:
        frequencies = np.cumsum(code.take(coder), axis=0, dtype=np.int64)
        if np.abs(frequencies).max() > LARGEST_FREQUENCY:
            raise CorruptFile(f"a frequency is {np.abs(frequencies).max()}, expected at most 2^22: the file is damaged")
        return frequencies.astype(np.int32)

    return take


def _put_matrix(matrix: IntArray, coder: IntegerEncoder) -> bytes:
    """Append the integers of a matrix to the coder; return what a reader must know to take them out again."""
    classes = _choose_classes(matrix)
    tables = [IntegerTable.fitted(matrix[:, classes == number]) for number in range(classes.max() + 1)]
    packed = bytes([len(tables)])
    if len(tables) > 1:
        class_table = IntegerTable.fitted(classes)
        packed += class_table.pack()
        coder.put(classes, class_table)
    for number, table in enumerate(tables):
        packed += table.pack()
        coder.put(matrix[:, classes == number], table)
    return packed


def _choose_classes(matrix: IntArray) -> IntArray:
    """Class of every column, int32: equal shares by magnitude, as many as pay for their tables."""
    columns = matrix.shape[1]
    order = np.argsort(np.abs(matrix.astype(np.int64)).sum(axis=0), kind="stable")
    candidates = []
    for count in _CLASS_COUNTS:
        if count <= columns:
            classes = np.empty(columns, dtype=np.int32)
            classes[order] = np.arange(columns) * count // columns
            candidates.append((_cost_bits(matrix, classes), count, classes))
    return min(candidates, key=lambda candidate: candidate[:2])[2]


def _cost_bits(matrix: IntArray, classes: IntArray) -> float:
    groups = [matrix[:, classes == number] for number in range(classes.max() + 1)]
    if len(groups) > 1:
        groups.append(classes)
    return sum(IntegerTable.fitted(group).cost_bits(group) for group in groups)


@dataclass(frozen=True, slots=True)
class _MatrixCode:
    """What is known of a matrix before its integers are decoded."""

    name: str
    shape: tuple[int, ...]
    class_table: IntegerTable | None
    tables: tuple[IntegerTable, ...]

    @classmethod
    def unpack(cls, reader: ByteReader, name: str, shape: tuple[int, ...]) -> "_MatrixCode":
        count = reader.byte(f"number of classes of {name}")
        if not 1 <= count <= _MOST_CLASSES:
            raise CorruptFile(f"{name} has {count} classes, expected 1 to {_MOST_CLASSES}: the file is damaged")
        class_table = IntegerTable.unpack(reader, f"class table of {name}") if count > 1 else None
        tables = tuple(IntegerTable.unpack(reader, f"table {number} of {name}") for number in range(count))
        return cls(name, shape, class_table, tables)

    def take(self, coder: IntegerDecoder) -> IntArray:
        rows, columns = self.shape if len(self.shape) == 2 else (*self.shape, 1)
        classes = np.zeros(columns, dtype=np.int32)
        if self.class_table is not None:
            classes = coder.take(columns, self.class_table)
            if classes.min() < 0 or classes.max() >= len(self.tables):
                raise CorruptFile(
                    f"{self.name} has a column of class {classes.max()}, expected 0 to {len(self.tables) - 1}: "
                    "the file is damaged"
                )
        matrix = np.empty((rows, columns), dtype=np.int32)
        for number, table in enumerate(self.tables):
            members = np.flatnonzero(classes == number)
            matrix[:, members] = coder.take(rows * len(members), table).reshape(rows, len(members))
        return matrix.reshape(self.shape)


def _as_matrix(integers: IntArray) -> IntArray:
    return integers.reshape(len(integers), -1)
