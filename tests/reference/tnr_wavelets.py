"""A decoder of wavelet networks by tuner/codec/FORMAT.md and format/wavelets.md: slow, without numpy.

It imports nothing of `tuner`. Nodes are tuples of indices; a subband is a dictionary from node to integer.
"""

import math
from dataclasses import dataclass
from itertools import combinations, pairwise

from tests.reference import tnr_latents
from tests.reference.tnr_decoder import Bytes, Matrix, RangeDecoder, check, crc32c, float32, times

Node = tuple[int, ...]
Subband = dict[Node, int]


@dataclass
class Level:
    spacing: int
    nodes: list[int]
    subbands: list[Subband]


@dataclass
class Decoded:
    shape: list[int]
    period: float
    colours: int
    frequencies: Matrix
    levels: list[Level]
    matrices: list[Matrix]
    steps: list[float]
    exponents: list[int]

    def value(self, position: list[int]) -> list[float]:
        """At one sample of the grid."""
        point = [(2 * i + 1) / samples - 1 for i, samples in zip(position, self.shape, strict=True)]
        sine, inputs, bias, *deeper, skip, readout, last = [
            [[float32(integer * step) for integer in row] for row in matrix]
            for matrix, step in zip(self.matrices, self.steps, strict=True)
        ]
        turn = 2 * math.pi / self.period
        angles = times([[float(k) for k in row] for row in self.frequencies], [turn * x for x in point])
        u = self.latents(position)
        waves = [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
        m = self.around(position)
        z = [a + b + c[0] for a, b, c in zip(times(sine, waves), times(inputs, m), bias, strict=True)]
        h = [math.sin(x) for x in z]
        for weight, b in zip(deeper[::2], deeper[1::2], strict=True):
            h = [math.sin(x + c[0]) for x, c in zip(times(weight, h), b, strict=True)]
        return [x + y + e[0] for x, y, e in zip(times(readout, h), times(skip, u), last, strict=True)]

    def around(self, position: list[int]) -> list[float]:
        u, axes = self.latents(position), range(len(self.shape))
        first, others = u[:: self.colours], [sum(u[c :: self.colours]) for c in range(1, self.colours)]

        def t(*steps: tuple[int, int]) -> float:
            place = list(position)
            for axis, step in steps:
                place[axis] = min(max(place[axis] + step, 0), self.shape[axis] - 1)
            return sum(self.latents(place)[:: self.colours])

        v = [2 * (t((a, 1)) - t((a, -1))) for a in axes]
        v += [4 * (t((a, 1)) + t((a, -1)) - 2 * t()) for a in axes]
        for a, b in combinations(axes, 2):
            v.append(t((a, 1), (b, 1)) + t((a, -1), (b, -1)) - t((a, 1), (b, -1)) - t((a, -1), (b, 1)))
        return [2.0**exponent * x for exponent, x in zip(self.exponents, first + others + v, strict=True)]

    def latents(self, position: list[int]) -> list[float]:
        scales, kinds = len(self.levels) - 1, 2 ** len(self.shape) - 1
        fields = 1 + min(scales, 3)
        u = [0.0] * (fields * self.colours)
        for number, level in enumerate(self.levels):
            j = level.spacing.bit_length() - 1
            field = max(0, fields - j) if number else 0
            for index, subband in enumerate(level.subbands):
                colour, kind = (index // kinds, index % kinds + 1) if number else (index, 0)
                ways = []
                for axis, samples in enumerate(self.shape):
                    high = bool(kind & 1 << len(self.shape) - 1 - axis)
                    ways.append([f[position[axis]] for f in functions(samples, j, high, level.nodes[axis])])
                for node, code in subband.items():
                    if code:
                        u[field * self.colours + colour] += code * math.prod(
                            way[i] for way, i in zip(ways, node, strict=True)
                        )
        return u


def functions(samples: int, j: int, high: bool, nodes: int) -> list[list[float]]:
    """What a 1 at each node becomes along one axis."""
    sizes = [samples]
    for _ in range(j):
        sizes.append(-(-sizes[-1] // 2))
    found = []
    for node in range(nodes):
        count = sizes[-2] // 2 if high else sizes[-1]
        half = [float(i == node) for i in range(count)]
        x = step([0.0] * sizes[-1], half, sizes[-2]) if high else step(half, [0.0] * (sizes[-2] // 2), sizes[-2])
        for size in reversed(sizes[:-2]):
            x = step(x, [0.0] * (size // 2), size)
        found.append(x)
    return found


def step(a: list[float], b: list[float], n: int) -> list[float]:
    if n == 1:
        return a
    x = [0.0] * n
    for i, value in enumerate(a):
        x[2 * i] = value / 1.149604398860241
    for i, value in enumerate(b):
        x[2 * i + 1] = value * 1.149604398860241
    for parity, factor in (
        (0, 0.443506852043971),
        (1, 0.882911075530934),
        (0, -0.052980118572961),
        (1, -1.586134342059924),
    ):
        for i in range(parity, n, 2):
            x[i] -= factor * (x[abs(i - 1)] + x[i + 1 if i + 1 < n else n - 2])
    return x


def table(source: Bytes) -> tuple[int, list[int]]:
    """The largest magnitude m, and the frequencies of -m ... m."""
    z, m, d = source.varint(), source.varint(), source.byte()
    assert 1 <= z <= 2**12
    assert m <= 2**11 - 1
    w = [2**16] if m else []
    while len(w) < m:
        w.append(w[-1] * d // 256)
    f = [(2**12 - z) * each // (2 * sum(w)) for each in w]
    return m, [*reversed(f), 2**12 - 2 * sum(f), *f]


@dataclass
class Header:
    shape: list[int]
    channels: int
    period: float
    frequencies: int
    widths: list[int]


def decode(data: bytes) -> Decoded:
    header, payloads = parts(data)
    payload, places = payloads.pop(0x07), payloads.pop(0x83, None)
    assert not payloads
    return network(payload, header, places)


def parts(data: bytes) -> tuple[Header, dict[int, bytes]]:
    source = Bytes(data)
    assert source.take(6) == b"\xf5TNR\x01\x00"
    source.take(3)
    chunks = source.varint()
    dimensions = source.byte()
    shape = [source.varint() for _ in range(dimensions)]
    channels, period, count = source.varint(), source.f32(), source.varint()
    widths = [source.varint() for _ in range(source.byte())]
    check(source, 0)
    payloads = {}
    for _ in range(chunks):
        start, kind = source.at, source.byte()
        payloads[kind] = source.take(source.varint())
        check(source, start)
    assert source.at == len(data)
    return Header(shape, channels, period, count, widths), payloads


def network(payload: bytes, header: Header, places: bytes | None = None) -> Decoded:
    """Chunk 07."""
    shape, dimensions, channels, count = header.shape, len(header.shape), header.channels, header.frequencies
    widths, source = header.widths, Bytes(payload)
    seed, reach, scales, colours = source.varint(), source.varint(), source.byte(), source.byte()
    assert 1 <= reach <= 2**20
    assert 1 <= scales <= 16
    assert colours >= 1
    assert 4 * count <= (reach + 1) ** dimensions + 3
    fields = 1 + min(scales, 3)
    latents, inputs = colours * fields, fields + colours - 1 + dimensions * (dimensions + 3) // 2
    exponents = [source.signed() for _ in range(inputs)]
    assert all(abs(exponent) <= 32 for exponent in exponents)
    shapes = [(widths[0], 2 * count), (widths[0], inputs), (widths[0], 1)]
    for before, width in pairwise(widths):
        shapes += [(width, before), (width, 1)]
    shapes += [(channels, latents), (channels, widths[-1]), (channels, 1)]
    steps, tables = [], []
    for _ in shapes:
        steps.append(source.step())
        tables.append(table(source))
    coder = RangeDecoder(source.words(4 * source.varint()))
    matrices = []
    for (rows, columns), (m, frequencies) in zip(shapes, tables, strict=True):
        numbers = iter(coder.symbols(rows * columns, frequencies))
        matrices.append([[next(numbers) - m for _ in range(columns)] for _ in range(rows)])
    coder.finish()
    start = source.at
    bands, ends = tnr_latents.decode(source.take(len(source.data) - start), shape, scales, colours)
    if places is not None:
        check_places(Bytes(places), payload, [start + end for end in ends])
    spacings = [2**scales, *(2**j for j in range(scales, 0, -1))]
    levels = [
        Level(spacing, [-(-samples // spacing) for samples in shape], subbands)
        for spacing, subbands in zip(spacings, bands, strict=True)
    ]
    return Decoded(
        shape, header.period, colours, drawn(count, dimensions, reach, seed), levels, matrices, steps, exponents
    )


def check_places(source: Bytes, payload: bytes, ends: list[int]) -> None:
    """Chunk 83: each place is the end of a level, and has the checksum of what is before it."""
    count, end = source.byte(), 0
    assert 1 <= count < len(ends)
    for level in range(len(ends) - 1 - count, len(ends) - 1):
        end += source.varint()
        assert end == ends[level]
        assert source.take(4) == crc32c(payload[:end])
    assert source.at == len(source.data)


def drawn(count: int, dimensions: int, reach: int, seed: int) -> Matrix:
    state, found, seen = seed, list[list[int]](), [[0] * dimensions]

    def draw() -> int:
        nonlocal state
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) % 2**64
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) % 2**64
        return z ^ z >> 31

    while len(found) < count:
        vector = []
        for axis in range(dimensions):
            least = min(draw() % (reach + 1) for _ in range(3))
            vector.append(-least if draw() % 2 and axis else least)
        if vector not in seen:
            seen += [vector, [-k for k in vector]]
            found.append(vector)
    return found
