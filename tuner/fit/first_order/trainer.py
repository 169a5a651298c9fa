"""First-order training on random blocks of the signal, with the output layer solved rather than trained.

The published recipe is plain Adam on all of the trainable parameters (phases, hidden weights and biases, output layer)
with fixed bounds clamped after every step; `solve_readout=False` gives that. Solving the output layer in every step
(variable projection, `tuner.fit.first_order.readout`) is worth a factor of about three in time to a given quality, and
blocks of a few thousand samples another factor of ten on a large picture. What is done with a gradient is the business
of `tuner.fit.first_order.optimizers`.
"""

from collections.abc import Iterable, Mapping
from math import cos, pi

import torch
from torch import Tensor

from tuner.errors import StateMismatch
from tuner.fit.config import FirstOrderConfig, Schedule
from tuner.fit.first_order.blocks import Block, Blocks, Points
from tuner.fit.first_order.optimizers import make_optimizer
from tuner.fit.first_order.readout import ReadoutSolver
from tuner.fit.first_order.rows import RowSeries
from tuner.fit.first_order.update_rule import Slope
from tuner.fit.sines.module import SineNetwork

LAST_RATE = 0.01  # of the cosine schedule, relative to the first
SMOOTHING = 0.7  # of the reported loss, when a step sees only part of the signal
SWEEP_POINTS = 16384  # whose hidden activations fit in a cache of some megabytes


class FirstOrderTrainer:
    """First-order steps on one network and one signal; implements `tuner.fit.trainer.Trainer`.

    Args:
        network: network to train, in place.
        blocks: signal to learn from, in blocks.
        config: update rule, learning rate and what a step sees.
        total_steps: number of steps over which the learning rate follows its schedule.
        seed: seed of the random blocks.
    """

    def __init__(
        self, network: SineNetwork, blocks: Blocks, config: FirstOrderConfig, *, total_steps: int, seed: int
    ) -> None:
        self.network = network
        self._blocks = blocks
        self._config = config
        self._total_steps = total_steps
        self._series = RowSeries(network)
        self._generator = torch.Generator().manual_seed(seed)
        self._trained = {
            name: parameter
            for name, parameter in network.named_parameters()
            if not (config.solve_readout and name.startswith("readout"))
        }
        self._optimizer = make_optimizer(config.rule, self._trained)
        self._steps = torch.zeros((), dtype=torch.int64)
        self._loss = torch.zeros((), dtype=torch.float64)

    def step(self) -> float:
        """Take one step on a random block.

        Returns:
            The mean squared error before the step: exact if the block is the whole signal, else an estimate smoothed
            over recent blocks.
        """
        block = self._blocks.draw(self._config.batch_samples or self._blocks.samples, self._generator)
        return self._reported(self._take(lambda: self._slope(block)), block.values_CP.shape[1])

    @torch.no_grad()
    def finish(self) -> float:
        """Solve the output layer on all samples, unless it is trained, and measure the loss on all samples."""
        self._optimizer.rest()
        if self._config.solve_readout:
            self._solve_readout((self._hidden(block), block.values_CP) for block in self._blocks.sweep(SWEEP_POINTS))
        squares = 0.0
        for block in self._blocks.sweep(SWEEP_POINTS):
            residual_CP = self._output(self._hidden(block)) - block.values_CP
            squares += float(residual_CP.double().square().sum())
        return squares / (self._blocks.samples * self._blocks.channels)

    def tensors(self) -> dict[str, Tensor]:
        """Parameters, the optimiser's state, the smoothed loss, and the state of the random generator."""
        return {
            **{f"network.{name}": parameter.detach() for name, parameter in self.network.named_parameters()},
            **self._optimizer.tensors(),
            "steps": self._steps,
            "loss": self._loss,
            "blocks.generator": self._generator.get_state(),
        }

    @torch.no_grad()
    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from the `tensors` of another trainer of the same signal and configuration.

        Raises:
            StateMismatch: if a name is missing or a shape differs.
        """
        own = self.tensors()
        for name, tensor in own.items():
            if name not in tensors or tensors[name].shape != tensor.shape:
                came = tuple(tensors[name].shape) if name in tensors else "nothing"
                raise StateMismatch(f"the checkpoint has {came} as {name}, expected shape {tuple(tensor.shape)}")
        for name, tensor in own.items():
            tensor.copy_(tensors[name])
        self._generator.set_state(tensors["blocks.generator"].cpu())
        self._optimizer.loaded()

    def _take(self, slope: Slope) -> float:
        """Let the rule change the network once, within its bounds; the loss before."""
        loss = self._optimizer.step(slope, self._learning_rate())
        self._steps += 1
        self._optimizer.projected(self.network.project)
        return loss

    def _slope(self, block: Block | Points) -> tuple[float, list[Tensor]]:
        """Loss on a block, and the gradient of everything that is trained."""
        hidden_HP = self._hidden(block)
        if self._config.solve_readout:
            self._solve_readout([(hidden_HP.detach(), block.values_CP)])
        loss = (self._output(hidden_HP) - block.values_CP).square().mean()
        return loss.item(), list(torch.autograd.grad(loss, list(self._trained.values())))

    def _hidden(self, block: Block | Points) -> Tensor:
        """The last hidden layer at the points of a block, (H, P)."""
        first, *later = self.network.layers
        if isinstance(block, Points):
            hidden_HP: Tensor = first(self.network.input_sines(block.coords_PD)).T
        else:
            angle_HP = self._series.preactivation(self.network, block.outer_OE, block.last_X)
            hidden_HP = (angle_HP if block.seen_P is None else angle_HP[:, block.seen_P]).sin()
        for layer in later:
            hidden_HP = layer(hidden_HP.T).T
        return hidden_HP

    def _output(self, hidden_HP: Tensor) -> Tensor:
        return torch.addmm(self.network.readout_bias_C[:, None], self.network.readout_weight_CH, hidden_HP)

    @torch.no_grad()
    def _solve_readout(self, parts: Iterable[tuple[Tensor, Tensor]]) -> None:
        weight_CH, bias_C = self.network.readout_weight_CH, self.network.readout_bias_C
        solver = ReadoutSolver(weight_CH.shape[1], self._blocks.channels, weight_CH.device)
        for hidden_HP, values_CP in parts:
            solver.add(hidden_HP, values_CP)
        best_weight_CH, best_bias_C = solver.solve(self._config.ridge)
        weight_CH.copy_(best_weight_CH)
        bias_C.copy_(best_bias_C)

    def _learning_rate(self) -> float:
        if self._config.schedule is Schedule.CONSTANT:
            return self._config.learning_rate
        done = min(1.0, int(self._steps) / self._total_steps)
        return self._config.learning_rate * (LAST_RATE + (1.0 - LAST_RATE) * 0.5 * (1.0 + cos(pi * done)))

    def _reported(self, loss: float, samples: int) -> float:
        if samples == self._blocks.samples:
            return loss
        if self._config.solve_readout:
            # A readout solved on these very samples flatters them: n unknowns explain n of the samples' degrees of
            # freedom, so the variance of the residual is its sum of squares over P - n, not over P.
            unknowns = self.network.readout_weight_CH.shape[1] + 1
            loss *= samples / max(samples - unknowns, 1)
        seen = int(self._steps)
        self._loss.fill_(loss if seen == 1 else SMOOTHING * float(self._loss) + (1.0 - SMOOTHING) * loss)
        return float(self._loss)
