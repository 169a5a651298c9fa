"""A decoder of networks of sines made from tuner/codec/FORMAT.md and format/sines.md alone: slow, without numpy.

It imports nothing of `tuner`. Every number is a Python integer until the weights are multiplied out. If this file and
`tuner.codec` disagree, a page or one of them is wrong.
"""

import math
import struct
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate, pairwise

Matrix = list[list[int]]
Step = float | list[float]


@dataclass
class Decoded:
    """What a file holds; `matrices` and `steps` are in the order of chunk 01, the frequencies' step being 1."""

    fields: dict[str, list[float]]
    matrices: list[Matrix]
    steps: list[Step]
    metadata: dict[int, bytes]
    windows: tuple[int, int] | None = None

    def value(self, position: list[int]) -> list[float]:
        """The value of the network at one sample of the grid."""
        point = [(2 * i + 1) / samples - 1 for i, samples in zip(position, self.fields["shape"], strict=True)]
        window = 0
        if self.windows:  # chunk 04
            u = (point[0] + 1) * self.fields["shape"][0] / (2 * self.windows[1])
            window = min(math.floor(u), self.windows[0] - 1)
            point = [2 * (u - window) - 1]
        frequencies, *tensors = [
            [
                [float32(integer * each) for integer in row]
                for row, each in zip(matrix, step if isinstance(step, list) else len(matrix) * [step], strict=True)
            ]
            for matrix, step in zip(self.matrices, self.steps, strict=True)
        ]
        turn = 2 * math.pi / self.fields["period"][0]
        h = [x + phase[0] for x, phase in zip(times(frequencies, [turn * x for x in point]), tensors[0], strict=True)]
        for weight, bias in zip(tensors[1::2], tensors[2::2], strict=True):
            h = [x + b[0] for x, b in zip(times(weight, [math.sin(x) for x in h]), bias, strict=True)]
        channels = int(self.fields["channels"][0])
        return h[window * channels : (window + 1) * channels]


