"""What a trained network holds: the harmonics of a hidden neuron, and how large the bounds let them be.

A hidden neuron h(x) = sin(sum_j W_j sin(w k_j x + phi_j) + b) is, exactly, a sum of sines whose frequencies are the
integer combinations of the input frequencies (Theorem 1 of arXiv 2407.21121, the Jacobi-Anger identity in several
variables):

    h(x) = sum over orders n in Z^M of  alpha_n sin(w beta_n x + lambda_n)
    alpha_n = prod_j J_{n_j}(W_j),  beta_n = sum_j n_j k_j,  lambda_n = sum_j n_j phi_j + b

and |alpha_n| <= prod_j (|W_j| / 2)^|n_j| / |n_j|!, which a bound c_j on column j turns into a soft band limit (Theorem
2). For diagnosis and tests; fits do not need it. `tests/reference/expansion.py` is the slow twin.
"""

from dataclasses import dataclass
from math import factorial, pi

import numpy as np
from numpy.typing import NDArray

from tuner.errors import ConfigError
from tuner.shapes import FloatArray, IntArray

Doubles = NDArray[np.float64]

MOST_TERMS = 2**22


@dataclass(frozen=True, slots=True, eq=False)
class Expansion:
    """A sum of T sines: sum_t amplitude_t sin(2 pi/p frequency_t x + phase_t).

    Attributes:
        orders: integers n of each term, int32 (T, M).
        frequencies: frequencies beta of the terms, int32 (T, D), in cycles per period.
        amplitudes: amplitudes alpha of the terms, float64 (T,).
        phases: phases lambda of the terms, float64 (T,), radians.
        period: period of the network, p.
    """

    orders: IntArray
    frequencies: IntArray
    amplitudes: Doubles
    phases: Doubles
    period: float

    def at(self, coords_PD: FloatArray | Doubles) -> Doubles:
        """The sum at the given points, float64 (P,)."""
        angles_PT = coords_PD.astype(np.float64) @ self.frequencies.T * (2.0 * pi / self.period) + self.phases
        return np.asarray(np.sin(angles_PT) @ self.amplitudes)

    def spectrum(self) -> tuple[IntArray, NDArray[np.complex128]]:
        """One complex coefficient per frequency: terms of the same frequency interfere.

        Returns:
            Distinct frequencies (F, D), one of k and -k, and coefficients (F,): the modulus of each is the amplitude of
            the sine of that frequency, the argument its phase.
        """
        first = np.argmax(self.frequencies != 0, axis=1)
        leading = np.take_along_axis(self.frequencies, first[:, None], axis=1)[:, 0]
        flip = np.where(leading < 0, -1, 1)
        # sin(-u + q) = sin(u - q + pi).
        phases = np.where(flip < 0, pi - self.phases, self.phases)
        distinct, row = np.unique(self.frequencies * flip[:, None], axis=0, return_inverse=True)
        coefficients = np.zeros(len(distinct), dtype=np.complex128)
        np.add.at(coefficients, row.reshape(-1), self.amplitudes * np.exp(1j * phases))
        return distinct.astype(np.int32), coefficients


def expand_neuron(
    weights_M: FloatArray,
    bias: float,
    phases_M: FloatArray,
    frequencies_MD: IntArray,
    period: float,
    *,
    max_order: int,
) -> Expansion:
    """Expand a neuron of the first hidden layer, keeping the orders |n_j| <= max_order.

    The number of terms is (2 max_order + 1)^M: for a network of hundreds of frequencies, expand the few columns of a
    neuron that matter.

    Args:
        weights_M: the neuron's row of W.
        bias: bias of the neuron, b.
        phases_M: phases phi of the input layer, radians.
        frequencies_MD: input frequencies k, in cycles per period.
        period: period of the network, p.
        max_order: largest order of a harmonic, B, >= 0.

    Returns:
        All terms, the zero order included.

    Raises:
        ConfigError: if there would be more than `MOST_TERMS` terms.
    """
    inputs = len(weights_M)
    if (2 * max_order + 1) ** inputs > MOST_TERMS:
        raise ConfigError(
            f"{inputs} frequencies up to order {max_order} give {(2 * max_order + 1) ** inputs} terms, "
            f"expected at most {MOST_TERMS}: expand fewer columns"
        )
    amplitudes = np.ones(())
    for weight in weights_M:
        amplitudes = np.multiply.outer(amplitudes, bessel_orders(float(weight), max_order))
    one_axis = np.arange(-max_order, max_order + 1)
    orders = np.stack(np.meshgrid(*[one_axis] * inputs, indexing="ij"), axis=-1).reshape(-1, inputs)
    return Expansion(
        orders=orders.astype(np.int32),
        frequencies=(orders @ frequencies_MD).astype(np.int32),
        amplitudes=amplitudes.reshape(-1),
        phases=np.asarray(orders @ phases_M.astype(np.float64) + bias),
        period=period,
    )


def amplitude_bounds(orders_TM: IntArray, bounds_M: FloatArray) -> Doubles:
    """Theorem 2: no neuron whose weights keep the bounds has a larger amplitude at these orders.

    Args:
        orders_TM: integers n of each term, (T, M).
        bounds_M: c_j, or the weights of one neuron.

    Returns:
        prod_j (c_j / 2)^|n_j| / |n_j|!, float64 (T,).
    """
    sizes = np.abs(orders_TM)
    factorials = np.array([factorial(n) for n in range(int(sizes.max(initial=0)) + 1)], dtype=np.float64)
    return np.asarray(np.prod((np.abs(bounds_M.astype(np.float64)) / 2.0) ** sizes / factorials[sizes], axis=1))


def bessel_orders(x: float, max_order: int) -> Doubles:
    """Bessel functions of the first kind J_n(x) for n = -max_order .. max_order.

    From the generating integral J_n(x) = mean over t of exp(i (x sin t - n t)): the mean over equally spaced angles is
    exact up to J of the aliased orders n + N, which vanish once N exceeds n + |x| by some forty.
    """
    count = 2 * max_order + 64 + 2 * int(abs(x))
    angles = 2.0 * pi * np.arange(count) / count
    coefficients = np.fft.fft(np.exp(1j * x * np.sin(angles))).real / count
    return np.asarray(np.concatenate([coefficients[count - max_order :], coefficients[: max_order + 1]]))
