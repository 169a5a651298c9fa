"""The steps of a fit of wavelet latents under a small sine layer, with error traded for bits all along.

Minimises mean squared error + lambda x bits per sample. The latents begin as the wavelet coefficients of the signal and
are integers from the first step on; every step moves the weights (`tuner.fit.wavelets.descent`) and then lets some
latents go to the integer that serves error and bits best (`tuner.fit.wavelets.choice`). Lambda moves towards the size
or quality that was asked for (`tuner.fit.wavelets.trade`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import copysign, exp, log, pi, prod, sqrt

import numpy as np
import torch
from torch import Tensor

from tuner.decibels import mse_to_psnr_db
from tuner.errors import StateMismatch
from tuner.fit.progress import Clock
from tuner.fit.wavelets.choice import cheapest, choose, free_values
from tuner.fit.wavelets.config import WaveletConfig
from tuner.fit.wavelets.curvature import learn_curvatures
from tuner.fit.wavelets.descent import WeightDescent
from tuner.fit.wavelets.passes import GridPasses
from tuner.fit.wavelets.rate import Costs, LatentRate
from tuner.fit.wavelets.steps import wavelet_steps
from tuner.fit.wavelets.trade import Trade
from tuner.fit.wavelets.weights import Weights
from tuner.network.wavelets.parameters import (
    WaveletParameters,
    seeded_frequencies,
    wavelet_parameters,
)
from tuner.signal.grid import Grid
from tuner.signal.signal import Signal

# Between two comparisons with the file: of its size, which takes as long as some steps, and of its quality.
_COMPARE_SIZE, _COMPARE_QUALITY = 25, 4
# Of the angles of the first layer before it has learned, in radians, about.
_FIRST_ANGLES = 0.7
# Lambda, in squares of the step of the latents; 0.09 to 0.11 in video coders, and a third of it for three channels.
_TRADE = 0.11
# Of lambda as it was at first, what a bit of a weight is worth at most.
_MOST_OF_FIRST_TRADE = 2.0
# How many more bits than wanted the first, rounded one by one, may take: choosing them together saves about as many.
_FIRST_EXCESS = 0.2
_DEAD_ZONE = 0.1
# Root mean square, in units of codes, below which an input is not made larger.
_LEAST_INPUT = 0.02
_REFINEMENTS = 8
_BISECTIONS = 12
# Of networks that learn nothing: how often their step is tried, how near its logarithm must come, how far it goes at
# once, and how much of it the logarithm of the size is.
_EXACT_TRIES, _NEAR_ENOUGH, _LARGEST_EXCESS, _EXACT_SIZE_SLOPE = 10, 0.01, 3.0, 0.8
# Weights have at most 1,500 steps in a file: with larger integers than these, what rounding them displaces is more than
# latents can follow in a fit.
_LARGEST_CODE, _LARGEST_FIRST_CODE = 2000.0, 1500.0
# Networks that learn nothing are rounded before their latents are made. Files hold 2^29; in float32 sums of values so
# large still tell neighbouring integers apart, with four bits to spare.
_LARGEST_EXACT_CODE = 2.0**20
_SMALLEST_STEP, _LARGEST_STEP = 1e-6, 1e3
# Logarithm of lambda that a shift of 1 is worth.
_SHIFT = 4.0
_SMALLEST_SHIFT, _LAST_SHIFT = 0.03, 1.0
# Logarithm of the steps of the weights, likewise.
_FINER = 4.0

FileBits = Callable[[WaveletParameters, tuple[float, ...]], int]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RoundedNetwork:
    """What a file will hold.

    Attributes:
        parameters: weights and latents; every weight is a multiple of its tensor's step already.
        step_sizes: quantisation step of each tensor, in the order of the file.
        mse: mean squared error over all channels of the whole grid, nothing clipped.
    """

    parameters: WaveletParameters
    step_sizes: tuple[float, ...]
    mse: float

    @property
    def psnr_db(self) -> float:
        """The quality in dB that the mean squared error stands for."""
        return mse_to_psnr_db(self.mse)


class WaveletTrainer:
    """Wavelet latents and a small sine layer that get better with every step; implements `tuner.fit.trainer.Trainer`.

    Args:
        signal: samples to represent, on their grid.
        config: size or quality to aim for, shape of the network, and effort.
        file_bits: returns the size in bits of the file that a network makes; None for an estimate.
        clock: tells how much of the fit is done; whoever lets the trainer step moves it on.
    """

    def __init__(self, signal: Signal, config: WaveletConfig, file_bits: FileBits | None, clock: Clock) -> None:
        self._signal, self._config, self._file_bits, self._clock = signal, config, file_bits, clock
        self._points, self._taken = prod(signal.grid_shape), 0
        self._random = torch.Generator().manual_seed(config.seed)
        dimensions = len(signal.grid_shape)
        self._frequencies = seeded_frequencies(config.frequencies, dimensions, config.reach, config.seed)
        grid, layout = Grid(signal.grid_shape, config.period), config.layout(signal.grid_shape, signal.channels)
        self._passes = GridPasses(
            signal.values,
            [grid.axis(dimension) for dimension in range(dimensions)],
            layout,
            self._frequencies,
            config.period,
        )
        self._rate = LatentRate(layout)
        self._prices: tuple[int, list[Tensor], list[Tensor], list[Costs]] | None = None
        self._trade = Trade(config, self._points, config.layer_weight_count(signal.grid_shape, signal.channels))
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
            if self._exact_step is None:
                self._make_exact()
            self._taken += 1
            return self._passes.loss(self._weights)
        passes, descent, share = self._passes, self._descent, self._clock.share
        compares = self._taken % (_COMPARE_SIZE if self._config.psnr_db is None else _COMPARE_QUALITY) == 0
        if share >= 1.0 - self._config.rounded_share and descent.steps is None:
            compares = True
            descent.steps = self._best_steps()
        passes.show(self._latents)
        descent.run(passes, share)
        gradients = passes.latent_gradients(descent.as_passes_see_them(), self._signs(self._random))
        learn_curvatures(self._curvatures, gradients.bends, self._taken)
        bits, costs = self._rate.costs(self._latents)
        if compares:
            self._compare_with_file(bits, gradients.loss)
        free = free_values(self._latents, gradients.slopes, self._curvatures)
        choose(self._latents, free, self._curvatures, costs, self._trade.value / self._points, self._random)
        self._taken += 1
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
        if self._exact_step is not None:
            return self._exact_with(self._exact_step * exp(shift))
        steps = self._descent.steps or self._best_steps()
        latents = self._latents if shift == 0.0 else self._shifted(shift, steps)
        if shift < 0.0 and self._config.psnr_db is not None:
            # What falls short of a quality may do so because its weights were rounded at a time when it had plenty.
            steps = tuple(exp(_FINER * shift) * step for step in steps)
        weights = self._weights.rounded(steps)
        self._passes.show(latents)
        self._passes.solve_output(weights)
        steps = weights.widened(steps)
        weights = weights.rounded(steps)
        return RoundedNetwork(
            parameters=self._parameters(weights, latents),
            step_sizes=steps,
            mse=self._passes.loss(weights),
        )

    def tensors(self) -> dict[str, Tensor]:
        """Everything that later steps depend on."""
        steps = self._descent.steps or ()
        return {
            **{f"{name}.{number}": tensor for name, tensors in self._moving() for number, tensor in enumerate(tensors)},
            "trade": torch.tensor(self._trade.numbers(), dtype=torch.float64),
            "steps": torch.tensor(steps, dtype=torch.float64),
            "taken": torch.tensor(self._taken),
            "gains": self._passes.gains,
            "random": self._random.get_state(),
        }

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue as the trainer that gave these `tensors` would have, bit for bit on the same CPU.

        Raises:
            StateMismatch: if a name is missing or a shape differs.
        """
        for name, own in self.tensors().items():
            came = tensors.get(name)
            if came is None or (came.shape != own.shape and name != "steps"):
                shape = "nothing" if came is None else tuple(came.shape)
                raise StateMismatch(f"the checkpoint has {shape} as {name}, expected shape {tuple(own.shape)}")
        if not self._config.learned and int(tensors["taken"]) > 0:
            self._make_exact()  # as at first, from latents that nothing has changed
        for name, moving in self._moving():
            for number, tensor in enumerate(moving):
                tensor.copy_(tensors[f"{name}.{number}"])
        self._network = None
        self._trade.restore(tensors["trade"].tolist())
        self._descent.steps = tuple(tensors["steps"].tolist()) or None
        self._taken = int(tensors["taken"])
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
        """Latents from the signal itself, in steps that suit the rate; weights at random."""
        passes, widths = self._passes, self._config.widths
        targets_CP = passes.targets_CP
        mean = targets_CP.mean(1)
        colours = _principal_axes(targets_CP - mean[:, None])
        coefficients = passes.subbands.analyse(colours.T @ (targets_CP - mean[:, None]))
        first, *deeper = widths
        layout = passes.layout
        hidden = [
            self._normal(first, passes.sines + layout.inputs) * (_FIRST_ANGLES / sqrt(layout.inputs)),
            *(self._normal(width, before) * sqrt(2.0 / before) for before, width in pairwise((first, *deeper))),
        ]
        biases = [(2.0 * torch.rand(width, generator=self._random) - 1.0) * pi for width in widths]
        skip = colours.repeat(1, layout.fields)
        self._weights = Weights(passes.sines, hidden, biases, skip, torch.zeros(passes.channels, widths[-1]), mean)
        step = self._first_step(coefficients)
        self._trade.value = self._first_trade = _TRADE * step**2 / passes.channels
        self._latents = _in_steps(coefficients, step)
        # What Adam moves belongs to inputs of about the same size, and a power of two costs no accuracy.
        passes.gains.fill_(1.0)
        passes.show(self._latents)
        passes.gains.copy_(passes.input_sizes().clamp(min=_LEAST_INPUT).log2().neg().round().exp2())
        skip.mul_(step)
        self._curvatures = [torch.zeros_like(each) for each in self._latents]
        self._colours, self._learned_step = colours, step
        self._exact_step: float | None = None
        self._descent = WeightDescent(self._weights, self._config, self._random)

    def _make_exact(self) -> None:
        """A network that learns nothing: a sum of fields, whose latents are the coefficients of the samples."""
        self._exact = self._exact_coefficients()
        self._exact_step = self._step_of_exact()
        self._descent.steps, weights, self._latents = self._exact_parts(self._exact_step)
        for own, other in zip(self._weights.tensors(), weights.tensors(), strict=True):
            own.copy_(other)
        self._passes.show(self._latents)

    def _step_of_exact(self) -> float:
        """The step of the latents whose file has the size, or whose values have the quality, that is wanted.

        Estimates of bits know little of integers so large; the file itself tells.
        """
        low, high, shift, slope = log(_SMALLEST_STEP), log(_LARGEST_STEP), log(self._learned_step), 1.0
        before: tuple[float, float] | None = None
        for _ in range(_EXACT_TRIES):
            excess = self._excess_of_exact(exp(shift))
            if abs(excess) < _NEAR_ENOUGH:
                break
            low, high = (shift, high) if excess > 0.0 else (low, shift)
            if before is not None and (before[1] - excess) * (shift - before[0]) > 0.0:
                slope = (before[1] - excess) / (shift - before[0])
            before = (shift, excess)
            following = shift + excess / slope
            shift = following if low < following < high else (low + high) / 2.0
        return exp(shift)

    def _excess_of_exact(self, step: float) -> float:
        """How much finer than is wanted such a step is, as a logarithm, about."""
        network, wanted, wanted_db = self._exact_with(step), self._config.bits_per_sample, self._config.psnr_db
        if wanted_db is not None:
            excess = (network.psnr_db - wanted_db) * log(10.0) / 20.0
        elif self._file_bits is not None and wanted is not None:
            size = self._file_bits(network.parameters, network.step_sizes)
            excess = log(size / (wanted * self._points)) / _EXACT_SIZE_SLOPE
        else:
            excess = 0.0
        return max(-_LARGEST_EXCESS, min(_LARGEST_EXCESS, excess))

    def _exact_with(self, step: float) -> RoundedNetwork:
        steps, weights, latents = self._exact_parts(step)
        self._passes.show(latents)
        mse = self._passes.loss(weights)
        self._passes.show(self._latents)
        return RoundedNetwork(parameters=self._parameters(weights, latents), step_sizes=steps, mse=mse)

    def _exact_parts(self, step: float) -> tuple[tuple[float, ...], Weights, list[Tensor]]:
        """Steps and weights as a file will hold them, and the latents of those very weights."""
        # A finer step would need larger integers than there are.
        largest = max(float(_mixed(self._colours.T, each).abs().max()) for each in self._exact)
        step = max(step, 1.01 * largest / _LARGEST_EXACT_CODE)
        step = min(step, 4.0 * max(largest, _SMALLEST_STEP))  # all is zero then; a file holds no step beyond 2^32
        weights = self._without_sines(step * self._colours)
        trade = _TRADE * step**2 / self._passes.channels / self._points
        steps = wavelet_steps(self._parameters(weights, self._latents), trade)
        weights = weights.rounded(steps)
        unmixed = torch.linalg.pinv(weights.skip[:, : self._passes.layout.colours].double()).float()
        return steps, weights, _in_steps([_mixed(unmixed, each) for each in self._exact], 1.0, _LARGEST_EXACT_CODE)

    def _without_sines(self, colours: Tensor) -> Weights:
        """A network that is a sum of fields."""
        weights = self._weights.rounded((1.0,) * len(self._weights.tensors()))
        for tensor in weights.tensors():
            tensor.zero_()
        weights.skip.copy_(colours.repeat(1, self._passes.layout.fields))
        return weights

    def _exact_coefficients(self) -> list[Tensor]:
        """Of the samples themselves; their analysis alone leaves a little of them, which is analysed again."""
        passes = self._passes
        weights = self._without_sines(torch.eye(passes.channels))
        found = passes.subbands.analyse(passes.targets_CP)
        for _ in range(_REFINEMENTS):
            passes.show(found)
            found = [a + b for a, b in zip(found, passes.subbands.analyse(passes.missing(weights)), strict=True)]
        return found

    def _first_step(self, coefficients: list[Tensor]) -> float:
        """The step of the latents with which the signal's own coefficients have the size or quality asked for."""
        largest = max(float(each.abs().max()) for each in coefficients)
        # A finer step belongs to a network without sines, which has a search of its own.
        low = log(max(_SMALLEST_STEP, largest / _LARGEST_FIRST_CODE))
        high = log(_LARGEST_STEP)
        wanted_db, excess = self._config.psnr_db, 1.0 + _FIRST_EXCESS
        for _ in range(_BISECTIONS):
            step = exp((low + high) / 2.0)
            codes = _in_steps(coefficients, step)
            if wanted_db is None:
                is_too_coarse = self._rate.costs(codes)[0] < excess * self._trade.latent_budget
            else:
                self._passes.show([each * step for each in codes])
                mse = self._passes.loss(self._weights)
                is_too_coarse = mse_to_psnr_db(mse) < wanted_db
            low, high = (low, log(step)) if is_too_coarse else (log(step), high)
        return exp(low)

    def _compare_with_file(self, bits: float, loss: float) -> None:
        """What the estimates of this step leave out, compared with the file that would come of it."""
        steps = self._weights.widened(self._descent.steps or self._best_steps())
        weights = self._weights.rounded(steps)
        if self._config.psnr_db is not None:
            written = self._passes.loss(weights)
            self._trade.quality_offset_db = mse_to_psnr_db(written) - mse_to_psnr_db(loss)
        elif self._file_bits is not None:
            self._trade.other_bits = self._file_bits(self._parameters(weights, self._latents), steps) - bits

    def _signs(self, random: torch.Generator) -> Tensor:
        """1 or -1 for every value."""
        return torch.randint(0, 2, (self._passes.channels, self._points), generator=random).float().mul_(2.0).sub_(1.0)

    def _shifted(self, shift: float, steps: tuple[float, ...]) -> list[Tensor]:
        """The latents with those moved, one way only, that another lambda would move."""
        if self._prices is None or self._prices[0] != self._taken:
            signs = self._signs(torch.Generator().manual_seed(0))
            self._passes.show(self._latents)
            gradients = self._passes.latent_gradients(self._weights.rounded(steps), signs)
            if self._taken == 0:
                learn_curvatures(self._curvatures, gradients.bends, 0)
            free = free_values(self._latents, gradients.slopes, self._curvatures)
            self._prices = (self._taken, free, self._curvatures, self._rate.costs(self._latents)[1])
        # However near lambda is, some latents are about to move: a small shift moves a share of them.
        least = copysign(max(abs(shift), _SMALLEST_SHIFT), shift)
        trade = self._trade.value / self._points * exp(_SHIFT * least)
        random, shifted = torch.Generator().manual_seed(0), []
        for code, other in zip(self._latents, cheapest(*self._prices[1:], trade), strict=True):
            moves = (other.abs() < code.abs()) if shift > 0.0 else (other.abs() > code.abs())
            moves &= torch.rand(code.shape, generator=random) < shift / least
            moved = torch.where(moves, other, code).clamp(-_LARGEST_CODE, _LARGEST_CODE)
            # What no lambda moves, since its neighbours are large, shrinks.
            shifted.append(moved if shift <= _LAST_SHIFT else (moved * exp(_LAST_SHIFT - shift)).trunc())
        return shifted

    def _normal(self, rows: int, columns: int) -> Tensor:
        return torch.randn(rows, columns, generator=self._random)

    def _best_steps(self) -> tuple[float, ...]:
        # Where latents do not answer to it lambda grows without an end, and bits of weights are not worth that much.
        trade = min(self._trade.value, _MOST_OF_FIRST_TRADE * self._first_trade)
        return wavelet_steps(self._parameters(self._weights, self._latents), trade / self._points)

    def _parameters(self, weights: Weights, latents: list[Tensor]) -> WaveletParameters:
        return wavelet_parameters(
            layout=self._passes.layout,
            period=self._config.period,
            seed=self._config.seed,
            reach=self._config.reach,
            frequencies=self._frequencies,
            latents=tuple(codes.numpy().astype(np.int32) for codes in latents),
            tensors=weights.arrays(),
            exponents=tuple(self._passes.gains.log2().int().tolist()),
        )


def _mixed(matrix: Tensor, coefficients: Tensor) -> Tensor:
    """Coefficients whose colours a matrix makes of other colours."""
    return (matrix @ coefficients.reshape(len(matrix), -1)).view(coefficients.shape)


def _in_steps(coefficients: list[Tensor], step: float, largest: float = _LARGEST_CODE) -> list[Tensor]:
    """Integers, the high-pass ones with a preference for zero."""
    low, *high = coefficients
    codes = [(low / step).round()]
    codes += [each.sign() * (each.abs() / step + 0.5 - _DEAD_ZONE).floor().clamp(min=0.0) for each in high]
    return [each.clamp(-largest, largest) for each in codes]


def _principal_axes(centred_CP: Tensor) -> Tensor:
    """Columns: the axes of the colours, the one with most variance first (Karhunen-Loève)."""
    covariance = (centred_CP.double() @ centred_CP.double().T) / centred_CP.shape[1]
    _, axes = torch.linalg.eigh(covariance)
    principal: Tensor = axes.flip(1).float()
    return principal
