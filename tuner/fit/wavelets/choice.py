"""The integers of wavelet latents: each goes to that of the least squared error + lambda x bits, a few at a time.

What a latent should be were it free follows from the gradient of the squared error and its curvature, since wavelets
are nearly orthogonal: a Newton step of one variable, and a short one, since the network that the gradient saw is
another one farther away. Among the integers around that and zero, the cheapest is taken (rate-distortion optimised
quantisation, as in video coders); what it does to the bits of others is counted in. Only a random share of the latents
moves at once: those that move together are then far enough from each other for their steps to add up. Towards the end
the share falls, as what is left to gain is less than what latents that move together do to each other.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from tuner.fit.wavelets.rate.costs import Costs

# Of the latents, in one step: at first, and at last, to which it falls evenly from some share of the fit on.
_MOVING, _LAST_MOVING, _FALLS_FROM = 0.2, 0.03, 0.6
# Steps that are taken before it falls: in a short fit latents have too few turns as it is.
_BEFORE_FALL = 30
# In integers: fits come apart without a limit, and a latent never leaves zero at less than one.
_FARTHEST = 1.5
# A little less than what a file can hold: a latent that hardly matters any more has its optimum anywhere.
_LARGEST_CODE = 2000.0
# So many in one line are quicker to choose than level by level.
_FEW_LATENTS = 3 << 16
# Of what a latent does to the bits of others, which is the slope of an estimate at one place.
_OTHERS = 0.8


def free_values(codes: Sequence[Tensor], gradients: Sequence[Tensor], curvatures: Sequence[Tensor]) -> list[Tensor]:
    """Where each latent alone would have the least squared error, as far as it may go in one step.

    Args:
        codes: values of the latents, one tensor per level, (channels, *nodes).
        gradients: derivatives of the squared error by the latents, shaped alike.
        curvatures: second derivatives of the squared error by each latent alone, > 0, shaped alike.
    """
    return [
        code - (slope / bend).clamp(-_FARTHEST, _FARTHEST)
        for code, slope, bend in zip(codes, gradients, curvatures, strict=True)
    ]


def moving_share(done: float, steps: int) -> float:
    """Share of the latents that may move in a step.

    Args:
        done: share of the fit that is done, in [0, 1].
        steps: number of steps that the fit has taken before.
    """
    if steps < _BEFORE_FALL:
        return _MOVING
    fallen = max(0.0, min(done, 1.0) - _FALLS_FROM) / (1.0 - _FALLS_FROM)
    return _MOVING + (_LAST_MOVING - _MOVING) * fallen


def move(
    codes: Sequence[Tensor],
    gradients: Sequence[Tensor],
    curvatures: Sequence[Tensor],
    costs: Sequence[Costs],
    trade: float,
    random: torch.Generator,
    share: float,
) -> None:
    """Move some latents, in place; those of a small signal in one line instead of level by level, to the same values.

    Args:
        codes: integer values of the latents, one tensor per level, (channels, *nodes); changed in place.
        gradients: derivatives of the squared error by the latents, shaped alike.
        curvatures: second derivatives of the squared error by each latent alone, > 0, shaped alike.
        costs: bits of every value of the latents, by level.
        trade: squared error that one bit is worth.
        random: generator that decides which latents move.
        share: share of the latents that may move, in (0, 1].
    """
    sizes = [code.numel() for code in codes]
    if sum(sizes) > _FEW_LATENTS:
        choose(codes, free_values(codes, gradients, curvatures), curvatures, costs, trade, random, share)
        return
    planes = zip(*((each.zero, each.one, each.more, each.lean, each.others) for each in costs), strict=True)
    line, slopes, bends, *bits = (
        torch.cat([each.reshape(-1) for each in some]) for some in (codes, gradients, curvatures, *planes)
    )
    choose([line], free_values([line], [slopes], [bends]), [bends], [Costs(*bits)], trade, random, share)
    for code, moved in zip(codes, line.split_with_sizes(sizes), strict=True):
        code.view(-1).copy_(moved)


def choose(
    codes: Sequence[Tensor],
    free: Sequence[Tensor],
    curvatures: Sequence[Tensor],
    costs: Sequence[Costs],
    trade: float,
    random: torch.Generator,
    share: float = _MOVING,
) -> None:
    """Move some latents, in place.

    Args:
        codes: integer values of the latents, one tensor per level, (channels, *nodes); changed in place.
        free: values at which each latent alone would have the least squared error, from `free_values`.
        curvatures: second derivatives of the squared error by each latent alone, > 0.
        costs: bits of every value of the latents, by level.
        trade: squared error that one bit is worth.
        random: generator that decides which latents move.
        share: share of the latents that may move, in (0, 1].
    """
    places = list[Tensor]()
    for code in codes:
        places.append((torch.rand(code.shape, generator=random) < share).view(-1).nonzero()[:, 0])

    def moving(planes: Sequence[Tensor]) -> list[Tensor]:
        return [plane.reshape(-1).index_select(0, some) for plane, some in zip(planes, places, strict=True)]

    some_costs = [cost.at(some) for cost, some in zip(costs, places, strict=True)]
    best = cheapest(moving(free), moving(curvatures), some_costs, trade)
    for code, some, each in zip(codes, places, best, strict=True):
        code.view(-1).index_copy_(0, some, each)


def cheapest(
    free: Sequence[Tensor], curvatures: Sequence[Tensor], costs: Sequence[Costs], trade: float
) -> list[Tensor]:
    """The best integer for each latent alone; arguments are those of `choose`."""
    found = []
    for target, curvature, cost in zip(free, curvatures, costs, strict=True):
        size = target.abs()
        below = size.floor().clamp(max=_LARGEST_CODE - 1.0)
        sign = target.sign()
        best, least = torch.zeros_like(size), curvature / 2.0 * size.square() + trade * cost.of(torch.zeros_like(size))
        for candidate in (below.clamp(min=1.0), below + 1.0):
            bits = cost.of(sign * candidate) + _OTHERS * cost.others * candidate
            price = curvature / 2.0 * (candidate - size).square() + trade * bits
            better = price < least
            best, least = torch.where(better, candidate, best), torch.where(better, price, least)
        found.append(sign * best)
    return found
