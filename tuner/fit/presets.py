"""A good configuration for a picture, from its size and the effort one is willing to spend.

The network grows with the picture, the batch with the network (a readout of n neurons is solved on each batch, which
needs many more samples than n), and the steps with the effort. More input frequencies than neurons: thanks to the
evaluation along rows an input frequency costs next to nothing, a neuron costs a sine per sample. Measurements are in
`docs/decisions/0003-period-and-initialisation.md`.
"""

from enum import StrEnum
from math import prod, sqrt

from tuner.fit.config import Budget, FirstOrderConfig, FitConfig
from tuner.network.config import NetworkConfig

FREQUENCIES_PER_NEURON = 1.6
NEURONS = (16, 512)  # fewest and most
SAMPLES_PER_NEURON = 16  # in a batch
SMALLEST_BATCH = 4096
LEARNING_RATE = 2e-2


class Effort(StrEnum):
    """How much time, and how large a network, a picture is worth."""

    FAST = "fast"
    BALANCED = "balanced"
    BEST = "best"


_WEIGHTS_PER_SAMPLE = {Effort.FAST: 0.2, Effort.BALANCED: 0.4, Effort.BEST: 0.8}
_STEPS = {Effort.FAST: 250, Effort.BALANCED: 600, Effort.BEST: 2000}


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
    batch = max(SMALLEST_BATCH, SAMPLES_PER_NEURON * neurons)
    return FitConfig(
        network=NetworkConfig(frequencies=round(FREQUENCIES_PER_NEURON * neurons), hidden=(neurons,)),
        trainer=FirstOrderConfig(
            learning_rate=LEARNING_RATE,
            # A batch of most of the signal saves nothing, and a whole one gives an exact loss.
            batch_samples=batch if 2 * batch < samples else None,
        ),
        budget=Budget(max_steps=max_steps or _STEPS[effort], max_seconds=max_seconds, target_psnr_db=target_psnr_db),
        seed=seed,
    )
