"""The spectrum that a network can hold, before it is trained, and the one that it does hold.

Input frequencies combine: a hidden neuron oscillates at the integer combinations beta_n = sum_j n_j k_j, and Theorem 2
of arXiv 2407.21121 bounds the amplitude of each by prod_j (c_j / 2)^|n_j| / |n_j|!. `reachable` lists them up to a
total order |n_1| + ... + |n_M| and adds up the bounds of all combinations that meet at one frequency: nothing else is
needed to see where an initialisation can put detail, and how much of it. `period_spectrum` is the exact spectrum of a
network of any depth, since everything is periodic. For diagnosis; fits do not need it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial, prod

import numpy as np
from numpy.typing import NDArray

from tuner.errors import ConfigError
from tuner.experiment.theory.expansion import MOST_TERMS, Doubles
from tuner.network.sines.parameters import SineParameters
from tuner.network.sines.synthesis import values_on_grid
from tuner.shapes import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """Frequencies that a hidden neuron may have.

    Attributes:
        frequencies: distinct, one of k and -k, int32 (F, D), in cycles per period; zero is among them.
        bounds: sum of the amplitude bounds of all combinations at each, float64 (F,).
        orders: smallest total order that reaches each, int32 (F,).
    """

    frequencies: IntArray
    bounds: Doubles
    orders: IntArray


def reachable(frequencies_MD: IntArray, bounds_M: FloatArray, *, max_total_order: int = 2) -> Reach:
    """What the first hidden layer can reach.

    Args:
        frequencies_MD: input frequencies.
        bounds_M: c_j, or the largest |W_ij| of each column.
        max_total_order: largest total order of a combination, >= 1; three and more are for few frequencies.

    Returns:
        The reach, in lexicographic order of frequencies.

    Raises:
        ConfigError: if there would be more than `MOST_TERMS` combinations.
    """
    count, dimensions = frequencies_MD.shape
    indices_MD = frequencies_MD.astype(np.int64)
    kernels = [(n, (bounds_M.astype(np.float64) / 2.0) ** n / factorial(n)) for n in range(1, max_total_order + 1)]
    # Columns are combined in rising order, so that each combination comes once.
    levels = [_Combinations(np.zeros((1, dimensions), dtype=np.int64), np.ones(1), np.full(1, -1))]
    for total in range(1, max_total_order + 1):
        parts = []
        for n, kernel_M in kernels[:total]:
            before = levels[total - n]
            if 2 * len(before.last) * count > MOST_TERMS:
                raise ConfigError(
                    f"{count} frequencies up to a total order of {max_total_order} give more than {MOST_TERMS} "
                    "combinations: lower the order or take fewer frequencies"
                )
            row, column = np.nonzero(before.last[:, None] < np.arange(count))
            for turns in (n, -n):
                moved = before.sums[row] + turns * indices_MD[column]
                parts.append(_Combinations(moved, before.bounds[row] * kernel_M[column], column))
        levels.append(_joined(parts))
    orders = np.repeat(np.arange(len(levels)), [len(level.last) for level in levels])
    return _gather(_joined(levels), orders)


def period_spectrum(parameters: SineParameters, shape: tuple[int, ...]) -> np.ndarray:
    """Fourier coefficients of a network over its period, all channels.

    Args:
        parameters: the network.
        shape: samples of the period along each axis; twice the largest index wanted, and more, since what lies above
            folds back.

    Returns:
        complex128 (*shape, C): the coefficient of index k is at [k mod N] of each axis.
    """
    axes = [(np.arange(samples) / samples * parameters.period).astype(np.float32) for samples in shape]
    values = values_on_grid(parameters, axes).astype(np.float64)
    return np.asarray(np.fft.fftn(values, axes=tuple(range(len(shape)))) / prod(shape))


def column_weights(parameters: SineParameters) -> FloatArray:
    """The largest |W_ij| of each input frequency, float32 (M,): what its learned or fixed bound is held against."""
    largest: FloatArray = np.abs(parameters.hidden[0].weight).max(axis=0)
    return largest


@dataclass(frozen=True, slots=True, eq=False)
class _Combinations:
    """Combinations n of one total order: beta_n, the bound, and the last column that takes part."""

    sums: NDArray[np.int64]
    bounds: Doubles
    last: NDArray[np.int64]


def _joined(parts: Sequence[_Combinations]) -> _Combinations:
    return _Combinations(
        np.concatenate([part.sums for part in parts]),
        np.concatenate([part.bounds for part in parts]),
        np.concatenate([part.last for part in parts]),
    )


def _gather(all_of: _Combinations, orders: NDArray[np.int64]) -> Reach:
    """Add up the combinations that meet at one frequency, k and -k being one."""
    first = np.argmax(all_of.sums != 0, axis=1)
    leading = np.take_along_axis(all_of.sums, first[:, None], axis=1)
    distinct, row = np.unique(np.where(leading < 0, -all_of.sums, all_of.sums), axis=0, return_inverse=True)
    row = row.reshape(-1)
    smallest = np.full(len(distinct), np.iinfo(np.int32).max, dtype=np.int32)
    np.minimum.at(smallest, row, orders.astype(np.int32))
    bounds = np.zeros(len(distinct))
    np.add.at(bounds, row, all_of.bounds)
    return Reach(distinct.astype(np.int32), bounds, smallest)
