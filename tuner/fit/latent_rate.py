"""How many bits the latents will take, as a function that has derivatives.

The codec chooses the table of each latent by the mean magnitude of its neighbours, its parent and the first channel
(`tuner.codec.latents`). Here the same mean is the scale of a Laplace distribution, and a latent costs minus the
logarithm of its integral over one unit around it; so clustered latents are cheap, and lonely ones are not worth it.
Slope and offset of the scale are learnt for each channel. Called by `tuner.fit.modulated`.
"""

from collections.abc import Sequence
from itertools import product
from math import log

import torch
from torch import Tensor

_FACE, _CORNER, _PARENT, _FIRST = 20.0, 14.0, 7.0, 5.0
_SMALLEST_SCALE = 0.02
_FIRST_SLOPE, _FIRST_OFFSET = 0.8, 0.08


def scale_parameters(channels: int) -> Tensor:
    """Logarithms of the slope and the offset of the scale, (2, channels)."""
    return torch.tensor([[log(_FIRST_SLOPE)], [log(_FIRST_OFFSET)]]).repeat(1, channels)


def latent_bits(latents: Sequence[Tensor], spacings: Sequence[int], scales: Sequence[Tensor]) -> Tensor:
    """Bits of all latents.

    Args:
        latents: codes of each level, coarsest first, (channels, *nodes); need not be integers.
        spacings: of each level.
        scales: from `scale_parameters`, for each level.

    Returns:
        A scalar with derivatives by the latents and the scales.
    """
    total = torch.zeros(())
    for number, codes in enumerate(latents):
        mean = _neighbourhood(codes, latents[number - 1] if number else None, spacings[number - 1 : number + 1])
        axes = (1,) * (codes.ndim - 1)
        slope, offset = scales[number].exp()
        scale = (slope.view(-1, *axes) * mean + offset.view(-1, *axes)).clamp(min=_SMALLEST_SCALE)
        total = total + _laplace_nats(codes.abs(), scale).sum()
    return total / log(2.0)


def _laplace_nats(magnitude: Tensor, scale: Tensor) -> Tensor:
    """-log of the integral of a Laplace density over [v - 1/2, v + 1/2]."""
    half = 0.5 / scale
    # log sinh h, without overflow.
    far = -magnitude / scale + half + torch.log(-torch.expm1(-2.0 * half)) - log(2.0)
    near = torch.log1p(-((magnitude - 0.5).clamp(max=0.0).div(scale).exp() + (-(magnitude + 0.5) / scale).exp()) / 2.0)
    return -torch.where(magnitude < 0.5, near, far)


def _neighbourhood(codes: Tensor, parent: Tensor | None, spacings: Sequence[int]) -> Tensor:
    """Mean magnitude around each node, as the codec weighs it when everything around is known."""
    magnitude = codes.abs()
    dimensions = codes.ndim - 1
    padded = torch.nn.functional.pad(magnitude, (1, 1) * dimensions)
    total, weight = torch.zeros_like(magnitude), 0.0
    for offset in product((-1, 0, 1), repeat=dimensions):
        if any(offset):
            share = _FACE if sum(map(abs, offset)) == 1 else _CORNER
            where = tuple(slice(1 + o, 1 + o + n) for o, n in zip(offset, codes.shape[1:], strict=True))
            total = total + share * padded[(slice(None), *where)]
            weight += share
    if parent is not None:
        coarse, fine = spacings
        above = parent.abs()
        for axis, nodes in enumerate(codes.shape[1:], start=1):
            above = above.index_select(axis, (torch.arange(nodes) * fine // coarse).clamp(max=above.shape[axis] - 1))
        channels = [channel if channel < len(above) else 0 for channel in range(len(codes))]
        total = total + _PARENT * above[channels]
        weight += _PARENT
    first = torch.cat([torch.zeros_like(magnitude[:1]), magnitude[:1].expand_as(magnitude[1:])])
    has_first = torch.tensor([0.0] + [_FIRST] * (len(codes) - 1)).view(-1, *(1,) * dimensions)
    return (total + _FIRST * first) / (weight + has_first)
