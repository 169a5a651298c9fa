"""A decoder of wavelet networks made from tuner/codec/FORMAT.md and format/wavelets.md alone: slow, without numpy.

It imports nothing of `tuner`. Nodes are tuples of indices; a subband is a dictionary from node to integer.
"""

import math
import struct
from dataclasses import dataclass
from itertools import combinations, pairwise, product

from tests.reference.tnr_decoder import Bytes, Matrix, RangeDecoder, check, float32, times

THRESHOLDS = (1, 3, 7, 13, 20, 30, 42, 58, 80, 110, 150, 210, 300, 430, 640, 1000, 1800)
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
    w = [2**16] if m else []
    while len(w) < m:
        w.append(w[-1] * d // 256)
    f = [(2**12 - z) * each // (2 * sum(w)) for each in w]
    return m, [*reversed(f), 2**12 - 2 * sum(f), *f]


def decode(data: bytes) -> Decoded:
    source = Bytes(data)
    assert source.take(6) == b"\xf5TNR\x01\x00"
    source.take(3)
    assert source.varint() == 1
    dimensions = source.byte()
    shape = [source.varint() for _ in range(dimensions)]
    channels, period, count = source.varint(), source.f32(), source.varint()
    widths = [source.varint() for _ in range(source.byte())]
    check(source, 0)
    start = source.at
    assert source.byte() == 0x06
    payload = source.take(source.varint())
    check(source, start)
    source = Bytes(payload)

    seed, reach, scales, colours = source.varint(), source.varint(), source.byte(), source.byte()
    fields = 1 + min(scales, 3)
    latents, inputs = colours * fields, fields + colours - 1 + dimensions * (dimensions + 3) // 2
    exponents = [source.signed() for _ in range(inputs)]
    shapes = [(widths[0], 2 * count), (widths[0], inputs), (widths[0], 1)]
    for before, width in pairwise(widths):
        shapes += [(width, before), (width, 1)]
    shapes += [(channels, latents), (channels, widths[-1]), (channels, 1)]
    steps, tables = [], []
    for _ in shapes:
        steps.append(source.f32())
        tables.append(table(source))
    sets: list[list[tuple[int, list[int]]]] = []
    for _ in range(14):
        sets.append([])
        while len(sets[-1]) < 19:
            run = source.varint()
            sets[-1] += run * [table(source)]
    words = source.take(len(source.data) - source.at)
    coder = RangeDecoder(list(struct.unpack(f"<{len(words) // 4}I", words)))
    matrices = []
    for (rows, columns), (m, frequencies) in zip(shapes, tables, strict=True):
        numbers = iter(coder.symbols(rows * columns, frequencies))
        matrices.append([[next(numbers) - m for _ in range(columns)] for _ in range(rows)])
    levels: list[Level] = []
    kinds = 2**dimensions - 1
    for number, spacing in enumerate([2**scales, *(2**j for j in range(scales, 0, -1))]):
        levels.append(Level(spacing, [-(-samples // spacing) for samples in shape], []))
        for index in range(colours * kinds if number else colours):
            levels[-1].subbands.append({})
            colour, kind = (index // kinds, index % kinds + 1) if number else (index, 0)
            take_subband(levels, colour, kind, coder, sets)
    assert not coder.words
    return Decoded(shape, period, colours, drawn(count, dimensions, reach, seed), levels, matrices, steps, exponents)


def take_subband(
    levels: list[Level], colour: int, kind: int, coder: RangeDecoder, sets: list[list[tuple[int, list[int]]]]
) -> None:
    level = levels[-1]
    subband, dimensions = level.subbands[-1], len(level.nodes)
    parities = sorted(product((0, 1), repeat=dimensions), key=lambda bits: (any(bits), -sum(bits), bits))
    group = 0
    if len(levels) > 1:
        group = 1 + 2 * min(level.spacing.bit_length() - 2, 2) + (colour > 0)
    for number, parity in enumerate(parities):
        nodes = [n for n in product(*map(range, level.nodes)) if tuple(i % 2 for i in n) == parity]
        classes = {node: class_of(levels, colour, kind, node, parities[:number]) for node in nodes}
        tables = sets[2 * group + (number == 0)]
        taken: Subband = {}
        for each in range(19):
            members = [node for node in nodes if classes[node] == each]
            m, frequencies = tables[each]
            taken |= {n: q - m for n, q in zip(members, coder.symbols(len(members), frequencies), strict=True)}
        subband.update(taken)


def class_of(levels: list[Level], colour: int, kind: int, node: Node, before: list[Node]) -> int:
    level, dimensions = levels[-1], len(node)
    subbands, kinds = level.subbands, 2**dimensions - 1
    total = count = 0
    offsets = [offset for offset in product((-1, 0, 1), repeat=dimensions) if any(offset)]
    for offset in offsets:
        other = moved(node, offset)
        if tuple(i % 2 for i in other) in before:
            axes = [axis for axis, o in enumerate(offset) if o]
            high = [bool(kind & 1 << dimensions - 1 - axis) for axis in range(dimensions)]
            if len(axes) > 1:
                share = 7
            elif kind == 0:
                share = 16
            else:
                share = 14 if all(high) else 10 if high[axes[0]] else 24
            total += share * abs(subbands[-1].get(other, 0))
            count += share
    if len(levels) > 2:
        parent, place = levels[-2].subbands[len(subbands) - 1], tuple(i // 2 for i in node)
        total += 4 * abs(parent[place]) + sum(abs(parent.get(moved(place, offset), 0)) for offset in offsets)
        count += 2 * (4 + len(offsets))
    if kind:
        for sibling in subbands[colour * kinds : -1]:
            total += 3 * abs(sibling[node]) + sum(abs(sibling.get(moved(node, offset), 0)) for offset in offsets)
            count += 4
    if colour:
        total += 3 * abs(subbands[-1 - (kinds if kind else 1)][node])
        count += 4
    if count == 0:
        return 18
    return sum(threshold <= 256 * total // count for threshold in THRESHOLDS)


def moved(node: Node, offset: Node) -> Node:
    return tuple(i + o for i, o in zip(node, offset, strict=True))


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
