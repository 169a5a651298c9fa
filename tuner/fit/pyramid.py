"""The first latents of a modulated network: the signal itself, as a pyramid of splines.

Level after level, from coarse to fine, the principal colours of what the coarser ones have left are fitted by least
squares, and the skip connection adds them up again. A fit that begins here begins as a good linear codec, some ten
decibels above one that begins at random. Called by `tuner.fit.modulated`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tuner.fit.latent_splines import LevelSpline


@dataclass(frozen=True, slots=True, eq=False)
class Pyramid:
    """A linear representation of a signal.

    Attributes:
        latents: of each level, coarsest first, in units of the signal times the spacing.
        skip: S, (C, U): latents to values.
        mean: of each channel.
    """

    latents: list[Tensor]
    skip: Tensor
    mean: Tensor


def fit_pyramid(splines: Sequence[LevelSpline], values_RXC: Tensor) -> Pyramid:
    """Fit all levels to a signal.

    Args:
        splines: of each level, coarsest first. Of the colours, a level takes as many as it has channels; if it has more
            channels than there are colours, the last ones stay zero.
        values_RXC: rows of the first axis, points of the others, channels.
    """
    channels = values_RXC.shape[-1]
    flat = values_RXC.reshape(-1, channels)
    mean = flat.mean(0)
    colours = _principal_axes(flat - mean)
    left = torch.movedim((values_RXC - mean) @ colours, -1, 0)
    latents, skip = [], []
    for spline in splines:
        used = min(spline.channels, channels)
        wanted = left.new_zeros(spline.channels, *left.shape[1:])
        wanted[:used] = left[:used]
        codes = spline.fit(wanted)
        left[:used] -= spline.values(codes)[:used]
        latents.append(codes)
        skip.append(torch.cat([colours[:, :used], colours.new_zeros(channels, spline.channels - used)], 1))
    return Pyramid(latents, torch.cat(skip, 1), mean)


def _principal_axes(centred_PC: Tensor) -> Tensor:
    """Columns: the axes of the colours, the one with most variance first (Karhunen-Loève)."""
    covariance = (centred_PC.double().T @ centred_PC.double()) / len(centred_PC)
    _, axes = torch.linalg.eigh(covariance)
    principal: Tensor = axes.flip(1).float()
    return principal
