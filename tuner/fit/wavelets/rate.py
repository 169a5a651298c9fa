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
_CENTRES = (0.0, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.55, 0.75, 1.0, 1.5, 2.5, 4.0, 8.0, 16.0, 64.0)
# A class begins as that many latents of a Laplace distribution whose scale is its centre, about.
_PRIOR = 8.0
_SLOPE, _OFFSET = 0.9, 0.05
_SELDOM = 1.0 / 4096.0
# As the coder weighs nodes when it learns: one over this and the sum of the squares of what it sees.
_CALM, _GUESS_CALM = 4.0, 8.0
# What weights are held to zero by, in nodes.
_RIDGE, _GUESS_RIDGE = 0.5, 2.0
_MARGIN = 2  # of what is seen around a node, along each axis; 8 along a line
_MARGIN_OF_LINES = 8
_LARGEST_GUESSED = 3.0
_OWN, _PARENT, _SIBLINGS, _COLOUR = range(4)
_PARTS = (slice(0, 1), slice(1, None))  # colours that share weights
_SLOPE_OVER = 2  # classes on either side
_MOST_OTHERS = 2.5
_SLOPE_STEPS = 4
_LARGEST_SLOPE = 4.0


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

    def of(self, values: Tensor) -> Tensor:
        """Bits of some values."""
        magnitudes = values.abs()
        sign = torch.nn.functional.softplus(-values.sign() * self.lean) / log(2.0) - 1.0
        return torch.where(magnitudes < 0.5, self.zero, self.one + sign + self.more * (magnitudes - 1.0))


@dataclass(frozen=True, slots=True, eq=False)
class _Sum:
    """A sum of magnitudes around each latent of a level.

    Attributes:
        values: sums, (colours, *nodes).
        offsets: places, from the node, of what is added up.
        origin: number of the group whose magnitudes are added up: own subband, colour before, or orientations before.
    """

    values: Tensor
    offsets: list[tuple[int, ...]]
    origin: int


