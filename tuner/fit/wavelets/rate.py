"""How many bits wavelet latents take in a file, and what each other value of a latent would cost: an estimate.

The coder of files (`core/`) mixes many contexts, two of which it learns from the picture: how large a latent will be,
and which sign it has. Both are linear in what is around it, so here least squares find them at once, for every subband,
on the latents as they are. Of the expected magnitude tables of three numbers are fitted: the bits of a zero, of a one,
and of every further unit, interpolated between the centres of two classes. Of the guess of the value, one slope: how
sure it is of the sign. What a latent does to the bits of all that see it is the transpose of the same sums, times the
slopes of the tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import log

import torch
from torch import Tensor

from tuner.network.wavelets.layout import GROUPS, Layout, Level, group_of

# Centres of the classes of expected magnitude.
CENTRES = (0.0, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.55, 0.75, 1.0, 1.5, 2.5, 4.0, 8.0, 16.0, 64.0)
# A class begins as that many latents of a Laplace distribution whose scale is its centre, about.
_PRIOR = 8.0
_SLOPE, _OFFSET = 0.9, 0.05
_SELDOM = 1.0 / 4096.0
# As the coder weighs nodes when it learns: one over this and the sum of the squares of what it sees.
CALM, GUESS_CALM = 4.0, 8.0
# What weights are held to zero by, in nodes.
RIDGE, GUESS_RIDGE = 0.5, 2.0
_MARGIN = 2  # of what is seen around a node, along each axis; 8 along a line
_MARGIN_OF_LINES = 8
LARGEST_GUESSED = 3.0
_OWN, _PARENT, _SIBLINGS, _COLOUR = range(4)
_SLOPE_OVER = 2  # classes on either side
MOST_OTHERS = 2.5
SLOPE_STEPS = 4
LARGEST_SLOPE = 4.0
STEEP = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Costs:
    """Bits of the latents of one level, each (subbands, *nodes).

    Attributes:
        zero: bits that a zero takes.
        one: bits that a magnitude of 1 takes, with a sign that nothing is known of.
        more: bits that every further unit takes.
        lean: logarithm of how many times likelier + is than -.
        others: bits by which a magnitude larger by 1 makes all others dearer.
    """

    zero: Tensor
    one: Tensor
    more: Tensor
    lean: Tensor
    others: Tensor

    def at(self, places: Tensor) -> "Costs":
        """Costs of some latents of the level, in one line, by their places in it."""
        planes = (self.zero, self.one, self.more, self.lean, self.others)
        return Costs(*(plane.view(-1).index_select(0, places) for plane in planes))

    def of(self, values: Tensor) -> Tensor:
        """Bits of some values."""
        magnitudes = values.abs()
        sign = torch.nn.functional.softplus(-values.sign() * self.lean) / log(2.0) - 1.0
        return torch.where(magnitudes < 0.5, self.zero, self.one + sign + self.more * (magnitudes - 1.0))


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """Where the nodes of a level are in planes with a margin of zeros, each (places,) in one line.

    So an offset is a number of places, and whatever is beyond a border is read as zero.

    Attributes:
        level: level whose nodes these are.
        margin: number of zeros before and after the nodes, along each axis.
        strides: number of places that a step takes along each axis.
        places: number of places of a plane.
        first: place of the first node.
        nodes: how many places each node is from the first, (nodes,).
        parents: the same of each node's parent in the planes of the level before, (nodes,).
    """

    level: Level
    margin: int
    strides: tuple[int, ...]
    places: int
    first: int
    nodes: Tensor
    parents: Tensor

    def shift(self, offset: tuple[int, ...]) -> int:
        """Number of places that an offset takes."""
        return sum(step * stride for step, stride in zip(offset, self.strides, strict=True))

    def taken(self, line: Tensor, nodes: Tensor, shift: int = 0) -> Tensor:
        """What is so many places from some nodes, which are told by their places from the first."""
        return line[self.first + shift :].index_select(0, nodes)

    def framed(self, values: Tensor) -> Tensor:
        """Planes with their margins, (colours, orientations, places), of (subbands, *nodes)."""
        padded = torch.nn.functional.pad(values, (self.margin, self.margin) * len(self.strides))
        return padded.view(self.level.colours, self.level.orientations, self.places)

    def inner(self, planes: Tensor) -> Tensor:
        """Planes without their margins, (..., *nodes), as a view."""
        sides = [nodes + 2 * self.margin for nodes in self.level.nodes]
        planes = planes.view(*planes.shape[:-1], *sides)
        for axis, nodes in enumerate(self.level.nodes, start=-len(sides)):
            planes = planes.narrow(axis, self.margin, nodes)
        return planes

    def boxes(self, planes: Tensor) -> Tensor:
        """Sums over each node and those next to it, diagonals included; margins hold anything afterwards."""
        return boxes(planes, self.strides)


@dataclass(frozen=True, slots=True, eq=False)
class _Around:
    """The latents of a level, ready to be looked at from every node.

    Attributes:
        frame: places of the nodes.
        codes: latents in planes with margins, (colours, orientations, places).
        sizes: magnitudes of the latents, shaped as `codes`.
        boxes: sums of the magnitudes over each node and those next to it, shaped as `codes`.
    """

    frame: _Frame
    codes: Tensor
    sizes: Tensor
    boxes: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class _Sum:
    """Which magnitudes around a node one input adds up.

    Attributes:
        origin: number of the group they are from: own subband, parent, orientations before, colour before.
        offsets: places of what is added up, from the node, if it is the own subband's.
        is_box: whether those next to the place are added up, too, for the other origins.
    """

    origin: int
    offsets: tuple[int, ...] = ()
    is_box: bool = False


@dataclass(slots=True, eq=False)
class _Seen:
    """The nodes of one orientation, all colours, that are not zero or have something around them.

    Of all others nothing is expected, and nothing is to be guessed.

    Attributes:
        colours: number of the colour of each of them, ascending, (N,).
        nodes: number of the node of each in its subband, (N,).
        firsts: how many of them are of the first colour.
        values: latents there, (N,).
        sums: what the inputs add up.
        steep: places of the nodes that take an input in by its logarithm, since they see so much, and what the slope
            has there beyond 1, for each input; None where there are none.
        weights: weights of the inputs, for each part of the colours.
        means: expected magnitudes, (N,).
        above: number of the first centre of a class that is not below, from 1 on, (N,).
        lean: logarithm of how many times likelier + is than -, (N,).
    """

    colours: Tensor
    nodes: Tensor
    firsts: int
    values: Tensor
    sums: list[_Sum]
    steep: list[tuple[Tensor, Tensor] | None]
    weights: list[Tensor]
    means: Tensor
    above: Tensor
    lean: Tensor

    @property
    def parts(self) -> tuple[slice, slice]:
        """Those of each part of the colours."""
        return slice(0, self.firsts), slice(self.firsts, len(self.nodes))


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Bits of a zero, of a one and of every further unit, linear in the expectation between two centres.

    Attributes:
        at_zero: bits that belong to an expectation of zero, on each interval, (3, groups x classes).
        rise: bits more for a unit more of the expectation there, shaped as `at_zero`.
        slope: bits more for a unit more over a wider range, shaped as `at_zero`.
    """

    at_zero: Tensor
    rise: Tensor
    slope: Tensor


