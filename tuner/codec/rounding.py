"""Rounding in which the weights that are still free absorb what has been rounded.

The squared error that a change E of one layer's matrix makes is about tr(G E A E^T), with A the mean product of the
layer's inputs and G that of the derivatives by its neurons. Neuron by neuron, the one that matters most first: round
its weights, then move those of the neurons that are left to the minimum of this form, which is exact for any A. Layer
by layer, factors and output layer are computed anew from what is rounded by then. For the output layer, whose inputs
are far from independent, the same is done input by input. (Optimal brain surgeon, Hassibi and Stork 1993; with one
Cholesky factor for all steps as in GPTQ, Frantar et al. 2023, there over inputs; TUNER's inputs are nearly orthogonal,
its neurons are not.) Called by `tuner.codec.compress`.
"""

from dataclasses import replace
from math import pi

import numpy as np

from tuner.codec.quantise import Steps
from tuner.codec.view import View
from tuner.parameters import HiddenLayer, SineParameters
from tuner.shapes import FloatArray

# Relative to the mean of the diagonal: neurons that look alike on the sample must not take over each other's weights.
_DAMPING = 1e-3
# Where no neuron matters at all.
_LEAST_DAMPING = 1e-12


def round_network(parameters: SineParameters, steps: Steps, curvature: View, solving: View) -> SineParameters:
    """Every weight a multiple of its step, the error of each absorbed by the ones after it.

    Args:
        parameters: the network.
        steps: one per tensor, in the order of the file.
        curvature: points on which the factors are computed; some times as many as the widest layer has neurons.
        solving: points on which the output layer is solved.

    Returns:
        A network whose weights are float64 multiples of the steps, rounded to float32.
    """
    steps = tuple(float(np.float32(step)) for step in steps)
    coords = curvature.coords()
    parameters = replace(parameters, phases=_nearest(parameters.phases, steps[0]))
    for depth, layer in enumerate(parameters.hidden):
        weight_step, bias_step = steps[1 + 2 * depth : 3 + 2 * depth]
        columns = np.full(layer.weight.shape[1] + 1, weight_step)
        columns[-1] = bias_step
        together = np.concatenate([layer.weight, layer.bias[:, None]], axis=1)
        rounded = _round_rows(together, columns, _slope_products(parameters, coords, depth))
        moved = HiddenLayer(weight=rounded[:, :-1].copy(), bias=rounded[:, -1].copy())
        hidden = (*parameters.hidden[:depth], moved, *parameters.hidden[depth + 1 :])
        parameters = solving.solve_readout(replace(parameters, hidden=hidden))
    *_, weight_step, bias_step = steps
    bias = _nearest(parameters.readout_bias, bias_step)
    last = np.sin(_angles(parameters, coords)[-1])
    # The constant is rounded last and finest; the weights see the inputs without their means.
    gram = last.T.astype(np.float64) @ last / len(last)
    weight = _round_rows(parameters.readout_weight.T, np.full(len(parameters.readout_weight), weight_step), gram).T
    return replace(parameters, readout_weight=np.ascontiguousarray(weight), readout_bias=bias)


def _round_rows(matrix_RK: FloatArray, steps_K: np.ndarray, curvature_RR: np.ndarray) -> FloatArray:
    """Round row by row; the rows that are left make up for each error as the curvature between rows tells."""
    rows = len(matrix_RK)
    order = np.argsort(-np.diag(curvature_RR), kind="stable")
    damping = max(_DAMPING * np.trace(curvature_RR) / rows, _LEAST_DAMPING)
    damped = curvature_RR[np.ix_(order, order)] + damping * np.eye(rows)
    # Upper factor U of the inverse: U^T U = damped^-1. Row i of U says how the rows after i follow row i.
    factor = np.linalg.cholesky(np.linalg.inv(damped)).T
    free = matrix_RK[order].astype(np.float64)
    rounded = np.empty_like(free)
    for row in range(rows):
        rounded[row] = np.rint(free[row] / steps_K) * steps_K
        error = (free[row] - rounded[row]) / factor[row, row]
        free[row + 1 :] -= factor[row, row + 1 :, None] * error
    result = np.empty(matrix_RK.shape, dtype=np.float32)
    result[order] = rounded
    return result


def _slope_products(parameters: SineParameters, coords_PD: FloatArray, depth: int) -> np.ndarray:
    """G of a hidden layer: E[sum over channels of g g^T], g the derivative of a channel by the pre-activations."""
    cosines = [np.cos(angles) for angles in _angles(parameters, coords_PD)[1:]]
    total = np.zeros((cosines[depth].shape[1],) * 2)
    for readout_H in parameters.readout_weight:
        slope_PH = readout_H * cosines[-1]
        for upper in range(len(cosines) - 1, depth, -1):
            slope_PH = (slope_PH @ parameters.hidden[upper].weight) * cosines[upper - 1]
        total += slope_PH.T @ slope_PH
    return total / len(coords_PD)


def _angles(parameters: SineParameters, coords_PD: FloatArray) -> list[FloatArray]:
    """Arguments of all sines, layer by layer, from the input frequencies on."""
    turns = coords_PD.astype(np.float64) @ (parameters.frequencies * (2.0 * pi / parameters.period)).T
    angles = [(turns + parameters.phases).astype(np.float32)]
    for layer in parameters.hidden:
        angles.append(np.sin(angles[-1]) @ layer.weight.T + layer.bias)
    return angles


def _nearest(array: FloatArray, step: float) -> FloatArray:
    nearest: FloatArray = (np.rint(array.astype(np.float64) / step) * step).astype(np.float32)
    return nearest
