"""Bits of latents by what is expected of them: tables of a zero, of a one and of every further unit.

One class of expected magnitude after the other, filled from counts of the latents and read linearly between the centres
of two classes.
"""

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

# Centres of the classes of expected magnitude.
CENTRES = (0.0, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.55, 0.75, 1.0, 1.5, 2.5, 4.0, 8.0, 16.0, 64.0)
# A class begins as that many latents of a Laplace distribution whose scale is its centre, about.
_PRIOR = 8.0
_SLOPE, _OFFSET = 0.9, 0.05
_SELDOM = 1.0 / 4096.0
_SLOPE_OVER = 2  # classes on either side
MOST_OTHERS = 2.5


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


def interpolated(tables: Tables, index: Tensor, means: Tensor) -> list[Tensor]:
    """Bits of a zero, of a one, of more, at some expectations."""
    means = means.clamp(max=CENTRES[-1])
    return [
        torch.addcmul(zero.index_select(0, index), rise.index_select(0, index), means)
        for zero, rise in zip(tables.at_zero, tables.rise, strict=True)
    ]
