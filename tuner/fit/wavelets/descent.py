"""Steps of the weights while the wavelet latents rest: Adam on a few tiles at a time, then the exact output layer.

A narrow network learns from a small part of a picture what it learns from all of it, so that ten steps on four tiles
each cost less than one pass over a picture of 768 x 512 and gain more. Latents that move before the output layer has
followed move for nothing; hence the exact solution after every run of steps. In the last phase of a fit the weights are
rounded in every pass, and the gradient takes no notice (straight-through; Bengio et al. 2013).
"""

from math import cos, pi

import torch
from torch import Tensor

from tuner.fit.wavelets.config import WaveletConfig
from tuner.fit.wavelets.passes import GridPasses
from tuner.fit.wavelets.weights import Weights

# On which one step looks.
_TILES = 4
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
        self._adam = torch.optim.Adam(weights.inner(), lr=config.weight_rate, betas=(0.9, 0.99), eps=1e-12)
        for tensor in weights.inner():
            # As Adam would at its first step: a checkpoint names them all.
            moments = {name: torch.zeros_like(tensor) for name in ("exp_avg", "exp_avg_sq")}
            self._adam.state[tensor] = {"step": torch.tensor(0.0), **moments}

    def run(self, passes: GridPasses, share: float) -> None:
        """Some steps and the solution of the output layer, for what `passes` were shown.

        Args:
            passes: signal and latents, ready for passes over them.
            share: share of the fit that is done, in [0, 1].
        """
        decay = _LAST_RATE + (1.0 - _LAST_RATE) * 0.5 * (1.0 + cos(pi * min(share, 1.0)))
        for group in self._adam.param_groups:
            group["lr"] = self._config.weight_rate * decay
        for _ in range(self._config.weight_steps):
            tiles = torch.randperm(passes.tiles, generator=self._random)[:_TILES].tolist()
            gradients = passes.weight_gradients(self.as_passes_see_them(), tiles)
            for tensor, gradient in zip(self._weights.inner(), gradients, strict=True):
                tensor.grad = gradient
            self._adam.step()
        solved = self.as_passes_see_them()
        passes.solve_output(solved)
        for mine, found in zip(self._weights.output(), solved.output(), strict=True):
            mine.copy_(found)

    def as_passes_see_them(self) -> Weights:
        """The weights, rounded once there are step sizes for them."""
        return self._weights if self.step_sizes is None else self._weights.rounded(self.step_sizes)

    def moments(self) -> dict[str, list[Tensor]]:
        """What later steps depend on beside the weights, by name."""
        states = list(self._adam.state.values())
        return {
            "mean": [state["exp_avg"] for state in states],
            "square": [state["exp_avg_sq"] for state in states],
        }

    def resume(self, runs: int) -> None:
        """Continue after so many runs."""
        for state in self._adam.state.values():
            state["step"].fill_(runs * self._config.weight_steps)
