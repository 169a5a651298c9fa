"""Rounding of a small network in which all weights that are still free, of all layers, absorb what has been rounded.

As `tuner.rounding.layerwise`, but with the Gauss-Newton matrix of the whole network instead of one Kronecker factor:
weight by weight, the rest moved to the minimum of the quadratic form (optimal brain surgeon, Hassibi and Stork 1993).
The form holds near the network that it was computed for, so after every part the free weights are trained on, which
also goes on with the fit (`tuner.rounding.refine`). One matrix and one factor serve every part and every trial of
`compress`, since parts come in the order of the factor.
"""

from dataclasses import dataclass, replace

import numpy as np

from tuner.codec.sines.quantise import in_float32, step_columns
from tuner.network.parameters import Steps
from tuner.network.sines.parameters import SineParameters
from tuner.rounding.gauss_newton import flattened, gauss_newton, hidden_layers, points_needed, unflattened
from tuner.rounding.layerwise import Target, nearest, round_readout
from tuner.rounding.refine import Points, refine
from tuner.rounding.view import View
from tuner.shapes import FloatArray, IntArray
from tuner.signal.signal import Signal

# Before anything is rounded.
_STEPS_BEFORE = 14
_ITERATIONS = 15
# Points for the curvature of a training step; its gradient and its error are those of all points.
_ROUGH_POINTS = 1 << 15
# Of a layer: every part takes that share of what is left, the last one all.
_PARTS_ALONE = 5
_PARTS_OF_SEVERAL = 3
_SHARE = 0.4
# Of every weight's own curvature: what the matrix does not know, it must not rely on.
_DAMPING = 3e-2
_LEAST_CURVATURE = 1e-8
_BLOCK = 64


@dataclass(frozen=True, slots=True, eq=False)
class Compensation:
    """How free weights follow those that are rounded.

    Attributes:
        order: order in which weights are rounded, int (n,).
        factor: upper factor U of the inverse matrix in that order, U^T U, float32 (n, n). Row i says how the weights
            after i follow weight i.
    """

    order: IntArray
    factor: FloatArray

    @classmethod
    def of(cls, parameters: SineParameters, matrix_NN: FloatArray) -> "Compensation":
        """Layer by layer, the neuron that matters least first, and of each the weight that matters most first.

        Args:
            parameters: the network.
            matrix_NN: Gauss-Newton matrix of the network; used up, lest there are two of its size.
        """
        curvatures = np.diag(matrix_NN).astype(np.float64)
        neurons = np.repeat(*_neurons(parameters))
        layers = np.repeat(np.arange(len(parameters.hidden)), [x.weight.size + x.bias.size for x in parameters.hidden])
        order = np.lexsort((-curvatures, neurons, np.bincount(neurons, curvatures)[neurons], layers)).astype(np.int32)
        # In units in which every weight has curvature 1, float32 is exact enough: no eigenvalue is below the damping.
        units = np.sqrt(np.maximum(curvatures, max(_LEAST_CURVATURE * curvatures.mean(), 1e-30))).astype(np.float32)
        matrix_NN /= units
        matrix_NN /= units[:, None]
        matrix_NN[np.diag_indices(len(units))] += np.float32(_DAMPING)
        # With rows and columns reversed, the lower factor is the upper one.
        backwards = order[::-1]
        upper = np.linalg.cholesky(matrix_NN[np.ix_(backwards, backwards)])[::-1, ::-1]
        factor = _inverse_upper(upper)
        factor /= units[order]
        return cls(order, factor)


