"""The Gauss-Newton matrix of all hidden weights of a small network, the output layer eliminated.

It says by how much every pair of weights, of one layer or of different ones, adds to the squared error, once the output
layer has done its best. Kronecker factors know one layer at a time and take its inputs for independent of its slopes.
Weights are in one vector: layer by layer, and in a layer row by row, the bias last in its row.
"""

from collections.abc import Sequence

import numpy as np

from tuner.network.parameters import HiddenLayer
from tuner.network.sines.parameters import SineParameters
from tuner.rounding.refine import input_neurons
from tuner.shapes import FloatArray

# The matrix in float32, its factor and what is needed between them: three times 4 n^2 bytes, 480 MB.
LARGEST_WEIGHTS = 6400
# Values per weight: less and the matrix shows the noise of the points, more and it takes longer to no avail.
_VALUES_PER_WEIGHT = 3.0
_LEAST_POINTS = 1 << 10
# Multiplications for the matrix: some five seconds.
_LARGEST_WORK = 1 << 39
_CHUNK_FLOATS = 1 << 23
_RIDGE = 1e-7


def points_needed(parameters: SineParameters) -> int:
    """On how many points the matrix should be computed; 0 where it would take too much memory or time."""
    weights = sum(layer.weight.size + layer.bias.size for layer in parameters.hidden)
    points = max(_LEAST_POINTS, round(_VALUES_PER_WEIGHT * weights / parameters.channels))
    work = points * parameters.channels * weights**2
    return points if weights <= LARGEST_WEIGHTS and work <= _LARGEST_WORK else 0


def gauss_newton(parameters: SineParameters, coords_PD: FloatArray) -> FloatArray:
    """Mean over points of the products of the values' derivatives by two weights, summed over channels.

    Args:
        parameters: a network of n hidden weights and biases, at most `LARGEST_WEIGHTS`.
        coords_PD: points at which the network is differentiated, float32 (P, D); `points_needed` many.

    Returns:
        The matrix, float32 (n, n), without what the output layer can make up for.
    """
    channels, width = parameters.readout_weight.shape
    weights = sum(layer.weight.size + layer.bias.size for layer in parameters.hidden)
    total = np.zeros((weights, weights), dtype=np.float32)
    crossed = np.zeros((channels, width + 1, weights), dtype=np.float32)
    gram = np.zeros((width + 1, width + 1))
    inputs = input_neurons(parameters, coords_PD)
    for start in range(0, len(inputs), max(1, _CHUNK_FLOATS // weights)):
        layers, slopes = _forward(parameters, inputs[start : start + max(1, _CHUNK_FLOATS // weights)])
        gram += layers[-1].T @ layers[-1]
        for channel, readout_H in enumerate(parameters.readout_weight):
            jacobian = _jacobian(parameters, layers, slopes, readout_H)
            crossed[channel] += layers[-1].T @ jacobian
            total += jacobian.T @ jacobian
    gram += _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    for cross in crossed:
        total -= cross.T @ np.linalg.solve(gram, cross).astype(np.float32)
    total /= np.float32(len(inputs))
    return total


def flattened(layers: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Weights and biases of all layers as one vector."""
    return np.concatenate([np.concatenate([weight, bias[:, None]], axis=1).ravel() for weight, bias in layers])


def unflattened(vector: np.ndarray, parameters: SineParameters) -> list[tuple[FloatArray, FloatArray]]:
    """The inverse of `flattened`, for the layers of a network, in float32."""
    layers: list[tuple[FloatArray, FloatArray]] = []
    for layer in parameters.hidden:
        rows, columns = layer.weight.shape
        joined, vector = np.split(vector, [rows * (columns + 1)])
        joined = joined.reshape(rows, columns + 1).astype(np.float32)
        layers.append((np.ascontiguousarray(joined[:, :-1]), joined[:, -1].copy()))
    return layers


def hidden_layers(vector: np.ndarray, parameters: SineParameters) -> tuple[HiddenLayer, ...]:
    """Hidden layers of the shapes of a network with the weights of a vector."""
    return tuple(HiddenLayer(weight=weight, bias=bias) for weight, bias in unflattened(vector, parameters))


def _forward(parameters: SineParameters, inputs: FloatArray) -> tuple[list[FloatArray], list[FloatArray]]:
    """Inputs of every layer and of the read-out with a last column of ones, and slopes of all sines."""
    ones = np.ones((len(inputs), 1), dtype=np.float32)
    layers, slopes = [np.concatenate([inputs, ones], axis=1)], []
    for layer in parameters.hidden:
        angles = layers[-1][:, :-1] @ layer.weight.T + layer.bias
        slopes.append(np.cos(angles))
        layers.append(np.concatenate([np.sin(angles), ones], axis=1))
    return layers, slopes


def _jacobian(
    parameters: SineParameters, layers: list[FloatArray], slopes: list[FloatArray], readout_H: FloatArray
) -> FloatArray:
    """Derivatives of one channel by all hidden weights, (points, n)."""
    blocks: list[FloatArray] = []
    back: FloatArray = readout_H * slopes[-1]
    for depth in range(len(slopes) - 1, -1, -1):
        blocks.append((back[:, :, None] * layers[depth][:, None, :]).reshape(len(back), -1))
        if depth:
            back = (back @ parameters.hidden[depth].weight) * slopes[depth - 1]
    return np.concatenate(blocks[::-1], axis=1)
