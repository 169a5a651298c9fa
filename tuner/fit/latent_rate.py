"""How many bits the latents take in a file, what each other value of a latent would cost, and whom it concerns.

The codec chooses the table of each latent by the mean magnitude of its neighbours (`tuner.codec.subbands`). Here are the
same means, and tables of three numbers that are fitted to the latents as they are: the bits of a zero, of a one, and of
every further unit. Between the centres of two classes the tables are interpolated, so that the bits have derivatives by
the means, and thereby by the neighbours: a lonely latent makes all around it expensive. Called by
`tuner.fit.latent_choice` and `tuner.fit.modulated_trainer`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

# Centres of the classes of mean magnitude.
_CENTRES = (0.0, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.55, 0.75, 1.0, 1.5, 2.5, 4.0, 8.0, 16.0, 64.0)
# A class begins as that many latents of a Laplace distribution whose scale is its centre, about.
_PRIOR = 8.0
_SLOPE, _OFFSET = 0.9, 0.05
_SELDOM = 1.0 / 4096.0
_SETS = 3
_FACE, _CORNER, _PARENT, _SIBLING, _LUMA = 20.0, 14.0, 10.0, 10.0, 8.0


@dataclass(frozen=True, slots=True, eq=False)
class Costs:
    """Bits of the latents of one level, each (channels, *nodes).

    Attributes:
        zero: of a zero.
        one: of a magnitude of 1, sign included.
        more: of every further unit.
        others: what a unit of magnitude adds to the bits of all latents around.
    """

    zero: Tensor
    one: Tensor
    more: Tensor
    others: Tensor

    def of(self, magnitudes: Tensor) -> Tensor:
        """Bits of some magnitudes, what they add around included."""
        own = torch.where(magnitudes < 0.5, self.zero, self.one + self.more * (magnitudes - 1.0))
        return own + self.others * magnitudes


class LatentRate:
    """The bits of wavelet latents.

    Args:
        dimensions: D.
        colours: K; each level after the first has 2^D - 1 orientations for each.
    """

    def __init__(self, dimensions: int, colours: int) -> None:
        self._dimensions, self._colours = dimensions, colours
        self._kinds = (1 << dimensions) - 1
        self._centres = torch.tensor(_CENTRES)
        self._kernels = _kernels(dimensions)

    def costs(self, codes: Sequence[Tensor]) -> tuple[float, list[Costs]]:
        """All bits, and the costs of every level, at integer codes."""
        with torch.enable_grad():
            magnitudes = [each.abs().requires_grad_() for each in codes]
            means = self._means(magnitudes)
            tables = self._tables([each.detach() for each in magnitudes], [each.detach() for each in means])
            total = torch.zeros(())
            costs = []
            for number, (magnitude, mean) in enumerate(zip(magnitudes, means, strict=True)):
                zero, one, more = self._interpolated(tables, number, mean)
                fixed = magnitude.detach()
                total = total + torch.where(fixed < 0.5, zero, one + more * (fixed - 1.0)).sum()
                costs.append((zero.detach(), one.detach(), more.detach()))
            others = torch.autograd.grad(total, magnitudes)
        return float(total.detach()), [Costs(*each, other) for each, other in zip(costs, others, strict=True)]

    def bits(self, codes: Sequence[Tensor]) -> float:
        """All bits, at integer codes."""
        magnitudes = [each.abs() for each in codes]
        means = self._means(magnitudes)
        tables = self._tables(magnitudes, means)
        total = 0.0
        for number, (magnitude, mean) in enumerate(zip(magnitudes, means, strict=True)):
            zero, one, more = self._interpolated(tables, number, mean)
            total += float(torch.where(magnitude < 0.5, zero, one + more * (magnitude - 1.0)).sum())
        return total

    def _means(self, magnitudes: Sequence[Tensor]) -> list[Tensor]:
        """Mean magnitude around each latent, of what its decoder knows by then."""
        return [self._level_means(number, magnitudes) for number in range(len(magnitudes))]

    def _level_means(self, number: int, magnitudes: Sequence[Tensor]) -> Tensor:
        level = magnitudes[number]
        nodes = level.shape[1:]
        total, weight = torch.zeros_like(level), torch.full_like(level, 1e-6)
        kinds = 1 if number == 0 else self._kinds
        split = level.view(self._colours, kinds, *nodes)
        if number > 1:
            above = magnitudes[number - 1]
            for axis, count in enumerate(nodes, start=1):
                above = above.index_select(axis, (torch.arange(count) // 2).clamp(max=above.shape[axis] - 1))
            total, weight = total + _PARENT * above, weight + _PARENT
        siblings = split.cumsum(1) - split
        known = torch.arange(kinds, dtype=level.dtype).view(1, -1, *(1,) * self._dimensions).expand_as(split)
        total, weight = total + _SIBLING * siblings.reshape(level.shape), weight + _SIBLING * known.reshape(level.shape)
        luma = torch.cat([torch.zeros_like(split[:1]), split[:1].expand_as(split[1:])])
        has_luma = torch.zeros_like(split)
        has_luma[1:] = 1.0
        total, weight = total + _LUMA * luma.reshape(level.shape), weight + _LUMA * has_luma.reshape(level.shape)
        return (total + self._around(level)) / (weight + self._around(torch.ones_like(level[:1])))

    def _around(self, level: Tensor) -> Tensor:
        """Weighted sum of the neighbours in the same subband that an earlier pass has coded."""
        dimensions, summed = self._dimensions, torch.zeros_like(level)
        convolve = (torch.conv1d, torch.conv2d, torch.conv3d)[dimensions - 1]
        padded = torch.nn.functional.pad(level, (1, 1) * dimensions)[:, None]
        for parity, kernel in self._kernels:
            here = (slice(None), *(slice(bit, None, 2) for bit in parity))
            if 0 not in summed[here].shape:
                shifted = padded[(slice(None), slice(None), *(slice(bit, None) for bit in parity))]
                summed[here] = convolve(shifted, kernel, stride=2)[:, 0]
        return summed

    def _tables(self, magnitudes: Sequence[Tensor], means: Sequence[Tensor]) -> list[Tensor]:
        """Bits of a zero, of a one, of more, by class; (3, classes) of every set."""
        tables = []
        for chosen in range(_SETS):
            values, around = [], []
            for number, (magnitude, mean) in enumerate(zip(magnitudes, means, strict=True)):
                for colour, one_set in enumerate(self._sets(number)):
                    if one_set == chosen:
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

    def _interpolated(self, tables: list[Tensor], number: int, means: Tensor) -> tuple[Tensor, ...]:
        """The tables at the means of one level."""
        above = torch.bucketize(means.detach(), self._centres).clamp(1, len(self._centres) - 1)
        share = ((means - self._centres[above - 1]) / (self._centres[above] - self._centres[above - 1])).clamp(0.0, 1.0)
        found = []
        for row in range(3):
            parts = []
            for colour, chosen in enumerate(self._sets(number)):
                table, here = tables[chosen][row], above.view(self._colours, -1)[colour]
                parts.append(torch.lerp(table[here - 1], table[here], share.reshape(self._colours, -1)[colour]))
            found.append(torch.cat(parts).view(means.shape))
        return tuple(found)

    def _sets(self, number: int) -> list[int]:
        """The tables of each colour of a level: low-pass, luma and chroma have their own."""
        return [0 if number == 0 else 1 if colour == 0 else 2 for colour in range(self._colours)]


def _kernels(dimensions: int) -> list[tuple[tuple[int, ...], Tensor]]:
    """Of each parity of indices, in the order of coding, the weights of those neighbours that are coded before."""
    passes = sorted(product((0, 1), repeat=dimensions), key=lambda bits: (any(bits), -sum(bits), bits))
    kernels = []
    for order, parity in enumerate(passes):
        kernel = torch.zeros((3,) * dimensions)
        for offset in product((-1, 0, 1), repeat=dimensions):
            other = tuple((bit + step) % 2 for bit, step in zip(parity, offset, strict=True))
            if any(offset) and passes.index(other) < order:
                kernel[tuple(step + 1 for step in offset)] = _FACE if sum(map(abs, offset)) == 1 else _CORNER
        kernels.append((parity, kernel[None, None]))
    return kernels
