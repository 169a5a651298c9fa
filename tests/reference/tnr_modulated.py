"""A decoder of modulated networks made from sections 4 and 6 of tuner/codec/FORMAT.md alone: slow, without numpy.

It imports nothing of `tuner`. Nodes are tuples of indices; a channel is a dictionary from node to integer.
"""

import math
import struct
from dataclasses import dataclass
from itertools import pairwise, product

from tests.reference.tnr_decoder import Bytes, Matrix, RangeDecoder, check, float32, times

Node = tuple[int, ...]
THRESHOLDS = (3, 6, 13, 19, 29, 42, 58, 83, 128, 192, 320, 512)


@dataclass
class Level:
    spacing: int
    nodes: list[int]
    channels: list[dict[Node, int]]


@dataclass
class Decoded:
    shape: list[int]
    period: float
    frequencies: Matrix
    levels: list[Level]
    matrices: list[Matrix]
    steps: list[float]

    def value(self, position: list[int]) -> list[float]:
        """The last paragraph of section 6, for one sample of the grid."""
        point = [(2 * i + 1) / samples - 1 for i, samples in zip(position, self.shape, strict=True)]
        sine, modulation, bias, *deeper, skip, readout, last = [
            [[float32(integer * step) for integer in row] for row in matrix]
            for matrix, step in zip(self.matrices, self.steps, strict=True)
        ]
        turn = 2 * math.pi / self.period
        angles = times([[float(k) for k in row] for row in self.frequencies], [turn * x for x in point])
        u = [self.latent(level, channel, point) / level.spacing for level in self.levels for channel in level.channels]
        waves = [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
        z = [a + b + c[0] for a, b, c in zip(times(sine, waves), times(modulation, u), bias, strict=True)]
        h = [math.sin(x) for x in z]
        for weight, b in zip(deeper[::2], deeper[1::2], strict=True):
            h = [math.sin(x + c[0]) for x, c in zip(times(weight, h), b, strict=True)]
        return [x + y + e[0] for x, y, e in zip(times(readout, h), times(skip, u), last, strict=True)]

    def latent(self, level: Level, channel: dict[Node, int], point: list[float]) -> float:
        ways = []
        for x, samples, nodes in zip(point, self.shape, level.nodes, strict=True):
            t = (x + 1) * samples / (2 * level.spacing) - 0.5
            j = math.floor(t)
            r = t - j
            cubics = ((1 - r) ** 3, 4 - 6 * r**2 + 3 * r**3, 1 + 3 * r + 3 * r**2 - 3 * r**3, r**3)
            ways.append([(min(max(j - 1 + tap, 0), nodes - 1), cubic / 6) for tap, cubic in enumerate(cubics)])
        return sum(
            channel[tuple(node for node, _ in corner)] * math.prod(share for _, share in corner)
            for corner in product(*ways)
        )


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
    assert source.byte() == 0x02
    payload = source.take(source.varint())
    check(source, start)
    source = Bytes(payload)

    seed, reach = source.varint(), source.varint()
    layout = [(source.varint(), source.varint()) for _ in range(source.byte())]
    latents = sum(many for _, many in layout)
    shapes = [(widths[0], 2 * count), (widths[0], latents), (widths[0], 1)]
    for before, width in pairwise(widths):
        shapes += [(width, before), (width, 1)]
    shapes += [(channels, latents), (channels, widths[-1]), (channels, 1)]
    steps, tables = [], []
    for _ in shapes:
        steps.append(source.f32())
        tables.append(table(source))
    sets: list[list[tuple[int, list[int]]]] = []
    for _ in range(4):
        sets.append([])
        while len(sets[-1]) < 14:
            run = source.varint()
            sets[-1] += run * [table(source)]
    words = source.take(len(source.data) - source.at)
    coder = RangeDecoder(list(struct.unpack(f"<{len(words) // 4}I", words)))
    matrices = []
    for (rows, columns), (m, frequencies) in zip(shapes, tables, strict=True):
        numbers = iter(coder.symbols(rows * columns, frequencies))
        matrices.append([[next(numbers) - m for _ in range(columns)] for _ in range(rows)])
    levels: list[Level] = []
    for spacing, many in layout:
        levels.append(Level(spacing, [-(-samples // spacing) for samples in shape], []))
        for _ in range(many):
            levels[-1].channels.append({})
            take_channel(levels, coder, sets)
    assert not coder.words
    return Decoded(shape, period, drawn(count, dimensions, reach, seed), levels, matrices, steps)


def take_channel(levels: list[Level], coder: RangeDecoder, sets: list[list[tuple[int, list[int]]]]) -> None:
    level = levels[-1]
    channel, dimensions = level.channels[-1], len(level.nodes)
    parities = sorted(product((0, 1), repeat=dimensions), key=lambda bits: (any(bits), -sum(bits), bits))
    for number, parity in enumerate(parities):
        nodes = [n for n in product(*map(range, level.nodes)) if tuple(i % 2 for i in n) == parity]
        classes = {node: class_of(levels, node) for node in nodes}
        tables = sets[2 * (len(level.channels) > 1) + (number == 0)]
        taken: dict[Node, int] = {}
        for each in range(14):
            members = [node for node in nodes if classes[node] == each]
            m, frequencies = tables[each]
            taken |= {n: q - m for n, q in zip(members, coder.symbols(len(members), frequencies), strict=True)}
        channel.update(taken)


def class_of(levels: list[Level], node: Node) -> int:
    level = levels[-1]
    around: list[tuple[int, int]] = []
    for offset in product((-1, 0, 1), repeat=len(node)):
        other = tuple(i + o for i, o in zip(node, offset, strict=True))
        if any(offset) and other in level.channels[-1]:
            around.append((20 if sum(map(abs, offset)) == 1 else 14, level.channels[-1][other]))
    if len(levels) > 1:
        above = levels[-2]
        index = len(level.channels) - 1
        parent = above.channels[index if index < len(above.channels) else 0]
        where = [min(i * level.spacing // above.spacing, n - 1) for i, n in zip(node, above.nodes, strict=True)]
        around.append((7, parent[tuple(where)]))
    if len(level.channels) > 1:
        around.append((5, level.channels[0][node]))
    if not around:
        return 13
    mean = 64 * sum(weight * abs(v) for weight, v in around) // sum(weight for weight, _ in around)
    return sum(threshold <= mean for threshold in THRESHOLDS)


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