class Bytes:
    """Numbers."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        assert self.at + count <= len(self.data)
        self.at += count
        return self.data[self.at - count : self.at]

    def byte(self) -> int:
        return self.take(1)[0]

    def varint(self) -> int:
        value, shift, group = 0, 0, 0x80
        while group & 0x80:
            group = self.byte()
            value |= (group & 0x7F) << shift
            shift += 7
        assert value < 2**32
        assert group or shift == 7, "not the shortest form"
        return value

    def signed(self) -> int:
        value = self.varint()
        return -(value + 1) // 2 if value % 2 else value // 2

    def f32(self) -> float:
        return float(struct.unpack("<f", self.take(4))[0])

    def step(self) -> float:
        step = self.f32()
        assert 0 < step <= 2**32
        return step

    def words(self, count: int) -> list[int]:
        """Of so many bytes."""
        assert count % 4 == 0
        return list(struct.unpack(f"<{count // 4}I", self.take(count)))


class RangeDecoder:
    """The range coder."""

    def __init__(self, words: list[int]) -> None:
        self.words, self.range = words, 2**64 - 1
        self.distance = self.word() << 32 | self.word()

    def word(self) -> int:
        return self.words.pop(0) if self.words else 0

    def symbols(self, count: int, frequencies: list[int]) -> list[int]:
        n = len(frequencies)
        if n == 1:
            return [0] * count
        below = accumulate(frequencies[:-1], initial=0)
        bounds = [total * (2**24 - n) // 2**12 + q for q, total in enumerate(below)] + [2**24]
        return [self.symbol(bounds) for _ in range(count)]

    def symbol(self, bounds: list[int]) -> int:
        scale = self.range >> 24
        quantile = self.distance // scale
        assert quantile < 2**24
        q = bisect_right(bounds, quantile) - 1
        self.distance -= scale * bounds[q]
        self.range = scale * (bounds[q + 1] - bounds[q])
        if self.range < 2**32:
            self.range <<= 32
            self.distance = self.distance << 32 | self.word()
        return q

    def finish(self) -> None:
        """After the last symbol."""
        assert not self.words
        assert self.distance < 2**33 - 1 or self.range == 2**64 - 1


class Table:
    """A table of chunk 01."""

    def __init__(self, source: Bytes) -> None:
        self.low, self.shift, n = source.signed(), source.byte(), source.varint()
        assert self.shift <= 12
        assert 1 <= n <= 4096
        assert abs(self.low) <= 2**24
        assert self.low + (n << self.shift) - 1 <= 2**24
        self.frequencies = [source.varint() for _ in range(n - 1)]
        assert sum(self.frequencies) <= 2**12
        self.frequencies.append(2**12 - sum(self.frequencies))

    def run(self, count: int, coder: RangeDecoder) -> list[int]:
        symbols = coder.symbols(count, self.frequencies)
        low_bits = coder.symbols(count, [2 ** (12 - self.shift)] * 2**self.shift)
        return [self.low + (q << self.shift) + r for q, r in zip(symbols, low_bits, strict=True)]


# Fields of the header: name, type, how many.
FIELDS = [
    ("kind", "byte", ""),
    ("sample_format", "byte", ""),
    ("coder", "byte", ""),
    ("chunks", "varint", ""),
    ("dimensions", "byte", ""),
    ("shape", "varint", "dimensions"),
    ("channels", "varint", ""),
    ("period", "f32", ""),
    ("frequencies", "varint", ""),
    ("layers", "byte", ""),
    ("widths", "varint", "layers"),
]


def decode(data: bytes) -> Decoded:
    source = Bytes(data)
    assert source.take(6) == b"\xf5TNR\x01\x00"
    fields: dict[str, list[float]] = {}
    for name, kind, repeat in FIELDS:
        fields[name] = [getattr(source, kind)() for _ in range(int(fields[repeat][0]) if repeat else 1)]
    check(source, 0)
    chunks = {}
    for _ in range(int(fields["chunks"][0])):
        start = source.at
        kind_of_chunk, length = source.byte(), source.varint()
        chunks[kind_of_chunk] = source.take(length)
        check(source, start)
    return of_chunks(chunks, fields)


def of_chunks(chunks: dict[int, bytes], fields: dict[str, list[float]]) -> Decoded:
    """Header and chunks, which are whole."""
    if 0x04 not in chunks:
        matrices, steps = either_network(chunks, fields)
        return Decoded(fields, matrices, steps, chunks)
    payload = Bytes(chunks.pop(0x04))
    windows = (payload.varint(), payload.varint())
    assert windows[0] >= 2
    assert 1 <= windows[1] <= fields["shape"][0] <= windows[0] * windows[1]
    inner = {payload.byte(): payload.data[payload.at :]}
    assert inner.keys() <= {0x01, 0x03}
    matrices, steps = either_network(inner, fields | {"channels": [windows[0] * fields["channels"][0]]})
    return Decoded(fields, matrices, steps, chunks, windows)


def either_network(chunks: dict[int, bytes], fields: dict[str, list[float]]) -> tuple[list[Matrix], list[Step]]:
    """Of chunk 01 or 03, whichever there is."""
    if 0x03 in chunks:
        return scaled_network(Bytes(chunks.pop(0x03)), fields)
    return network(Bytes(chunks.pop(0x01)), fields)


def network(source: Bytes, fields: dict[str, list[float]]) -> tuple[list[Matrix], list[Step]]:
    """Chunk 01."""
    inputs = int(fields["frequencies"][0])
    shapes = [(inputs, int(fields["dimensions"][0])), (inputs, 1)]
    for width in map(int, fields["widths"]):
        shapes += [(width, inputs), (width, 1)]
        inputs = width
    shapes += [(int(fields["channels"][0]), inputs), (int(fields["channels"][0]), 1)]

    steps: list[Step] = []
    codes = []
    for number in range(len(shapes)):
        steps.append(source.step() if number else 1.0)
        classes = source.byte()
        assert 1 <= classes <= 16
        codes.append((Table(source) if classes > 1 else None, [Table(source) for _ in range(classes)]))
    coder = RangeDecoder(source.words(len(source.data) - source.at))

    matrices = []
    for (rows, columns), (class_table, tables) in zip(shapes, codes, strict=True):
        column_classes = class_table.run(columns, coder) if class_table else [0] * columns
        assert all(0 <= number < len(tables) for number in column_classes)
        matrix = [[0] * columns for _ in range(rows)]
        for number, table in enumerate(tables):
            members = [column for column in range(columns) if column_classes[column] == number]
            integers = iter(table.run(rows * len(members), coder))
            for row in matrix:
                for column in members:
                    row[column] = next(integers)
        matrices.append(matrix)
    coder.finish()
    for before, row in pairwise(matrices[0]):
        row[:] = [a + b for a, b in zip(before, row, strict=True)]
    assert all(abs(k) <= 2**22 for row in matrices[0] for k in row)
    return matrices, steps


# Chunk 03.
BELLS = [
    "3850 121 1 1",
    "3382 352 3 1 1",
    "2732 662 18 1 1",
    "2080 911 87 7 1 1 1",
    "1526 976 261 37 7 2 1 1",
    "1100 873 434 141 34 9 3 1 1 1 1",
    "784 699 489 271 121 45 16 6 3 2 1 1 1 1",
    "556 527 440 325 214 126 67 33 16 8 4 2 2 1 1 1 1 1 1",
    "388 385 352 302 244 186 134 91 59 37 22 13 8 5 3 2 2 1 1 1 1 1 1 1 1 1",
    "264 277 265 245 220 192 163 134 107 83 63 46 33 23 16 11 8 5 4 3 2 2 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
]


def scaled_network(source: Bytes, fields: dict[str, list[float]]) -> tuple[list[Matrix], list[Step]]:
    """Chunk 03; weights and biases are taken apart again."""
    inputs = [int(fields["frequencies"][0]), *map(int, fields["widths"])]
    outputs = [*map(int, fields["widths"]), int(fields["channels"][0])]
    shapes = [(inputs[0], 1), *((rows, columns + 1) for rows, columns in zip(outputs, inputs, strict=True))]
    classes = source.byte()
    assert 1 <= classes <= 16
    class_table, tables = Table(source) if classes > 1 else None, [Table(source) for _ in range(classes)]
    bases = [source.step() for _ in shapes]
    sides = [Table(source) for _ in range(3)]
    flags = [source.byte() for _ in shapes]
    coder = RangeDecoder(source.words(len(source.data) - source.at))

    dimensions = int(fields["dimensions"][0])
    column_classes = class_table.run(dimensions, coder) if class_table else [0] * dimensions
    assert all(0 <= number < len(tables) for number in column_classes)
    frequencies = [[0] * dimensions for _ in range(inputs[0])]
    for number, table in enumerate(tables):
        members = [column for column in range(dimensions) if column_classes[column] == number]
        integers = iter(table.run(inputs[0] * len(members), coder))
        for row in frequencies:
            for column in members:
                row[column] = next(integers)
    for before, row in pairwise(frequencies):
        row[:] = [a + b for a, b in zip(before, row, strict=True)]
    assert all(abs(k) <= 2**22 for row in frequencies for k in row)

    numbers: list[list[list[int]]] = []
    for bit, table in enumerate(sides):
        counts = [
            ((rows, rows, columns)[bit], flag >> bit & 1) for (rows, columns), flag in zip(shapes, flags, strict=True)
        ]
        values = iter(table.run(sum(n if own else 1 for n, own in counts), coder))
        numbers.append([[next(values) for _ in range(n)] if own else n * [next(values)] for n, own in counts])

    matrices, steps = [frequencies], [1.0]  # type: tuple[list[Matrix], list[Step]]
    for base, (rows, columns), r, a, c in zip(bases, shapes, *numbers, strict=True):
        matrix = [[0] * columns for _ in range(rows)]
        scale = [[min(max(a[i] + c[j] - r[i], 0), 33) for j in range(columns)] for i in range(rows)]
        for k in range(34):
            cells = [(i, j) for i in range(rows) for j in range(columns) if scale[i][j] == k]
            for (i, j), integer in zip(cells, bell(k).run(len(cells), coder), strict=True):
                matrix[i][j] = integer
        step: Step = [float32(base * 2 ** (each // 2) * (181 / 128 if each % 2 else 1)) for each in r]
        if len(matrices) == 1:
            matrices, steps = [*matrices, matrix], [*steps, step]
        else:
            matrices += [[row[:-1] for row in matrix], [row[-1:] for row in matrix]]
            steps += [step, step]
    coder.finish()
    return matrices, steps


def bell(k: int) -> Table:
    """The table of a scale."""
    table = Table.__new__(Table)
    table.shift = max(0, (k - 8) // 2)
    table.low = -256 * 2**table.shift - 2**table.shift // 2
    line = [int(word) for word in BELLS[k - 2 * table.shift].split()]
    side = line[1:] + (257 - len(line)) * [0]
    table.frequencies = [*reversed(side), line[0], *side]
    return table


def check(source: Bytes, start: int) -> None:
    expected = crc32c(source.data[start : source.at])
    assert source.take(4) == expected


def crc32c(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return (crc ^ 0xFFFFFFFF).to_bytes(4, "little")


def times(matrix: list[list[float]], vector: list[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def float32(value: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", value))[0])
