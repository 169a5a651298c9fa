"""The one type that a fit accepts: samples on a regular grid, and what is needed to write them back.

A `Signal` knows nothing of files. `tuner.signal.formats` reads and writes them.
"""

from dataclasses import dataclass
from math import prod
from typing import Final

import numpy as np

from tuner.errors import InvalidSignal
from tuner.shapes import FloatArray
from tuner.signal.details import AudioDetails, Details, DistanceDetails, VideoDetails, VolumeDetails
from tuner.signal.kind import SignalKind as SignalKind
from tuner.signal.samples import SampleFormat as SampleFormat
from tuner.signal.samples import Scaling, Storage, refuse_masked, unflipped

# What each kind keeps beside its samples; the others keep nothing.
DETAILS: Final[dict[SignalKind, type[Details]]] = {
    SignalKind.AUDIO: AudioDetails,
    SignalKind.VOLUME: VolumeDetails,
    SignalKind.VIDEO: VideoDetails,
    SignalKind.DISTANCE: DistanceDetails,
}

_MOST_COLOURS: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True, eq=False, repr=False)
class Signal:
    """Samples on a regular grid.

    Attributes:
        values: samples, float32 (*grid_shape, channels), 1 to 4 axes. Images are (height, width, channels) with values
            in [0, 1]; sounds (samples, channels) in [-1, 1]; videos (frames, height, width, channels) in [0, 1];
            volumes and arrays keep their axes, with [0, 1] for the range they use; distance fields are in units in
            which the longest side of the grid is 2, negative inside.
        kind: what the samples are.
        sample_format: how the source stored a sample, so that a decoded signal is written the same way.
        icc_profile: the colour profile of the source, kept as it came, or None.
        scaling: map from values to stored samples; None for the natural one of the sample format.
        details: what else belongs to such a file, of the class that `DETAILS` names; None is allowed.

    Raises:
        InvalidSignal: if `values` is not float32, has an empty axis or more than four, or holds NaN or infinity, or
            if the details are those of another kind.
    """

    values: FloatArray
    kind: SignalKind = SignalKind.IMAGE
    sample_format: SampleFormat = SampleFormat.U8
    icc_profile: bytes | None = None
    scaling: Scaling | None = None
    details: Details | None = None

    def __post_init__(self) -> None:
        values = self.values
        refuse_masked(values)
        if values.dtype != np.float32:
            raise InvalidSignal(
                f"values are {values.dtype}, expected float32: convert them with .astype(numpy.float32)"
            )
        if not 2 <= values.ndim <= 5 or 0 in values.shape:
            raise InvalidSignal(
                f"values have shape {values.shape}, expected (*grid_shape, channels): 1 to 4 axes and the channels, "
                "none of them empty"
            )
        if self.kind is SignalKind.IMAGE and values.ndim == 2 and values.shape[1] > _MOST_COLOURS:
            raise InvalidSignal(
                f"values of a picture have shape {values.shape}, expected (height, width, channels): one that is grey "
                "has a last axis of one, values[..., None]"
            )
        if not np.isfinite(values).all():
            bad = int(values.size - np.isfinite(values).sum())
            raise InvalidSignal(
                f"{bad} of {values.size} values are NaN or infinite: replace or mask them before the fit"
            )
        object.__setattr__(self, "values", unflipped(values))
        if self.details is not None and not isinstance(self.details, DETAILS.get(self.kind, ())):
            raise InvalidSignal(
                f"a signal of kind {self.kind} has {type(self.details).__name__}, the details of another"
            )

    def __repr__(self) -> str:
        """One line, without the samples."""
        shape = " x ".join(map(str, self.grid_shape))
        return f"Signal({self.kind}, {shape}, {self.channels} channels, stored as {self.sample_format})"

    @property
    def storage(self) -> Storage:
        """How values become stored samples."""
        return Storage(self.sample_format, self.scaling)

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
