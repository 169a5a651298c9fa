"""Weights that are still free, moved to where they make up best for those that are rounded already.

Least squares on the network linearised at where it stands (Gauss-Newton), the output layer eliminated, by a few
conjugate gradients with the Kronecker factors as preconditioner: inputs of the first layer are nearly orthogonal, so
their factor is a diagonal. A step is taken only if it lowers the error. The exact Gauss-Newton matrix would need the
square of the number of weights in memory; these products need the points times the widths.
"""

from dataclasses import dataclass, replace
from math import pi

import numpy as np

from tuner.network.parameters import HiddenLayer
from tuner.network.sines.parameters import SineParameters
from tuner.shapes import FloatArray

_ITERATIONS = 4
_SEED = 0
_DAMPING = 1e-3
_RIDGE = 1e-7
_SHARES = (1.0, 0.5, 0.25)
# One weight matrix and one bias for each hidden layer.
_Moves = list[tuple[FloatArray, FloatArray]]


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Where the error is measured.

    Attributes:
        inputs: input neurons there, float32 (P, M); they depend on nothing that moves.
        values: values that the network should have there, float32 (P, C).
    """

    inputs: FloatArray
    values: FloatArray

    @classmethod
    def of(cls, parameters: SineParameters, coords_PD: FloatArray, values_PC: FloatArray) -> "Points":
        """The points with the input neurons of a network."""
        return cls(input_neurons(parameters, coords_PD), values_PC)

    def thinned(self, count: int) -> "Points":
        """About `count` of the points, the same ones every time; all if there are no more."""
        if count >= len(self.inputs):
            return self
        chosen = np.sort(np.random.default_rng(_SEED).choice(len(self.inputs), size=count, replace=False))
        return Points(self.inputs[chosen], self.values[chosen])


def input_neurons(parameters: SineParameters, coords_PD: FloatArray) -> FloatArray:
    """The sines of a network's frequencies and phases, float32 (P, M)."""
    turns = coords_PD.astype(np.float64) @ (parameters.frequencies * (2.0 * pi / parameters.period)).T
    return np.sin((turns + parameters.phases).astype(np.float32))


def refine(
    parameters: SineParameters,
    free: _Moves,
    points: Points,
    rough: Points | None = None,
    iterations: int = _ITERATIONS,
) -> SineParameters:
    """Move the free hidden weights towards the least squared error.

    Args:
        parameters: the network.
        free: masks of each hidden layer's weights and biases: 1 where one may move, else 0.
        points: several times as many values as there are weights, lest noise is fitted.
        rough: some of these points, at which the curvature is taken; all if None. Gradient and error are those of all.
        iterations: conjugate gradients, each of the cost of one gradient on the rough points.

    Returns:
        A network with no larger error once its output layer is solved; that layer itself is as it was.
    """
    here = _Linear(parameters, points)
    near, thinning = (
        (here, 1.0) if rough is None else (_Linear(parameters, rough), len(rough.values) / len(points.values))
    )
    residual_gradient = _only(_times(here.transposed(here.residual), thinning), free)
    direction = conditioned = _only(near.precondition(residual_gradient), free)
    moves = [(np.zeros_like(weight), np.zeros_like(bias)) for weight, bias in residual_gradient]
    power = _dot(residual_gradient, conditioned)
    for _ in range(iterations):
        if power <= 0.0:
            break
        product = _only(near.transposed(near.times(direction)), free)
        length = power / max(_dot(direction, product), 1e-30)
        moves = _sum(moves, direction, length)
        residual_gradient = _sum(residual_gradient, product, -length)
        conditioned = _only(near.precondition(residual_gradient), free)
        before, power = power, _dot(residual_gradient, conditioned)
        direction = _sum(conditioned, direction, power / before)
    for share in _SHARES:
        moved = _moved(parameters, moves, share)
        if _Linear(moved, points).error < here.error:
            return moved
    return parameters


