"""Input frequencies drawn by weight: where the signal itself has energy, or less and less often as they rise.

Alternatives to the regular choice of `tuner.network.sines.frequencies`, with the same promises: integers within the
band, no zero, no repeats, one of k and -k, unit vectors always there. `initial_parameters` takes what they return. The
signal's spectrum is that of its lattice: the samples, without their mean and faded out at the borders, padded from the
domain to the period, so that bin k is index k. Frequencies are drawn with a chance that grows with the weight, not
taken from the top, which would crowd around the largest peaks (measured in
docs/decisions/0013-regimes-and-baselines.md).
"""

import numpy as np

from tuner.experiment.theory.expansion import Doubles
from tuner.network.sines.frequencies import axis_limits
from tuner.shapes import FloatArray, IntArray
from tuner.signal.grid import Grid


def frequencies_of_signal(
    values: FloatArray, count: int, *, period: float, band_limit: float = 1 / 3, power: float = 1.0, seed: int = 0
) -> IntArray:
    """Frequencies that a signal has.

    Args:
        values: values of the signal, (*grid_shape, C).
        count: frequencies asked for; the band may hold fewer.
        period: period of the network, p.
        band_limit: largest frequency, as a fraction of each axis's Nyquist index.
        power: exponent of the amplitude in the chance of a frequency; 0 draws evenly.
        seed: seed of the draw.

    Returns:
        int32 (M, D), lexicographic.
    """
    shape = values.shape[:-1]
    faded = values.astype(np.float64) - values.mean(axis=tuple(range(len(shape))))
    for axis, samples in enumerate(shape):
        fade = np.sin(np.pi * (np.arange(samples) + 0.5) / samples)
        faded *= fade.reshape([-1 if other == axis else 1 for other in range(values.ndim)])
    padded = [round(samples * period / 2.0) for samples in shape]
    transform = np.fft.fftn(faded, s=padded, axes=tuple(range(len(shape))))
    amplitude = np.sqrt(np.square(np.abs(transform)).sum(axis=-1))
    pool = _half_band(axis_limits(Grid(shape, period).nyquist, band_limit))
    return _draw(pool, amplitude[tuple(pool.T)] ** power, count, seed)


def frequencies_by_decay(
    count: int, nyquist: tuple[float, ...], *, decay: float, band_limit: float = 1 / 3, seed: int = 0
) -> IntArray:
    """Frequencies that become rarer as they rise, with a chance of |k|^-decay.

    Args:
        count: frequencies asked for; the band may hold fewer.
        nyquist: index of each axis; |k| is measured in fractions of it, so that sides do not matter.
        decay: 0 for an even draw; 2 gives every octave of a picture the same number.
        band_limit: largest frequency, as a fraction of Nyquist.
        seed: seed of the draw.

    Returns:
        int32 (M, D), lexicographic.
    """
    pool = _half_band(axis_limits(nyquist, band_limit))
    return _draw(pool, np.linalg.norm(pool / np.array(nyquist), axis=1) ** -decay, count, seed)


def _half_band(limits: tuple[int, ...]) -> IntArray:
    """All integers of the band whose first non-zero coordinate is positive."""
    axes = [np.arange(-limit, limit + 1) for limit in limits]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(limits))
    return points[len(points) // 2 + 1 :].astype(np.int32)  # lexicographic: zero is in the middle


def _draw(pool: IntArray, weights: Doubles, count: int, seed: int) -> IntArray:
    """The unit vectors and, without replacement, others with chances in proportion to their weights."""
    units = (np.abs(pool).sum(axis=1) == 1).nonzero()[0]
    # The largest of log weight + Gumbel noise are such a draw (Efraimidis & Spirakis 2006).
    with np.errstate(divide="ignore"):
        keys = np.log(weights) + np.random.default_rng(seed).gumbel(size=len(pool))
    keys[units] = np.inf
    chosen: IntArray = pool[np.sort(np.argsort(-keys)[: max(count, len(units))])]
    return chosen
