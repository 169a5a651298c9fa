"""Fitting a distance field to a surface itself: the eikonal loss, on scattered samples.

    on the surface       |f|,  1 - <grad f, n> / |grad f|
    anywhere             | |grad f| - 1 |
    off the surface      exp(-sharpness |f|)

A function with slope 1 everywhere that is zero on the surface, and only there, is the distance to it; the normals say
which side is inside (Gropp et al. 2020, IGR; Sitzmann et al. 2020, SIREN, whose weights are the defaults). The loss
looks at no distance, but out of nothing a surface takes thousands of steps to appear. So the first steps are natural
gradient on the grid of distances, which finds the field at once, and the loss then settles the surface, between the
samples of the grid too.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from tuner.fit.config import EikonalConfig
from tuner.fit.first_order.blocks import Blocks
from tuner.fit.first_order.trainer import FirstOrderTrainer
from tuner.fit.natural.trainer import NaturalGradientTrainer
from tuner.fit.sines.module import SineNetwork
from tuner.fit.sines.surface_samples import SurfaceDraw, SurfaceSamples
from tuner.fit.sines.tangents import values_and_gradients

_JUDGED_SAMPLES = 1024  # of the grid, after each step
_LEAST_SLOPE = 1e-8


class EikonalTrainer(FirstOrderTrainer):
    """First-order steps on the eikonal loss, after a start; implements `tuner.fit.trainer.Trainer`.

    Args:
        start: natural gradient that takes the first steps; its network is trained in place.
        surface: samples of the surface to learn from.
        blocks: values of the field on its grid, by which the network is judged.
        config: settings of the loss and of both kinds of steps.
        total_steps: number of steps over which the learning rate follows its schedule, those of the start included.
        seed: seed of the draws.
    """

    def __init__(
        self,
        start: NaturalGradientTrainer,
        surface: SurfaceSamples,
        blocks: Blocks,
        config: EikonalConfig,
        *,
        total_steps: int,
        seed: int,
    ) -> None:
        descents = max(1, total_steps - config.start_steps)
        super().__init__(start.network, blocks, config.descent, total_steps=descents, seed=seed)
        self._start = start
        self._started = torch.zeros((), dtype=torch.int64)
        self._surface = surface
        self._eikonal = config

    def step(self) -> float:
        """Take one step on all distances of the grid, or later on a random draw of samples of the surface.

        Returns:
            The mean squared error of the field over the grid, later estimated and smoothed; not the loss.
        """
        if self._started < self._eikonal.start_steps:
            self._started += 1
            return self._start.step()
        draw = self._surface.draw(self._eikonal.points, self._eikonal.deviation, self._generator)
        self._take(lambda: self._slope_on(draw))
        with torch.no_grad():
            block = self._blocks.draw(_JUDGED_SAMPLES, self._generator)
            error = float((self._output(self._hidden(block)) - block.values_CP).square().mean())
        return self._reported(error, block.values_CP.shape[1])

    def tensors(self) -> dict[str, Tensor]:
        """Those of a first-order trainer, and those of the start."""
        start = {f"start.{name}": tensor for name, tensor in self._start.tensors().items()}
        return {**super().tensors(), **start, "started": self._started}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue; see `Trainer.load_tensors`."""
        start = {name.removeprefix("start."): tensor for name, tensor in tensors.items() if name.startswith("start.")}
        self._start.load_tensors(start)  # puts its network back, which may have moved on since
        super().load_tensors(tensors)

    def _slope_on(self, draw: SurfaceDraw) -> tuple[float, list[Tensor]]:
        loss = eikonal_loss(self.network, draw, self._surface.stretch_D, self._eikonal)
        return float(loss.detach()), list(torch.autograd.grad(loss, list(self._trained.values())))


def eikonal_loss(
    network: SineNetwork, draw: SurfaceDraw, stretch_D: Float[Tensor, " dims"], config: EikonalConfig
) -> Float[Tensor, ""]:
    """The weighted sum of the four terms, each a mean over its samples.

    Args:
        network: function of one channel that is to become the distance.
        draw: samples on and off the surface.
        stretch_D: coordinates per unit of value; see `SurfaceSamples`.
        config: weights of the four terms, and how sharp the last is.
    """
    values_PC, gradients_PCD = values_and_gradients(network, torch.cat([draw.on_PD, draw.off_PD]))
    values_P, gradients_PD = values_PC[:, 0], gradients_PCD[:, 0] * stretch_D
    slopes_P = gradients_PD.square().sum(1).add(_LEAST_SLOPE).sqrt()
    on = len(draw.on_PD)
    cosines_P = (gradients_PD[:on] * draw.normals_PD).sum(1) / slopes_P[:on]
    loss: Tensor = (
        config.on_surface * values_P[:on].abs().mean()
        + config.normals * (1.0 - cosines_P).mean()
        + config.eikonal * (slopes_P - 1.0).abs().mean()
        + config.off_surface * torch.exp(-config.sharpness * values_P[on:].abs()).mean()
    )
    return loss
