"""Small random networks and signals that they nearly fit, the same ones every time."""

import numpy as np

from tuner.network.parameters import HiddenLayer
from tuner.network.sines.parameters import SineParameters
from tuner.network.sines.synthesis import values_on_grid
from tuner.representation import Representation
from tuner.shapes import FloatArray
from tuner.signal.grid import Grid
from tuner.signal.signal import Signal


def random_parameters(
    *,
    frequencies: int = 12,
    hidden: tuple[int, ...] = (8,),
    channels: int = 3,
    dimensions: int = 2,
    period: float = 2.5,
    reach: int = 6,
    seed: int = 0,
) -> SineParameters:
    """A network with distinct frequencies in lexicographic order, |k| <= reach, whose values lie around [0, 1]."""
    random = np.random.default_rng(seed)
    box = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * dimensions, indexing="ij"), axis=-1)
    half_space = box.reshape(-1, dimensions)[len(box.reshape(-1, dimensions)) // 2 + 1 :]
    chosen = np.sort(random.choice(len(half_space), size=frequencies, replace=False))
    layers, inputs = [], frequencies
    for width in hidden:
        layers.append(HiddenLayer(weight=_normal(random, width, inputs, scale=1.4), bias=_angles(random, width)))
        inputs = width
    return SineParameters(
        frequencies=half_space[chosen].astype(np.int32),
        period=period,
        phases=_angles(random, frequencies),
        hidden=tuple(layers),
        readout_weight=_normal(random, channels, inputs, scale=0.25),
        readout_bias=np.full(channels, 0.5, dtype=np.float32),
    )


def random_representation(
    grid_shape: tuple[int, ...] = (10, 14), *, frequencies: int = 12, hidden: tuple[int, ...] = (8,), channels: int = 3
) -> Representation:
    """A representation by `random_parameters`."""
    parameters = random_parameters(
        frequencies=frequencies, hidden=hidden, channels=channels, dimensions=len(grid_shape)
    )
    return Representation(parameters=parameters, grid_shape=grid_shape)


def nearly(representation: Representation, noise: float = 0.03, seed: int = 1) -> Signal:
    """The signal that a representation would have been fitted to: its own values and some noise."""
    grid = Grid(representation.grid_shape, representation.sine_parameters.period)
    values = values_on_grid(representation.sine_parameters, [grid.axis(d) for d in range(len(grid.shape))])
    disturbed = values + np.random.default_rng(seed).normal(0.0, noise, values.shape)
    return Signal(values=np.clip(disturbed, 0.0, 1.0).astype(np.float32))


def _normal(random: np.random.Generator, rows: int, columns: int, scale: float) -> FloatArray:
    values: FloatArray = (random.standard_normal((rows, columns)) * scale / np.sqrt(columns)).astype(np.float32)
    return values


def _angles(random: np.random.Generator, count: int) -> FloatArray:
    return random.uniform(-1.5, 1.5, count).astype(np.float32)