class LatentRate:
    """The bits of wavelet latents.

    Args:
        layout: arrangement of the subbands that hold the latents.
    """

    def __init__(self, layout: Layout) -> None:
        self._levels, self._colours, self._dimensions = layout.levels, layout.colours, layout.dimensions
        self._centres = torch.tensor(CENTRES)
        self._middles = (self._centres[1:] + self._centres[:-1]) / 2.0
        self._near, self._wide, self._ring = offsets_before(self._dimensions)
        self._cross = cross_offsets(self._dimensions)
        self._frames = [_frame(level, self._dimensions) for level in self._levels]

    def costs(self, codes: Sequence[Tensor]) -> tuple[float, list[Costs]]:
        """All bits, and the costs of every level, at integer codes."""
        around, seen = self._look(codes)
        tables, bits = self._tables(seen)
        costs = [
            Costs(*(torch.zeros(level.shape) if row > 2 else torch.empty(level.shape) for row in range(5)))
            for level in self._levels
        ]
        for each, level in zip(around, self._levels, strict=True):
            slopes = self._fill(each.frame, seen[level.number], tables, costs[level.number])
            self._spread(each.frame, seen[level.number], slopes, costs)
        for cost in costs:
            cost.others.clamp_(-MOST_OTHERS, MOST_OTHERS)
        return bits, costs

    def bits(self, codes: Sequence[Tensor]) -> float:
        """All bits at integer codes."""
        return self._tables(self._look(codes)[1])[1]

    def _look(self, codes: Sequence[Tensor]) -> tuple[list[_Around], list[list[_Seen]]]:
        """What is around the nodes of every level, and what is expected of those that have anything there."""
        around = []
        for frame, each in zip(self._frames, codes, strict=True):
            framed = frame.framed(each)
            sizes = framed.abs()
            around.append(_Around(frame, framed, sizes, frame.boxes(sizes)))
        seen = []
        for number, level in enumerate(self._levels):
            here, above = around[number], around[number - 1] if number > 1 else None
            busy = self._busy(here)
            seen.append([self._seen(here, above, busy, kind) for kind in range(level.orientations)])
        return around, seen

    def _seen(self, here: _Around, above: _Around | None, busy: Tensor, kind: int) -> _Seen:
        """The nodes of an orientation that have anything around them, and what is expected there."""
        colours, nodes = self._places(here, above, busy, kind)
        firsts = int((colours == 0).sum())
        frame = here.frame
        places = colours * (frame.level.orientations * frame.places) + (
            frame.nodes.index_select(0, nodes) + kind * frame.places
        )
        parents = None if above is None else self._parents_of(above, frame, colours, nodes, kind)
        sums, rows = self._rows(here, above, places, parents, firsts, kind)
        values = frame.taken(here.codes.view(-1), places)
        seen = _Seen(
            colours, nodes, firsts, values, sums, [], [], torch.empty(len(nodes)), nodes, torch.zeros(len(nodes))
        )
        seen.steep.extend(_made_coarse(row) for row in rows[:-1])
        rows[-1] = (rows[:-1].sum(0) > 0.0).to(rows.dtype)
        target = values.abs()
        _made_coarse(target)
        for part in seen.parts:
            seen.weights.append(_solved(rows[:, part], target[part], CALM, RIDGE))
            seen.means[part] = (seen.weights[-1] @ rows[:, part]).clamp_(min=0.0)
        seen.above = torch.bucketize(seen.means, self._centres)
        self._guess(seen, here, above, places, parents, kind)
        return seen

    def _busy(self, here: _Around) -> Tensor:
        """Which nodes of a level are not zero, or see what is not in their own subband: bytes, with margins."""
        own = (here.sizes > 0.0).view(torch.uint8)
        busy = own.clone()
        for offset in (*self._near, *self._wide, *self._ring):
            shift = here.frame.shift(offset)  # all of them are before the node
            if shift < 0:
                busy[..., -shift:] |= own[..., :shift]
            else:
                busy[..., :-shift] |= own[..., shift:]
        return busy

    def _places(self, here: _Around, above: _Around | None, busy: Tensor, kind: int) -> tuple[Tensor, Tensor]:
        """Colours and nodes of an orientation that are not zero or have anything around them."""
        mask = busy[:, kind]
        if kind:
            mask = mask | (here.boxes[:, :kind].sum(1) > 0.0).view(torch.uint8)
        inner = here.frame.inner(mask).clone()
        if self._colours > 1:
            inner[1:] |= here.frame.inner((here.boxes[:-1, kind] > 0.0).view(torch.uint8))
        if above is not None:
            inner |= _grown(above.frame.inner((above.boxes[:, kind] > 0.0).view(torch.uint8)), here.frame.level.nodes)
        colours, nodes = inner.view(self._colours, -1).nonzero(as_tuple=True)
        return colours, nodes

    @staticmethod
    def _parents_of(above: _Around, frame: _Frame, colours: Tensor, nodes: Tensor, kind: int) -> Tensor:
        """Places of parents in all planes of the level before."""
        size = above.frame.places
        return colours * (above.frame.level.orientations * size) + (frame.parents.index_select(0, nodes) + kind * size)

    def _rows(
        self, here: _Around, above: _Around | None, places: Tensor, parents: Tensor | None, firsts: int, kind: int
    ) -> tuple[list[_Sum], Tensor]:
        """What a decoder sees around some nodes of an orientation before it is decoded: sums of magnitudes.

        Returns:
            What the sums are, and (inputs + 1, nodes), of which the last row is empty.
        """
        frame, size = here.frame, here.frame.places
        sums = [_Sum(_OWN, (frame.shift(offset),)) for offset in self._near]
        sums += [_Sum(_OWN, tuple(frame.shift(offset) for offset in each)) for each in (self._wide, self._ring) if each]
        others: list[tuple[int, _Frame, Tensor, Tensor, int]] = []
        if above is not None and parents is not None:
            others += [(_PARENT, above.frame, each.view(-1), parents, 0) for each in (above.sizes, above.boxes)]
        if kind:
            first = places - kind * size
            others += [(_SIBLINGS, frame, each.view(-1), first, 0) for each in (here.sizes, here.boxes)]
        if self._colours > 1:
            before = places[firsts:] - frame.level.orientations * size
            others += [(_COLOUR, frame, each.view(-1), before, firsts) for each in (here.sizes, here.boxes)]
        rows, line = torch.empty(len(sums) + len(others) + 1, len(places)), here.sizes.view(-1)
        for row, each in zip(rows, sums, strict=False):
            row.copy_(frame.taken(line, places, each.offsets[0]))
            for offset in each.offsets[1:]:
                row += frame.taken(line, places, offset)
        for number, (origin, where, line, wanted, start) in enumerate(others, start=len(sums)):
            row = rows[number]
            row[:start] = 0.0
            row[start:] = where.taken(line, wanted)
            if origin == _SIBLINGS:
                for step in range(1, kind):
                    row += where.taken(line, wanted, step * size)
        sums += [_Sum(origin, is_box=bool(number % 2)) for number, (origin, *_) in enumerate(others)]
        return sums, rows

    def _guess(
        self, seen: _Seen, here: _Around, above: _Around | None, places: Tensor, parents: Tensor | None, kind: int
    ) -> None:
        """Find the logarithm of how many times likelier + is than -."""
        frame, size = here.frame, here.frame.places
        looks = [(here, places, frame.shift(offset), 0) for offset in (*self._near, *self._wide)]
        cross = [frame.shift(offset) for offset in self._cross]
        if self._colours > 1:
            before = places[seen.firsts :] - frame.level.orientations * size
            looks += [(here, before, shift, seen.firsts) for shift in cross]
        for steps in range(1, min(2, kind) + 1):
            former = places - steps * size
            looks += [(here, former, shift, 0) for shift in cross]
        if above is not None and parents is not None:
            looks += [(above, parents, above.frame.shift(offset), 0) for offset in self._cross]
        rows = torch.empty(len(looks), len(places))
        for row, (where, wanted, shift, start) in zip(rows, looks, strict=True):
            row[:start] = 0.0
            row[start:] = where.frame.taken(where.codes.view(-1), wanted, shift)
        rows.clamp_(-LARGEST_GUESSED, LARGEST_GUESSED)
        values = seen.values.clamp(-LARGEST_GUESSED, LARGEST_GUESSED)
        for part in seen.parts:
            known = values[part].nonzero()[:, 0]
            if len(known):
                mine, signed = rows[:, part], values[part][known]
                some = mine.index_select(1, known)
                weights = _solved(some, signed, GUESS_CALM, GUESS_RIDGE)
                seen.lean[part] = (weights * _slope(weights @ some * signed.sign())) @ mine

    def _tables(self, seen: list[list[_Seen]]) -> tuple[Tables, float]:
        """The tables that suit the latents, and the bits of all latents by them."""
        classes, groups = len(self._centres), self._groups(seen)
        everything = [each for level in seen for each in level]
        means = torch.cat([each.means for each in everything])
        values = torch.cat([each.values for each in everything])
        lean = torch.cat([each.lean for each in everything])
        above = torch.cat([each.above for each in everything])
        # The class is that of the nearest centre.
        nearest = above - (means <= self._middles.index_select(0, (above - 1).clamp_(0, classes - 2))).long()
        index = groups * classes + nearest.clamp_(0, classes - 1)
        sizes, count = values.abs(), GROUPS * classes
        total = torch.bincount(index, minlength=count).view(GROUPS, classes).double()
        zeros = torch.bincount(index, weights=(sizes < 0.5).double(), minlength=count).view_as(total).double()
        excess = (sizes - 1.0).clamp_(min=0.0).double()
        excess = torch.bincount(index, weights=excess, minlength=count).view_as(total).double()
        # All others are zero, and nothing is expected of them.
        empty = torch.zeros(GROUPS, dtype=torch.float64)
        for level, kinds in zip(self._levels, seen, strict=True):
            for colour in range(self._colours):
                here = sum(int((each.colours == colour).sum()) for each in kinds)
                empty[group_of(level, colour)] += level.latents // self._colours - here
        total[:, 0] += empty
        zeros[:, 0] += empty
        bits = fitted_bits(total, zeros, excess)
        tables = linear_tables(bits)
        for kinds in seen:
            for each in kinds:
                each.above.clamp_(1, classes - 1)
        index = groups * classes + above.clamp_(1, classes - 1)
        zero, one, more = interpolated(tables, index, means)
        there = Costs(zero, one, more, lean, lean)
        return tables, float(there.of(values).sum()) + float((empty * bits[0, :, 0].double()).sum())

    def _groups(self, seen: list[list[_Seen]]) -> Tensor:
        """The number of the group of tables, for all nodes that have been looked at."""
        return torch.cat(
            [
                torch.tensor([group_of(level, colour) for colour in range(self._colours)]).index_select(0, each.colours)
                for level, kinds in zip(self._levels, seen, strict=True)
                for each in kinds
            ]
        )

    def _fill(self, frame: _Frame, seen: list[_Seen], tables: Tables, costs: Costs) -> Tensor:
        """Write the costs of a level, but for what latents do to others.

        Returns:
            By how much each latent's bits grow with the expectation, in planes with margins, (subbands, places).
        """
        level, classes, total = frame.level, len(self._centres), frame.nodes.shape[0]
        groups = torch.tensor([group_of(level, colour) for colour in range(self._colours)]) * classes
        slopes = torch.zeros(self._colours, level.orientations, frame.places)
        calm = tables.slope[0][groups + 1].view(-1, *(1 for _ in range(self._dimensions + 1)))
        frame.inner(slopes).copy_(calm.expand(self._colours, level.orientations, *level.nodes))
        planes = (costs.zero, costs.one, costs.more)
        for plane, row in zip(planes, tables.at_zero, strict=True):
            plane.view(self._colours, -1).copy_(row[groups + 1][:, None].expand(-1, level.orientations * total))
        for kind, each in enumerate(seen):
            index = groups.index_select(0, each.colours) + each.above
            places = (each.colours * level.orientations + kind) * total + each.nodes
            for plane, found in zip(planes, interpolated(tables, index, each.means), strict=True):
                plane.view(-1).index_copy_(0, places, found)
            costs.lean.view(-1).index_copy_(0, places, each.lean)
            zero, one, more = (row.index_select(0, index) for row in tables.slope)
            size = each.values.abs()
            rise = torch.where(size < 0.5, zero, one + (size - 1.0) * more)
            places = (each.colours * level.orientations + kind) * frame.places + frame.nodes.index_select(0, each.nodes)
            slopes.view(-1)[frame.first :].index_copy_(0, places, rise)
        return slopes

    def _spread(self, frame: _Frame, seen: list[_Seen], slopes: Tensor, costs: list[Costs]) -> None:
        """Give every latent what it does to the bits of those of a level that see it."""
        level, inner = frame.level, frame.inner
        others = costs[level.number].others.view(self._colours, level.orientations, *level.nodes)
        for kind, each in enumerate(seen):
            mine = slopes[:, kind].contiguous()
            places = each.colours * frame.places + frame.nodes.index_select(0, each.nodes)
            own, known = torch.zeros_like(mine), frame.taken(mine.view(-1), places)
            shares = dict[int, list[Tensor]]()
            for number, (which, steep) in enumerate(zip(each.sums, each.steep, strict=True)):
                first, rest = (float(weights[number]) for weights in each.weights)
                weights = torch.tensor([first] + [rest] * (self._colours - 1))
                excess = None
                if steep is not None:
                    there, beyond = steep
                    excess = (
                        places.index_select(0, there),
                        beyond * known.index_select(0, there) * weights[each.colours.index_select(0, there)],
                    )
                for offset in which.offsets:
                    target, source = _shifted(own, offset), _shifted(mine, -offset)
                    target.addcmul_(source, weights[:, None])
                    if excess is not None:
                        own.view(-1)[frame.first + offset :].index_add_(0, *excess)
                if not which.offsets:
                    share = mine * weights[:, None]
                    if excess is not None:
                        share.view(-1)[frame.first :].index_add_(0, *excess)
                    shares.setdefault(which.origin, []).append(share)
            others[:, kind] += inner(own)
            for origin, (share, box) in shares.items():
                if origin == _PARENT:
                    above = self._frames[level.number - 1]
                    halves = [
                        torch.nn.functional.pad(_halved(inner(part)), (above.margin,) * 2 * self._dimensions)
                        for part in (share, box)
                    ]
                    total = above.boxes(halves[1].view(self._colours, -1)).add_(halves[0].view(self._colours, -1))
                    before = costs[level.number - 1].others
                    before.view(self._colours, level.orientations, *above.level.nodes)[:, kind] += above.inner(total)
                else:
                    total = inner(frame.boxes(box).add_(share))
                    if origin == _COLOUR:
                        others[:-1, kind] += total[1:]
                    else:
                        others[:, :kind] += total[:, None]


