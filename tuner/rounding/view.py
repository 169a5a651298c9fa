"""A signal as `compress` looks at it: some of its rows and columns, or all of them.

Rows and columns are chosen at random and crossed, so that the fast evaluation on grids still applies and no pattern of
the picture can fall in step with the choice.
"""

import numpy as np

from tuner.metrics import written_psnr_db
from tuner.network.sines.parameters import SineParameters
from tuner.network.sines.synthesis import hidden_tiles, values_on_grid
from tuner.shapes import FloatArray
from tuner.signal.grid import Grid
from tuner.signal.signal import Signal

_SEED = 0
# Relative to the mean square of a neuron. Only a correction is solved for, so it pulls towards the given output layer.
_RIDGE = 1e-7


class View:
    """Samples on the product of chosen indices along each axis.

    Args:
        signal: the whole signal.
        chosen: indices to look at along each axis, ascending; None for all.
    """

    def __init__(self, signal: Signal, chosen: list[np.ndarray] | None = None) -> None:
        chosen = chosen or [np.arange(samples) for samples in signal.grid_shape]
        # The period plays no part in where the samples lie.
        grid = Grid(signal.grid_shape, period=4.0)
        self._axes = [grid.axis(dimension)[indices] for dimension, indices in enumerate(chosen)]
        self._values = signal.values[np.ix_(*chosen)]
        self._storage = signal.storage

    @classmethod
    def sampled(cls, signal: Signal, points: int) -> "View":
        """About `points` points of the signal, the same ones every time; all if it has no more."""
        share = min(1.0, points / signal.sample_count) ** (1.0 / len(signal.grid_shape))
        random = np.random.default_rng(_SEED)
        return cls(
            signal,
            [
                np.sort(random.choice(samples, size=max(1, round(share * samples)), replace=False))
                for samples in signal.grid_shape
            ],
        )

    def coords(self) -> FloatArray:
        """Coordinates of the points, float32 (P, D)."""
        return np.stack(np.meshgrid(*self._axes, indexing="ij"), axis=-1).reshape(-1, len(self._axes))

    def flat_values(self) -> FloatArray:
        """Values of the signal at the points, float32 (P, C)."""
        flat: FloatArray = self._values.reshape(-1, self._values.shape[-1])
        return flat

    def psnr_db(self, parameters: SineParameters) -> float:
        """PSNR of a network on the view in dB, of samples as they would be written."""
        return written_psnr_db(self._values, values_on_grid(parameters, self._axes), self._storage)

    def solve_readout(self, parameters: SineParameters) -> SineParameters:
        """The network with the output layer that has the least squared error on the view.

        What is solved for is a correction to the given layer: the right-hand side is then small, and float32 products
        are exact enough even where the neurons are nearly dependent. The solution itself is in float64.
        """
        channels, width = parameters.readout_weight.shape
        values_PC = self._values.reshape(-1, channels)
        # One symmetric product per tile: neurons, a constant, and what the given layer leaves over.
        products = np.zeros((width + 1 + channels, width + 1 + channels))
        for tile in hidden_tiles(parameters, self._axes):
            points = tile.points_XR.reshape(-1)
            rows = np.ones((len(products), len(points)), dtype=np.float32)
            rows[:width] = tile.hidden_XHR.transpose(1, 0, 2).reshape(width, -1)
            predicted_CP = parameters.readout_weight @ rows[:width] + parameters.readout_bias[:, None]
            rows[width + 1 :] = values_PC[points].T - predicted_CP
            products += rows @ rows.T
        gram, moments = products[: width + 1, : width + 1], products[: width + 1, width + 1 :]
        gram += _RIDGE * np.trace(gram) / (width + 1) * np.eye(width + 1)
        correction = np.linalg.solve(gram, moments)
        return SineParameters(
            frequencies=parameters.frequencies,
            period=parameters.period,
            phases=parameters.phases,
            hidden=parameters.hidden,
            readout_weight=(parameters.readout_weight + correction[:-1].T).astype(np.float32),
            readout_bias=(parameters.readout_bias + correction[-1]).astype(np.float32),
        )