class JointRounding:
    """A network trained on, and ready to be rounded to any steps.

    Args:
        parameters: the network.
        signal: the signal that the network was fitted to, and that `solving` and `target` show.
        solving: points on which the output layer is solved.
        target: points at which weights are trained, and the values that they are trained towards.

    Attributes:
        trained: the network after some more steps of training, its output layer solved, nothing of it rounded.
    """

    def __init__(self, parameters: SineParameters, signal: Signal, solving: View, target: Target) -> None:
        self._solving, self._target = solving, target
        points = Points.of(parameters, *target)
        rough = points.thinned(_ROUGH_POINTS)
        free = [(np.ones_like(layer.weight), np.ones_like(layer.bias)) for layer in parameters.hidden]
        # On a part of the grid the target is the network itself, and there is nothing to learn.
        for _ in range(_STEPS_BEFORE if len(points.values) == signal.sample_count else 0):
            parameters = self._step(parameters, free, points, rough)
        self.trained = solving.solve_readout(parameters)
        coords = View.sampled(signal, points_needed(parameters)).coords()
        self._compensation = Compensation.of(self.trained, gauss_newton(self.trained, coords))
        self._cuts = _cuts(parameters)

    @staticmethod
    def fits(parameters: SineParameters) -> bool:
        """Whether the matrix of the network fits into memory and time."""
        return points_needed(parameters) > 0

    def round(self, steps: Steps, curvature: View) -> SineParameters:
        """Every weight a multiple of its step, as by `tuner.rounding.layerwise.round_network`.

        Args:
            steps: one per tensor, or one per row of it, in the order of the file.
            curvature: points on which the inputs of the output layer are correlated.

        Returns:
            A network whose weights are float64 multiples of the steps, rounded to float32.
        """
        steps = tuple(in_float32(step) for step in steps)
        order = self._compensation.order
        parameters = replace(self.trained, phases=nearest(self.trained.phases, steps[0]))
        points = Points.of(parameters, *self._target)
        rough = points.thinned(_ROUGH_POINTS)
        every = _hidden_steps(parameters, steps)
        free = np.ones(len(order), dtype=np.float32)
        for start, end in zip([0, *self._cuts[:-1]], self._cuts, strict=True):
            parameters = self._step(parameters, unflattened(free, parameters), points, rough)
            vector = _vector(parameters)
            vector[order] = round_part(vector[order], every[order], self._compensation.factor, start, end)
            free[order[start:end]] = 0.0
            parameters = replace(parameters, hidden=hidden_layers(vector, parameters))
        return round_readout(self._solving.solve_readout(parameters), steps, curvature)

    def _step(
        self, parameters: SineParameters, free: list[tuple[FloatArray, FloatArray]], points: Points, rough: Points
    ) -> SineParameters:
        return refine(self._solving.solve_readout(parameters), free, points, rough, _ITERATIONS)


def round_part(values_N: np.ndarray, steps_N: np.ndarray, factor_NN: FloatArray, start: int, end: int) -> np.ndarray:
    """Round the values from `start` to `end`, one after the other; all that follow move to make up for it.

    Args:
        values_N: weights in the order of the factor; those before `start` stay.
        steps_N: rounding step of each value, > 0.
        factor_NN: upper factor U of the inverse curvature, U^T U.
        start: the first value to be rounded.
        end: behind the last one.

    Returns:
        A new vector, float64.
    """
    values = values_N.astype(np.float64)
    for first in range(start, end, _BLOCK):
        last = min(first + _BLOCK, end)
        corner = factor_NN[first:last, first:last].astype(np.float64)
        errors = np.zeros(last - first)
        for index in range(last - first):
            place = first + index
            rounded = np.rint(values[place] / steps_N[place]) * steps_N[place]
            errors[index] = (values[place] - rounded) / corner[index, index]
            values[place] = rounded
            values[place + 1 : last] -= corner[index, index + 1 :] * errors[index]
        values[last:] -= errors.astype(np.float32) @ factor_NN[first:last, last:]
    return values


def _cuts(parameters: SineParameters) -> list[int]:
    """Where parts end, in the order of the weights."""
    parts = _PARTS_OF_SEVERAL if len(parameters.hidden) > 1 else _PARTS_ALONE
    cuts, start = [], 0
    for layer in parameters.hidden:
        size = layer.weight.size + layer.bias.size
        cuts += [start + round(size * (1.0 - (1.0 - _SHARE) ** part)) for part in range(1, parts)] + [start + size]
        start += size
    return cuts


def _neurons(parameters: SineParameters) -> tuple[np.ndarray, np.ndarray]:
    """The number of every hidden neuron, and how many weights it has, its bias among them."""
    sizes = [layer.weight.shape[1] + 1 for layer in parameters.hidden for _ in layer.bias]
    return np.arange(len(sizes)), np.array(sizes)


def _vector(parameters: SineParameters) -> np.ndarray:
    return flattened([(layer.weight, layer.bias) for layer in parameters.hidden]).astype(np.float64)


def _hidden_steps(parameters: SineParameters, steps: Steps) -> np.ndarray:
    """The step of every hidden weight."""
    layers = [
        (
            np.broadcast_to(step_columns(weight_step, layer.weight), layer.weight.shape),
            np.broadcast_to(step_columns(bias_step, layer.bias), layer.bias.shape),
        )
        for layer, weight_step, bias_step in zip(parameters.hidden, steps[1:-2:2], steps[2:-2:2], strict=True)
    ]
    return flattened(layers)


def _inverse_upper(upper_NN: FloatArray) -> FloatArray:
    """Inverse of an upper triangular matrix, by halves."""
    size = len(upper_NN)
    if size <= _BLOCK:
        return np.triu(np.linalg.inv(upper_NN))
    half = size // 2
    inverse = np.zeros((size, size), dtype=np.float32)
    inverse[:half, :half] = _inverse_upper(upper_NN[:half, :half])
    inverse[half:, half:] = _inverse_upper(upper_NN[half:, half:])
    inverse[:half, half:] = -(inverse[:half, :half] @ upper_NN[:half, half:]) @ inverse[half:, half:]
    return inverse
