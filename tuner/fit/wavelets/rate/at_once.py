"""The bits of the latents of a small signal: what `by_subband` estimates, for all subbands at once.

Of a picture of 64 x 64 a subband has some hundred latents, so that the thousands of calls that look at one subband
after the other take many times as long as their arithmetic. Here all subbands lie in one canvas, zeros between them,
with the same strides; where each latent looks is a table that the layout decides, and a call does for all of them.
Nothing is left out that has nothing around it, since to sort it out would take longer. The sums are the same but for
their order. Tables as large as this are too much for large signals.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log

import numpy as np
import torch
from torch import Tensor

from tuner.fit.wavelets.rate.by_subband import LatentRate
from tuner.fit.wavelets.rate.costs import (
    CENTRES,
    MOST_OTHERS,
    Costs,
    Tables,
    fitted_bits,
    interpolated,
    linear_tables,
)
from tuner.fit.wavelets.rate.planes import boxes, cross_offsets, margin_of, offsets_before
from tuner.fit.wavelets.rate.weights import (
    CALM,
    GUESS_CALM,
    GUESS_RIDGE,
    LARGEST_GUESSED,
    LARGEST_SLOPE,
    RIDGE,
    SLOPE_STEPS,
    STEEP,
)
from tuner.network.wavelets.layout import GROUPS, Layout, Level, group_of

# Latents of which tables are made at most, those of 128 x 128 in colour; with many more, those of one subband fill a
# call.
_MOST_LATENTS = 3 << 14


def rate_of(layout: Layout) -> "LatentRate | RateAtOnce":
    """What estimates the bits of latents in the least time.

    Args:
        layout: arrangement of the subbands that hold the latents.
    """
    return RateAtOnce(layout) if layout.latents <= _MOST_LATENTS else LatentRate(layout)


@dataclass(frozen=True, slots=True, eq=False)
class _Span:
    """The latents of one level, which lie one after the other.

    Attributes:
        latents: places of its latents among all.
        subbands: places of its subbands among all.
        nodes: number of latents of a subband.
    """

    latents: slice
    subbands: slice
    nodes: int

    def of(self, rows: Tensor) -> Tensor:
        """The latents of the level in some rows, (subbands, rows, nodes), as a view."""
        return rows[:, self.latents].view(len(rows), -1, self.nodes).transpose(0, 1)


@dataclass(frozen=True, slots=True, eq=False)
class _Where:
    """Where the latents of a layout lie on the canvas, and where each of them looks.

    The first place of the canvas is in a margin: whoever has no parent, say, looks there.

    Attributes:
        size: number of places of the canvas.
        strides: number of places that a step takes along each axis.
        places: place of each latent, (L,).
        terms: places of what is summed up around each latent, in a canvas of magnitudes and, after it, one of the sums
            of these over boxes, (terms x L,).
        counts: number of terms that each input is the sum of.
        looks: places of the values that tell of a latent's sign, (looks x L,).
    """

    size: int
    strides: tuple[int, ...]
    places: Tensor
    terms: Tensor
    counts: tuple[int, ...]
    looks: Tensor


class RateAtOnce:
    """The bits of the wavelet latents of a small signal.

    Args:
        layout: arrangement of the subbands that hold the latents.
    """

    def __init__(self, layout: Layout) -> None:
        self._levels, self._latents = layout.levels, layout.latents
        self._where = where = _where(layout)
        self._inputs = len(where.counts)
        self._codes, self._doubled = torch.zeros(where.size), torch.zeros(2, where.size)
        self._spans, start, subband = list[_Span](), 0, 0
        for level in self._levels:
            latents, subbands = slice(start, start + level.latents), slice(subband, subband + level.subbands)
            self._spans.append(_Span(latents, subbands, level.latents // level.subbands))
            start, subband = latents.stop, subbands.stop
        # The first colour of an orientation has weights of its own, all others share theirs.
        parts, groups = list[int](), list[int]()
        for level in self._levels:
            for position in range(level.subbands):
                colour, orientation = divmod(position, level.orientations)
                parts.append(2 * (len(groups) - position) + 2 * orientation + min(colour, 1))
                groups.append(group_of(level, colour))
        _, part = torch.unique(torch.tensor(parts), return_inverse=True)
        self._part_of_subband, self._parts = part, int(part.max()) + 1
        nodes = torch.tensor(
            [span.nodes for span in self._spans for _ in range(span.subbands.start, span.subbands.stop)]
        )
        self._subband = torch.repeat_interleave(torch.arange(len(nodes)), nodes)
        self._part_of_latent = part.index_select(0, self._subband)
        self._order = self._part_of_latent.argsort(stable=True)
        self._classes = len(CENTRES)
        self._centres = torch.tensor(CENTRES)
        self._middles = (self._centres[1:] + self._centres[:-1]) / 2.0
        self._first_class = (torch.tensor(groups) * self._classes).index_select(0, self._subband)

    def costs(self, codes: Sequence[Tensor]) -> tuple[float, list[Costs]]:
        """All bits, and the costs of every level, at integer codes."""
        values = self._shown(codes)
        steep, beyond, weights, means = self._expected(values)
        lean = self._guessed(values)
        tables, index, found, bits = self._priced(values, means, lean)
        size = values.abs()
        zero, one, more = tables.slope.index_select(1, index)
        rise = torch.where(size < 0.5, zero, one + (size - 1.0) * more)
        others = self._spread(rise, weights, steep, beyond)
        zero, one, more = found
        costs = [
            Costs(*(plane[span.latents].view(level.shape) for plane in (zero, one, more, lean, others)))
            for level, span in zip(self._levels, self._spans, strict=True)
        ]
        return bits, costs

    def bits(self, codes: Sequence[Tensor]) -> float:
        """All bits at integer codes."""
        values = self._shown(codes)
        return self._priced(values, self._expected(values)[-1], self._guessed(values))[-1]

    def _shown(self, codes: Sequence[Tensor]) -> Tensor:
        """All latents in one line, (L,), which the canvas shows from now on."""
        values = torch.cat([each.reshape(-1) for each in codes])
        self._codes.index_copy_(0, self._where.places, values)
        torch.abs(self._codes, out=self._doubled[0])
        self._doubled[1] = boxes(self._doubled[0], self._where.strides)
        return values

    def _expected(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The magnitude that is expected of every latent, by least squares from those around it.

        Returns:
            Where in the sums around, (inputs, L), the logarithm was taken, and the slope that it has there; the
            weights of the sums, (parts, inputs); and the expectation, (L,).
        """
        found = self._doubled.view(-1).index_select(0, self._where.terms).view(-1, self._latents)
        rows = torch.empty(self._inputs + 2, self._latents)
        start = 0
        for row, count in enumerate(self._where.counts):
            if count == 1:
                rows[row] = found[start]
            else:
                torch.sum(found[start : start + count], 0, out=rows[row])
            start += count
        torch.abs(values, out=rows[-1])
        flat = rows.view(-1)
        steep = _places_of(flat.numpy() >= STEEP)
        large = flat.index_select(0, steep)
        flat.index_copy_(0, steep, STEEP * large.log2() - STEEP)
        inside = int(np.searchsorted(steep.numpy(), self._inputs * self._latents))
        beyond = (STEEP / log(2.0)) / large[:inside]
        inputs = rows[:-1]
        inputs[-1] = inputs[:-1].sum(0) > 0.0
        weighted = inputs / (inputs.square().sum(0) + CALM)
        grams = torch.empty(len(self._part_of_subband), len(inputs), len(rows))
        for span in self._spans:
            torch.bmm(span.of(weighted), span.of(rows).transpose(1, 2), out=grams[span.subbands])
        total = torch.zeros(self._parts, *grams.shape[1:], dtype=torch.float64)
        weights = _solved(total.index_add_(0, self._part_of_subband, grams.double()), RIDGE)
        means = self._applied(weights, inputs).clamp_(min=0.0)
        return steep[:inside], beyond, weights, means

    def _applied(self, weights: Tensor, rows: Tensor) -> Tensor:
        """Sums of the rows by the weights of each part, (L,)."""
        by_subband = weights.index_select(0, self._part_of_subband)[:, None]
        return torch.cat([torch.bmm(by_subband[span.subbands], span.of(rows)).view(-1) for span in self._spans])

    def _guessed(self, values: Tensor) -> Tensor:
        """The logarithm of how many times likelier + is than -, of every latent, (L,)."""
        seen = self._codes.clamp(-LARGEST_GUESSED, LARGEST_GUESSED)
        looks = seen.index_select(0, self._where.looks).view(-1, self._latents)
        known = self._order.index_select(0, _places_of(values.index_select(0, self._order).numpy()))
        signed = values.index_select(0, known).clamp_(-LARGEST_GUESSED, LARGEST_GUESSED)
        some = looks.index_select(1, known)
        part = self._part_of_latent.index_select(0, known)
        counts = torch.bincount(part, minlength=self._parts).tolist()
        weighted = some / (some.square().sum(0) + GUESS_CALM)
        both = torch.cat([some, signed[None]]).T
        grams = torch.stack(
            [
                mine @ each
                for mine, each in zip(weighted.split_with_sizes(counts, 1), both.split_with_sizes(counts), strict=True)
            ]
        )
        weights = _solved(grams.double(), GUESS_RIDGE)
        agreement = (weights.T.index_select(1, part) * some).sum(0) * signed.sign()
        return self._applied(weights * self._slopes(agreement.double(), part)[:, None], looks)

    def _slopes(self, agreement: Tensor, part: Tensor) -> Tensor:
        """How many times a guess its logit is, of each part: Newton's method, with a prior of doubt."""
        slope = torch.full((self._parts,), 0.5, dtype=torch.float64)
        squared = agreement.square()
        for _ in range(SLOPE_STEPS):
            miss = torch.sigmoid(-slope.index_select(0, part) * agreement)
            rise = torch.bincount(part, agreement * miss, self._parts) - slope
            bend = torch.bincount(part, squared * miss * (1.0 - miss), self._parts) + 1.0
            slope = (slope + rise / bend).clamp_(0.0, LARGEST_SLOPE)
        return slope.float()

    def _priced(self, values: Tensor, means: Tensor, lean: Tensor) -> tuple[Tables, Tensor, list[Tensor], float]:
        """The tables that suit the latents, where in them each is, its bits of a zero, a one and more, and all bits."""
        classes, count = self._classes, GROUPS * self._classes
        above = torch.bucketize(means, self._centres).clamp_(1, classes)
        last = (above - 1).clamp_(max=classes - 2)
        # The class is that of the nearest centre.
        nearest = (above - (means <= self._middles.index_select(0, last)).long()).clamp_(max=classes - 1)
        index, sizes = nearest.add_(self._first_class), values.abs()
        excess = (sizes - 1.0).clamp_(min=0.0)
        counts = (
            torch.bincount(index, minlength=count),
            torch.bincount(index, (sizes < 0.5).double(), count),
            torch.bincount(index, excess.double(), count),
        )
        tables = linear_tables(fitted_bits(*(each.view(GROUPS, classes).double() for each in counts)))
        index = above.clamp_(max=classes - 1).add_(self._first_class)
        found = interpolated(tables, index, means)
        zero, one, more = found
        return tables, index, found, float(Costs(zero, one, more, lean, lean).of(values).sum())

    def _spread(self, rise: Tensor, weights: Tensor, steep: Tensor, beyond: Tensor) -> Tensor:
        """What every latent does to the bits of those that see it, (L,)."""
        shares = weights.T[: self._inputs].index_select(1, self._part_of_latent).mul_(rise)
        flat = shares.view(-1)
        flat.index_copy_(0, steep, flat.index_select(0, steep) * beyond)
        total = torch.zeros_like(self._doubled)
        line, start = total.view(-1), 0
        for share, count in zip(shares, self._where.counts, strict=True):
            for _ in range(count):
                line.index_add_(0, self._where.terms[start : start + self._latents], share)
                start += self._latents
        whole = boxes(total[1], self._where.strides).add_(total[0])
        return whole.index_select(0, self._where.places).clamp_(-MOST_OTHERS, MOST_OTHERS)


