"""How strongly the squared error bends with each latent: noisy samples, averaged around a latent and over the steps.

Curvature decides how far a latent moves, and it differs from place to place, since a network is steeper where it
sharpens. One backward pass from random signs gives an unbiased sample for every latent at once
(`GridPasses.latent_gradients`), too noisy on its own: neighbours in a subband have nearly the same. With the mean over
a whole subband instead, latents of steep places overshoot, and fits in which the weights are trained come apart.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

# Nodes around a latent over which samples are averaged, along each axis.
_WINDOW = 9
# What a new sample counts once there are some.
_NEWEST = 0.2
# Of the mean of a subband; a latent that hardly moves anything must not run away.
_LEAST_SHARE = 0.2


def learn_curvatures(known: Sequence[Tensor], sample: Sequence[Tensor], samples_before: int) -> None:
    """Take a sample into account, in place.

    Args:
        known: curvatures found so far, one tensor per level, (channels, *nodes); anything before the first
            sample. Changed in place.
        sample: new sample of the curvatures, shaped alike.
        samples_before: number of samples that were taken into account before.
    """
    share = max(_NEWEST, 1.0 / (samples_before + 1))
    for old, new in zip(known, sample, strict=True):
        axes = new.ndim - 1
        pool = (torch.nn.functional.avg_pool1d, torch.nn.functional.avg_pool2d, torch.nn.functional.avg_pool3d)[
            axes - 1
        ]
        around = new[:, None]
        for axis, nodes in enumerate(new.shape[1:]):  # one axis after the other: the mean over a box, for less work
            window, margin = [1] * axes, [0] * axes
            window[axis] = min(_WINDOW, nodes - 1 + nodes % 2)
            margin[axis] = window[axis] // 2
            around = pool(around, window, stride=1, padding=margin, count_include_pad=False)
        around = around[:, 0]
        mean = new.mean(tuple(range(1, axes + 1)), keepdim=True)
        smooth = torch.maximum(around, _LEAST_SHARE * mean).clamp(min=1e-20)
        old.copy_(smooth if share == 1.0 else torch.lerp(old, smooth, share))