def fitted_bits(total: Tensor, zeros: Tensor, excess: Tensor) -> Tensor:
    """Bits of a zero, of a one, of more, (3, groups, classes), from counts, float64 (groups, classes).

    Args:
        total: number of latents of each class.
        zeros: how many of them are zero.
        excess: sum of what the magnitudes of all others have beyond 1.
    """
    scale = _SLOPE * torch.tensor(CENTRES).double() + _OFFSET
    likely_zero = 1.0 - torch.exp(-0.5 / scale)
    likely_more = torch.exp(-1.0 / scale)
    zero = ((zeros + _PRIOR * likely_zero) / (total + _PRIOR)).clamp(_SELDOM, 1.0 - _SELDOM)
    others = total - zeros + _PRIOR * (1.0 - likely_zero)
    excess = excess + _PRIOR * (1.0 - likely_zero) * likely_more / (1.0 - likely_more)
    more = (excess / (others + excess)).clamp(_SELDOM, 1.0 - _SELDOM)
    return -torch.log2(torch.stack([zero, (1.0 - zero) * 0.5 * (1.0 - more), more])).float()


def linear_tables(bits: Tensor) -> Tables:
    """Tables by the number of the upper centre of an interval; those of number 0 are of no use.

    Args:
        bits: what `fitted_bits` gives.
    """
    centres, classes = torch.tensor(CENTRES), len(CENTRES)
    rise = torch.zeros_like(bits)
    rise[..., 1:] = (bits[..., 1:] - bits[..., :-1]) / (centres[1:] - centres[:-1])
    at_zero = bits - rise * centres
    above = torch.arange(classes).clamp(min=1)
    first, last = (above - _SLOPE_OVER).clamp(min=0), (above + _SLOPE_OVER - 1).clamp(max=classes - 1)
    slope = (bits[..., last] - bits[..., first]) / (centres[last] - centres[first])
    return Tables(at_zero.view(3, -1), rise.view(3, -1), slope.view(3, -1))


