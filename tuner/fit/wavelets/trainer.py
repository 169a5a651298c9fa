"""The steps of a fit of wavelet latents under a small sine layer, with error traded for bits all along.

Minimises mean squared error + lambda x bits per sample. The latents begin as the wavelet coefficients of the signal
(`tuner.fit.wavelets.start`) and are integers from the first step on; every step moves the weights
(`tuner.fit.wavelets.descent`) and then lets some latents go to the integer that serves error and bits best
(`tuner.fit.wavelets.choice`). Lambda moves towards the size or quality that was asked for (`tuner.fit.wavelets.trade`).
A network that is to learn nothing is made in one step (`tuner.fit.wavelets.exact`).
"""

from collections.abc import Mapping
from math import copysign, exp, prod

import torch
from torch import Tensor

from tuner.decibels import mse_to_psnr_db
from tuner.errors import StateMismatch
from tuner.fit.deadline import Deadline
from tuner.fit.progress import Clock
from tuner.fit.wavelets.choice import cheapest, free_values, move, moving_share
from tuner.fit.wavelets.config import WaveletConfig
from tuner.fit.wavelets.curvature import learn_curvatures
from tuner.fit.wavelets.descent import WeightDescent
from tuner.fit.wavelets.exact import ExactNetwork
from tuner.fit.wavelets.passes import GridPasses
from tuner.fit.wavelets.rate.at_once import rate_of
from tuner.fit.wavelets.rate.costs import Costs
from tuner.fit.wavelets.rounded import FileBits, RoundedNetwork, as_parameters
from tuner.fit.wavelets.start import LARGEST_CODE, begin
from tuner.fit.wavelets.step_sizes import wavelet_step_sizes
from tuner.fit.wavelets.trade import Trade, trade_of_step
from tuner.fit.wavelets.weights import Weights
from tuner.network.wavelets.parameters import WaveletParameters, seeded_frequencies
from tuner.signal.grid import Grid
from tuner.signal.signal import Signal

# Steps between two comparisons with the file: of its size, which takes as long as some steps, and of its quality.
_COMPARE_SIZE, _COMPARE_QUALITY = 25, 4
# How many times lambda as it was at first a bit of a weight is worth at most.
_MOST_OF_FIRST_TRADE = 2.0
# Logarithm by which a shift of 1 makes lambda larger.
_SHIFT = 4.0
# The smallest shift at which latents are chosen anew, and the one beyond which all of them shrink, too.
_SMALLEST_SHIFT, _LAST_SHIFT = 0.03, 1.0
# Name in checkpoints of whether a fit has given up.
BEATEN = "is_beaten"
# After how many steps a fit tells whether it can beat a file that is there, and how many times as large as that its own
# may seem to become then: the steps to come gain some percent (docs/decisions/0045-many-small-fits.md).
_JUDGED_AFTER, _LARGEST_OF_RIVAL = 3, 1.06
# Logarithm by which a shift of -1 makes the weights' steps finer.
_FINER = 4.0