class LatentRate:
    """The bits of wavelet latents.

    Args:
        layout: arrangement of the subbands that hold the latents.
    """

    def __init__(self, layout: Layout) -> None:
        self._levels, self._colours, self._dimensions = layout.levels, layout.colours, layout.dimensions
        self._centres = torch.tensor(_CENTRES)
        self._margin = _MARGIN if self._dimensions > 1 else _MARGIN_OF_LINES
        self._near, self._wide, self._ring = _before(self._dimensions)
        self._cross = _cross(self._dimensions)

    def costs(self, codes: Sequence[Tensor]) -> tuple[float, list[Costs]]:
        """All bits, and the costs of every level, at integer codes."""
        magnitudes = [each.abs() for each in codes]
        weights, means = [], []
        for level in self._levels:
            found, expected = self._expected(level, magnitudes)
            weights.append(found)
            means.append(expected)
        tables = self._tables(magnitudes, means)
        costs = [
            self._interpolated(tables, level, mean, self._lean(level, codes))
            for level, mean in zip(self._levels, means, strict=True)
        ]
        bits = sum(float(cost.of(each).sum()) for cost, each in zip(costs, codes, strict=True))
        for level, some, mean in zip(self._levels, weights, means, strict=True):
            slopes = self._slopes(tables, level, mean, magnitudes[level.number])
            for kind in range(level.orientations):
                self._spread(level, kind, self._seen(level, kind, magnitudes), some[kind], slopes[:, kind], costs)
        for cost in costs:
            cost.others.clamp_(-_MOST_OTHERS, _MOST_OTHERS)
        return bits, costs

    def _seen(self, level: Level, kind: int, magnitudes: Sequence[Tensor]) -> list[_Sum]:
        """What a decoder sees around each latent of an orientation before it is decoded: sums of magnitudes."""
        split = self._split(level, magnitudes[level.number])
        own, centre = split[:, kind], (0,) * self._dimensions
        box = list(product((-1, 0, 1), repeat=self._dimensions))
        planes = [(own, 1, _OWN, [*([offset] for offset in self._near), self._wide, self._ring])]
        if level.number > 1:
            planes.append((self._parents(level, magnitudes)[:, kind], 2, _PARENT, [[centre], box]))
        if level.orientations > 1:
            planes.append((split[:, :kind].sum(1), 1, _SIBLINGS, [[centre], box]))
        if self._colours > 1:
            planes.append((self._earlier(own, 0, 1), 1, _COLOUR, [[centre], box]))
        found = []
        for plane, step, origin, sums in planes:
            padded = self._padded(plane)
            for offsets in filter(None, sums):
                steps = [tuple(step * each for each in offset) for offset in offsets]
                found.append(_Sum(_sum([self._at(padded, offset, level) for offset in steps]), steps, origin))
        return found

    def _expected(self, level: Level, magnitudes: Sequence[Tensor]) -> tuple[list[list[Tensor]], Tensor]:
        """Weights of what is seen, (inputs,) for each orientation and part of the colours, and what is expected."""
        split, weights = self._split(level, magnitudes[level.number]), list[list[Tensor]]()
        found = torch.zeros_like(split)
        for kind in range(level.orientations):
            seen = self._seen(level, kind, magnitudes)
            weights.append([])
            for colours in _PARTS:
                mine = found[colours, kind]
                rows, target = self._rows(seen, colours), _coarse(split[colours, kind].reshape(-1))
                weighted = rows / (torch.linalg.vecdot(rows, rows, dim=0) + _CALM)
                gram = (weighted @ rows.T).double()
                gram.diagonal().add_(_RIDGE)
                solved = torch.linalg.solve(gram, (weighted @ target).double()).float()
                weights[-1].append(solved)
                mine.copy_((solved @ rows).clamp(min=0.0).view(mine.shape))
        return weights, found.view(level.shape)

    @staticmethod
    def _rows(seen: list[_Sum], colours: slice) -> Tensor:
        """What is seen of some colours, (inputs, nodes), and whether it is anything."""
        rows = torch.stack([_coarse(each.values[colours].reshape(-1)) for each in seen])
        return torch.cat([rows, (rows.sum(0, keepdim=True) > 0.0).to(rows.dtype)])

    def _slopes(self, tables: list[Tensor], level: Level, means: Tensor, magnitudes: Tensor) -> Tensor:
        """By how much each latent's bits grow with the expectation."""
        centres = self._centres
        above = torch.bucketize(means, centres).clamp(1, len(centres) - 1)
        first, last = (above - _SLOPE_OVER).clamp(min=0), (above + _SLOPE_OVER - 1).clamp(max=len(centres) - 1)
        parts = []
        for colour in range(self._colours):
            zero, one, more = tables[group_of(level, colour)]
            low, high = first.view(self._colours, -1)[colour], last.view(self._colours, -1)[colour]
            size = magnitudes.reshape(self._colours, -1)[colour]
            beyond = one[high] - one[low] + (size - 1.0) * (more[high] - more[low])
            rise = torch.where(size < 0.5, zero[high] - zero[low], beyond)
            parts.append(rise / (centres[high] - centres[low]))
        return torch.cat(parts).view(self._colours, level.orientations, *level.nodes)

    def _spread(
        self, level: Level, kind: int, seen: list[_Sum], weights: list[Tensor], slopes: Tensor, costs: list[Costs]
    ) -> None:
        """Give every latent what it does to the bits of those of an orientation that see it."""
        split = self._split(level, costs[level.number].others)
        for number, each in enumerate(seen):
            share = _coarse_slope(each.values).mul_(slopes)
            for colours, some in zip(_PARTS, weights, strict=True):
                share[colours] *= some[number]
            total = self._padded(torch.zeros_like(share))
            for offset in each.offsets:
                self._at(total, offset, level).add_(share)
            inner = self._at(total, (0,) * self._dimensions, level)
            if each.origin == _OWN:
                split[:, kind] += inner
            elif each.origin == _COLOUR:
                split[:-1, kind] += inner[1:]
            elif each.origin == _SIBLINGS:
                split[:, :kind] += inner[:, None]
            else:
                above = self._levels[level.number - 1]
                for axis, nodes in enumerate(above.nodes, start=1):
                    grown = torch.zeros(*inner.shape[:axis], nodes, *inner.shape[axis + 1 :])
                    grown.index_add_(axis, torch.arange(inner.shape[axis]) // 2, inner)
                    inner = grown
                self._split(above, costs[above.number].others)[:, kind] += inner

    def _lean(self, level: Level, codes: Sequence[Tensor]) -> Tensor:
        """Logarithm of how many times likelier + is than - at each latent."""
        split = self._split(level, codes[level.number]).clamp(-_LARGEST_GUESSED, _LARGEST_GUESSED)
        own = self._padded(split)
        planes = [(own, offset) for offset in (*self._near, *self._wide)]
        others = []
        if self._colours > 1:
            others.append((self._padded(self._earlier(split, 0, 1)), 1))
        formers = range(1, min(3, level.orientations))
        others += [(self._padded(self._earlier(split, 1, before)), 1) for before in formers]
        if level.number > 1:
            parents = self._parents(level, codes).clamp(-_LARGEST_GUESSED, _LARGEST_GUESSED)
            others.append((self._padded(parents), 2))
        planes += [(plane, tuple(step * each for each in offset)) for plane, step in others for offset in self._cross]
        found = torch.zeros_like(split)
        for kind in range(level.orientations):
            for colours in (slice(0, 1), slice(1, None)):
                mine = split[colours, kind]
                places = mine.reshape(-1).nonzero()[:, 0]
                if not len(places):
                    continue
                views = [self._at(plane, offset, level)[colours, kind] for plane, offset in planes]
                rows = torch.stack([view.reshape(-1)[places] for view in views])
                values = mine.reshape(-1)[places]
                weighted = rows / (rows.square().sum(0) + _GUESS_CALM)
                gram = (weighted @ rows.T).double()
                gram.diagonal().add_(_GUESS_RIDGE)
                weights = torch.linalg.solve(gram, (weighted @ values).double()).float()
                slope = _slope(weights @ rows * values.sign())
                total = found[colours, kind]
                for weight, view in zip((weights * slope).tolist(), views, strict=True):
                    total.add_(view, alpha=weight)
        return found.view(codes[level.number].shape)

    def _split(self, level: Level, codes: Tensor) -> Tensor:
        return codes.view(self._colours, level.orientations, *level.nodes)

    def _padded(self, planes: Tensor) -> Tensor:
        return torch.nn.functional.pad(planes, (self._margin, self._margin) * self._dimensions)

    def _at(self, padded: Tensor, offset: tuple[int, ...], level: Level) -> Tensor:
        """What is at an offset from each node."""
        for axis, (step, nodes) in enumerate(zip(offset, level.nodes, strict=True), start=-self._dimensions):
            padded = padded.narrow(axis, self._margin + step, nodes)
        return padded

    def _parents(self, level: Level, codes: Sequence[Tensor]) -> Tensor:
        """What is at the same place in the level before."""
        above = codes[level.number - 1]
        for axis, nodes in enumerate(level.nodes, start=1):
            above = above.index_select(axis, torch.arange(nodes) // 2)
        return self._split(level, above)

    @staticmethod
    def _earlier(planes: Tensor, axis: int, steps: int) -> Tensor:
        """Planes of a colour or an orientation that comes so many steps before; zeros where there is none."""
        moved = torch.zeros_like(planes)
        count = planes.shape[axis] - steps
        if count > 0:
            moved.narrow(axis, steps, count).copy_(planes.narrow(axis, 0, count))
        return moved

    def _tables(self, magnitudes: Sequence[Tensor], means: Sequence[Tensor]) -> list[Tensor]:
        """Bits of a zero, of a one, of more, by class: (3, classes) for every group of subbands."""
        tables = []
        for chosen in range(GROUPS):
            values, around = [], []
            for level, magnitude, mean in zip(self._levels, magnitudes, means, strict=True):
                for colour in range(self._colours):
                    if group_of(level, colour) == chosen:
                        values.append(magnitude.view(self._colours, -1)[colour])
                        around.append(mean.view(self._colours, -1)[colour])
            tables.append(self._fitted(torch.cat(values), torch.cat(around)) if values else torch.zeros(0))
        return tables

    def _fitted(self, values: Tensor, means: Tensor) -> Tensor:
        middles = (self._centres[1:] + self._centres[:-1]) / 2.0
        classes, count = torch.bucketize(means, middles), len(self._centres)
        total = torch.bincount(classes, minlength=count).double()
        zeros = torch.bincount(classes, weights=(values < 0.5).double(), minlength=count)
        excess = torch.bincount(classes, weights=(values - 1.0).clamp(min=0.0).double(), minlength=count)
        scale = _SLOPE * self._centres.double() + _OFFSET
        likely_zero = 1.0 - torch.exp(-0.5 / scale)
        likely_more = torch.exp(-1.0 / scale)
        zero = ((zeros + _PRIOR * likely_zero) / (total + _PRIOR)).clamp(_SELDOM, 1.0 - _SELDOM)
        others = total - zeros + _PRIOR * (1.0 - likely_zero)
        excess += _PRIOR * (1.0 - likely_zero) * likely_more / (1.0 - likely_more)
        more = (excess / (others + excess)).clamp(_SELDOM, 1.0 - _SELDOM)
        return -torch.log2(torch.stack([zero, (1.0 - zero) * 0.5 * (1.0 - more), more])).float()

    def _interpolated(self, tables: list[Tensor], level: Level, means: Tensor, lean: Tensor) -> Costs:
        """The tables at the means of one level."""
        above = torch.bucketize(means, self._centres).clamp(1, len(self._centres) - 1)
        share = ((means - self._centres[above - 1]) / (self._centres[above] - self._centres[above - 1])).clamp(0.0, 1.0)
        found = []
        for row in range(3):
            parts = []
            for colour in range(self._colours):
                table, here = tables[group_of(level, colour)][row], above.view(self._colours, -1)[colour]
                parts.append(torch.lerp(table[here - 1], table[here], share.reshape(self._colours, -1)[colour]))
            found.append(torch.cat(parts).view(means.shape))
        zero, one, more = found
        return Costs(zero=zero, one=one, more=more, lean=lean, others=torch.zeros_like(lean))


def _before(
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


def _cross(dimensions: int) -> list[tuple[int, ...]]:
    """A node and those one step away along each axis."""
    steps = [
        tuple(step if axis == other else 0 for other in range(dimensions))
        for axis in range(dimensions)
        for step in (-1, 1)
    ]
    return [(0,) * dimensions, *steps]


def _sum(planes: list[Tensor]) -> Tensor:
    total = planes[0].clone()
    for plane in planes[1:]:
        total += plane
    return total


def _coarse(magnitudes: Tensor) -> Tensor:
    """Magnitudes as they are below 4, four units for every doubling from there on: about the classes of the coder."""
    return torch.where(magnitudes < 4.0, magnitudes, 4.0 * magnitudes.clamp(min=1.0).log2() - 4.0)


def _coarse_slope(magnitudes: Tensor) -> Tensor:
    """Derivative of `_coarse`."""
    return torch.where(magnitudes < 4.0, 1.0, (4.0 / log(2.0)) / magnitudes.clamp(min=1.0))


def _slope(agreement: Tensor) -> float:
    """How many times a guess its logit is, by the likelihood of signs: Newton's method, with a prior of doubt."""
    slope, agreement = 0.5, agreement.double()
    for _ in range(_SLOPE_STEPS):
        miss = torch.sigmoid(-slope * agreement)
        rise = float((agreement * miss).sum()) - slope
        bend = float((agreement.square() * miss * (1.0 - miss)).sum()) + 1.0
        slope = min(max(slope + rise / bend, 0.0), _LARGEST_SLOPE)
    return slope
