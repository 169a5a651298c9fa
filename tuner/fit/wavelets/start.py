"""Where a fit of wavelets begins: latents from the coefficients of the signal itself, and weights at random.

The output layer lets every field through to the values, so that the network is a good one before it has learned
anything: its first latents, in a quantisation step that suits the size or quality asked for, are the signal's own.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import exp, log, pi, sqrt

import torch
from torch import Tensor

from tuner.decibels import mse_to_psnr_db
from tuner.fit.deadline import Deadline
from tuner.fit.wavelets.config import WaveletConfig
from tuner.fit.wavelets.passes import GridPasses
from tuner.fit.wavelets.rate.at_once import RateAtOnce
from tuner.fit.wavelets.rate.by_subband import LatentRate
from tuner.fit.wavelets.subbands import Subbands
from tuner.fit.wavelets.trade import Trade
from tuner.fit.wavelets.weights import Weights

# Weights have at most 1,500 steps in a file: with larger integers than these, what rounding them displaces is more than
# latents can follow in a fit.
LARGEST_CODE, _LARGEST_FIRST_CODE = 2000.0, 1500.0
SMALLEST_STEP, LARGEST_STEP = 1e-6, 1e3
# About how large the angles of the first layer are before it has learned, in radians.
_FIRST_ANGLES = 0.7
# How many more bits than wanted the first latents, rounded one by one, may take: choosing them together saves about as
# many.
_FIRST_EXCESS = 0.2
# Share of a step by which a coefficient may be nearer to the larger of two integers and still become the smaller one.
_DEAD_ZONE = 0.1
# Root mean square, in units of latents, below which an input is not made larger.
_LEAST_INPUT = 0.02
_BISECTIONS = 12
# That an integer other than zero takes, roughly.
_BITS_PER_CODE = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """What a fit begins from.

    Attributes:
        weights: weights that the fit will move.
        latents: whole numbers, one tensor per level, (subbands, *nodes).
        colours: combinations of channels that the subbands are of, one a column, (C, K).
        step: quantisation step of the latents.
    """

    weights: Weights
    latents: list[Tensor]
    colours: Tensor
    step: float


def begin(
    config: WaveletConfig,
    passes: GridPasses,
    rate: LatentRate | RateAtOnce,
    trade: Trade,
    random: torch.Generator,
    deadline: Deadline | None = None,
) -> Start:
    """Latents from the signal itself, in steps that suit the rate; weights at random.

    Args:
        config: size or quality to aim for, and the shape of the network.
        passes: signal, ready for passes over it; the gains of the inputs are set here.
        rate: tells how many bits latents take.
        trade: tells how many bits latents may take, if a size is asked for.
        random: generator that the weights are drawn from.
        deadline: moment after which the step is guessed from the coefficients alone; None for none.
    """
    layout = passes.layout
    mean, colours, coefficients = own_coefficients(passes.targets_CP, passes.subbands)
    first, *deeper = config.widths

    def normal(rows: int, columns: int) -> Tensor:
        return torch.randn(rows, columns, generator=random)

    hidden = [
        normal(first, passes.sines + layout.inputs) * (_FIRST_ANGLES / sqrt(layout.inputs)),
        *(normal(width, before) * sqrt(2.0 / before) for before, width in pairwise((first, *deeper))),
    ]
    biases = [(2.0 * torch.rand(width, generator=random) - 1.0) * pi for width in config.widths]
    skip = colours.repeat(1, layout.fields)
    weights = Weights(passes.sines, hidden, biases, skip, torch.zeros(passes.channels, config.widths[-1]), mean)
    step = _first_step(config, passes, rate, trade, weights, coefficients, deadline or Deadline(None))
    latents = in_steps(coefficients, step)
    # What Adam moves belongs to inputs of about the same size, and a power of two costs no accuracy.
    passes.gains.fill_(1.0)
    passes.show(latents)
    passes.gains.copy_(passes.input_sizes().clamp(min=_LEAST_INPUT).log2().neg().round().exp2())
    skip.mul_(step)
    return Start(weights, latents, colours, step)


def own_coefficients(
    values_CP: Tensor, subbands: Subbands, iterations: int = 10
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Mean of the values, their colours, and their wavelet coefficients, one tensor per level, (subbands, *nodes).

    Args:
        values_CP: values of a signal on its grid.
        subbands: subbands on that grid.
        iterations: number of iterations of the analysis; few make coefficients that are only about right.
    """
    mean = values_CP.mean(1)
    colours = _principal_axes(values_CP - mean[:, None])
    return mean, colours, subbands.analyse(colours.T @ (values_CP - mean[:, None]), iterations)


def in_steps(coefficients: list[Tensor], step: float, largest: float = LARGEST_CODE) -> list[Tensor]:
    """Integers, the high-pass ones with a preference for zero.

    Args:
        coefficients: wavelet coefficients, one tensor per level, the low-pass level first.
        step: quantisation step of the integers.
        largest: largest magnitude that an integer may have.
    """
    low, *high = coefficients
    codes = [(low / step).round()]
    codes += [each.sign() * (each.abs() / step + 0.5 - _DEAD_ZONE).floor().clamp(min=0.0) for each in high]
    return [each.clamp(-largest, largest) for each in codes]


def _first_step(
    config: WaveletConfig,
    passes: GridPasses,
    rate: LatentRate | RateAtOnce,
    trade: Trade,
    weights: Weights,
    coefficients: list[Tensor],
    deadline: Deadline,
) -> float:
    """The step of the latents with which the signal's own coefficients have the size or quality asked for."""
    if config.latent_step is not None:
        return config.latent_step
    largest = max(float(each.abs().max()) for each in coefficients)
    # A finer step belongs to a network without sines, which has a search of its own (`tuner.fit.wavelets.exact`).
    low = log(max(SMALLEST_STEP, largest / _LARGEST_FIRST_CODE))
    high = log(LARGEST_STEP)
    for _ in range(_BISECTIONS):
        step = exp((low + high) / 2.0)
        codes = in_steps(coefficients, step)
        if config.psnr_db is None:
            bits = _guessed_bits(codes) if deadline.is_over else rate.bits(codes)
            is_too_coarse = bits < (1.0 + _FIRST_EXCESS) * trade.latent_budget
        elif deadline.is_over:
            is_too_coarse = mse_to_psnr_db(_guessed_error(codes, coefficients, step) / passes.targets_CP.numel()) < (
                config.psnr_db
            )
        else:
            passes.show_fields([each * step for each in codes])  # the read-out is zero still
            is_too_coarse = mse_to_psnr_db(passes.loss(weights)) < config.psnr_db
        low, high = (low, log(step)) if is_too_coarse else (log(step), high)
    return exp(low)


def _guessed_bits(codes: list[Tensor]) -> float:
    return _BITS_PER_CODE * sum(int(each.count_nonzero()) for each in codes)


def _guessed_error(codes: list[Tensor], coefficients: list[Tensor], step: float) -> float:
    """Sum of squared errors as if the wavelets were at right angles, which they nearly are."""
    return sum(float((code * step - each).square().sum()) for code, each in zip(codes, coefficients, strict=True))


def _principal_axes(centred_CP: Tensor) -> Tensor:
    """Columns: the axes of the colours, the one with most variance first (Karhunen-Loève)."""
    covariance = (centred_CP.double() @ centred_CP.double().T) / centred_CP.shape[1]
    _, axes = torch.linalg.eigh(covariance)
    principal: Tensor = axes.flip(1).float()
    return principal