class WaveletTrainer:
    """Wavelet latents and a small sine layer that get better with every step; implements `tuner.fit.trainer.Trainer`.

    Args:
        signal: samples to represent, on their grid.
        config: size or quality to aim for, shape of the network, and effort.
        file_bits: returns the size in bits of the file that a network makes; None for an estimate.
        clock: tells how much of the fit is done; whoever lets the trainer step moves it on.
        deadline: moment after which nothing begins that a network can do without, the preparation included; None for
            none.
        rival_bytes: size of a file that is there and has the quality asked for; None if there is none.

    Attributes:
        is_beaten: whether the file of this network is not likely to become smaller than the one that is there, as far
            as a few steps have shown.
    """

    def __init__(
        self,
        signal: Signal,
        config: WaveletConfig,
        file_bits: FileBits | None,
        clock: Clock,
        deadline: Deadline | None = None,
        rival_bytes: int | None = None,
    ) -> None:
        self._rival_bytes, self.is_beaten = rival_bytes, False
        self._config, self._file_bits, self._clock, self._deadline = config, file_bits, clock, deadline
        self._points, self._taken = prod(signal.grid_shape), 0
        self._random = torch.Generator().manual_seed(config.seed)
        dimensions = len(signal.grid_shape)
        frequencies = seeded_frequencies(config.frequencies, dimensions, config.reach, config.seed)
        grid, layout = Grid(signal.grid_shape, config.period), config.layout(signal.grid_shape, signal.channels)
        self._passes = GridPasses(
            signal.values,
            [grid.axis(dimension) for dimension in range(dimensions)],
            layout,
            frequencies,
            config.period,
        )
        self._rate = rate_of(layout)
        self._prices: tuple[int, list[Tensor], list[Tensor], list[Costs]] | None = None
        weights = config.layer_weight_count(signal.grid_shape, signal.channels)
        self._trade = Trade(config, self._points, weights, signal.channels)
        self._network: RoundedNetwork | None = None
        self._begin()

    @property
    def network(self) -> RoundedNetwork:
        """The network as a file would hold it now: `rounded()`, made once between two steps."""
        if self._network is None:
            self._network = self.rounded()
        return self._network

    def step(self) -> float:
        """Change everything once.

        Returns:
            The mean squared error before.
        """
        self._network = None
        if not self._config.learned:
            if self._exact is None:
                self._make_exact()
            self._taken += 1
            self._passes.show_fields(self._latents)
            return self._passes.loss(self._weights)
        passes, descent, share = self._passes, self._descent, self._clock.share
        compares = self._taken % (_COMPARE_SIZE if self._config.psnr_db is None else _COMPARE_QUALITY) == 0
        if share >= 1.0 - self._config.rounded_share and descent.step_sizes is None:
            compares = True
            descent.step_sizes = self._best_step_sizes()
        passes.show(self._latents)
        descent.run(passes, share)
        gradients = passes.latent_gradients(descent.as_passes_see_them(), self._signs(self._random))
        learn_curvatures(self._curvatures, gradients.second_derivatives, self._taken)
        bits, costs = self._rate.costs(self._latents)
        if compares:
            self._compare_with_file(bits, gradients.loss)
        trade, moving = self._trade.value / self._points, moving_share(share, self._taken)
        move(self._latents, gradients.slopes, self._curvatures, costs, trade, self._random, moving)
        self._taken += 1
        if self._rival_bytes is not None and self._taken == _JUDGED_AFTER:
            most_bits = 8.0 * _LARGEST_OF_RIVAL * self._rival_bytes
            self.is_beaten = self._trade.foreseen_bits(bits, gradients.loss) > most_bits
        if self._config.latent_step is None:
            self._trade.follow(bits, gradients.loss, share)
        return gradients.loss

    def finish(self) -> float:
        """Round everything; the mean squared error of what a file would hold."""
        return self.network.mse

    def rounded(self, shift: float = 0.0) -> RoundedNetwork:
        """Solve the output layer for the latents, and round it, too; changes nothing here.

        Args:
            shift: how far to go from the size that the fit has: above 0 the file gets smaller, below 0 larger, as
                latents move that would at another lambda.
        """
        if self._exact is not None:
            return self._exact.rounded(self._exact_step * exp(shift))
        step_sizes = self._descent.step_sizes or self._best_step_sizes()
        latents = self._latents if shift == 0.0 else self._shifted(shift, step_sizes)
        if shift < 0.0 and self._config.psnr_db is not None:
            # What falls short of a quality may do so because its weights were rounded at a time when it had plenty.
            step_sizes = tuple(exp(_FINER * shift) * step for step in step_sizes)
        weights = self._weights.rounded(step_sizes)
        self._passes.show(latents)
        self._passes.solve_output(weights)
        step_sizes = weights.widened(step_sizes)
        weights = weights.rounded(step_sizes)
        return RoundedNetwork(
            parameters=self._parameters(weights, latents),
            step_sizes=step_sizes,
            mse=self._passes.loss(weights),
        )

    def tensors(self) -> dict[str, Tensor]:
        """Everything that later steps depend on."""
        step_sizes = self._descent.step_sizes or ()
        return {
            **{f"{name}.{number}": tensor for name, tensors in self._moving() for number, tensor in enumerate(tensors)},
            "trade": torch.tensor(self._trade.numbers(), dtype=torch.float64),
            "step_sizes": torch.tensor(step_sizes, dtype=torch.float64),
            "taken": torch.tensor(self._taken),
            "gains": self._passes.gains,
            "random": self._random.get_state(),
            **({} if self._rival_bytes is None else {BEATEN: torch.tensor(self.is_beaten)}),
        }

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue as the trainer that gave these `tensors` would have, bit for bit on the same CPU.

        Raises:
            StateMismatch: if a name is missing or a shape differs.
        """
        for name, own in self.tensors().items():
            came = tensors.get(name)
            if came is None or (came.shape != own.shape and name != "step_sizes"):
                shape = "nothing" if came is None else tuple(came.shape)
                raise StateMismatch(f"the checkpoint has {shape} as {name}, expected shape {tuple(own.shape)}")
        if not self._config.learned and int(tensors["taken"]) > 0:
            self._make_exact()  # as at first, from latents that nothing has changed
        for name, moving in self._moving():
            for number, tensor in enumerate(moving):
                tensor.copy_(tensors[f"{name}.{number}"])
        self._network = None
        self._trade.restore(tensors["trade"].tolist())
        self._descent.step_sizes = tuple(tensors["step_sizes"].tolist()) or None
        self._taken = int(tensors["taken"])
        self.is_beaten = self._rival_bytes is not None and bool(tensors[BEATEN])
        self._passes.gains.copy_(tensors["gains"])
        self._random.set_state(tensors["random"])
        self._descent.resume(self._taken)

    def _moving(self) -> list[tuple[str, list[Tensor]]]:
        """What a step changes in place, by name."""
        return [
            ("latents", self._latents),
            ("curvatures", self._curvatures),
            ("weights", self._weights.tensors()),
            *self._descent.moments().items(),
        ]

    def _begin(self) -> None:
        """Latents, weights and lambda as they are before the first step."""
        start = begin(self._config, self._passes, self._rate, self._trade, self._random, self._deadline)
        self._weights, self._latents = start.weights, start.latents
        self._colours, self._learned_step = start.colours, start.step
        self._trade.value = self._first_trade = trade_of_step(start.step, self._passes.channels)
        self._curvatures = [torch.zeros_like(each) for each in self._latents]
        self._exact: ExactNetwork | None = None
        self._exact_step = 0.0
        self._descent = WeightDescent(self._weights, self._config, self._random)

    def _make_exact(self) -> None:
        """Take the network that learns nothing in place of the one that the fit began with."""
        exact = ExactNetwork(self._config, self._passes, self._weights, self._colours, self._file_bits, self._deadline)
        step = exact.best_step(self._learned_step)
        self._descent.step_sizes, weights, self._latents = exact.parts(step)
        for own, other in zip(self._weights.tensors(), weights.tensors(), strict=True):
            own.copy_(other)
        self._exact, self._exact_step = exact, step

    def _compare_with_file(self, bits: float, loss: float) -> None:
        """What the estimates of this step leave out, compared with the file that would come of it."""
        step_sizes = self._weights.widened(self._descent.step_sizes or self._best_step_sizes())
        weights = self._weights.rounded(step_sizes)
        if self._config.psnr_db is not None:
            written = self._passes.loss(weights)
            self._trade.quality_offset_db = mse_to_psnr_db(written) - mse_to_psnr_db(loss)
        elif self._file_bits is not None:
            self._trade.other_bits = self._file_bits(self._parameters(weights, self._latents), step_sizes) - bits

    def _signs(self, random: torch.Generator) -> Tensor:
        """1 or -1 for every value."""
        return torch.randint(0, 2, (self._passes.channels, self._points), generator=random).float().mul_(2.0).sub_(1.0)

    def _shifted(self, shift: float, step_sizes: tuple[float, ...]) -> list[Tensor]:
        """The latents with those moved, one way only, that another lambda would move."""
        if self._prices is None or self._prices[0] != self._taken:
            signs = self._signs(torch.Generator().manual_seed(0))
            self._passes.show(self._latents)
            gradients = self._passes.latent_gradients(self._weights.rounded(step_sizes), signs)
            if self._taken == 0:
                learn_curvatures(self._curvatures, gradients.second_derivatives, 0)
            free = free_values(self._latents, gradients.slopes, self._curvatures)
            self._prices = (self._taken, free, self._curvatures, self._rate.costs(self._latents)[1])
        # However near lambda is, some latents are about to move: a small shift moves a share of them.
        least = copysign(max(abs(shift), _SMALLEST_SHIFT), shift)
        trade = self._trade.value / self._points * exp(_SHIFT * least)
        random, shifted = torch.Generator().manual_seed(0), []
        for code, other in zip(self._latents, cheapest(*self._prices[1:], trade), strict=True):
            moves = (other.abs() < code.abs()) if shift > 0.0 else (other.abs() > code.abs())
            moves &= torch.rand(code.shape, generator=random) < shift / least
            moved = torch.where(moves, other, code).clamp(-LARGEST_CODE, LARGEST_CODE)
            # What no lambda moves, since its neighbours are large, shrinks.
            shifted.append(moved if shift <= _LAST_SHIFT else (moved * exp(_LAST_SHIFT - shift)).trunc())
        return shifted

    def _best_step_sizes(self) -> tuple[float, ...]:
        # Where latents do not answer to it lambda grows without an end, and bits of weights are not worth that much.
        trade = min(self._trade.value, _MOST_OF_FIRST_TRADE * self._first_trade)
        self._passes.show(self._latents)
        parameters = self._parameters(self._weights, self._latents)
        return wavelet_step_sizes(parameters, self._passes, trade / self._points)

    def _parameters(self, weights: Weights, latents: list[Tensor]) -> WaveletParameters:
        return as_parameters(self._config, self._passes, weights, latents)
