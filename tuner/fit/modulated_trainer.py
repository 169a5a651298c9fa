"""The steps of a fit of a modulated network: latents one by one, weights by Adam, lambda by what was asked for.

Minimises mean squared error + lambda x bits per sample. The latents begin as the wavelet coefficients of the signal and
are integers from the first step on; every step lets some of them go to the integer that serves error and bits best
(`tuner.fit.latent_choice`), moves the weights along their gradient, and the output layer is solved exactly every now
and then. In the last phase the weights are rounded in every pass, too, and the gradient takes no notice
(straight-through; Bengio et al. 2013). Called by `tuner.fit.modulated`, which knows budgets and checkpoints.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import copysign, cos, exp, log, log2, pi, prod, sqrt

import numpy as np
import torch
from torch import Tensor

from tuner.errors import StateMismatch
from tuner.fit.latent_choice import cheapest, choose, free_values
from tuner.fit.latent_rate import Costs, LatentRate
from tuner.fit.modulated_config import ModulatedConfig
from tuner.fit.modulated_passes import Gradients, GridPasses
from tuner.fit.modulated_steps import modulated_steps
from tuner.fit.modulated_trade import Trade
from tuner.fit.modulated_weights import Weights
from tuner.metrics import mse_to_psnr_db
from tuner.network.modulated import Basis, LatentLevel, ModulatedParameters, modulated_parameters, seeded_frequencies
from tuner.signal.grid import Grid
from tuner.signal.signal import Signal

# Between two solutions of the output layer, and two comparisons with the file.
_SOLVE_EVERY, _COMPARE_EVERY = 10, 25
# Scale of the first modulation weights, relative to the skip's: a few radians over the whole range of the latents.
_MODULATION = 3.0
# Lambda, in squares of the step of the latents; 0.09 to 0.11 in video coders, and a third of it for three channels.
_TRADE = 0.11
# How many more bits than wanted the first, rounded one by one, may take: choosing them together saves about as many.
_FIRST_EXCESS = 0.2
_DEAD_ZONE = 0.1
_BISECTIONS = 12
# What the fit adds to the quality of its beginning.
_GAIN_DB = 0.0
# Of the output layer, whose solution is exact: Adam only keeps it in step with what moves below it.
_OUTPUT_SHARE = 0.15
# Of the cosine schedule.
_LAST_RATE = 0.02
_LARGEST_CODE = 2000.0
_LARGEST_FIRST_CODE = 1500.0
_SMALLEST_STEP, _LARGEST_STEP = 1e-6, 1e3
# Logarithm of lambda that a shift of 1 is worth.
_SHIFT = 4.0
_SMALLEST_SHIFT, _LAST_SHIFT = 0.03, 1.0

FileBits = Callable[[ModulatedParameters, tuple[float, ...]], int]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RoundedNetwork:
    """What a file will hold.

    Attributes:
        parameters: the network; every weight is a multiple of its tensor's step already.
        steps: of the tensors, in the order of the file.
        psnr_db: on the whole grid, nothing clipped.
    """

    parameters: ModulatedParameters
    steps: tuple[float, ...]
    psnr_db: float


class ModulatedTrainer:
    """A modulated network that gets better with every step.

    Args:
        signal: to be represented.
        config: rate or quality, network and effort.
        file_bits: the size of the file that a network makes; None for an estimate.
    """

    def __init__(self, signal: Signal, config: ModulatedConfig, file_bits: FileBits | None) -> None:
        self._signal, self._config, self._file_bits = signal, config, file_bits
        self._points, self._taken = prod(signal.grid_shape), 0
        self._random = torch.Generator().manual_seed(config.seed)
        dimensions = len(signal.grid_shape)
        self._frequencies = seeded_frequencies(config.frequencies, dimensions, config.reach, config.seed)
        grid = Grid(signal.grid_shape, config.period)
        self._passes = GridPasses(
            signal.values,
            [grid.axis(dimension) for dimension in range(dimensions)],
            config.scales_of(signal.grid_shape),
            signal.channels,
            self._frequencies,
            config.period,
        )
        self._rate = LatentRate(dimensions, signal.channels, len(self._passes.subbands.layout))
        self._square_norms = [
            norms.clamp(min=1e-3).repeat(signal.channels, *(1,) * dimensions)
            for norms in self._passes.subbands.square_norms()
        ]
        self._weight_steps: tuple[float, ...] | None = None
        self._prices: tuple[int, list[Tensor], list[Tensor], list[Costs]] | None = None
        self._trade = Trade(config, self._points, config.layer_weight_count(signal.grid_shape, signal.channels))
        self._begin()

    def step(self, share: float) -> float:
        """Change everything once.

        Args:
            share: of the fit that is done, in [0, 1].

        Returns:
            The mean squared error before.
        """
        config = self._config
        compares = self._taken % _COMPARE_EVERY == 0
        if share >= 1.0 - config.rounded_share and self._weight_steps is None:
            compares = True
            self._weight_steps = self._best_steps()
        if self._taken % _SOLVE_EVERY == 0:
            self._solve_output()
        gradients = self._gradients(self._in_steps())
        bits, costs = self._rate.costs(self._latents)
        if compares:
            self._compare_with_file(bits, gradients.loss)
        self._set_gradients(gradients)
        decay = _LAST_RATE + (1.0 - _LAST_RATE) * 0.5 * (1.0 + cos(pi * min(share, 1.0)))
        for group in self._adam.param_groups:
            group["lr"] = group["full_rate"] * decay
        self._adam.step()
        curvatures = self._curvatures()
        free = free_values(self._latents, gradients.latents, curvatures)
        choose(self._latents, free, curvatures, costs, self._trade.value / self._points, self._random)
        self._taken += 1
        self._trade.follow(bits, gradients.loss, share)
        return gradients.loss

    def rounded(self, shift: float = 0.0) -> RoundedNetwork:
        """Solve the output layer for the latents, and round it, too; changes nothing here.

        Args:
            shift: more makes the file smaller, less than 0 makes it larger: latents move that would at another lambda.
        """
        steps = self._weight_steps or self._best_steps()
        latents = self._latents if shift == 0.0 else self._shifted(shift, steps)
        weights = self._rounded(self._weights, steps)
        self._passes.solve_output(self._in_units(latents), weights)
        steps = weights.scaled(self._unit).widened(steps)
        weights = self._rounded(weights, steps)
        return RoundedNetwork(
            parameters=self._parameters(weights, latents),
            steps=steps,
            psnr_db=mse_to_psnr_db(self._passes.loss(self._in_units(latents), weights)),
        )

    def tensors(self) -> dict[str, Tensor]:
        """Everything that later steps depend on."""
        steps = self._weight_steps or ()
        return {
            **{f"{name}.{number}": tensor for name, tensors in self._moving() for number, tensor in enumerate(tensors)},
            "trade": torch.tensor(self._trade.numbers(), dtype=torch.float64),
            "steps": torch.tensor(steps, dtype=torch.float64),
            "taken": torch.tensor(self._taken),
            "unit": torch.tensor(self._unit, dtype=torch.float64),
            "slopes": self._slopes,
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
        for name, moving in self._moving():
            for number, tensor in enumerate(moving):
                tensor.copy_(tensors[f"{name}.{number}"])
        self._trade.restore(tensors["trade"].tolist())
        self._weight_steps = tuple(tensors["steps"].tolist()) or None
        self._taken, self._unit = int(tensors["taken"]), float(tensors["unit"])
        self._slopes = tensors["slopes"].clone()
        self._random.set_state(tensors["random"])
        for state in self._adam.state.values():
            state["step"].fill_(self._taken)

    def _moving(self) -> list[tuple[str, list[Tensor]]]:
        """What a step changes in place, by name."""
        states = list(self._adam.state.values())
        return [
            ("latents", self._latents),
            ("weights", self._weights.tensors()),
            ("mean", [state["exp_avg"] for state in states]),
            ("square", [state["exp_avg_sq"] for state in states]),
        ]

    def _begin(self) -> None:
        """Latents from the signal itself, in steps that suit the rate; weights at random."""
        passes, widths = self._passes, self._config.widths
        targets_CP = passes.targets_CP()
        mean = targets_CP.mean(1)
        colours = _principal_axes(targets_CP - mean[:, None])
        coefficients = passes.subbands.analyse(colours.T @ (targets_CP - mean[:, None]))
        hidden = [
            self._normal(width, fan_in) * sqrt(2.0 / fan_in)
            for width, fan_in in zip(widths, (passes.sines + passes.latents, *widths), strict=False)
        ]
        biases = [(2.0 * torch.rand(width, generator=self._random) - 1.0) * pi for width in widths]
        skip = colours.repeat(1, passes.latents // passes.channels)
        self._weights = Weights(passes.sines, hidden, biases, skip, torch.zeros(passes.channels, widths[-1]), mean)
        step = self._first_step(coefficients)
        # What Adam moves keeps its size, whatever the step of the latents, and a power of two costs no accuracy.
        self._unit = 2.0 ** round(log2(step))
        self._trade.value = _TRADE * step**2 / passes.channels
        self._latents = _in_steps(coefficients, step)
        skip.mul_(step / self._unit)
        hidden[0][:, passes.sines :] = _MODULATION * step / self._unit * self._normal(widths[0], passes.latents)
        self._slopes = torch.ones(passes.latents)
        rates = [
            (self._config.weight_rate, self._weights.inner()),
            (_OUTPUT_SHARE * self._config.weight_rate, self._weights.output()),
        ]
        groups = [{"params": tensors, "lr": rate, "full_rate": rate} for rate, tensors in rates]
        self._adam = torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-12)
        for tensor in (tensor for _, tensors in rates for tensor in tensors):
            # As Adam would at its first step: a checkpoint names them all.
            moments = {name: torch.zeros_like(tensor) for name in ("exp_avg", "exp_avg_sq")}
            self._adam.state[tensor] = {"step": torch.tensor(0.0), **moments}

    def _first_step(self, coefficients: list[Tensor]) -> float:
        """The step of the latents with which the signal's own coefficients have the size or quality asked for."""
        largest = max(float(each.abs().max()) for each in coefficients)
        # However many bits there are, the file holds no larger codes.
        low = log(max(_SMALLEST_STEP, largest / _LARGEST_FIRST_CODE))
        high = log(_LARGEST_STEP)
        wanted_db, excess = self._config.psnr_db, 1.0 + _FIRST_EXCESS
        for _ in range(_BISECTIONS):
            step = exp((low + high) / 2.0)
            codes = _in_steps(coefficients, step)
            if wanted_db is None:
                is_too_coarse = self._rate.costs(codes)[0] < excess * self._trade.latent_budget
            else:
                mse = self._passes.loss([each * step for each in codes], self._weights)
                is_too_coarse = mse_to_psnr_db(mse) < wanted_db - _GAIN_DB
            low, high = (low, log(step)) if is_too_coarse else (log(step), high)
        return exp(low)

    def _compare_with_file(self, bits: float, loss: float) -> None:
        """What the estimates of this step leave out, compared with the file that would come of it."""
        steps = self._weight_steps or self._best_steps()
        steps = self._weights.scaled(self._unit).widened(steps)
        weights = self._rounded(self._weights, steps)
        if self._config.psnr_db is not None:
            written = self._passes.loss(self._in_units(self._latents), weights)
            self._trade.quality_offset_db = mse_to_psnr_db(written) - mse_to_psnr_db(loss)
        elif self._file_bits is not None:
            self._trade.other_bits = self._file_bits(self._parameters(weights, self._latents), steps) - bits

    def _solve_output(self) -> None:
        weights = self._in_steps()
        self._passes.solve_output(self._in_units(self._latents), weights)
        for mine, solved in zip(self._weights.output(), weights.output(), strict=True):
            mine.copy_(solved)
        self._slopes = self._passes.square_slopes(self._in_units(self._latents), weights)

    def _gradients(self, weights: Weights) -> Gradients:
        """By integer latents."""
        found = self._passes.gradients(self._in_units(self._latents), weights)
        return Gradients(found.loss, [each * self._unit for each in found.latents], found.weights)

    def _curvatures(self) -> list[Tensor]:
        """Of the mean squared error by each latent alone, as far as those around it leave the network as it is."""
        colours, scale = self._signal.channels, 2.0 * self._unit**2 / (self._points * self._signal.channels)
        subbands, found = self._passes.subbands, []
        for number, norms in enumerate(self._square_norms):
            field = subbands.fields[number]
            slopes = self._slopes[field * colours : (field + 1) * colours].clamp(min=1e-12)
            of_channel = slopes.repeat_interleave(len(norms) // colours)
            found.append(scale * of_channel.view(-1, *(1,) * (norms.ndim - 1)) * norms)
        return found

    def _shifted(self, shift: float, steps: tuple[float, ...]) -> list[Tensor]:
        """The latents with those moved, one way only, that another lambda would move."""
        if self._prices is None or self._prices[0] != self._taken:
            gradients, curvatures = self._gradients(self._rounded(self._weights, steps)), self._curvatures()
            free = free_values(self._latents, gradients.latents, curvatures)
            self._prices = (self._taken, free, curvatures, self._rate.costs(self._latents)[1])
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

    def _set_gradients(self, gradients: Gradients) -> None:
        moving, found = self._weights, gradients.weights
        for variable, gradient in zip(
            [*moving.inner(), *moving.output()], [*found.inner(), *found.output()], strict=True
        ):
            variable.grad = gradient

    def _in_units(self, latents: list[Tensor]) -> list[Tensor]:
        return [each * self._unit for each in latents]

    def _normal(self, rows: int, columns: int) -> Tensor:
        return torch.randn(rows, columns, generator=self._random)

    def _best_steps(self) -> tuple[float, ...]:
        return modulated_steps(self._parameters(self._weights, self._latents), self._trade.value / self._points)

    def _in_steps(self) -> Weights:
        """The weights as a pass sees them: rounded once there are steps for them."""
        return self._weights if self._weight_steps is None else self._rounded(self._weights, self._weight_steps)

    def _rounded(self, weights: Weights, steps: tuple[float, ...]) -> Weights:
        return weights.scaled(self._unit).rounded(steps).scaled(1.0 / self._unit)

    def _parameters(self, weights: Weights, latents: list[Tensor]) -> ModulatedParameters:
        return modulated_parameters(
            grid_shape=self._signal.grid_shape,
            period=self._config.period,
            seed=self._config.seed,
            reach=self._config.reach,
            frequencies=self._frequencies,
            levels=tuple(
                LatentLevel(spacing=spacing, codes=codes.numpy().astype(np.int32))
                for (spacing, _), codes in zip(self._passes.subbands.layout, latents, strict=True)
            ),
            tensors=weights.scaled(self._unit).arrays(),
            basis=Basis.WAVELETS,
        )


def _in_steps(coefficients: list[Tensor], step: float) -> list[Tensor]:
    """Integers, the high-pass ones with a preference for zero."""
    low, *high = coefficients
    codes = [(low / step).round()]
    codes += [each.sign() * (each.abs() / step + 0.5 - _DEAD_ZONE).floor().clamp(min=0.0) for each in high]
    return [each.clamp(-_LARGEST_CODE, _LARGEST_CODE) for each in codes]


def _principal_axes(centred_CP: Tensor) -> Tensor:
    """Columns: the axes of the colours, the one with most variance first (Karhunen-Loève)."""
    covariance = (centred_CP.double() @ centred_CP.double().T) / centred_CP.shape[1]
    _, axes = torch.linalg.eigh(covariance)
    principal: Tensor = axes.flip(1).float()
    return principal
