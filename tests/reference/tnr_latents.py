"""The coder of latents by the pages coder.md and latents.md in tuner/codec/format: slow, without numpy or `tuner`.

A subband is a dictionary from node to integer, a plane the same with what is near 0; what is not in it is 0.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations, product

Node = tuple[int, ...]
Subband = dict[Node, int]
FARTHEST, RUN, SIGNED = 2815, 32, 52
STEPS = 60


def clamp(x: int, most: int) -> int:
    return max(-most, min(most, x))


def divided(x: int, y: int) -> int:
    """Rounded towards 0."""
    return x // y if x >= 0 else -(-x // y)


def squashes() -> list[int]:
    found, power = [], 2**24
    for _ in range(FARTHEST + 1):
        found.append(min(65535, power * 2**16 // (power + 2**24)))
        power += power * 1050627 // 2**28
    return found


def stretches() -> list[int]:
    found, x = [], FARTHEST
    for q in range(32768):
        p = q // 16 * 16 + 8
        while x and 65536 - SQUASH[x - 1] <= p:
            x -= 1
        found.append(x)
    return found


SQUASH = squashes()
STRETCH = stretches()


def squash(x: int) -> int:
    x = clamp(x, FARTHEST)
    return SQUASH[x] if x >= 0 else 65536 - SQUASH[-x]


def stretch(p: int) -> int:
    return -STRETCH[p] if p < 32768 else STRETCH[65535 - p]


def coarse(x: int) -> int:
    if x < 4:
        return x
    b = x.bit_length() - 1
    return 4 * (b - 1) + (x >> b - 2) % 4


class Decoder:
    """The binary range coder."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.low, self.high = data, 4, 0, 2**32 - 1
        self.code = int.from_bytes((data + bytes(4))[:4], "big")

    def bit(self, p: int) -> int:
        middle = self.low + ((self.high - self.low) * p >> 16)
        bit = int(self.code <= middle)
        if bit:
            self.high = middle
        else:
            self.low = middle + 1
        while self.low >> 24 == self.high >> 24:
            byte = self.data[self.at] if self.at < len(self.data) else 0
            self.at += 1
            self.low, self.high = self.low << 8 & 2**32 - 1, self.high << 8 & 2**32 - 1 | 255
            self.code = self.code << 8 & 2**32 - 1 | byte
        return bit

    def is_at_its_end(self) -> bool:
        count = 0
        while -(-self.low >> 32 - 8 * count) << 32 - 8 * count > self.high:
            count += 1
        return len(self.data) == self.at - 4 + count


