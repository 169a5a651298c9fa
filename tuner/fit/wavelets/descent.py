"""Steps of the weights while the wavelet latents rest: Adam on a few tiles at a time, then the exact output layer.

A narrow network learns from a small part of a picture what it learns from all of it, so that ten steps on four tiles
each cost less than one pass over a picture of 768 x 512 and gain more. Latents that move before the output layer has
followed move for nothing; hence the exact solution after every run of steps. In the last phase of a fit the weights are
rounded in every pass, and the gradient takes no notice (straight-through; Bengio et al. 2013).
"""

from math import cos, pi, sqrt

import torch
from torch import Tensor

from tuner.fit.wavelets.config import WaveletConfig
from tuner.fit.wavelets.passes import GridPasses
from tuner.fit.wavelets.weights import Weights

# On which one step looks.
_TILES = 4
# Adam's: of the mean of gradients, and of their squares, what stays from step to step; what is added to the root.
_MEAN, _SQUARE, _LEAST_ROOT = 0.9, 0.99, 1e-12
# Of the cosine schedule.
_LAST_RATE = 0.02


class WeightDescent:
    """Moves weights, in place.

    Args:
        weights: weights of the network, moved in place.
        config: settings of the fit, of which learning rate and number of steps count here.
        random: generator that decides which tiles a step looks at.

    Attributes:
        step_sizes: quantisation step of each tensor, once the weights are rounded in every pass; None before.
    """

    def __init__(self, weights: Weights, config: WaveletConfig, random: torch.Generator) -> None:
        self._weights, self._config, self._random = weights, config, random
        self.step_sizes: tuple[float, ...] | None = None
        self._means, self._squares = ([torch.zeros_like(tensor) for tensor in weights.inner()] for _ in range(2))
        self._count = 0

    def run(self, passes: GridPasses, share: float) -> None:
        """Some steps and the solution of the output layer, for what `passes` were shown.

        Args:
            passes: signal and latents, ready for passes over them.
            share: share of the fit that is done, in [0, 1].
        """
        decay = _LAST_RATE + (1.0 - _LAST_RATE) * 0.5 * (1.0 + cos(pi * min(share, 1.0)))
        for _ in range(self._config.weight_steps):
            tiles = torch.randperm(passes.tiles, generator=self._random)[:_TILES].tolist()
            gradients = passes.weight_gradients(self.as_passes_see_them(), tiles)
            self._move(gradients, self._config.weight_rate * decay)
        solved = self.as_passes_see_them()
        passes.solve_output(solved)
        for mine, found in zip(self._weights.output(), solved.output(), strict=True):
            mine.copy_(found)

    def as_passes_see_them(self) -> Weights:
        """The weights, rounded once there are step sizes for them."""
        return self._weights if self.step_sizes is None else self._weights.rounded(self.step_sizes)

    def moments(self) -> dict[str, list[Tensor]]:
        """What later steps depend on beside the weights, by name."""
        return {"mean": self._means, "square": self._squares}

    def resume(self, runs: int) -> None:
        """Continue after so many runs."""
        self._count = runs * self._config.weight_steps

    def _move(self, gradients: list[Tensor], rate: float) -> None:
        """One step of Adam (Kingma and Ba 2015), as in torch, which loads its compilers before the first."""
        self._count += 1
        rate /= 1.0 - _MEAN**self._count
        root = sqrt(1.0 - _SQUARE**self._count)
        moments = zip(self._weights.inner(), gradients, self._means, self._squares, strict=True)
        for tensor, gradient, mean, square in moments:
            mean.lerp_(gradient, 1.0 - _MEAN)
            square.mul_(_SQUARE).addcmul_(gradient, gradient, value=1.0 - _SQUARE)
            tensor.addcdiv_(mean, (square.sqrt() / root).add_(_LEAST_ROOT), value=-rate)
