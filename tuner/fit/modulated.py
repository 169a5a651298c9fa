"""fit_modulated(): a signal to a modulated network of a given size, with the rate in the loop.

Minimises mean squared error + lambda x bits per sample. The latents begin as a pyramid of splines, Adam moves latents
and weights together, and the output layer is solved exactly every now and then. First on the signal at half its size,
then on all of it; while the latents are still free, uniform noise stands for their rounding, and in the last phase
latents and weights are rounded in every pass and the gradient takes no notice (straight-through; Ballé et al. 2017,
Bengio et al. 2013, and for latents of one picture C3, Kim et al. 2024). Lambda follows the size that was asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, exp, log, pi, prod, sqrt
from time import monotonic

import numpy as np
import torch
from torch import Tensor

from tuner.fit.latent_rate import latent_bits, scale_parameters
from tuner.fit.modulated_config import ModulatedConfig
from tuner.fit.modulated_passes import Gradients, GridPasses
from tuner.fit.modulated_steps import modulated_steps
from tuner.fit.modulated_weights import Weights
from tuner.fit.pyramid import fit_pyramid
from tuner.metrics import mse_to_psnr_db
from tuner.network.modulated import (
    LatentLevel,
    ModulatedParameters,
    modulated_parameters,
    seeded_frequencies,
)
from tuner.shapes import FloatArray
from tuner.signal.grid import Grid
from tuner.signal.signal import Signal

# Between two solutions of the output layer.
_SOLVE_EVERY = 25
# Scale of the first modulation weights, relative to the skip's: a few radians over the whole range of the latents.
_MODULATION = 3.0
# Step of the latents for lambda = 1 at the start, and how many more bits than wanted they may then take.
_STEP = 10.0
_FIRST_EXCESS = 1.7
# Of the output layer, whose solution is exact: Adam only keeps it in step with what moves below it.
_OUTPUT_SHARE = 0.3
_SCALE_RATE = 0.02
# Of the cosine schedule.
_LAST_RATE = 0.02
# How fast lambda follows the rate, and until which share of the fit: later there is no time left to settle.
_CORRECTION = 0.03
_LAST_CORRECTION = 0.92
_LEAST_LATENT_SHARE = 0.25
_BITS_PER_WEIGHT = 6.5
_HEADER_BITS = 8.0 * 220.0
_LARGEST_CODE = 2000.0
_LARGEST_FIRST_CODE = 1500.0
# No axis is halved below this.
_SMALLEST_SIDE = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class ModulatedProgress:
    """Where a fit stands.

    Attributes:
        step: steps taken.
        total_steps: of the configuration.
        psnr_db: of the last pass, with noise or rounding.
        bits_per_sample: estimated.
    """

    step: int
    total_steps: int
    psnr_db: float
    bits_per_sample: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ModulatedResult:
    """What a fit leaves.

    Attributes:
        parameters: the network; every weight is a multiple of its tensor's step already.
        steps: of the tensors, in the order of the file.
        psnr_db: of the rounded network on the whole grid.
        seconds: of training.
    """

    parameters: ModulatedParameters
    steps: tuple[float, ...]
    psnr_db: float
    seconds: float


def fit_modulated(
    signal: Signal,
    config: ModulatedConfig,
    *,
    on_step: Callable[[ModulatedProgress], None] | None = None,
) -> ModulatedResult:
    """Fit a modulated network to a signal; the same arguments give the same result on one machine, time limits aside.

    Args:
        signal: what to represent; an axis of any length, values around [0, 1].
        config: rate, network and effort.
        on_step: called after every step.

    Returns:
        A network in whole steps, ready for `tuner.codec`.
    """
    run = _Run(signal, config)
    while run.share() < 1.0:
        progress = run.step()
        if on_step is not None:
            on_step(progress)
    return run.finish()


class _Run:
    """The state of one call of `fit_modulated`."""

    def __init__(self, signal: Signal, config: ModulatedConfig) -> None:
        self._config, self._signal = config, signal
        self._started, self._steps_taken = monotonic(), 0
        self._points = prod(signal.grid_shape)
        self._random = torch.Generator().manual_seed(config.seed)
        self._frequencies = seeded_frequencies(config.frequencies, len(signal.grid_shape), config.reach, config.seed)
        self._spacings = [spacing for spacing, _ in config.levels]
        self._scales = [scale_parameters(channels) for _, channels in config.levels]
        self._passes = self._on_grid(halved=config.half_size_share > 0.0)
        self._sees_half = config.half_size_share > 0.0
        self._weight_steps: tuple[float, ...] | None = None
        self._begin()

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
        self._lambda, step = self._first_trade(pyramid.latents)
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

    def _first_trade(self, pyramid: list[Tensor]) -> tuple[float, float]:
        """Lambda and the step of the latents with which the pyramid takes some more bits than are wanted.

        At high rate the best step is proportional to the root of lambda; a fit that begins with nearly twice the bits
        ends near what is wanted.
        """
        low, high = log(1e-8), 0.0
        for _ in range(20):
            middle = (low + high) / 2.0
            rounded = [(codes / (_STEP * exp(middle / 2.0))).round() for codes in pyramid]
            with torch.no_grad():
                bits = float(latent_bits(rounded, self._spacings, self._scales))
            low, high = (middle, high) if bits > _FIRST_EXCESS * self._latent_budget() else (low, middle)
        # However many bits there are, the file holds no larger codes.
        largest = max(float(codes.abs().max()) for codes in pyramid)
        step = max(_STEP * exp(low / 2.0), largest / _LARGEST_FIRST_CODE, 1e-9)
        return (step / _STEP) ** 2, step

    def share(self) -> float:
        """How much of the fit is done, by steps or by time, whichever is more."""
        share = self._steps_taken / self._config.steps
        if self._config.max_seconds is not None:
            share = max(share, (monotonic() - self._started) / self._config.max_seconds)
        return share

    def step(self) -> ModulatedProgress:
        """One pass, and one move of everything."""
        config, share = self._config, self.share()
        if self._sees_half and share >= config.half_size_share:
            self._passes, self._sees_half = self._on_grid(halved=False), False
        rounded = share >= 1.0 - config.rounded_share
        if rounded and self._weight_steps is None:
            self._weight_steps = modulated_steps(self._parameters(self._weights), self._lambda / self._points)
        latents = [self._rounded(codes) if rounded else self._noisy(codes) for codes in self._latents]
        if self._steps_taken % _SOLVE_EVERY == 0:
            self._solve_output(latents)
        gradients = self._passes.gradients(latents, self._in_steps())
        bits = self._set_gradients(latents, gradients)
        if not rounded:
            # Noise makes zeros look expensive; what a file would take is what counts.
            with torch.no_grad():
                bits = float(
                    latent_bits([self._rounded(codes) for codes in self._latents], self._spacings, self._scales)
                )
        decay = _LAST_RATE + (1.0 - _LAST_RATE) * 0.5 * (1.0 + cos(pi * min(share, 1.0)))
        for group in self._adam.param_groups:
            group["lr"] = group["full_rate"] * decay
        self._adam.step()
        self._steps_taken += 1
        if share < _LAST_CORRECTION:
            self._lambda *= exp(_CORRECTION * max(-1.0, min(1.0, bits / self._latent_budget() - 1.0)))
        return ModulatedProgress(
            step=self._steps_taken,
            total_steps=config.steps,
            psnr_db=mse_to_psnr_db(gradients.loss),
            bits_per_sample=(bits + self._fixed_bits()) / self._points,
        )

    def finish(self) -> ModulatedResult:
        """Round everything, solve the output layer for what is rounded, and round it, too."""
        if self._sees_half:
            self._passes = self._on_grid(halved=False)
        latents = [self._rounded(codes) for codes in self._latents]
        steps = self._weight_steps or modulated_steps(self._parameters(self._weights), self._lambda / self._points)
        self._weight_steps = steps
        self._solve_output(latents)
        self._weight_steps = steps = self._weights.widened(steps)
        weights = self._in_steps()
        return ModulatedResult(
            parameters=self._parameters(weights),
            steps=steps,
            psnr_db=mse_to_psnr_db(self._passes.loss(latents, weights)),
            seconds=monotonic() - self._started,
        )

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
        trade = self._lambda / self._points
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

    def _latent_budget(self) -> float:
        """Bits that the latents may take."""
        wanted = self._config.bits_per_sample * self._points
        return max(wanted - self._fixed_bits(), _LEAST_LATENT_SHARE * wanted)

    def _fixed_bits(self) -> float:
        """Bits of the weights and of all that is not a number; an estimate."""
        return _HEADER_BITS + _BITS_PER_WEIGHT * sum(tensor.numel() for tensor in self._weights.tensors())

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

    @staticmethod
    def _rounded(codes: Tensor) -> Tensor:
        return codes.round().clamp(-_LARGEST_CODE, _LARGEST_CODE)

    def _normal(self, rows: int, columns: int) -> Tensor:
        return torch.randn(rows, columns, generator=self._random)

    def _in_steps(self) -> Weights:
        """The weights as a pass sees them: rounded once there are steps for them."""
        return self._weights if self._weight_steps is None else self._weights.rounded(self._weight_steps)

    def _parameters(self, weights: Weights) -> ModulatedParameters:
        return modulated_parameters(
            grid_shape=self._signal.grid_shape,
            period=self._config.period,
            seed=self._config.seed,
            reach=self._config.reach,
            frequencies=self._frequencies,
            levels=tuple(
                LatentLevel(spacing=spacing, codes=self._rounded(codes).numpy().astype(np.int32))
                for spacing, codes in zip(self._spacings, self._latents, strict=True)
            ),
            tensors=weights.arrays(),
        )


def _pairs(values: FloatArray, axis: int) -> FloatArray:
    """Means of neighbouring samples along one axis; the last of an odd number of samples is left out."""
    even = np.moveaxis(values, axis, 0)
    half = (even[: len(even) // 2 * 2 : 2] + even[1::2]) / np.float32(2.0)
    return np.ascontiguousarray(np.moveaxis(half, 0, axis))