@dataclass
class Counter:
    p: int = 2**21
    n: int = 0

    def update(self, bit: int) -> None:
        self.p += ((2**22 - 1 if bit else 0) - self.p) * (655360 // (10 * self.n + 16)) >> 16
        self.n = min(self.n + 1, 1000)

    def probability(self) -> int:
        return max(4, min(65532, self.p >> 6))


@dataclass
class Weights:
    values: list[int]
    n: int = 0

    def forecast(self, inputs: list[int]) -> int:
        return clamp(sum(x * w >> 8 for x, w in zip(inputs, self.values, strict=True)) >> 8, FARTHEST)

    def learn(self, inputs: list[int], error: int, rate: int) -> None:
        if self.n < 1023:
            rate += rate // 256 * (16384 // (64 + self.n))
            self.n += 1
        self.values = [
            clamp(w + ((error * x >> 8) * rate + 2**15 >> 16), 2**18) for x, w in zip(inputs, self.values, strict=True)
        ]


@dataclass
class Band:
    """A subband and what is known beside it."""

    level: int
    colour: int
    kind: int
    nodes: list[int]
    scale_class: int
    integers: Subband = field(default_factory=dict)
    plane: Subband = field(default_factory=dict)

    def number(self) -> tuple[int, int, int]:
        return (self.scale_class, min(self.colour, 2), self.kind)


class Latents:
    """All latents, subband by subband: `levels` has a list of them for each level, `ends` how many bytes it took."""

    def __init__(self, data: bytes, shape: list[int], scales: int, colours: int) -> None:
        self.coder, self.axes = Decoder(data), len(shape)
        self.counters: dict[object, Counter] = defaultdict(Counter)
        self.weights: dict[object, Weights] = {}
        self.expectations: dict[tuple[int, int, int], list[int]] = defaultdict(lambda: [9830] * 4 + [0] * 20)
        self.guesses: dict[tuple[int, int, int], list[int]] = defaultdict(lambda: [0] * SIGNED)
        self.levels: list[list[Band]] = []
        self.ends: list[int] = []
        self.around = list(product((-1, 0, 1), repeat=self.axes))
        self.units = [tuple(int(a == axis) for a in range(self.axes)) for axis in range(self.axes)]
        for level in range(scales + 1):
            spacing = 2 ** min(scales, scales + 1 - level)
            nodes = [-(-samples // spacing) for samples in shape]
            self.levels.append([])
            for colour in range(colours):
                self.siblings: Subband = {}
                for kind in range(1, 2**self.axes) if level else [0]:
                    self.band = Band(level, colour, kind, nodes, min(scales - level, 3) if level else 4)
                    self.levels[-1].append(self.band)
                    self.take()
            self.ends.append(min(self.coder.at, len(data)))
        assert self.coder.is_at_its_end()

    # What is around

    def moved(self, node: Node, *steps: tuple[int, int]) -> Node:
        """By steps along axes, which count from the first one; -1 is the last."""
        place = list(node)
        for axis, step in steps:
            place[axis] += step
        return tuple(place)

    def box(self, plane: Subband | None, node: Node) -> int:
        if not plane:
            return 0
        return sum(abs(plane.get(tuple(map(sum, zip(node, step, strict=True))), 0)) for step in self.around)

    def cross(self, plane: Subband | None, node: Node) -> list[int]:
        if plane is None:
            return [0] * (1 + 2 * self.axes)
        places = [node] + [self.moved(node, (axis, step)) for axis in range(self.axes) for step in (-1, 1)]
        return [plane.get(place, 0) for place in places]

    def take(self) -> None:
        band, axes = self.band, self.axes
        level = self.levels[-1]
        kinds = 2**axes - 1 if band.level else 1
        here = len(level) - 1
        self.colour = level[here - kinds].plane if band.colour else None
        above = self.levels[-2][here] if band.level > 1 else None
        self.parent = above.plane if above else None
        self.before = [level[here - other].plane if other < band.kind else None for other in (1, 2)]
        if above:
            self.expectations[band.number()] = list(self.expectations[above.number()])
            self.guesses[band.number()] = list(self.guesses[above.number()])
        self.neighbours()
        is_in_run = False
        for node in product(*map(range, band.nodes)):
            if band.kind and node[-1] % RUN == 0:
                run = [(*node[:-1], node[-1] + i) for i in range(min(RUN, band.nodes[-1] - node[-1]))]
                is_in_run = skipped = False
                if not any(map(self.active, run)):
                    is_in_run = bool(self.alone(("run", band.number())))
                    skipped = not is_in_run
            if band.kind and skipped:
                band.integers[node] = 0
                continue
            value = self.node(node, is_in_run)
            if value:
                band.plane[node] = clamp(value, 127)
            band.integers[node] = value + (0 if band.kind else self.predicted(node))
            assert abs(band.integers[node]) <= 2**29
        for node, value in band.plane.items():
            self.siblings[node] = min(127, self.siblings.get(node, 0) + abs(value))

    def neighbours(self) -> None:
        """Offsets of each class of neighbours in rows before, and the share of each class."""
        band = self.band
        high = [bool(band.kind >> self.axes - 1 - axis & 1) for axis in range(self.axes)]
        share = {"corner": 7, "wide": 0}
        share |= {"along": 24, "across": 14 if all(high) else 10} if band.kind else {"along": 16, "across": 16}
        self.offsets: dict[str, list[Node]] = {name: [] for name in share}
        for offset in product(range(-2, 3), repeat=self.axes):
            axes = [axis for axis, step in enumerate(offset) if step]
            if not axes or axes[0] == self.axes - 1 or offset[axes[0]] > 0:
                continue
            if max(map(abs, offset)) == 1:
                name = "corner" if len(axes) > 1 else "across" if high[axes[0]] else "along"
            elif (len(axes) == 1 or (sorted(map(abs, offset))[-2:] == [1, 2] and len(axes) == 2)) and not any(
                step > 1 for step in offset[:-1]
            ):
                name = "wide"
            else:
                continue
            self.offsets[name].append(offset)
        self.row_class, self.share = "across" if high[-1] else "along", share
        self.own_count = share[self.row_class] + sum(share[name] * len(found) for name, found in self.offsets.items())
        self.outside_count = 0
        if self.parent is not None:
            self.outside_count += 2 * (3 + 3**self.axes)
        if band.kind:
            self.outside_count += 4 * (band.kind - 1)
        if self.colour is not None:
            self.outside_count += 4

    def halved(self, node: Node) -> Node:
        return tuple(i // 2 for i in node)

    def sums(self, node: Node) -> dict[str, int]:
        plane = self.band.plane
        return {
            name: sum(abs(plane.get(tuple(map(sum, zip(node, step, strict=True))), 0)) for step in offsets)
            for name, offsets in self.offsets.items()
        }

    def active(self, node: Node) -> bool:
        """Whether anything is around a node in rows before or beside the subband."""
        return bool(
            any(self.sums(node).values())
            or self.box(self.parent, self.halved(node))
            or (self.band.kind and self.box(self.siblings, node))
            or self.box(self.colour, node)
            or (node[-1] % RUN == 0 and any(self.band.plane.get(self.moved(node, (-1, -i)), 0) for i in (1, 2)))
        )

    def predicted(self, node: Node) -> int:
        values = self.band.integers

        def at(*axes: int) -> int:
            return values[self.moved(node, *((axis, -1) for axis in axes))]

        inside = [axis for axis in range(self.axes) if node[axis]]
        if self.axes == 1:
            return at(0) if inside else 0
        found = []
        for a, b in combinations(range(self.axes), 2):
            if a in inside and b in inside:
                found.append(sorted((at(a), at(b), at(a) + at(b) - at(a, b)))[1])
            elif a in inside or b in inside:
                found.append(at(a if a in inside else b))
        total, count = sum(found), len(found)
        return divided(total + (-(count // 2) if total < 0 else count // 2), count) if count else 0

    # Decisions

    def alone(self, key: object) -> int:
        counter = self.counters[key]
        bit = self.coder.bit(counter.probability())
        counter.update(bit)
        return bit

    def mixed(
        self, keys: Sequence[tuple[object, bool]], others: list[int], sets: list[object], rate: int, first: int
    ) -> int:
        counters = [(self.counters[key], mirrored) for key, mirrored in keys]
        inputs = []
        for counter, mirrored in counters:
            x = stretch(counter.p >> 6) * (256 * counter.n // (counter.n + 1)) >> 8
            inputs.append(-x if mirrored else x)
        inputs += others
        for key in sets:
            if key not in self.weights:
                self.weights[key] = Weights([first] * len(keys) + [0] * len(others))
        weights = [self.weights[key] for key in sets]
        forecasts = [each.forecast(inputs) for each in weights]
        forecast = divided(sum(forecasts), len(forecasts))
        bit = self.coder.bit(max(4, min(65532, squash(forecast))))
        for each, said in zip(weights, forecasts, strict=True):
            each.learn(inputs, (65535 if bit else 0) - squash(said), rate)
        for counter, mirrored in counters:
            if not counter.n:
                counter.p, counter.n = min(65535, squash(-forecast if mirrored else forecast)) << 6, 1
            counter.update(bit ^ mirrored)
        return bit

    # One node

    def node(self, node: Node, is_in_run: bool) -> int:
        band, plane, number = self.band, self.band.plane, self.band.number()

        def own(*steps: tuple[int, int]) -> int:
            if self.axes == 1 and any(axis == -2 for axis, _ in steps):
                return 0
            return plane.get(self.moved(node, *steps), 0)

        w, ww, n, nn = own((-1, -1)), own((-1, -2)), own((-2, -1)), own((-2, -2))
        nw, ne = own((-2, -1), (-1, -1)), own((-2, -1), (-1, 1))
        sums, above = self.sums(node), self.halved(node)
        parent, parents = abs((self.parent or {}).get(above, 0)), self.box(self.parent, above)
        siblings_plane = self.siblings if band.kind else None
        sibling, siblings = (siblings_plane or {}).get(node, 0), self.box(siblings_plane, node)
        colour, colours = abs((self.colour or {}).get(node, 0)), self.box(self.colour, node)
        is_quiet = not (any(sums.values()) or parents or siblings or colours or w or ww)
        if is_quiet and not self.alone(("quiet", number, is_in_run)):
            return 0

        values = self.values(node)
        step, negative, guess = 0, 0, 0
        across, corner = sums["across"], sums["corner"]
        sums[self.row_class] += abs(w)
        mine = sum(self.share[name] * x for name, x in sums.items())
        outside = parents + 3 * parent + siblings + 2 * sibling + 3 * colour
        wide = sums["wide"] + abs(ww)
        expected = min(47, coarse((mine + outside) * (2**24 // (self.own_count + self.outside_count)) >> 14))
        expected_own = coarse(mine * (2**24 // self.own_count) >> 14)
        expected_outside = coarse(outside * (2**24 // max(1, self.outside_count)) >> 14)
        beside = sums["along"] + sums["across"] + sums["corner"]
        if expected < 20:
            calm: list[tuple[object, ...]] = [
                (number, expected),
                tuple(min(coarse(x), 15) for x in (parents, siblings, beside)),
                (min(coarse(colours), 15), min(coarse(wide), 15), expected),
            ]
            few = [(("calm", i, context), False) for i, context in enumerate(calm)]
            if not is_quiet and not self.mixed(few, [256], ["calm"], 256, 24576):
                return 0
            negative, step = self.sign(node, values, 0, (w, ww, n, nn, nw, ne)), 1
        else:
            weighed = sum(x * g for x, g in zip(values, self.guesses[number], strict=True))
            guess = clamp(weighed >> 8, 127 * 256)
        crosses = [self.cross(plane, node) for plane in self.before]
        seen = [abs(w), abs(n), abs(nw), abs(ne), abs(ww), abs(nn), wide]
        seen += [beside, parent, parents, sibling, siblings, colour, colours]
        seen += [1, sums["along"]]
        for centre, *faces in crosses:
            seen += [abs(centre), sum(map(abs, faces))]
        seen += [across, corner, abs(own((-2, -1), (-1, 2))), abs(own((-2, -2), (-1, 1)))]
        seen = [min(63, coarse(x)) for x in seen]
        learned = sum(x * e for x, e in zip(seen, self.expectations[number], strict=True))
        learned = max(0, min(255 << 16, learned))
        expected_learned = min(63, coarse(learned >> 6))

        chroma, own_class = band.colour > 0, min(7, expected_own // 5)
        contexts: list[tuple[object, ...]] = [
            (number, expected // 3),
            (min(coarse(parents), 15), min(coarse(siblings), 15), own_class),
            (min(colour, 7), min(coarse(colours), 15), expected // 6, min(band.colour, 2)),
            (
                *(min(abs(x), 3) for x in (w, n)),
                *(min(abs(x), 2) for x in (nw, ne, parent)),
                ww != 0,
                nn != 0,
                siblings > 0,
            ),
            (expected_learned, min(band.scale_class, 2), chroma),
            (expected_learned // 2, expected // 2),
            (min(coarse(abs(guess) >> 4), 31), expected // 2, chroma),
        ]
        nearest = (min(abs(w), 2), min(abs(n), 2), min(parent, 2))
        others = [256, 16 * (expected_learned - 36), 16 * (expected_outside - 28)]
        while step < STEPS:
            keys = [(("value", i, context, min(step, 19)), False) for i, context in enumerate(contexts)]
            sets: list[object] = [(0, min(step, 2)), (1, expected // 8, min(step, 2)), (2, nearest, min(step, 1))]
            if not self.mixed(keys, others, sets, 256, 6553):
                break
            if step == 0:
                negative = self.sign(node, values, guess, (w, ww, n, nn, nw, ne))
            step += 1
        size = step
        if step > 4:
            j = step - 5
            bits, rest = j // 2 + 1, 0
            for place in range(bits):
                rest = 2 * rest + (self.coder.bit(32768) if place else self.alone(("rest", step)))
            size = 1 + (2 + j % 2) * 2**bits + rest

        error = (min(63, coarse(size)) << 16) - learned
        move = divided((error >> 6) * 300, sum(x * x for x in seen) + 4 << 4)
        self.expectations[number] = [
            clamp(e + move * x, 2**20) for e, x in zip(self.expectations[number], seen, strict=True)
        ]
        value = -size if negative else size
        move = divided((256 * clamp(value, 127) - guess) * 1024, sum(x * x for x in values) + 8)
        self.guesses[number] = [
            clamp(g + (move * x >> 4), 2**17) for g, x in zip(self.guesses[number], values, strict=True)
        ]
        return value

    def values(self, node: Node) -> list[int]:
        plane = self.band.plane
        found = [plane.get(self.moved(node, (axis, -i)), 0) for axis in range(self.axes) for i in (1, 2)]
        if self.axes > 1:
            for north, east in ((-1, -1), (-1, 1), (-2, -1), (-2, 1), (-1, 2), (-1, -2)):
                found.append(plane.get(self.moved(node, (-2, north), (-1, east)), 0))
        else:
            found += [clamp(self.band.integers.get((node[0] - i,), 0), 127) for i in range(3, 9)]
        for other in (self.colour, *self.before):
            found += self.cross(other, node)
        found += self.cross(self.parent, self.halved(node))
        return found + [0] * (SIGNED - len(found))

    def sign(self, node: Node, values: list[int], guess: int, near: tuple[int, ...]) -> int:
        w, ww, n, nn, nw, ne = near
        kind = self.band.kind
        colour, above = (self.colour or {}).get(node, 0), (self.parent or {}).get(self.halved(node), 0)
        faces = [self.band.plane.get(self.moved(node, (axis, -1)), 0) for axis in range(self.axes)]
        beside = [(self.colour or {}).get(self.moved(node, (axis, -1)), 0) for axis in range(self.axes)]
        parity = tuple(i % 2 for i in node)
        keys: list[tuple[object, bool]] = []
        for number, (around, other) in enumerate(
            [
                (faces, kind),
                ([colour, w, n], kind),
                ([faces[0], faces[-1], beside[0], beside[-1], colour], kind),
                ([above, w, n], (parity, kind)),
                ([w, n, ww, nn], kind),
                ([nw, ne, n, w], kind),
            ]
        ):
            digits = [2 if x > 0 else int(x < 0) for x in around]
            opposite = [(0, 2, 1)[digit] for digit in digits]
            keys.append((("sign", number, tuple(max(digits, opposite)), other), opposite > digits))
        keys.append((("sign", 6, min(coarse(abs(guess) >> 5), 31), kind), guess < 0))
        others = [64 * clamp(x, 3) for x in values] + [clamp(guess, 1000)]
        return self.mixed(keys, others, [("sign", self.band.number()), ("sign", kind)], 1024, 9830)


def decode(data: bytes, shape: list[int], scales: int, colours: int) -> tuple[list[list[Subband]], list[int]]:
    """The integers of all subbands, level by level, and how many bytes are read to the end of each level."""
    latents = Latents(data, shape, scales, colours)
    return [[band.integers for band in level] for level in latents.levels], latents.ends
