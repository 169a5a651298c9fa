"""The bits of the latents of any signal, one subband after the other.

Nodes that are zero and have nothing around them are passed over: most are, in a large signal at a low rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tuner.fit.wavelets.rate.costs import (
    CENTRES,
    MOST_OTHERS,
    Costs,
    Tables,
    fitted_bits,
    interpolated,
    linear_tables,
)
from tuner.fit.wavelets.rate.planes import Frame, cross_offsets, frame_of, grown, halved, offsets_before, shifted
from tuner.fit.wavelets.rate.weights import (
    CALM,
    GUESS_CALM,
    GUESS_RIDGE,
    LARGEST_GUESSED,
    RIDGE,
    made_coarse,
    sign_slope,
    solved,
)
from tuner.network.wavelets.layout import GROUPS, Layout, group_of

_OWN, _PARENT, _SIBLINGS, _COLOUR = range(4)


@dataclass(frozen=True, slots=True, eq=False)
class _Around:
    """The latents of a level, ready to be looked at from every node.

    Attributes:
        frame: places of the nodes.
        codes: latents in planes with margins, (colours, orientations, places).
        sizes: magnitudes of the latents, shaped as `codes`.
        boxes: sums of the magnitudes over each node and those next to it, shaped as `codes`.
    """

    frame: Frame
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
        self._frames = [frame_of(level, self._dimensions) for level in self._levels]

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
        seen.steep.extend(made_coarse(row) for row in rows[:-1])
        rows[-1] = (rows[:-1].sum(0) > 0.0).to(rows.dtype)
        target = values.abs()
        made_coarse(target)
        for part in seen.parts:
            seen.weights.append(solved(rows[:, part], target[part], CALM, RIDGE))
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
            inner |= grown(above.frame.inner((above.boxes[:, kind] > 0.0).view(torch.uint8)), here.frame.level.nodes)
        colours, nodes = inner.view(self._colours, -1).nonzero(as_tuple=True)
        return colours, nodes

    @staticmethod
    def _parents_of(above: _Around, frame: Frame, colours: Tensor, nodes: Tensor, kind: int) -> Tensor:
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
        others: list[tuple[int, Frame, Tensor, Tensor, int]] = []
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
                weights = solved(some, signed, GUESS_CALM, GUESS_RIDGE)
                seen.lean[part] = (weights * sign_slope(weights @ some * signed.sign())) @ mine

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

    def _fill(self, frame: Frame, seen: list[_Seen], tables: Tables, costs: Costs) -> Tensor:
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

    def _spread(self, frame: Frame, seen: list[_Seen], slopes: Tensor, costs: list[Costs]) -> None:
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
                    target, source = shifted(own, offset), shifted(mine, -offset)
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
                        torch.nn.functional.pad(halved(inner(part)), (above.margin,) * 2 * self._dimensions)
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
