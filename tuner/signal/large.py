"""A signal that is too large to be held as values: its samples stay as they are stored, and regions of it are read.

What holds the samples may be an array in memory, a memory-mapped file, or anything else that has a shape and a type and
gives a region when it is asked for one: a copy in float32 of all of it is never made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np

from tuner.errors import InvalidSignal
from tuner.shapes import FloatArray
from tuner.signal.details import Details
from tuner.signal.kind import SignalKind
from tuner.signal.objects import as_numpy
from tuner.signal.samples import SampleFormat, Scaling, Storage
from tuner.signal.signal import Signal

MOST_TILED_AXES: Final = 3  # of a signal that is cut into tiles
_AT_ONCE: Final = 1 << 22  # values that are converted together


@runtime_checkable
class Samples(Protocol):
    """What gives the samples of a region."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of samples along each axis."""

    @property
    def dtype(self) -> Any:
        """Type of a sample."""

    def __getitem__(self, region: tuple[slice, ...], /) -> Any:
        """The samples of a region, as an array."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LargeSignal:
    """Samples on a regular grid, of which regions become values.

    Attributes:
        samples: stored samples or values, (*grid_shape, channels) or, of one channel, grid_shape alone.
        grid_shape: number of samples along each axis.
        channels: number of values of a sample.
        are_values: whether the samples are values already, as in a `Signal`.
        kind: what the samples are.
        sample_format: how the source stored a sample.
        icc_profile: colour profile of the source, kept as it came, or None.
        scaling: map from values to stored samples; None for the natural one of the sample format.
        details: what else belongs to such a file, or None.
    """

    samples: Samples
    grid_shape: tuple[int, ...]
    channels: int
    are_values: bool = False
    kind: SignalKind = SignalKind.IMAGE
    sample_format: SampleFormat = SampleFormat.U8
    icc_profile: bytes | None = None
    scaling: Scaling | None = None
    details: Details | None = None

    @classmethod
    def of(cls, signal: Signal) -> "LargeSignal":
        """A signal that is held already; its values are not copied."""
        return cls(
            samples=signal.values,
            grid_shape=signal.grid_shape,
            channels=signal.channels,
            are_values=True,
            kind=signal.kind,
            sample_format=signal.sample_format,
            icc_profile=signal.icc_profile,
            scaling=signal.scaling,
            details=signal.details,
        )

    @property
    def storage(self) -> Storage:
        """How values become stored samples."""
        return Storage(self.sample_format, self.scaling)

    @property
    def sample_count(self) -> int:
        """Number of grid points."""
        return prod(self.grid_shape)

    def held(self) -> Signal:
        """The signal with all its values in memory.

        Raises:
            InvalidSignal: if a sample is NaN or infinite.
        """
        values = np.empty((*self.grid_shape, self.channels), dtype=np.float32)
        rest = [(0, side) for side in self.grid_shape[1:]]
        rows = max(1, _AT_ONCE * self.grid_shape[0] // values.size)
        for start in range(0, self.grid_shape[0], rows):
            stop = min(start + rows, self.grid_shape[0])
            values[start:stop] = self.values([(start, stop), *rest])
        return Signal(
            values=values,
            kind=self.kind,
            sample_format=self.sample_format,
            icc_profile=self.icc_profile,
            scaling=self.scaling,
            details=self.details,
        )

    def values(self, region: Sequence[tuple[int, int]]) -> FloatArray:
        """Values of a region, float32 (*sides, channels), contiguous.

        Args:
            region: samples along each axis, [start, stop).

        Raises:
            InvalidSignal: if a sample is NaN or infinite.
        """
        found = as_numpy(self.samples[tuple(slice(start, stop) for start, stop in region)])
        shape = (*(stop - start for start, stop in region), self.channels)
        if found.size != prod(shape):
            raise InvalidSignal(f"the samples of {list(region)} have shape {found.shape}, expected {shape}")
        found = found.reshape(shape)
        if self.are_values:
            # Never a view of samples that cannot be written to, of which libraries warn.
            return np.require(found, np.float32, ["C", "W"])
        return np.ascontiguousarray(self.storage.to_values(found.astype(found.dtype.newbyteorder("="), copy=False)))


def as_large(signal: Signal | LargeSignal) -> LargeSignal:
    """A signal whose samples are asked for by regions; values that are held already are not copied."""
    return signal if isinstance(signal, LargeSignal) else LargeSignal.of(signal)


def as_held(signal: Signal | LargeSignal) -> Signal:
    """A signal with all its values in memory; those that are there already are not copied."""
    return signal.held() if isinstance(signal, LargeSignal) else signal


def picture_of_samples(samples: Samples, icc_profile: bytes | None = None) -> LargeSignal:
    """A picture of samples as they are stored.

    Args:
        samples: bytes or 16-bit integers, (height, width) or (height, width, channels).
        icc_profile: colour profile of the picture, or None.
    """
    shape = tuple(samples.shape)
    return LargeSignal(
        samples=samples,
        grid_shape=shape[:2],
        channels=1 if len(shape) == 2 else shape[2],
        sample_format=SampleFormat.of(np.dtype(samples.dtype)),
        icc_profile=icc_profile,
    )
