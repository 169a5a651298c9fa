"""How much each tensor may be rounded: the mean curvature of the squared error by its weights.

Rounding to a step D adds about D^2/12 times the curvature of a weight to the squared error, and costs -log2(D) bits.
The least bits for a given error are spent when every tensor's step is inversely proportional to the square root of its
mean curvature (reverse water-filling). For W of a hidden layer that curvature is, as in a Kronecker-factored
Gauss-Newton matrix, mean(diag A) mean(diag G): the mean square of the layer's inputs times that of the derivative of
the values by its pre-activations. Called by `tuner.codec.compress`.
"""

from math import pi

import numpy as np

from tuner.codec.quantise import Steps
from tuner.parameters import SineParameters
from tuner.shapes import FloatArray

# A neuron that the output ignores has no curvature; its weights then get a long step, not an endless one.
_SMALLEST_CURVATURE = 1e-12


def balanced_steps(parameters: SineParameters, coords_PD: FloatArray) -> Steps:
    """Steps in the best proportion to each other: 1 / sqrt(curvature), one per tensor in the order of the file.

    With these steps times q, rounding adds about q^2/12 to the squared error, summed over channels, for each weight.

    Args:
        parameters: the network.
        coords_PD: points to average over, float (P, D); a few thousand are enough.

    Returns:
        Positive steps.
    """
    return tuple(
        float(1.0 / np.sqrt(max(curvature, _SMALLEST_CURVATURE))) for curvature in _curvatures(parameters, coords_PD)
    )


def _curvatures(parameters: SineParameters, coords_PD: FloatArray) -> list[float]:
    """Mean over a tensor's weights of E[sum over channels of (d value / d weight)^2]."""
    angles = [coords_PD.astype(np.float64) @ (parameters.frequencies * (2.0 * pi / parameters.period)).T]
    angles[0] += parameters.phases
    for layer in parameters.hidden:
        angles.append(np.sin(angles[-1]) @ layer.weight.T + layer.bias)
    inputs = [_mean_square(np.sin(angle)) for angle in angles]

    slope_squares = np.zeros(len(angles))
    for readout_H in parameters.readout_weight:
        slope_PH = readout_H * np.cos(angles[-1])
        for depth in range(len(angles) - 1, 0, -1):
            slope_squares[depth] += _mean_square(slope_PH)
            slope_PH = (slope_PH @ parameters.hidden[depth - 1].weight) * np.cos(angles[depth - 1])
        slope_squares[0] += _mean_square(slope_PH)

    hidden = [
        curvature
        for depth in range(1, len(angles))
        for curvature in (inputs[depth - 1] * slope_squares[depth], slope_squares[depth])
    ]
    return [slope_squares[0], *hidden, inputs[-1], 1.0]


def _mean_square(values: np.ndarray) -> float:
    return float(np.mean(np.square(values)))
