"""A good configuration for a picture, from its size and the effort one is willing to spend.

The network grows with the picture and with the effort, and so do the steps. Eight input frequencies for each neuron: on
a grid a frequency costs next to nothing, a neuron costs a sine and a row of the Gram matrix per sample, and at equal
weights such networks are also the better ones. Measurements are in `docs/decisions/0003-period-and-initialisation.md`
and `0005-natural-gradient.md`.
"""

from enum import StrEnum
from math import prod, sqrt

from tuner.fit.config import Budget, FitConfig, NaturalGradientConfig
from tuner.network.config import NetworkConfig

FREQUENCIES_PER_NEURON = 8
NEURONS = (24, 512)  # fewest, without which a thumbnail is a smear, and most
MOST_FREQUENCIES = 2048  # a direction solves a system of this size


class Effort(StrEnum):
    """How much time, and how large a network, a picture is worth."""

    FAST = "fast"
    BALANCED = "balanced"
    BEST = "best"


_WEIGHTS_PER_SAMPLE = {Effort.FAST: 0.2, Effort.BALANCED: 0.4, Effort.BEST: 0.8}
_STEPS = {Effort.FAST: 18, Effort.BALANCED: 45, Effort.BEST: 135}


def image_config(
    grid_shape: tuple[int, ...],
    channels: int,
    effort: Effort | str = Effort.BALANCED,
    *,
    seed: int = 0,
    max_steps: int | None = None,
    max_seconds: float | None = None,
    target_psnr_db: float | None = None,
) -> FitConfig:
    """The configuration for an image signal.

    Args:
        grid_shape: (height, width).
        channels: of the image; more channels get a larger network.
        effort: decides the size of the network and the number of steps.
        seed: of the fit, >= 0.
        max_steps: instead of the effort's.
        max_seconds: of training, or None.
        target_psnr_db: stop once it is reached, or None.

    Returns:
        A configuration that `tuner.fit.loop.fit` takes as it is.
    """
    effort = Effort(effort)
    samples = prod(grid_shape)
    weights = _WEIGHTS_PER_SAMPLE[effort] * samples * sqrt(channels / 3.0)
    neurons = min(max(round(sqrt(weights / FREQUENCIES_PER_NEURON)), NEURONS[0]), NEURONS[1])
    return FitConfig(
        network=NetworkConfig(frequencies=min(FREQUENCIES_PER_NEURON * neurons, MOST_FREQUENCIES), hidden=(neurons,)),
        trainer=NaturalGradientConfig(),
        budget=Budget(max_steps=max_steps or _STEPS[effort], max_seconds=max_seconds, target_psnr_db=target_psnr_db),
        seed=seed,
    )
