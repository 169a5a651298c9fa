"""How much each tensor may be rounded: the mean curvature of the squared error by its weights.

Rounding to a step D adds about D^2/12 times the curvature of a weight to the squared error, and costs -log2(D) bits.
The least bits for a given error are spent when every tensor's step is inversely proportional to the square root of its
mean curvature (reverse water-filling). For W of a hidden layer that curvature is, as in a Kronecker-factored
Gauss-Newton matrix, mean(diag A) mean(diag G): the mean square of the layer's inputs times that of the derivative of
the values by its pre-activations.
"""

from dataclasses import dataclass
from math import pi

import numpy as np

from tuner.codec.sines.quantise import row_steps
from tuner.network.sines.parameters import SineParameters
from tuner.shapes import FloatArray, IntArray

# A neuron that the output ignores has no curvature; its weights then get a long step, not an endless one.
_SMALLEST_CURVATURE = 1e-12
_LONGEST_EXPONENT = 16


@dataclass(frozen=True, slots=True, eq=False)
class RowSteps:
    """Steps of the rows of a tensor: base x 2^(exponent / 2)."""

    base: float
    exponents: IntArray

    def times(self, factor: float) -> "RowSteps":
        """All steps times a factor."""
        return RowSteps(factor * self.base, self.exponents)

    def scaled(self, factor: float) -> tuple[float, ...]:
        """As the file holds them, all times a factor."""
        return row_steps(factor * self.base, self.exponents)


def balanced_steps(parameters: SineParameters, coords_PD: FloatArray) -> tuple[float, ...]:
    """Steps in the best proportion to each other: 1 / sqrt(curvature), one per tensor in the order of the file.

    With these steps times q, rounding adds about q^2/12 to the squared error, summed over channels, for each weight.

    Args:
        parameters: the network.
        coords_PD: points to average over, float (P, D); a few thousand are enough.

    Returns:
        Positive steps.
    """
    return tuple(float(_steps(np.array([np.mean(curvatures)]))[0]) for curvatures in _curvatures(parameters, coords_PD))


def balanced_row_steps(parameters: SineParameters, coords_PD: FloatArray) -> tuple[RowSteps, ...]:
    """The same row by row, in half octaves above the shortest of a tensor; a bias has the step of its row of weights.

    What the output hardly hears of is then rounded coarsely: half a bit per weight on networks of a few thousand.
    Arguments as those of `balanced_steps`.
    """
    found = [_row_steps(_steps(curvatures)) for curvatures in _curvatures(parameters, coords_PD)]
    layers = [each for weight in found[1:-2:2] for each in (weight, weight)]
    return (found[0], *layers, found[-2], found[-2])


def _row_steps(steps_R: np.ndarray) -> RowSteps:
    exponents = np.rint(2.0 * np.log2(steps_R / steps_R.min())).clip(0, _LONGEST_EXPONENT).astype(np.int32)
    # The product of all steps stays what it was.
    base = float(np.exp(np.mean(np.log(steps_R)) - 0.5 * np.log(2.0) * exponents.mean()))
    return RowSteps(base, exponents)


def _steps(curvatures: np.ndarray) -> np.ndarray:
    steps: np.ndarray = 1.0 / np.sqrt(np.maximum(curvatures, _SMALLEST_CURVATURE))
    return steps


def _curvatures(parameters: SineParameters, coords_PD: FloatArray) -> list[np.ndarray]:
    """For the rows of each tensor, mean over their weights of E[sum over channels of (d value / d weight)^2]."""
    angles = [coords_PD.astype(np.float64) @ (parameters.frequencies * (2.0 * pi / parameters.period)).T]
    angles[0] += parameters.phases
    for layer in parameters.hidden:
        angles.append(np.sin(angles[-1]) @ layer.weight.T + layer.bias)
    inputs = [_mean_square(np.sin(angle)) for angle in angles]

    slope_squares = [np.zeros(angle.shape[1]) for angle in angles]
    for readout_H in parameters.readout_weight:
        slope_PH = readout_H * np.cos(angles[-1])
        for depth in range(len(angles) - 1, 0, -1):
            slope_squares[depth] += np.mean(np.square(slope_PH), axis=0)
            slope_PH = (slope_PH @ parameters.hidden[depth - 1].weight) * np.cos(angles[depth - 1])
        slope_squares[0] += np.mean(np.square(slope_PH), axis=0)

    hidden = [
        curvature
        for depth in range(1, len(angles))
        for curvature in (inputs[depth - 1] * slope_squares[depth], slope_squares[depth])
    ]
    ones = np.ones(parameters.channels)
    return [slope_squares[0], *hidden, inputs[-1] * ones, ones]


def _mean_square(values: np.ndarray) -> float:
    return float(np.mean(np.square(values)))
