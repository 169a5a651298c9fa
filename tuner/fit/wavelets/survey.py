"""What the coefficients of a signal tell of a fit to it that has not been made: bits and error by the latents' step.

A fit gains on its own coefficients, and loses something to its layers, by about the same factor in all parts of one
signal. So a histogram of the coefficients of every part, and the fits of a few, tell what the fits of all will come to.
"""

from math import log2

import numpy as np
import torch

from tuner.fit.wavelets.config import WaveletConfig
from tuner.fit.wavelets.start import own_coefficients
from tuner.fit.wavelets.subbands import Subbands
from tuner.shapes import DoubleArray
from tuner.signal.signal import Signal

_ITERATIONS = 2  # of the analysis: wavelets are nearly orthonormal
# Bins of the binary logarithm of magnitudes: their number in an octave, the least one, and how many octaves there are.
_PER_OCTAVE, _LEAST, _OCTAVES = 4, -24, 32
BINS = _PER_OCTAVE * _OCTAVES
# Share of a step from which on a coefficient is no zero; bits of one that is 1, and of each doubling of it. Whoever
# uses them compares with real fits, so that their sizes relative to each other are what counts.
_ZERO, _BITS_OF_ONE, _BITS_OF_OCTAVE = 0.6, 4.5, 1.5


def survey(signal: Signal, config: WaveletConfig) -> DoubleArray:
    """How many coefficients of a signal have which magnitude, float64 (BINS,).

    Args:
        signal: samples of one part of a signal.
        config: settings of the fits that are to be foreseen.
    """
    layout = config.layout(signal.grid_shape, signal.channels)
    values_CP = torch.from_numpy(signal.values).reshape(-1, signal.channels).T.contiguous()
    _, _, coefficients = own_coefficients(values_CP, Subbands.of_points(layout), _ITERATIONS)
    counts = np.zeros(BINS)
    for each in coefficients:
        magnitudes = each.abs().clamp(min=2.0**_LEAST).log2()
        bins = ((magnitudes - _LEAST) * _PER_OCTAVE).floor().clamp(0, BINS - 1).long()
        counts += torch.bincount(bins.reshape(-1), minlength=BINS).numpy()
    return counts


def foreseen_bits(counts: DoubleArray, step: float) -> float:
    """Bits of coefficients in quantisation steps, up to a factor that a signal has.

    Args:
        counts: how many coefficients have which magnitude.
        step: quantisation step of the latents.
    """
    in_steps = _octaves() - log2(step)
    return float(counts @ (_kept(in_steps) * (_BITS_OF_ONE + _BITS_OF_OCTAVE * in_steps.clip(min=0.0))))


def foreseen_squares(counts: DoubleArray, step: float) -> float:
    """Sum of squared errors of coefficients in quantisation steps, up to a factor that a signal has.

    Args:
        counts: how many coefficients have which magnitude.
        step: quantisation step of the latents.
    """
    octaves = _octaves()
    kept = _kept(octaves - log2(step))
    return float(counts @ (kept * step**2 / 12.0 + (1.0 - kept) * 4.0**octaves))


def _octaves() -> DoubleArray:
    """Binary logarithm of the magnitudes in the middle of each bin."""
    middles: DoubleArray = _LEAST + (np.arange(BINS) + 0.5) / _PER_OCTAVE
    return middles


def _kept(in_steps: DoubleArray) -> DoubleArray:
    """Share of each bin that is no zero, which grows over a bin: a jump would make sums jump with the step."""
    share: DoubleArray = (_PER_OCTAVE * (in_steps - log2(_ZERO)) + 0.5).clip(0.0, 1.0)
    return share