def _places_of(mask: np.ndarray) -> Tensor:
    """Numbers of the places that are not zero, which numpy finds several times as fast."""
    return torch.from_numpy(np.flatnonzero(mask))


def _solved(products: Tensor, ridge: float) -> Tensor:
    """Weights of each part, (parts, inputs), from products of its inputs, float64 (parts, inputs, inputs + 1)."""
    gram = products[..., :-1]
    gram.diagonal(dim1=1, dim2=2).add_(ridge)
    solved: Tensor = torch.linalg.solve(gram, products[..., -1]).float()
    return solved


@lru_cache(maxsize=8)  # as many small signals have the same shape
def _where(layout: Layout) -> _Where:
    margin, levels = margin_of(layout.dimensions), layout.levels
    sides = [max(level.nodes[axis] for level in levels) + 2 * margin for axis in range(1, layout.dimensions)]
    strides = [1]
    for side in reversed(sides):
        strides.insert(0, strides[0] * side)
    rows, places = 0, list[Tensor]()
    for level in levels:
        height = level.nodes[0] + 2 * margin
        first = (rows + height * torch.arange(level.subbands)) * strides[0] + margin * sum(strides)
        rows += height * level.subbands
        places.append((first[:, None] + _nodes(level.nodes, strides)).view(level.colours, level.orientations, -1))
    size = rows * strides[0]

    def of_all(find: Callable[[Level, Tensor], Tensor]) -> Tensor:
        """Places that are found for every level; 0 for what has none."""
        return torch.cat([find(level, mine).reshape(-1) for level, mine in zip(levels, places, strict=True)])

    def siblings(steps: int) -> Tensor:
        return of_all(lambda _, mine: _moved(mine, 1, steps))

    def parents(level: Level, mine: Tensor) -> Tensor:
        if level.number < 2:
            return torch.zeros_like(mine)
        halves = [torch.arange(nodes) // 2 for nodes in level.nodes]
        found = places[level.number - 1].view(*mine.shape[:2], *levels[level.number - 1].nodes)
        for axis, half in enumerate(halves, start=2):
            found = found.index_select(axis, half)
        return found

    def shifts(offsets: Sequence[tuple[int, ...]]) -> list[int]:
        return [sum(step * stride for step, stride in zip(each, strides, strict=True)) for each in offsets]

    near, wide, ring = map(shifts, offsets_before(layout.dimensions))
    own, orientations = torch.cat([each.reshape(-1) for each in places]), levels[-1].orientations
    inputs = [[own + shift] for shift in near]
    inputs += [[own + shift for shift in each] for each in (wide, ring) if each]
    others = list[list[Tensor]]()
    cross = list[Tensor]()
    if len(levels) > 2:
        others.append([of_all(parents)])
        cross += others[-1]
    if orientations > 1:
        others.append([siblings(steps) for steps in range(1, orientations)])
        cross += others[-1][:2]
    if layout.colours > 1:
        others.append([of_all(lambda _, mine: _moved(mine, 0, 1))])
        cross += others[-1]
    for each in others:
        inputs += [each, [some + size for some in each]]
    looks = [own + shift for shift in (*near, *wide)]
    looks += [
        torch.where(some > 0, some + shift, 0) for some in cross for shift in shifts(cross_offsets(layout.dimensions))
    ]
    return _Where(
        size=size,
        strides=tuple(strides),
        places=own,
        terms=torch.cat([term for each in inputs for term in each]),
        counts=tuple(len(each) for each in inputs),
        looks=torch.cat(looks),
    )


def _nodes(nodes: tuple[int, ...], strides: Sequence[int]) -> Tensor:
    """How many places each node of a subband is from the first, in one line."""
    found = torch.zeros(1, dtype=torch.long)
    for count, stride in zip(nodes, strides, strict=True):
        found = (found[:, None] + stride * torch.arange(count)).view(-1)
    return found


def _moved(places: Tensor, axis: int, steps: int) -> Tensor:
    """Places of what is so many steps before along an axis; 0 where there is nothing."""
    moved = torch.zeros_like(places)
    count = places.shape[axis] - steps
    if count > 0:
        moved.narrow(axis, steps, count).copy_(places.narrow(axis, 0, count))
    return moved