class _Linear:
    """A network at its weights: residual, Jacobian products, both without what the output layer can do."""

    def __init__(self, parameters: SineParameters, points: Points) -> None:
        self._layers, self._readout_CH = parameters.hidden, parameters.readout_weight
        self._inputs = [points.inputs]
        self._slopes: list[FloatArray] = []
        for layer in parameters.hidden:
            angles = self._inputs[-1] @ layer.weight.T + layer.bias
            self._slopes.append(np.cos(angles))
            self._inputs.append(np.sin(angles))
        self._last = np.concatenate([self._inputs.pop(), np.ones((len(points.inputs), 1), np.float32)], axis=1)
        gram = (self._last.T @ self._last).astype(np.float64)
        gram += _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
        self._inverse_gram = np.linalg.inv(gram)
        self.residual = self._unreachable(
            points.values - self._last[:, :-1] @ self._readout_CH.T - parameters.readout_bias
        )
        self.error = float(np.sum(np.square(self.residual, dtype=np.float64)))
        self._factors: list[tuple[FloatArray, FloatArray]] | None = None

    def times(self, moves: _Moves) -> FloatArray:
        """Change of the values (P, C)."""
        change = np.zeros(0, dtype=np.float32)
        for (weight, bias), layer, inputs, slope in zip(moves, self._layers, self._inputs, self._slopes, strict=True):
            angles = inputs @ weight.T + bias
            if len(change):
                angles += change @ layer.weight.T
            change = angles * slope
        return self._unreachable(change @ self._readout_CH.T)

    def transposed(self, values_PC: FloatArray) -> _Moves:
        """Products of every weight's derivative with given values, from which the output layer was eliminated."""
        moves: _Moves = []
        back: FloatArray = (values_PC @ self._readout_CH) * self._slopes[-1]
        for depth in range(len(self._layers) - 1, -1, -1):
            weight: FloatArray = back.T @ self._inputs[depth]
            moves.append((weight, np.asarray(back.sum(axis=0), dtype=np.float32)))
            if depth:
                back = (back @ self._layers[depth].weight) * self._slopes[depth - 1]
        return moves[::-1]

    def precondition(self, moves: _Moves) -> _Moves:
        """Times the inverse of both Kronecker factors of each layer."""
        if self._factors is None:
            self._factors = [(self._inverse_slopes(depth), self._inverse_inputs(depth)) for depth in range(len(moves))]
        conditioned: _Moves = []
        for (weight, bias), (outputs, inputs) in zip(moves, self._factors, strict=True):
            rows = np.asarray(outputs @ weight, dtype=np.float32)
            both: FloatArray = (rows @ inputs if inputs.ndim == 2 else rows * inputs).astype(np.float32)
            constants: FloatArray = (outputs @ bias).astype(np.float32)
            conditioned.append((both, constants))
        return conditioned

    def _inverse_slopes(self, depth: int) -> FloatArray:
        total = np.zeros((self._slopes[depth].shape[1],) * 2)
        every = slice(None, None, 4)
        for readout_H in self._readout_CH:
            back = readout_H * self._slopes[-1][every]
            for upper in range(len(self._layers) - 1, depth, -1):
                back = (back @ self._layers[upper].weight) * self._slopes[upper - 1][every]
            total += back.T @ back
        return _inverse(total)

    def _inverse_inputs(self, depth: int) -> FloatArray:
        inputs = self._inputs[depth]
        if depth == 0:
            diagonal: FloatArray = (1.0 / np.maximum(np.mean(np.square(inputs), axis=0), _DAMPING)).astype(np.float32)
            return diagonal
        return _inverse((inputs.T @ inputs).astype(np.float64) / len(inputs))

    def _unreachable(self, values_PC: np.ndarray) -> FloatArray:
        """What is left of values once the output layer has done its best."""
        solved = self._inverse_gram @ (self._last.T @ values_PC)
        left: FloatArray = values_PC - self._last @ solved.astype(np.float32)
        return left


def _inverse(factor: np.ndarray) -> FloatArray:
    damping = max(_DAMPING * np.trace(factor) / len(factor), 1e-12)
    inverse: FloatArray = np.linalg.inv(factor + damping * np.eye(len(factor))).astype(np.float32)
    return inverse


def _moved(parameters: SineParameters, moves: _Moves, share: float) -> SineParameters:
    hidden = tuple(
        HiddenLayer(weight=layer.weight + np.float32(share) * weight, bias=layer.bias + np.float32(share) * bias)
        for layer, (weight, bias) in zip(parameters.hidden, moves, strict=True)
    )
    return replace(parameters, hidden=hidden)


def _only(moves: _Moves, free: _Moves) -> _Moves:
    return [(weight * where, bias * there) for (weight, bias), (where, there) in zip(moves, free, strict=True)]


def _times(moves: _Moves, factor: float) -> _Moves:
    return [(weight * np.float32(factor), bias * np.float32(factor)) for weight, bias in moves]


def _sum(moves: _Moves, others: _Moves, factor: float) -> _Moves:
    scale = np.float32(factor)
    return [(weight + scale * w, bias + scale * b) for (weight, bias), (w, b) in zip(moves, others, strict=True)]


def _dot(moves: _Moves, others: _Moves) -> float:
    return sum(
        float(np.vdot(weight, w)) + float(np.vdot(bias, b))
        for (weight, bias), (w, b) in zip(moves, others, strict=True)
    )
