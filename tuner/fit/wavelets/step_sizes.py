"""How coarsely each tensor of weights may be rounded, for what a bit is worth.

Rounding to a step D adds D^2/12 times the mean curvature of a tensor's weights to the squared error, and costs -log2 D
bits a weight; where one bit less is worth `trade` of mean squared error, the best step is sqrt(6 C trade / (ln 2
curvature)). Curvature is, as in a Kronecker-factored Gauss-Newton matrix, the mean square of a layer's inputs times
that of the derivative of the values by its pre-activations.
"""

from collections.abc import Sequence
from math import log, sqrt

import numpy as np

from tuner.fit.wavelets.passes import GridPasses
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.shapes import FloatArray

_POINTS = 4096
_SEED = 0
_SMALLEST_CURVATURE = 1e-9
# More steps than this the file does not hold.
_MOST_LEVELS = 1500.0


def wavelet_step_sizes(parameters: WaveletParameters, passes: GridPasses, trade: float) -> tuple[float, ...]:
    """One quantisation step per tensor, in the order of the file.

    Args:
        parameters: network whose weights are to be rounded.
        passes: signal, ready for passes over it, showing the latents of the network.
        trade: mean squared error that one bit is worth, > 0.
    """
    largest = [float(np.abs(tensor).max(initial=0.0)) for tensor in parameters.tensors()]
    return steps_of_curvatures(_curvatures(parameters, passes), largest, parameters.channels, trade)


def steps_of_curvatures(
    curvatures: Sequence[float], largest: Sequence[float], channels: int, trade: float
) -> tuple[float, ...]:
    """One quantisation step per tensor.

    Args:
        curvatures: mean curvature of the weights of each tensor.
        largest: largest magnitude of a weight of each tensor.
        channels: number of channels of a value.
        trade: mean squared error that one bit is worth, > 0.
    """
    numerator = 6.0 * channels * trade / log(2.0)
    return tuple(
        max(sqrt(numerator / max(curvature, _SMALLEST_CURVATURE)), magnitude / _MOST_LEVELS)
        for curvature, magnitude in zip(curvatures, largest, strict=True)
    )


def curvatures_without_sines(passes: GridPasses, tensors: int) -> list[float]:
    """Mean curvatures of a network whose sines count for nothing: of all but skip and bias they are zero.

    Args:
        passes: signal, ready for passes over it, showing the fields of the network.
        tensors: number of tensors of the network, of which the last three are skip, read-out and bias.
    """
    return [0.0] * (tensors - 3) + [_mean_square(passes.fields_at(_sampled(passes))), 0.0, 1.0]


def _sampled(passes: GridPasses) -> np.ndarray:
    """Numbers of the samples that are looked at."""
    return np.random.default_rng(_SEED).integers(passes.points, size=_POINTS)


def _curvatures(parameters: WaveletParameters, passes: GridPasses) -> list[float]:
    """Mean over a tensor's weights of E[sum over channels of (d value / d weight)^2]."""
    inputs, fields = passes.inputs_at(_sampled(passes))
    activations, slopes = [inputs], []
    for layer in parameters.hidden:
        angles = layer.weight @ activations[-1] + layer.bias[:, None]
        activations.append(np.sin(angles))
        slopes.append(np.cos(angles))
    sensitivities = np.zeros(len(slopes))
    for readout_H in parameters.readout_weight:
        back = readout_H[:, None] * slopes[-1]
        for depth in range(len(slopes) - 1, -1, -1):
            sensitivities[depth] += _mean_square(back)
            if depth:
                back = (parameters.hidden[depth].weight.T @ back) * slopes[depth - 1]
    sines = 2 * len(parameters.frequencies)
    found = [
        sensitivities[0] * _mean_square(inputs[:sines]),
        sensitivities[0] * _mean_square(inputs[sines:]),
        sensitivities[0],
    ]
    for depth in range(1, len(slopes)):
        found += [sensitivities[depth] * _mean_square(activations[depth]), sensitivities[depth]]
    return [float(each) for each in (*found, _mean_square(fields), _mean_square(activations[-1]), 1.0)]


def _mean_square(values: FloatArray) -> float:
    return float(np.mean(np.square(values, dtype=np.float64)))