def boxes(planes: Tensor, strides: Sequence[int]) -> Tensor:
    """Sums over each place and those next to it along all axes; margins hold anything afterwards.

    Args:
        planes: planes in lines, with margins of zeros.
        strides: number of places that a step takes along each axis.
    """
    for stride in strides:
        total = planes.clone()
        total[..., stride:] += planes[..., :-stride]
        total[..., :-stride] += planes[..., stride:]
        planes = total
    return planes


def margin_of(dimensions: int) -> int:
    """Number of zeros that planes need before and after their nodes."""
    return _MARGIN if dimensions > 1 else _MARGIN_OF_LINES


def offsets_before(
    dimensions: int,
) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Offsets of what is decoded before a node: those that count one by one, wide ones, all in planes before."""
    if dimensions == 1:
        return [(-1,), (-2,)], [(-back,) for back in range(3, 9)], []
    rest = (0,) * (dimensions - 2)
    near = [
        tuple(-steps if axis == other else 0 for other in range(dimensions))
        for axis in range(dimensions)
        for steps in (1, 2)
    ]
    near += [(*rest, -1, -1), (*rest, -1, 1)]
    wide = [(*rest, -2, -1), (*rest, -2, 1), (*rest, -1, 2), (*rest, -1, -2)]
    ring = [
        offset
        for offset in product((-1, 0, 1), repeat=dimensions)
        if next((each for each in offset[:-2] if each), 0) < 0
    ]
    return near, wide, ring


def cross_offsets(dimensions: int) -> list[tuple[int, ...]]:
    """A node and those one step away along each axis."""
    steps = [
        tuple(step if axis == other else 0 for other in range(dimensions))
        for axis in range(dimensions)
        for step in (-1, 1)
    ]
    return [(0,) * dimensions, *steps]


def _frame(level: Level, dimensions: int) -> _Frame:
    margin = margin_of(dimensions)
    strides, places = list[int](), 1
    for nodes in reversed(level.nodes):
        strides.insert(0, places)
        places *= nodes + 2 * margin
    above = [-(-nodes // 2) for nodes in level.nodes]
    found, parents = torch.zeros(1, dtype=torch.long), torch.zeros(1, dtype=torch.long)
    for nodes, half in zip(level.nodes, above, strict=True):
        along = torch.arange(nodes)
        found = (found[:, None] * (nodes + 2 * margin) + along).view(-1)
        parents = (parents[:, None] * (half + 2 * margin) + along // 2).view(-1)
    return _Frame(level, margin, tuple(strides), places, margin * sum(strides), found, parents)


def _shifted(planes: Tensor, shift: int) -> Tensor:
    """The places that are reached by a shift from somewhere in the plane."""
    return planes[..., shift:] if shift >= 0 else planes[..., :shift]


def _grown(planes: Tensor, nodes: tuple[int, ...]) -> Tensor:
    """Each value of (colours, *nodes before) at its children, (colours, *nodes)."""
    for axis, count in enumerate(nodes, start=1):
        twice = planes.unsqueeze(axis + 1).expand(*planes.shape[: axis + 1], 2, *planes.shape[axis + 1 :])
        planes = twice.flatten(axis, axis + 1).narrow(axis, 0, count)
    return planes


def _halved(planes: Tensor) -> Tensor:
    """The transpose of `_grown`."""
    for axis in range(1, planes.ndim):
        if planes.shape[axis] % 2:
            planes = torch.cat([planes, torch.zeros_like(planes.narrow(axis, 0, 1))], axis)
        pairs = planes.reshape(*planes.shape[:axis], -1, 2, *planes.shape[axis + 1 :])
        planes = pairs.select(axis + 1, 0) + pairs.select(axis + 1, 1)
    return planes


def _solved(rows: Tensor, target: Tensor, calm: float, ridge: float) -> Tensor:
    """Weights of some inputs, (inputs, nodes), by least squares in which nodes that see much count less."""
    weighted = rows / (rows.square().sum(0) + calm)
    gram = (weighted @ rows.T).double()
    gram.diagonal().add_(ridge)
    solved: Tensor = torch.linalg.solve(gram, (weighted @ target).double()).float()
    return solved


def interpolated(tables: Tables, index: Tensor, means: Tensor) -> list[Tensor]:
    """Bits of a zero, of a one, of more, at some expectations."""
    means = means.clamp(max=CENTRES[-1])
    return [
        torch.addcmul(zero.index_select(0, index), rise.index_select(0, index), means)
        for zero, rise in zip(tables.at_zero, tables.rise, strict=True)
    ]


def _made_coarse(sums: Tensor) -> tuple[Tensor, Tensor] | None:
    """Leave sums as they are below 4, four units for every doubling from there on: about the classes of the coder.

    Returns:
        Where they were not below, and what the slope there has beyond 1; None if there are none.
    """
    if not len(sums) or float(sums.max()) < STEEP:
        return None
    there = (sums >= STEEP).nonzero()[:, 0]
    large = sums.index_select(0, there)
    sums.index_copy_(0, there, STEEP * large.log2() - STEEP)
    return there, (STEEP / log(2.0)) / large - 1.0


def _slope(agreement: Tensor) -> float:
    """How many times a guess its logit is, by the likelihood of signs: Newton's method, with a prior of doubt."""
    slope, agreement = 0.5, agreement.double()
    for _ in range(SLOPE_STEPS):
        miss = torch.sigmoid(-slope * agreement)
        rise = float((agreement * miss).sum()) - slope
        bend = float((agreement.square() * miss * (1.0 - miss)).sum()) + 1.0
        slope = min(max(slope + rise / bend, 0.0), LARGEST_SLOPE)
    return slope
