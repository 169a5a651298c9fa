"""How many bits wavelet latents take in a file, and what each other value of a latent would cost: an estimate.

The coder of files mixes many contexts (`core/`), of which the mean magnitude around a latent tells most. Here are such
means, and tables of three numbers that are fitted to the latents as they are: the bits of a zero, of a one,
and of every further unit, interpolated between the centres of two classes. What a latent does to the means of those
around it is left out: counted as a derivative it made latents vanish in droves, counted by differences it gained
nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tuner.network.wavelets import contexts
from tuner.network.wavelets.layout import Layout, Level

# Centres of the classes of mean magnitude.
_CENTRES = (0.0, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.55, 0.75, 1.0, 1.5, 2.5, 4.0, 8.0, 16.0, 64.0)
# A class begins as that many latents of a Laplace distribution whose scale is its centre, about.
_PRIOR = 8.0
_SLOPE, _OFFSET = 0.9, 0.05
_SELDOM = 1.0 / 4096.0


@dataclass(frozen=True, slots=True, eq=False)
class Costs:
    """Bits of the latents of one level, each (subbands, *nodes).

    Attributes:
        zero: bits that a zero takes.
        one: bits that a magnitude of 1 takes, sign included.
        more: bits that every further unit takes.
    """

    zero: Tensor
    one: Tensor
    more: Tensor

    def of(self, magnitudes: Tensor) -> Tensor:
        """Bits of some magnitudes."""
        return torch.where(magnitudes < 0.5, self.zero, self.one + self.more * (magnitudes - 1.0))


class LatentRate:
    """The bits of wavelet latents.

    Args:
        layout: arrangement of the subbands that hold the latents.
    """

    def __init__(self, layout: Layout) -> None:
        self._levels, self._colours, self._dimensions = layout.levels, layout.colours, layout.dimensions
        self._centres = torch.tensor(_CENTRES)
        self._kernels = [_kernels(self._dimensions, orientation) for orientation in range(1 << self._dimensions)]
        self._convolve = (torch.conv1d, torch.conv2d, torch.conv3d)[self._dimensions - 1]

    def costs(self, codes: Sequence[Tensor]) -> tuple[float, list[Costs]]:
        """All bits, and the costs of every level, at integer codes."""
        magnitudes = [each.abs() for each in codes]
        means = self._means(magnitudes)
        tables = self._tables(magnitudes, means)
        costs = [self._interpolated(tables, level, mean) for level, mean in zip(self._levels, means, strict=True)]
        return sum(float(cost.of(each).sum()) for cost, each in zip(costs, magnitudes, strict=True)), costs

    def _means(self, magnitudes: Sequence[Tensor]) -> list[Tensor]:
        """Mean magnitude around each latent, of what its decoder knows by then."""
        return [self._level_means(level, magnitudes) for level in self._levels]

    def _level_means(self, level: Level, magnitudes: Sequence[Tensor]) -> Tensor:
        own, dimensions, kinds = magnitudes[level.number], self._dimensions, level.orientations
        split = own.view(self._colours, kinds, *level.nodes)
        total = torch.zeros_like(split)
        count = torch.zeros(self._colours, kinds, *(1,) * dimensions)
        if level.number > 1:
            above, ring = magnitudes[level.number - 1], contexts.PARENT_RING
            above = ring * self._box(above) + (contexts.PARENT - ring) * above
            for axis, nodes in enumerate(level.nodes, start=1):
                above = above.index_select(axis, torch.arange(nodes) // 2)
            total += above.view(split.shape)
            count += contexts.parent_count(dimensions)
        if kinds > 1:
            ring = contexts.SIBLING_RING
            around = (ring * self._box(own) + (contexts.SIBLING - ring) * own).view(split.shape)
            total[:, 1:] += around.cumsum(1)[:, :-1]
            count += contexts.SIBLING_COUNT * torch.arange(kinds).view(1, -1, *(1,) * dimensions)
        total[1:] += contexts.COLOUR * split[:-1]
        count[1:] += contexts.COLOUR_COUNT
        for kind in range(kinds):
            for parity, kernel in self._kernels[kind + level.first_orientation]:
                here = (slice(None), *(slice(bit, None, 2) for bit in parity))
                mine = total[:, kind][here]
                if mine.numel():
                    shifted = self._padded(split[:, kind])[
                        (slice(None), slice(None), *(slice(bit, None) for bit in parity))
                    ]
                    mine += self._convolve(shifted, kernel, stride=2)[:, 0]
                    mine /= (count[:, kind] + float(kernel.sum())).clamp(min=1.0)
        return total.view(own.shape)

    def _box(self, magnitudes: Tensor) -> Tensor:
        """Sums over the 3^D nodes around each node, itself included."""
        return self._convolve(self._padded(magnitudes), torch.ones(1, 1, *(3,) * self._dimensions))[:, 0]

    def _padded(self, magnitudes: Tensor) -> Tensor:
        return torch.nn.functional.pad(magnitudes, (1, 1) * self._dimensions)[:, None]

    def _tables(self, magnitudes: Sequence[Tensor], means: Sequence[Tensor]) -> list[Tensor]:
        """Bits of a zero, of a one, of more, by class: (3, classes) for every group of subbands."""
        tables = []
        for chosen in range(contexts.GROUPS):
            values, around = [], []
            for level, magnitude, mean in zip(self._levels, magnitudes, means, strict=True):
                for colour in range(self._colours):
                    if contexts.group_of(level, colour) == chosen:
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

    def _interpolated(self, tables: list[Tensor], level: Level, means: Tensor) -> Costs:
        """The tables at the means of one level."""
        above = torch.bucketize(means, self._centres).clamp(1, len(self._centres) - 1)
        share = ((means - self._centres[above - 1]) / (self._centres[above] - self._centres[above - 1])).clamp(0.0, 1.0)
        found = []
        for row in range(3):
            parts = []
            for colour in range(self._colours):
                table, here = tables[contexts.group_of(level, colour)][row], above.view(self._colours, -1)[colour]
                parts.append(torch.lerp(table[here - 1], table[here], share.reshape(self._colours, -1)[colour]))
            found.append(torch.cat(parts).view(means.shape))
        return Costs(*found)


def _kernels(dimensions: int, orientation: int) -> list[tuple[tuple[int, ...], Tensor]]:
    """Of each parity of indices, in the order of coding, the shares of those neighbours that are coded before."""
    kernels = []
    for parity in contexts.coding_order(dimensions):
        kernel = torch.zeros((3,) * dimensions)
        for offset in contexts.known_neighbours(parity):
            kernel[tuple(step + 1 for step in offset)] = contexts.neighbour_share(offset, orientation)
        kernels.append((parity, kernel[None, None]))
    return kernels
