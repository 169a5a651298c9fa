"""Weights on integer grids: a step per tensor, or one for each of its rows; frequencies as they are.

A decoded weight is the float32 nearest to integer x step, so that every machine gets the same bits. Quantising the
weights of a decoded file with its own steps gives back its integers.
"""

from dataclasses import dataclass

import numpy as np

from tuner.codec.integers.steps import LARGEST_STEP
from tuner.errors import ConfigError
from tuner.network.parameters import HiddenLayer, Step, Steps
from tuner.network.sines.parameters import SineParameters
from tuner.shapes import FloatArray, IntArray

# The square root of 2 in eight bits, so that its product with a float32 is exact.
_HALF_OCTAVE = 181.0 / 128.0

# One table of the entropy coder covers all integers up to here, and their products with a float32 are exact.
_LARGEST_INTEGER = (1 << 23) - 1
LARGEST_FREQUENCY = 1 << 22
_FINE_LEVELS = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class QuantisedNetwork:
    """A network of sines in integers.

    Attributes:
        frequencies: input frequencies in cycles per period, int32 (F, D).
        period: p, length of a period in units of the coordinates, a float32.
        integers: one int32 array per tensor.
        steps: quantisation steps, one per tensor or per row, each a float32; a weight is its integer times its step.
    """

    frequencies: IntArray
    period: float
    integers: tuple[IntArray, ...]
    steps: Steps


def quantise(parameters: SineParameters, steps: Steps) -> QuantisedNetwork:
    """Round every weight to the nearest multiple of its tensor's step.

    Args:
        parameters: numbers of the network.
        steps: one step per tensor, or one per row of it, > 0, rounded to float32 first.

    Returns:
        The integers, within +-(2^23 - 1).

    Raises:
        ConfigError: if a step is missing, not positive, or too fine for its tensor, or a frequency is beyond 2^22.
    """
    arrays = tensors(parameters)
    if len(steps) != len(arrays):
        raise ConfigError(f"{len(steps)} steps, expected {len(arrays)}: one for each tensor of the network")
    largest = int(np.abs(parameters.frequencies.astype(np.int64)).max())
    if largest > LARGEST_FREQUENCY:
        raise ConfigError(f"a frequency is {largest}, expected at most 2^22")
    steps = tuple(in_float32(step) for step in steps)
    integers = []
    for array, step in zip(arrays, steps, strict=True):
        columns = step_columns(step, array)
        if not (columns.min() > 0.0 and columns.max() <= LARGEST_STEP):
            wrong = columns.min() if not columns.min() > 0.0 else columns.max()
            raise ConfigError(f"a step is {wrong}, expected more than 0, at most 2^32")
        rounded = np.rint(array.astype(np.float64) / columns)
        if not np.abs(rounded).max(initial=0.0) <= _LARGEST_INTEGER:
            raise ConfigError(f"a step of {step} is too fine for a weight of {np.abs(array).max()}: at most 2^23 steps")
        integers.append(rounded.astype(np.int32))
    return QuantisedNetwork(parameters.frequencies, float(np.float32(parameters.period)), tuple(integers), steps)


def dequantise(network: QuantisedNetwork) -> SineParameters:
    """The weights that the integers stand for; the bounds of a fit are not among them."""
    phases, *hidden, readout_weight, readout_bias = (
        (integers * step_columns(step, integers)).astype(np.float32)
        for integers, step in zip(network.integers, network.steps, strict=True)
    )
    return SineParameters(
        frequencies=network.frequencies,
        period=network.period,
        phases=phases,
        hidden=tuple(
            HiddenLayer(weight=weight, bias=bias) for weight, bias in zip(hidden[::2], hidden[1::2], strict=True)
        ),
        readout_weight=readout_weight,
        readout_bias=readout_bias,
    )


def row_steps(base: float, exponents_R: IntArray) -> tuple[float, ...]:
    """Steps of rows, each so many half octaves above `base`: exact products, rounded once to float32."""
    octaves, halves = np.divmod(exponents_R.astype(np.int64), 2)
    steps = np.float64(np.float32(base)) * np.exp2(octaves) * np.where(halves, _HALF_OCTAVE, 1.0)
    return tuple(steps.astype(np.float32).astype(np.float64).tolist())


def step_columns(step: Step, tensor: np.ndarray) -> np.ndarray:
    """A step as what divides a tensor: a number, or one for each row.

    Raises:
        ConfigError: if there is not one step for each row.
    """
    if not isinstance(step, tuple):
        return np.array(step, dtype=np.float64)
    if len(step) != len(tensor):
        raise ConfigError(f"{len(step)} steps for a tensor of {len(tensor)} rows, expected one for each")
    return np.array(step, dtype=np.float64).reshape(-1, *[1] * (tensor.ndim - 1))


def in_float32(step: Step) -> Step:
    """As the file keeps it."""
    return tuple(float(np.float32(each)) for each in step) if isinstance(step, tuple) else float(np.float32(step))


def tensors(parameters: SineParameters) -> list[FloatArray]:
    """All weight tensors in the order of the file."""
    hidden = [array for layer in parameters.hidden for array in (layer.weight, layer.bias)]
    return [parameters.phases, *hidden, parameters.readout_weight, parameters.readout_bias]


def fine_steps(parameters: SineParameters) -> Steps:
    """Steps that keep every tensor to 2^-17 of its largest weight; for files that must not lose anything visible."""
    return tuple(_fine_step(array) for array in tensors(parameters))


def _fine_step(array: FloatArray) -> float:
    largest = float(np.abs(array).max(initial=0.0))
    return 2.0 * largest / _FINE_LEVELS if largest > 0.0 else 1.0
