"""A representation: a signal held as a network, which can be asked for values anywhere.

What a fit leaves and what a file holds. It evaluates with numpy alone, so that whoever decodes a file needs no torch.
`tuner.codec` writes and reads it; `tuner.rounding` makes a file as small as a quality allows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from tuner.errors import ConfigError
from tuner.memory import free_bytes
from tuner.network.parameters import Parameters, Steps
from tuner.network.sines.parameters import SineParameters
from tuner.network.sines.windows import plain_network, unfolded
from tuner.network.synthesis import synthesis_of, values_on_samples
from tuner.shapes import FloatArray
from tuner.signal.details import Details, Placement
from tuner.signal.grid import Grid
from tuner.signal.samples import Scaling, Storage
from tuner.signal.scattered import ScatteredSignal
from tuner.signal.signal import SampleFormat, Signal, SignalKind
from tuner.spectrum import log_spectrum

MOST_SAMPLES = 2.0**62  # along an axis, so that a shape has a number of bytes: no memory holds as many


@dataclass(frozen=True, kw_only=True, slots=True, eq=False, repr=False)
class Representation:
    """A network and what it stands for.

    Attributes:
        parameters: the network.
        kind: what the signal is.
        grid_shape: samples of the signal along each axis.
        sample_format: how a sample is written back.
        icc_profile: colour profile of the source, or None.
        scaling: map from values to stored samples; None for the natural one of the sample format.
        details: what else the kind of signal keeps, such as the sample rate of a sound; or None.
        report: words and numbers about the fit that travel in the file; empty unless somebody fills it.
        steps: the quantisation steps on which the weights lie, if they came from a file.
        byte_count: size in bytes of the file that it came from; None if it came from none.

    Raises:
        ConfigError: if the grid has not as many axes as the network has dimensions.
    """

    parameters: Parameters
    grid_shape: tuple[int, ...]
    kind: SignalKind = SignalKind.IMAGE
    sample_format: SampleFormat = SampleFormat.U8
    icc_profile: bytes | None = None
    scaling: Scaling | None = None
    details: Details | None = None
    report: Mapping[str, str | int | float] = field(default_factory=dict)
    steps: Steps | None = None
    byte_count: int | None = None

    def __post_init__(self) -> None:
        if len(self.grid_shape) != self.parameters.dimensions or min(self.grid_shape, default=0) < 1:
            raise ConfigError(
                f"the grid has shape {self.grid_shape}, expected {self.parameters.dimensions} axes of at least one "
                "sample: the dimensions of the network"
            )

    def __repr__(self) -> str:
        """What it is in one line: <Representation: image, 512 x 768, 3 channels, wavelets, 14745 bytes>."""
        shape = " x ".join(map(str, self.grid_shape))
        channels = f"{self.channels} channel{'s' if self.channels > 1 else ''}"
        size = "no file yet" if self.byte_count is None else f"{self.byte_count} bytes"
        return f"<Representation: {self.kind}, {shape}, {channels}, {self.parameters.kind}, {size}>"

    @classmethod
    def of(cls, parameters: Parameters, signal: Signal | ScatteredSignal) -> "Representation":
        """The representation of `signal` by a network fitted to it, as a whole or cut into windows.

        That of scattered samples is an array of floats on the grid that they were held to be as fine as.
        """
        if isinstance(signal, ScatteredSignal):
            grid_shape, floats = signal.grid_shape, SampleFormat.F32
            return cls(parameters=parameters, grid_shape=grid_shape, kind=signal.kind, sample_format=floats)
        return cls(
            parameters=unfolded(parameters, signal),
            grid_shape=signal.grid_shape,
            kind=signal.kind,
            sample_format=signal.sample_format,
            icc_profile=signal.icc_profile,
            scaling=signal.scaling,
            details=signal.details,
        )

    @property
    def sine_parameters(self) -> SineParameters:
        """The network, if it has no latents; of a line cut into windows, the one that all windows share.

        Raises:
            ConfigError: if it is a network of another kind.
        """
        return plain_network(self.parameters)

    @property
    def channels(self) -> int:
        """Number of values at a point."""
        return self.parameters.channels

    @property
    def products_per_sample(self) -> int:
        """About the number of multiplications that one value takes."""
        return synthesis_of(self.parameters).products_per_sample(self.parameters)

    def at(self, coords_PD: np.ndarray) -> FloatArray:
        """Values at any points.

        Example:
            >>> representation.at(np.zeros((5, 2), dtype=np.float32)).shape
            (5, 3)

        Args:
            coords_PD: points, float (P, D); the signal covers [-1, 1]^D.

        Returns:
            float32 (P, C), not limited to what the sample format holds.

        Raises:
            ConfigError: if the coordinates are no floats of that shape, or one is NaN or infinite.
        """
        return synthesis_of(self.parameters).values_at(self.parameters, self._points(coords_PD))

    def gradient(self, coords_PD: np.ndarray) -> FloatArray:
        """Exact derivatives at any points.

        Example:
            >>> representation.gradient(np.zeros((5, 2), dtype=np.float32)).shape
            (5, 3, 2)

        Args:
            coords_PD: points, float (P, D).

        Returns:
            float32 (P, C, D), per unit of the coordinates.

        Raises:
            ConfigError: as for `at`.
        """
        return synthesis_of(self.parameters).gradients_at(self.parameters, self._points(coords_PD))

    def values_on_grid(self, axes: Sequence[FloatArray]) -> FloatArray:
        """Values on the product of the given axes, in bounded memory beyond the result.

        Args:
            axes: coordinates along each dimension, float (N_d,), ascending.

        Returns:
            float32 (*shape, C), not limited to what the sample format holds.
        """
        return synthesis_of(self.parameters).values_on_grid(self.parameters, axes)

    def gradients_on_grid(self, axes: Sequence[FloatArray]) -> FloatArray:
        """Exact derivatives on the product of the given axes.

        Args:
            axes: coordinates along each dimension, float (N_d,), ascending.

        Returns:
            float32 (*shape, C, D), per unit of the coordinates.
        """
        return synthesis_of(self.parameters).gradients_on_grid(self.parameters, axes)

    def render(
        self,
        shape: tuple[int, ...] | None = None,
        *,
        scale: float = 1.0,
        region: Sequence[tuple[float, float]] | None = None,
    ) -> Signal:
        """The signal on a grid, of its own shape or another, whole or in part; memory beyond the result is bounded.

        Example:
            >>> small = representation.render(scale=0.5)
            >>> corner = representation.render((64, 64), region=[(-1.0, -0.5), (-1.0, -0.5)])
            >>> small.grid_shape, corner.grid_shape
            ((12, 8), (64, 64))

        Args:
            shape: samples along each axis; None for the signal's own density, times `scale`.
            scale: samples wanted per sample of the signal, > 0; without effect if `shape` is given.
            region: interval (low, high) along each axis, in coordinates; None for the whole signal, [-1, 1].

        Returns:
            A signal of the same kind, its values within what the sample format holds. Sample rate, voxel size and the
            like are those of the new grid.

        Raises:
            ConfigError: if the scale is not positive, shape or region do not fit the network, or the values alone would
                take more memory than there is.
        """
        region = [(-1.0, 1.0)] * len(self.grid_shape) if region is None else list(region)
        self._check_region(region)
        if shape is None:
            if not 0.0 < scale < float("inf"):
                raise ConfigError(f"scale is {scale}, expected a finite number above 0")
            shares = [(high - low) / 2.0 for low, high in region]
            sides = [n * scale * share for n, share in zip(self.grid_shape, shares, strict=True)]
            shape = tuple(max(1, round(min(side, MOST_SAMPLES))) for side in sides)
        if len(shape) != len(self.grid_shape) or min(shape) < 1:
            raise ConfigError(f"shape is {shape}, expected {len(self.grid_shape)} axes of at least one sample")
        wanted, free = 4 * prod(shape) * self.parameters.channels, free_bytes()
        if wanted > free:
            raise ConfigError(
                f"{' x '.join(map(str, shape))} samples take {wanted / 2**30:.3g} GiB and {free / 2**30:.3g} are free: "
                f"ask for a smaller scale, or for one region after the other"
            )
        grid = Grid(shape, self.parameters.period)
        axes = [
            ((low + high) / 2.0 + (high - low) / 2.0 * grid.axis(d)).astype(np.float32)
            for d, (low, high) in enumerate(region)
        ]
        return self._signal(self.values_on_grid(axes), self._placement(shape, region))

    def crop(self, region: Sequence[tuple[int, int]], *, scale: float = 1.0) -> Signal:
        """Some samples of the signal, exactly those of the whole; of a signal in tiles only theirs are evaluated.

        Example:
            >>> representation.crop([(0, 8), (4, 16)]).grid_shape
            (8, 12)

        Args:
            region: samples along each axis, [start, stop).
            scale: samples wanted per sample of the signal, > 0; with another than 1, values are those of `render`.

        Returns:
            A signal of the same kind, its values within what the sample format holds.

        Raises:
            ConfigError: if the region is empty, or not within the signal, or the scale is not positive, or too large.
        """
        axes = zip(region, self.grid_shape, strict=False)
        if len(region) != len(self.grid_shape) or not all(0 <= start < stop <= n for (start, stop), n in axes):
            raise ConfigError(f"the region is {list(region)}, expected 0 <= start < stop <= {self.grid_shape}, by axes")
        if scale != 1.0:
            sides = zip(region, self.grid_shape, strict=True)
            return self.render(scale=scale, region=[(2 * a / n - 1, 2 * b / n - 1) for (a, b), n in sides])
        placement = Placement(
            steps=(1.0,) * len(region),
            starts=tuple(float(start) for start, _ in region),
            shape=tuple(stop - start for start, stop in region),
        )
        return self._signal(values_on_samples(self.parameters, self.grid_shape, region), placement)

    def _signal(self, values: FloatArray, placement: Placement) -> Signal:
        return Signal(
            values=Storage(self.sample_format, self.scaling).limited(values),
            kind=self.kind,
            sample_format=self.sample_format,
            icc_profile=self.icc_profile,
            scaling=self.scaling,
            details=None if self.details is None else self.details.placed(placement),
        )

    def spectrum(self, shape: tuple[int, ...] | None = None) -> FloatArray:
        """log(1 + |Fourier transform|) of the rendered signal, zero frequency in the middle, scaled to [0, 1].

        Example:
            >>> representation.spectrum().shape
            (24, 16)

        Args:
            shape: samples of the grid along each axis; None for the signal's own.

        Returns:
            float32 (*shape); of colours the transform is that of the luminance, else of the first channel.
        """
        return log_spectrum(self.render(shape).values)

    def _points(self, coords_PD: np.ndarray) -> FloatArray:
        if coords_PD.ndim != 2 or coords_PD.shape[1] != len(self.grid_shape):
            raise ConfigError(f"coordinates have shape {coords_PD.shape}, expected (points, {len(self.grid_shape)})")
        if coords_PD.dtype.kind not in "fiu":
            raise ConfigError(f"coordinates are {coords_PD.dtype}, expected floats")
        if not np.isfinite(coords_PD).all():
            raise ConfigError("a coordinate is NaN or infinite, expected numbers; the signal covers [-1, 1]")
        return coords_PD.astype(np.float32)

    def _check_region(self, region: Sequence[tuple[float, float]]) -> None:
        if len(region) != len(self.grid_shape):
            raise ConfigError(f"region has {len(region)} axes, expected {len(self.grid_shape)} pairs (low, high)")
        for low, high in region:
            if not (-1.0 <= low < high <= 1.0):
                raise ConfigError(f"region has ({low}, {high}), expected -1 <= low < high <= 1")

    def _placement(self, shape: tuple[int, ...], region: Sequence[tuple[float, float]]) -> Placement:
        """Where the new samples lie among the own ones: both are in the middle of their cells."""
        steps, starts = [], []
        for (low, high), own, new in zip(region, self.grid_shape, shape, strict=True):
            step = (high - low) * own / (2.0 * new)
            steps.append(step)
            starts.append((low + 1.0) * own / 2.0 + step / 2.0 - 0.5)
        return Placement(tuple(steps), tuple(starts), shape)
