"""The steps of a fit of a modulated network: latents and weights by Adam, lambda by what was asked for.

Minimises mean squared error + lambda x bits per sample. The latents begin as a pyramid of splines, Adam moves latents
and weights together, and the output layer is solved exactly every now and then. While the latents are still free,
uniform noise stands for their rounding, and in the last phase latents and weights are rounded in every pass and the
gradient takes no notice (straight-through; Ballé et al. 2017, Bengio et al. 2013, and for latents of one picture C3,
Kim et al. 2024). Called by `tuner.fit.modulated`, which knows budgets and checkpoints.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import copysign, cos, exp, log, pi, prod, sqrt

import numpy as np
import torch
from torch import Tensor

from tuner.errors import StateMismatch
from tuner.fit.latent_rate import latent_bits, scale_parameters
from tuner.fit.modulated_config import ModulatedConfig
from tuner.fit.modulated_passes import Gradients, GridPasses
from tuner.fit.modulated_steps import modulated_steps
from tuner.fit.modulated_trade import Trade
from tuner.fit.modulated_weights import Weights
from tuner.fit.pyramid import fit_pyramid
from tuner.metrics import mse_to_psnr_db
from tuner.network.modulated import LatentLevel, ModulatedParameters, modulated_parameters, seeded_frequencies
from tuner.shapes import FloatArray
from tuner.signal.grid import Grid
from tuner.signal.signal import Signal

# Between two solutions of the output layer, and two comparisons with the file.
_SOLVE_EVERY = 25
# Scale of the first modulation weights, relative to the skip's: a few radians over the whole range of the latents.
_MODULATION = 3.0
# Step of the latents for lambda = 1 at the start, and how many more bits than wanted they may then take in a long fit,
# and in which share of it: a short one has no time to save them.
_STEP = 10.0
_FIRST_EXCESS = 0.7
_LONG_FIT = 300
_BISECTIONS = 12
# Of the squared error that is asked for, what rounding may add to a pyramid that is no better.
_ROUNDING_SHARE = 0.5
# Of the output layer, whose solution is exact: Adam only keeps it in step with what moves below it.
_OUTPUT_SHARE = 0.3
_SCALE_RATE = 0.02
# Of the cosine schedule.
_LAST_RATE = 0.02
_LARGEST_CODE = 2000.0
_LARGEST_FIRST_CODE = 1500.0
_SMALLEST_SHIFT = 0.03
# No axis is halved below this.
_SMALLEST_SIDE = 16

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
        self._frequencies = seeded_frequencies(config.frequencies, len(signal.grid_shape), config.reach, config.seed)
        self._spacings = [spacing for spacing, _ in config.levels]
        self._scales = [scale_parameters(channels) for _, channels in config.levels]
        self._sees_half = config.half_size_share > 0.0
        self._passes = self._on_grid(halved=self._sees_half)
        self._weight_steps: tuple[float, ...] | None = None
        self._trade = Trade(config, self._points, config.layer_weight_count(signal.channels))
        self._begin()

    def step(self, share: float) -> float:
        """Change everything once.

        Args:
            share: of the fit that is done, in [0, 1].

        Returns:
            The mean squared error before, with noise or rounding.
        """
        config = self._config
        if self._sees_half and share >= config.half_size_share:
            self._passes, self._sees_half = self._on_grid(halved=False), False
        is_rounded = share >= 1.0 - config.rounded_share
        compares = self._taken % _SOLVE_EVERY == 0
        if is_rounded and self._weight_steps is None:
            compares = True
            self._weight_steps = self._best_steps()
        latents = [_rounded(codes) if is_rounded else self._noisy(codes) for codes in self._latents]
        if self._taken % _SOLVE_EVERY == 0:
            self._solve_output(latents)
        gradients = self._passes.gradients(latents, self._in_steps())
        bits = self._set_gradients(latents, gradients)
        if not is_rounded:
            # Noise makes zeros look expensive; what a file would take is what counts.
            with torch.no_grad():
                bits = float(latent_bits([_rounded(codes) for codes in self._latents], self._spacings, self._scales))
        if compares:
            self._compare_with_file(bits, gradients.loss)
        decay = _LAST_RATE + (1.0 - _LAST_RATE) * 0.5 * (1.0 + cos(pi * min(share, 1.0)))
        for group in self._adam.param_groups:
            group["lr"] = group["full_rate"] * decay
        self._adam.step()
        self._taken += 1
        self._trade.follow(bits, gradients.loss, share)
        return gradients.loss

    def rounded(self, shift: float = 0.0) -> RoundedNetwork:
        """Round everything, solve the output layer for what is rounded, and round it, too; changes nothing here.

        Args:
            shift: by how much more than half a unit a latent must exceed an integer to become the next one away from
                zero, above -1/2: more makes the file smaller.
        """
        passes = self._on_grid(halved=False) if self._sees_half else self._passes
        latents = [_rounded(codes, shift) for codes in self._latents]
        steps = self._weight_steps or self._best_steps()
        weights = self._weights.rounded(steps)
        passes.solve_output(latents, weights)
        steps = weights.widened(steps)
        weights = weights.rounded(steps)
        return RoundedNetwork(
            parameters=self._parameters(weights, latents),
            steps=steps,
            psnr_db=mse_to_psnr_db(passes.loss(latents, weights)),
        )

    def tensors(self) -> dict[str, Tensor]:
        """Everything that later steps depend on."""
        steps = self._weight_steps or ()
        return {
            **{f"{name}.{number}": tensor for name, tensors in self._moving() for number, tensor in enumerate(tensors)},
            "trade": torch.tensor(self._trade.numbers(), dtype=torch.float64),
            "steps": torch.tensor(steps, dtype=torch.float64),
            "counts": torch.tensor([self._taken, self._sees_half]),
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
        self._taken, sees_half = (int(count) for count in tensors["counts"])
        self._random.set_state(tensors["random"])
        for state in self._adam.state.values():
            state["step"].fill_(self._taken)
        if self._sees_half and not sees_half:
            self._passes, self._sees_half = self._on_grid(halved=False), False

    def _moving(self) -> list[tuple[str, list[Tensor]]]:
        """What a step changes in place, by name."""
        states = list(self._adam.state.values())
        return [
            ("latents", self._latents),
            ("weights", self._weights.tensors()),
            ("scales", self._scales),
            ("mean", [state["exp_avg"] for state in states]),
            ("square", [state["exp_avg_sq"] for state in states]),
        ]

    def _begin(self) -> None:
        """Latents from the pyramid, in steps that suit the rate; weights at random."""
        passes, widths = self._passes, self._config.widths
        pyramid = fit_pyramid(passes.splines, passes.targets())
        inputs = passes.sines + passes.latents
        hidden = [
            self._normal(width, fan_in) * sqrt(2.0 / fan_in)
            for width, fan_in in zip(widths, (inputs, *widths), strict=False)
        ]
        biases = [(2.0 * torch.rand(width, generator=self._random) - 1.0) * pi for width in widths]
        self._weights = Weights(
            passes.sines, hidden, biases, pyramid.skip, torch.zeros(passes.channels, widths[-1]), pyramid.mean
        )
        step = self._first_trade(pyramid.latents)
        self._latents = [codes / step for codes in pyramid.latents]
        self._weights.skip.mul_(step)
        hidden[0][:, passes.sines :] = _MODULATION * step * self._normal(widths[0], passes.latents)
        rates = [
            (self._config.latent_rate, self._latents),
            (self._config.weight_rate, self._weights.inner()),
            (_OUTPUT_SHARE * self._config.weight_rate, self._weights.output()),
            (_SCALE_RATE, self._scales),
        ]
        groups = [{"params": tensors, "lr": rate, "full_rate": rate} for rate, tensors in rates]
        self._adam = torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-12)
        for tensor in (tensor for _, tensors in rates for tensor in tensors):
            # As Adam would at its first step: a checkpoint names them all.
            moments = {name: torch.zeros_like(tensor) for name in ("exp_avg", "exp_avg_sq")}
            self._adam.state[tensor] = {"step": torch.tensor(0.0), **moments}

    def _first_trade(self, pyramid: list[Tensor]) -> float:
        """Set lambda, and return the step of the latents that suits it.

        At high rate the best step is proportional to the root of lambda. A fit that begins with nearly twice the bits
        ends near what is wanted, at about the quality of its beginning.
        """
        # However many bits there are, the file holds no larger codes.
        smallest = max(max(float(codes.abs().max()) for codes in pyramid) / _LARGEST_FIRST_CODE, 1e-9)
        goal_mse = self._first_mse(pyramid)
        excess = 1.0 + _FIRST_EXCESS * min(1.0, self._config.steps / _LONG_FIT)
        low, high = log(smallest), log(_STEP)
        for _ in range(_BISECTIONS):
            step = exp((low + high) / 2.0)
            rounded = [_rounded(codes / step) for codes in pyramid]
            if goal_mse is None:
                with torch.no_grad():
                    bits = float(latent_bits(rounded, self._spacings, self._scales))
                is_too_coarse = bits < excess * self._trade.latent_budget
            else:
                mse = self._passes.loss([codes * step for codes in rounded], self._weights)
                is_too_coarse = mse > goal_mse
            low, high = (low, log(step)) if is_too_coarse else (log(step), high)
        self._trade.value = exp(low) ** 2 / _STEP**2
        return exp(low)

    def _first_mse(self, pyramid: list[Tensor]) -> float | None:
        """Squared error of the rounded pyramid from which a fit to a quality begins.

        A pyramid can be further from the signal than what is asked for, however finely it is rounded.
        """
        if self._config.psnr_db is None:
            return None
        wanted: float = 10.0 ** (-self._config.psnr_db / 10.0)
        return max(wanted, self._passes.loss(pyramid, self._weights) + _ROUNDING_SHARE * wanted)

    def _compare_with_file(self, bits: float, loss: float) -> None:
        """What the estimates of this step leave out, compared with the file that would come of it."""
        if self._config.psnr_db is not None:
            latents = [_rounded(codes) for codes in self._latents]
            written = self._passes.loss(latents, self._in_steps())
            self._trade.quality_offset_db = mse_to_psnr_db(written) - mse_to_psnr_db(loss)
        elif self._file_bits is not None:
            steps = self._weights.widened(self._weight_steps or self._best_steps())
            latents = [_rounded(codes) for codes in self._latents]
            parameters = self._parameters(self._weights.rounded(steps), latents)
            self._trade.other_bits = self._file_bits(parameters, steps) - bits

    def _solve_output(self, latents: list[Tensor]) -> None:
        weights = self._in_steps()
        self._passes.solve_output(latents, weights)
        for mine, solved in zip(self._weights.output(), weights.output(), strict=True):
            mine.copy_(solved)

    def _set_gradients(self, latents: list[Tensor], gradients: Gradients) -> float:
        """Tell the optimiser the derivatives of error + lambda x rate; return the bits of the latents."""
        codes = [each.requires_grad_() for each in latents]
        scales = [each.detach().requires_grad_() for each in self._scales]
        bits = latent_bits(codes, self._spacings, scales)
        by_rate = torch.autograd.grad(bits, [*codes, *scales])
        trade = self._trade.value / self._points
        for variable, by_error, by_bits in zip(self._latents, gradients.latents, by_rate, strict=False):
            variable.grad = by_error + trade * by_bits
        for variable, by_bits in zip(self._scales, by_rate[len(codes) :], strict=True):
            variable.grad = by_bits
        moving, found = self._weights, gradients.weights
        for variable, gradient in zip(
            [*moving.inner(), *moving.output()], [*found.inner(), *found.output()], strict=True
        ):
            variable.grad = gradient
        return float(bits.detach())

    def _on_grid(self, *, halved: bool) -> GridPasses:
        """The signal, or pairs of its samples along each axis that is long enough."""
        shape = self._signal.grid_shape
        grid = Grid(shape, self._config.period)
        values, axes = self._signal.values, [grid.axis(dimension) for dimension in range(len(shape))]
        for dimension, samples in enumerate(shape):
            if halved and samples >= 2 * _SMALLEST_SIDE:
                values, axes[dimension] = _pairs(values, dimension), _pairs(axes[dimension], 0)
        return GridPasses(values, axes, shape, self._config.levels, self._frequencies, self._config.period)

    def _noisy(self, codes: Tensor) -> Tensor:
        return codes + torch.rand(codes.shape, generator=self._random) - 0.5

    def _normal(self, rows: int, columns: int) -> Tensor:
        return torch.randn(rows, columns, generator=self._random)

    def _best_steps(self) -> tuple[float, ...]:
        latents = [_rounded(codes) for codes in self._latents]
        return modulated_steps(self._parameters(self._weights, latents), self._trade.value / self._points)

    def _in_steps(self) -> Weights:
        """The weights as a pass sees them: rounded once there are steps for them."""
        return self._weights if self._weight_steps is None else self._weights.rounded(self._weight_steps)

    def _parameters(self, weights: Weights, latents: list[Tensor]) -> ModulatedParameters:
        return modulated_parameters(
            grid_shape=self._signal.grid_shape,
            period=self._config.period,
            seed=self._config.seed,
            reach=self._config.reach,
            frequencies=self._frequencies,
            levels=tuple(
                LatentLevel(spacing=spacing, codes=codes.numpy().astype(np.int32))
                for spacing, codes in zip(self._spacings, latents, strict=True)
            ),
            tensors=weights.arrays(),
        )


def _rounded(codes: Tensor, shift: float = 0.0) -> Tensor:
    nearest = codes.round()
    if shift != 0.0:
        # Many latents hover right at a threshold, where training has left them: a small shift moves a share of them.
        moved = shift if abs(shift) > _SMALLEST_SHIFT else copysign(_SMALLEST_SHIFT, shift)
        chance = torch.rand(codes.shape, generator=torch.Generator().manual_seed(0))
        shifted = codes.sign() * (codes.abs() + (0.5 - moved)).floor().clamp(min=0.0)
        nearest = torch.where(chance < shift / moved, shifted, nearest)
    return nearest.clamp(-_LARGEST_CODE, _LARGEST_CODE)


def _pairs(values: FloatArray, axis: int) -> FloatArray:
    """Means of neighbouring samples along one axis; the last of an odd number of samples is left out."""
    even = np.moveaxis(values, axis, 0)
    half = (even[: len(even) // 2 * 2 : 2] + even[1::2]) / np.float32(2.0)
    return np.ascontiguousarray(np.moveaxis(half, 0, axis))
