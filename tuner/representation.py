"""A representation: a signal held as a network, which can be asked for values anywhere.

What a fit leaves and what a file holds. It evaluates with numpy alone, so that whoever decodes a file needs no torch.
`save` and `load` go through `tuner.codec`; to make a file as small as a quality allows, use `tuner.codec.compress`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tuner.codec.limits import DecodeLimits
from tuner.codec.quantise import Steps
from tuner.errors import ConfigError
from tuner.evaluate import Parameters, evaluate_at, evaluate_gradients_at, evaluate_on_grid
from tuner.files import write_whole
from tuner.parameters import SineParameters
from tuner.shapes import FloatArray
from tuner.signal.grid import Grid
from tuner.signal.signal import SampleFormat, Signal, SignalKind


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Representation:
    """A network and what it stands for.

    Attributes:
        parameters: the network.
        kind: what the signal is.
        grid_shape: samples of the signal along each axis.
        sample_format: how a sample is written back.
        icc_profile: colour profile of the source, or None.
        steps: the quantisation steps on which the weights lie, if they came from a file.

    Raises:
        ConfigError: if the grid has not as many axes as the network has dimensions.
    """

    parameters: Parameters
    grid_shape: tuple[int, ...]
    kind: SignalKind = SignalKind.IMAGE
    sample_format: SampleFormat = SampleFormat.U8
    icc_profile: bytes | None = None
    steps: Steps | None = None

    def __post_init__(self) -> None:
        if len(self.grid_shape) != self.parameters.dimensions or min(self.grid_shape, default=0) < 1:
            raise ConfigError(
                f"the grid has shape {self.grid_shape}, expected {self.parameters.dimensions} axes of at least one "
                "sample: the dimensions of the network"
            )

    @classmethod
    def of(cls, parameters: Parameters, signal: Signal) -> "Representation":
        """The representation of `signal` by a network fitted to it."""
        return cls(
            parameters=parameters,
            grid_shape=signal.grid_shape,
            kind=signal.kind,
            sample_format=signal.sample_format,
            icc_profile=signal.icc_profile,
        )

    @property
    def sine_parameters(self) -> SineParameters:
        """The network, if it has no latents.

        Raises:
            ConfigError: if it is a modulated network.
        """
        if not isinstance(self.parameters, SineParameters):
            raise ConfigError("the representation is a modulated network, expected one without latents")
        return self.parameters

    @property
    def channels(self) -> int:
        """Values per point."""
        return self.parameters.channels

    def at(self, coords_PD: FloatArray) -> FloatArray:
        """Values at any points.

        Args:
            coords_PD: points, float (P, D); the signal covers [-1, 1]^D.

        Returns:
            float32 (P, C), not limited to [0, 1].
        """
        return evaluate_at(self.parameters, self._points(coords_PD))

    def gradient(self, coords_PD: FloatArray) -> FloatArray:
        """Exact derivatives at any points.

        Args:
            coords_PD: points, float (P, D).

        Returns:
            float32 (P, C, D), per unit of the coordinates.
        """
        return evaluate_gradients_at(self.parameters, self._points(coords_PD))

    def render(self, shape: tuple[int, ...] | None = None, *, scale: float = 1.0) -> Signal:
        """The signal on a grid, of its own shape or another; memory beyond the result is bounded.

        Args:
            shape: samples along each axis; None for the signal's own, times `scale`.
            scale: samples wanted per sample of the signal, > 0; without effect if `shape` is given.

        Returns:
            A signal with values in [0, 1].

        Raises:
            ConfigError: if the scale is not positive, or the shape does not fit the network.
        """
        if shape is None:
            if not 0.0 < scale < float("inf"):
                raise ConfigError(f"scale is {scale}, expected a finite number above 0")
            shape = tuple(max(1, round(samples * scale)) for samples in self.grid_shape)
        if len(shape) != len(self.grid_shape) or min(shape) < 1:
            raise ConfigError(f"shape is {shape}, expected {len(self.grid_shape)} axes of at least one sample")
        grid = Grid(shape, self.parameters.period)
        values = evaluate_on_grid(self.parameters, [grid.axis(dimension) for dimension in range(len(shape))])
        return Signal(
            values=np.clip(values, 0.0, 1.0, out=values),
            kind=self.kind,
            sample_format=self.sample_format,
            icc_profile=self.icc_profile,
        )

    def save(self, path: Path | str) -> None:
        """Write a .tnr file, whole or not at all.

        Weights that came from a file are written exactly; others keep 16 bits.
        """
        from tuner.codec.encode import encode  # the codec is made of representations

        write_whole(Path(path), encode(self))

    @classmethod
    def load(cls, path: Path | str, limits: DecodeLimits | None = None) -> "Representation":
        """Read a .tnr file.

        Args:
            path: of the file.
            limits: what the reader is ready to spend; None for `DecodeLimits()`.

        Returns:
            The representation.

        Raises:
            FormatError: if the file cannot be read; see `tuner.codec.decode`.
        """
        from tuner.codec.decode import decode_file

        return decode_file(Path(path), limits or DecodeLimits())

    def _points(self, coords_PD: FloatArray) -> FloatArray:
        if coords_PD.ndim != 2 or coords_PD.shape[1] != len(self.grid_shape):
            raise ConfigError(f"coordinates have shape {coords_PD.shape}, expected (points, {len(self.grid_shape)})")
        return coords_PD
