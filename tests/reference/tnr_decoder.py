"""A decoder of .tnr files made from tuner/codec/FORMAT.md alone: slow, obvious, without numpy or constriction.

It imports nothing of `tuner`. Every number is a Python integer until the weights are multiplied out. If this file and
`tuner.codec` disagree, the page or one of them is wrong.
"""

import math
import struct
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

Matrix = list[list[int]]


@dataclass
class Decoded:
    """What a file holds; `matrices` and `steps` are in the order of section 3, the frequencies' step being 1."""

    fields: dict[str, list[float]]
    matrices: list[Matrix]
    steps: list[float]
    metadata: dict[int, bytes]
    windows: tuple[int, int] | None = None

    def value(self, position: list[int]) -> list[float]:
        """Section 5, for one sample of the grid."""
        point = [(2 * i + 1) / samples - 1 for i, samples in zip(position, self.fields["shape"], strict=True)]
        window = 0
        if self.windows:  # section 8
            u = (point[0] + 1) * self.fields["shape"][0] / (2 * self.windows[1])
            window = min(math.floor(u), self.windows[0] - 1)
            point = [2 * (u - window) - 1]
        frequencies, *tensors = [
            [[float32(integer * step) for integer in row] for row in matrix]
            for matrix, step in zip(self.matrices, self.steps, strict=True)
        ]
        turn = 2 * math.pi / self.fields["period"][0]
        h = [x + phase[0] for x, phase in zip(times(frequencies, [turn * x for x in point]), tensors[0], strict=True)]
        for weight, bias in zip(tensors[1::2], tensors[2::2], strict=True):
            h = [x + b[0] for x, b in zip(times(weight, [math.sin(x) for x in h]), bias, strict=True)]
        channels = int(self.fields["channels"][0])
        return h[window * channels : (window + 1) * channels]


class Bytes:
    """Section 1."""

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
        return value

    def signed(self) -> int:
        value = self.varint()
        return -(value + 1) // 2 if value % 2 else value // 2

    def f32(self) -> float:
        return float(struct.unpack("<f", self.take(4))[0])


class RangeDecoder:
    """Section 4."""

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


class Table:
    """A table of section 3."""

    def __init__(self, source: Bytes) -> None:
        self.low, self.shift, n = source.signed(), source.byte(), source.varint()
        self.frequencies = [source.varint() for _ in range(n - 1)]
        self.frequencies.append(2**12 - sum(self.frequencies))

    def run(self, count: int, coder: RangeDecoder) -> list[int]:
        symbols = coder.symbols(count, self.frequencies)
        low_bits = coder.symbols(count, [2 ** (12 - self.shift)] * 2**self.shift)
        return [self.low + (q << self.shift) + r for q, r in zip(symbols, low_bits, strict=True)]


# Section 2: name, type, how many.
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
    if 0x03 not in chunks:
        matrices, steps = network(Bytes(chunks.pop(0x01)), fields)
        return Decoded(fields, matrices, steps, chunks)
    payload = Bytes(chunks.pop(0x03))
    windows = (payload.varint(), payload.varint())
    rest = Bytes(payload.data[payload.at :])
    matrices, steps = network(rest, fields | {"channels": [windows[0] * fields["channels"][0]]})
    return Decoded(fields, matrices, steps, chunks, windows)


def network(source: Bytes, fields: dict[str, list[float]]) -> tuple[list[Matrix], list[float]]:
    """Section 3."""
    inputs = int(fields["frequencies"][0])
    shapes = [(inputs, int(fields["dimensions"][0])), (inputs, 1)]
    for width in map(int, fields["widths"]):
        shapes += [(width, inputs), (width, 1)]
        inputs = width
    shapes += [(int(fields["channels"][0]), inputs), (int(fields["channels"][0]), 1)]

    steps, codes = [], []
    for number in range(len(shapes)):
        steps.append(source.f32() if number else 1.0)
        classes = source.byte()
        codes.append((Table(source) if classes > 1 else None, [Table(source) for _ in range(classes)]))
    words = source.take(len(source.data) - source.at)
    coder = RangeDecoder(list(struct.unpack(f"<{len(words) // 4}I", words)))

    matrices = []
    for (rows, columns), (class_table, tables) in zip(shapes, codes, strict=True):
        column_classes = class_table.run(columns, coder) if class_table else [0] * columns
        matrix = [[0] * columns for _ in range(rows)]
        for number, table in enumerate(tables):
            members = [column for column in range(columns) if column_classes[column] == number]
            integers = iter(table.run(rows * len(members), coder))
            for row in matrix:
                for column in members:
                    row[column] = next(integers)
        matrices.append(matrix)
    assert not coder.words
    for before, row in zip(matrices[0], matrices[0][1:], strict=False):
        row[:] = [a + b for a, b in zip(before, row, strict=True)]
    return matrices, steps


def check(source: Bytes, start: int) -> None:
    crc = 0xFFFFFFFF
    for byte in source.data[start : source.at]:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    assert source.take(4) == (crc ^ 0xFFFFFFFF).to_bytes(4, "little")


def times(matrix: list[list[float]], vector: list[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def float32(value: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", value))[0])
