"""Samples that lie on no grid: measurements at any points, or a grid of which some samples are kept out.

`fit` takes them where it takes a `Signal`. What it finds is asked for values anywhere, rendered on any grid and saved
like any other representation; no file holds scattered samples themselves, so nothing reads or writes them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tuner.errors import InvalidSignal
from tuner.shapes import BoolArray, FloatArray
from tuner.signal.grid import Grid
from tuner.signal.kind import SignalKind
from tuner.signal.objects import as_numpy
from tuner.signal.samples import check_finite, refuse_masked, unflipped
from tuner.signal.signal import Signal

MOST_DIMENSIONS = 4
_ANY_PERIOD = 4.0  # positions do not depend on it


@dataclass(frozen=True, kw_only=True, slots=True, eq=False, repr=False)
class ScatteredSignal:
    """Values at points; made by `scattered_signal`.

    Attributes:
        coords: points within [-1, 1] along every axis, float32 (P, D), D from 1 to 4.
        values: samples at the points, float32 (P, C); 1 is the peak of a PSNR.
        grid_shape: samples along each axis of a grid as fine as what is looked for: frequencies are chosen as fractions
            of its Nyquist indices, and it is what `Representation.render` gives unless another is asked for.

    Raises:
        InvalidSignal: if a shape or type is another one, an axis is empty, a number is NaN or infinite, or a point lies
            outside of the domain.
    """

    coords: FloatArray
    values: FloatArray
    grid_shape: tuple[int, ...]

    def __post_init__(self) -> None:
        coords, values = self.coords, self.values
        if coords.dtype != np.float32 or values.dtype != np.float32:
            raise InvalidSignal(f"coordinates are {coords.dtype} and values {values.dtype}, expected float32 both")
        if coords.ndim != 2 or not 1 <= coords.shape[1] <= MOST_DIMENSIONS:
            raise InvalidSignal(
                f"coordinates have shape {coords.shape}, expected (points, dimensions) with 1 to {MOST_DIMENSIONS} "
                "dimensions"
            )
        if values.ndim != 2 or len(values) != len(coords):
            raise InvalidSignal(
                f"values have shape {values.shape}, expected ({len(coords)}, channels): one row a point"
            )
        if len(self.grid_shape) != coords.shape[1] or min(self.grid_shape) < 1:
            raise InvalidSignal(
                f"grid_shape is {self.grid_shape}, expected {coords.shape[1]} axes of at least one sample: the "
                "dimensions of the points"
            )
        check_finite(values)
        if not np.abs(coords).max() <= 1.0:  # NaN is not, either
            lows, highs = coords.min(axis=0).tolist(), coords.max(axis=0).tolist()
            spans = ", ".join(f"[{low:.6g}, {high:.6g}]" for low, high in zip(lows, highs, strict=True))
            raise InvalidSignal(f"coordinates span {spans}, expected [-1, 1] along every axis: move and scale them")
        object.__setattr__(self, "coords", unflipped(coords))
        object.__setattr__(self, "values", unflipped(values))

    def __repr__(self) -> str:
        return (
            f"ScatteredSignal({self.sample_count} points, {self.coords.shape[1]} dimensions, {self.channels} channels)"
        )

    @property
    def kind(self) -> SignalKind:
        """An array, by its number of axes."""
        return SignalKind.ARRAY

    @property
    def channels(self) -> int:
        """Values per point."""
        return int(self.values.shape[1])

    @property
    def sample_count(self) -> int:
        """Number of points P."""
        return len(self.coords)

    def chosen(self, points_P: BoolArray) -> "ScatteredSignal":
        """Some of the samples."""
        return ScatteredSignal(coords=self.coords[points_P], values=self.values[points_P], grid_shape=self.grid_shape)


def scattered_signal(coords: Any, values: Any, grid_shape: tuple[int, ...] | None = None) -> ScatteredSignal:
    """Samples at any points, ready to be fitted.

    Example:
        >>> import numpy as np
        >>> from tuner import Representation, signal_config
        >>> from tuner.fit import fit
        >>> coords = np.random.default_rng(0).uniform(-1, 1, (500, 2))
        >>> values = np.sin(3 * coords[:, :1]) * np.cos(2 * coords[:, 1:])
        >>> samples = scattered_signal(coords, values)
        >>> samples.grid_shape
        (22, 22)
        >>> result = fit(samples, signal_config(samples, "fast"))
        >>> terrain = Representation.of(result.network.parameters_numpy(), samples)
        >>> round(float(terrain.at(np.array([[0.5, 0.25]]))[0, 0]), 1)  # sin(1.5) cos(0.5) = 0.875
        0.9
        >>> terrain.render((64, 48)).grid_shape
        (64, 48)

    Args:
        coords: integers or floats (P, D), an array or what numpy makes one from, within [-1, 1]; (P,) is one dimension.
        values: integers or floats (P, C), best scaled to about [0, 1]; (P,) is one channel.
        grid_shape: how finely to look, as samples along each axis; None for about as many grid points as there are
            samples, which is what evenly scattered ones can tell.

    Returns:
        The samples, in float32.

    Raises:
        InvalidSignal: as `ScatteredSignal` says, or if an array holds no numbers.
    """
    refuse_masked(coords, values)
    coords, values = as_numpy(coords), as_numpy(values)
    for name, array in (("coordinates", coords), ("values", values)):
        if array.dtype.kind not in "iuf":
            raise InvalidSignal(f"{name} are {array.dtype}, expected integers or floats")
    columns_PD, columns_PC = (array[:, None] if array.ndim == 1 else array for array in (coords, values))
    if grid_shape is None:
        dimensions = columns_PD.shape[-1] if columns_PD.ndim else 1
        grid_shape = (max(1, round(len(columns_PD) ** (1.0 / max(1, dimensions)))),) * dimensions
    with np.errstate(over="ignore"):  # what becomes infinite is refused by name
        single_PD, single_PC = columns_PD.astype(np.float32), columns_PC.astype(np.float32)
    return ScatteredSignal(coords=single_PD, values=single_PC, grid_shape=grid_shape)


def on_grid(signal: Signal, chosen: BoolArray) -> ScatteredSignal:
    """Some of the samples of a grid, as points.

    Args:
        signal: samples on their grid.
        chosen: bool (*grid_shape), true at least once.
    """
    picked = chosen.reshape(-1)
    coords = Grid(signal.grid_shape, _ANY_PERIOD).coords()[picked]
    values = signal.values.reshape(len(picked), -1)[picked]
    return ScatteredSignal(coords=coords, values=values, grid_shape=signal.grid_shape)
