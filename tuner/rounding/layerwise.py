"""Rounding in which the weights that are still free absorb what has been rounded.

The squared error that a change E of one layer's matrix makes is about tr(G E A E^T), with A the mean product of the
layer's inputs and G that of the derivatives by its neurons. Neuron by neuron, the one that matters most first: round
its weights, then move those of the neurons that are left to the minimum of this form, which is exact for any A. Layer
by layer, and within a layer some columns at a time, factors and output layer are computed anew from what is rounded by
then, and hidden weights that are still free are moved to where they make up for it (`tuner.rounding.refine`). For the
output layer, whose inputs are far from independent, rounding goes input by input. (Optimal brain surgeon, Hassibi and
Stork 1993; one Cholesky factor for all steps as in GPTQ, Frantar et al. 2023, there over inputs; TUNER's inputs are
nearly orthogonal, its neurons are not.)
"""

from dataclasses import replace
from math import pi

import numpy as np

from tuner.codec.sines.quantise import in_float32, step_columns
from tuner.network.parameters import HiddenLayer, Step, Steps
from tuner.network.sines.parameters import SineParameters
from tuner.rounding.refine import Points, refine
from tuner.rounding.view import View
from tuner.shapes import FloatArray

# Of a layer's columns, and what share of those that are left each part takes.
_PARTS = 5
_SHARE = 0.4
# Weights times points.
_LARGE = 1 << 30
# Relative to the mean of the diagonal: neurons that look alike on the sample must not take over each other's weights.
_DAMPING = 1e-3
# Where no neuron matters at all.
_LEAST_DAMPING = 1e-12


# Coordinates (P, D), and what the network should be there (P, C).
Target = tuple[FloatArray, FloatArray]


def round_network(
    parameters: SineParameters, steps: Steps, curvature: View, solving: View, target: Target | None = None
) -> SineParameters:
    """Every weight a multiple of its step, the error of each absorbed by the ones after it.

    Args:
        parameters: the network.
        steps: one per tensor, or one per row of it, in the order of the file.
        curvature: points on which the factors are computed; some times as many as the widest layer has neurons.
        solving: points on which the output layer is solved.
        target: points on which the weights that are left are moved after every part of a layer; None to leave them.

    Returns:
        A network whose weights are float64 multiples of the steps, rounded to float32.
    """
    steps = tuple(in_float32(step) for step in steps)
    coords = curvature.coords()
    parameters = replace(parameters, phases=nearest(parameters.phases, steps[0]))
    points = None if target is None else Points.of(parameters, *target)
    free = [(np.ones_like(layer.weight), np.ones_like(layer.bias)) for layer in parameters.hidden]
    for depth, layer in enumerate(parameters.hidden):
        # The most powerful columns first: what they leave over, the others can still make up for.
        order = np.argsort(-np.square(layer.weight).sum(axis=0), kind="stable")
        for columns in np.split(order, _cuts(len(order), _parts(parameters, points))):
            if points is not None:
                parameters = refine(parameters, free, points)
            with_bias = bool(columns[-1] == order[-1])
            parameters = _round_columns(parameters, depth, columns, steps, coords, with_bias=with_bias)
            free[depth][0][:, columns] = 0.0
            free[depth][1][:] = 1.0 - with_bias
            parameters = solving.solve_readout(parameters)
    return round_readout(parameters, steps, curvature)


def round_readout(parameters: SineParameters, steps: Steps, curvature: View) -> SineParameters:
    """The output layer in multiples of its steps, its weights making up for each other on the points of a view."""
    *_, weight_step, bias_step = steps
    bias = nearest(parameters.readout_bias, bias_step)
    last = np.sin(_angles(parameters, curvature.coords())[-1])
    # The constant is rounded last and finest; the weights see the inputs without their means.
    gram = last.T.astype(np.float64) @ last / len(last)
    weight_steps = np.broadcast_to(
        step_columns(weight_step, parameters.readout_weight), parameters.readout_weight.shape
    )
    weight = _round_rows(parameters.readout_weight.T, weight_steps.T, gram).T
    return replace(parameters, readout_weight=np.ascontiguousarray(weight), readout_bias=bias)


def _parts(parameters: SineParameters, points: Points | None) -> int:
    """In how many parts a layer is rounded: fewer in deep and in large networks, where every part takes its time."""
    if points is None:
        return 1
    large = parameters.weight_count * len(points.values) > _LARGE
    return 3 if large or len(parameters.hidden) > 1 else _PARTS


def _cuts(columns: int, parts: int) -> list[int]:
    """Where a layer is cut: every part but the last is `_SHARE` of what is left."""
    return sorted({round(columns * (1.0 - (1.0 - _SHARE) ** part)) for part in range(1, parts)} - {0, columns})


def _round_columns(
    parameters: SineParameters,
    depth: int,
    columns: np.ndarray,
    steps: Steps,
    coords: FloatArray,
    *,
    with_bias: bool,
) -> SineParameters:
    """Round some columns of a layer, and its biases or not."""
    layer = parameters.hidden[depth]
    together = np.concatenate([layer.weight[:, columns], layer.bias[:, None]], axis=1)
    every = np.empty_like(together, dtype=np.float64)
    every[:, :-1] = step_columns(steps[1 + 2 * depth], layer.weight)
    every[:, -1] = step_columns(steps[2 + 2 * depth], layer.bias)
    kept = together.shape[1] if with_bias else together.shape[1] - 1
    rounded = _round_rows(together[:, :kept], every[:, :kept], _slope_products(parameters, coords, depth))
    weight = layer.weight.copy()
    weight[:, columns] = rounded[:, : len(columns)]
    moved = HiddenLayer(weight=weight, bias=rounded[:, -1].copy() if with_bias else layer.bias)
    return replace(parameters, hidden=(*parameters.hidden[:depth], moved, *parameters.hidden[depth + 1 :]))


def _round_rows(matrix_RK: FloatArray, steps_RK: np.ndarray, curvature_RR: np.ndarray) -> FloatArray:
    """Round row by row; the rows that are left make up for each error as the curvature between rows tells."""
    rows = len(matrix_RK)
    order = np.argsort(-np.diag(curvature_RR), kind="stable")
    damping = max(_DAMPING * np.trace(curvature_RR) / rows, _LEAST_DAMPING)
    damped = curvature_RR[np.ix_(order, order)] + damping * np.eye(rows)
    # Upper factor U of the inverse: U^T U = damped^-1. Row i of U says how the rows after i follow row i.
    factor = np.linalg.cholesky(np.linalg.inv(damped)).T
    free = matrix_RK[order].astype(np.float64)
    rounded = np.empty_like(free)
    for row, steps_K in enumerate(steps_RK[order]):
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


def nearest(array: FloatArray, step: Step) -> FloatArray:
    """The nearest multiples of a step, or of the step of each row."""
    columns = step_columns(step, array)
    nearest: FloatArray = (np.rint(array.astype(np.float64) / columns) * columns).astype(np.float32)
    return nearest
