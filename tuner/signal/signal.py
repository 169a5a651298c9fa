"""The one type that a fit accepts: samples on a regular grid, and what is needed to write them back.

A `Signal` knows nothing of files. `tuner.signal.image` reads and writes them.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import prod

import numpy as np

from tuner.errors import InvalidSignal
from tuner.shapes import FloatArray


class SignalKind(StrEnum):
    """What the samples are, which decides the file format they go back to."""

    IMAGE = "image"


class SampleFormat(StrEnum):
    """How the source stored one sample; 0 and the largest integer stand for the values 0 and 1."""

    U8 = "u8"
    U16 = "u16"

    @property
    def levels(self) -> int:
        """The largest stored integer: 255 or 65535."""
        return 255 if self is SampleFormat.U8 else 65535


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Signal:
    """Samples on a regular grid.

    Attributes:
        values: float32, (*grid_shape, channels). Images are (height, width, channels) with values in [0, 1].
        kind: what the samples are.
        sample_format: how the source stored a sample, so that a decoded signal is written the same way.
        icc_profile: the colour profile of the source, kept as it came, or None.

    Raises:
        InvalidSignal: if `values` is not float32, has an empty axis, or holds NaN or infinity.
    """

    values: FloatArray
    kind: SignalKind = SignalKind.IMAGE
    sample_format: SampleFormat = SampleFormat.U8
    icc_profile: bytes | None = None

    def __post_init__(self) -> None:
        values = self.values
        if values.dtype != np.float32:
            raise InvalidSignal(
                f"values are {values.dtype}, expected float32: convert them with .astype(numpy.float32)"
            )
        if values.ndim < 2 or 0 in values.shape:
            raise InvalidSignal(f"values have shape {values.shape}, expected (*grid_shape, channels), no axis empty")
        if not np.isfinite(values).all():
            bad = int(values.size - np.isfinite(values).sum())
            raise InvalidSignal(
                f"{bad} of {values.size} values are NaN or infinite: replace or mask them before the fit"
            )

    @property
    def grid_shape(self) -> tuple[int, ...]:
        """Samples along each axis, (height, width) for an image."""
        return self.values.shape[:-1]

    @property
    def channels(self) -> int:
        """Values per sample."""
        return int(self.values.shape[-1])

    @property
    def sample_count(self) -> int:
        """Number of grid points P."""
        return prod(self.grid_shape)
