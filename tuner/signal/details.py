"""What must be kept beside the samples so that a signal goes back to the same kind of file.

One frozen class for each kind that needs one. They hold plain numbers and words, travel in the metadata of a .tnr file
(the table of details in `tuner/codec/FORMAT.md`), and know what becomes of them when a signal is rendered on another
grid: twice the samples of a sound are twice the sample rate, half the voxels have twice the size.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from itertools import accumulate
from math import ceil, isfinite
from typing import Any

import numpy as np

from tuner.errors import InvalidSignal


@dataclass(frozen=True, slots=True)
class Placement:
    """A new grid inside an old one: new index i lies at old index steps x i + starts, axis by axis.

    Attributes:
        steps: distances between new samples along each axis, in old samples.
        starts: old index of the first new sample.
        shape: new samples along each axis.
    """

    steps: tuple[float, ...]
    starts: tuple[float, ...]
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioDetails:
    """What a sound has beside its samples.

    Attributes:
        sample_rate: number of samples per second of each channel, in Hz, >= 1.
    """

    sample_rate: int

    def __post_init__(self) -> None:
        _expect("sample_rate", self.sample_rate, isinstance(self.sample_rate, int) and 1 <= self.sample_rate < 2**31)

    def placed(self, placement: Placement) -> "AudioDetails":
        """The same sound on another grid."""
        return replace(self, sample_rate=max(1, round(self.sample_rate / placement.steps[0])))


@dataclass(frozen=True, kw_only=True, slots=True)
class VolumeDetails:
    """What a volume has beside its samples.

    Attributes:
        affine: 4 x 4 in rows, from voxel indices to positions; None if the file had none.
        space_unit: unit of positions: "mm", "micron", "meter" or "unknown".
        time_unit: unit of the fourth axis: "sec", "msec", "usec" or "unknown".
        time_step: time between samples along the fourth axis, in `time_unit`.
        codes: what kind of space the affine leads to, as NIfTI numbers it (qform, sform).
        slope: factor in the file's own scaling, physical = slope x stored + intercept.
        intercept: summand in the same scaling.
        unit_axes: axes of one sample at the end of the source, which the signal does not have.
        quaternion: other geometry of a NIfTI, its qform: b, c, d, the three offsets, the sign of the third step and the
            lengths of three steps; empty if the affine says it all.
        intent: what a value means, as NIfTI numbers it, and three parameters.
        intent_name: meaning of a value in words.
        calibration: stored numbers to be shown as black and as white, times slope; both 0 for none.
        time_offset: time of the first sample along the fourth axis, in `time_unit`.
        slices: how slices were taken: dim_info, slice_start, slice_end, slice_code and slice_duration of NIfTI.
        description: free text about the source, at most 80 bytes.
        other_file: name of a further file that the source points to, aux_file of NIfTI, at most 24 bytes.
        extensions: additions to a NIfTI header, each a code followed by its bytes.
        colours: what several channels are: "rgb", "rgba", "grey" for values that are no colours, or "" if nobody said.
    """

    affine: tuple[float, ...] | None = None
    space_unit: str = "unknown"
    time_unit: str = "unknown"
    time_step: float = 1.0
    codes: tuple[int, int] = (0, 0)
    slope: float = 1.0
    intercept: float = 0.0
    unit_axes: int = 0
    quaternion: tuple[float, ...] = ()
    intent: tuple[float, ...] = (0, 0.0, 0.0, 0.0)
    intent_name: str = ""
    calibration: tuple[float, float] = (0.0, 0.0)
    time_offset: float = 0.0
    slices: tuple[float, ...] = (0, 0, 0, 0, 0.0)
    description: str = ""
    other_file: str = ""
    extensions: tuple[int | bytes, ...] = ()
    colours: str = ""

    def __post_init__(self) -> None:
        if self.affine is not None:
            _expect("affine", self.affine, len(self.affine) == 16 and _numbers(*self.affine))
        _expect("units", (self.space_unit, self.time_unit), {type(self.space_unit), type(self.time_unit)} == {str})
        _expect("time_step", self.time_step, _numbers(self.time_step))
        _expect("codes", self.codes, len(self.codes) == 2 and all(isinstance(code, int) for code in self.codes))
        _expect("slope", self.slope, _numbers(self.slope, self.intercept) and self.slope != 0)
        _expect("unit_axes", self.unit_axes, self.unit_axes in range(4))
        _expect("quaternion", self.quaternion, len(self.quaternion) in {0, 10} and _numbers(*self.quaternion))
        _expect("intent", self.intent, len(self.intent) == 4 and _numbers(*self.intent))
        _expect("calibration", self.calibration, len(self.calibration) == 2 and _numbers(*self.calibration))
        _expect("time_offset", self.time_offset, _numbers(self.time_offset))
        _expect("slices", self.slices, len(self.slices) == 5 and _numbers(*self.slices))
        words = (self.intent_name, self.description, self.other_file, self.colours)
        _expect("words", words, all(isinstance(word, str) for word in words))
        codes, contents = self.extensions[::2], self.extensions[1::2]
        _expect(
            "extensions",
            self.extensions,
            len(codes) == len(contents)
            and all(isinstance(code, int) and 0 <= code < 2**31 for code in codes)
            and all(isinstance(content, bytes) for content in contents),
        )

    def placed(self, placement: Placement) -> "VolumeDetails":
        """The same volume on another grid."""
        step = placement.steps[3] if len(placement.steps) > 3 else 1.0
        same = all(size == 1.0 for size in placement.steps) and not any(placement.starts)
        start = placement.starts[3] if len(placement.starts) > 3 else 0.0
        moved = replace(
            self,
            time_step=self.time_step * step,
            time_offset=self.time_offset + self.time_step * start,
            slices=self.slices if same else (self.slices[0], 0, 0, 0, 0.0),  # times of slices that are no more
        )
        if self.affine is None:
            return moved
        sizes, starts = (
            placed[:3] + (filler,) * (3 - len(placed[:3]))
            for placed, filler in ((tuple(placement.steps), 1.0), (tuple(placement.starts), 0.0))
        )
        inner = np.diag([*sizes, 1.0])
        inner[:3, 3] = starts
        affine = np.array(self.affine).reshape(4, 4) @ inner
        return replace(
            moved,
            affine=tuple(affine.reshape(-1).tolist()),
            quaternion=_quaternion_placed(self.quaternion, sizes, starts),
        )


def _quaternion_placed(
    quaternion: tuple[float, ...], sizes: tuple[float, ...], starts: tuple[float, ...]
) -> tuple[float, ...]:
    """The same turn with steps of other lengths, and the offset of another first voxel."""
    if not quaternion:
        return ()
    b, c, d, *offset = quaternion[:6]
    sign, lengths = quaternion[6], np.array(quaternion[7:])
    a = np.sqrt(max(0.0, 1.0 - b * b - c * c - d * d))
    turn = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    moved = np.array(offset) + turn @ (lengths * [1.0, 1.0, sign] * np.array(starts))
    return (b, c, d, *moved.tolist(), sign, *(lengths * sizes).tolist())


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoDetails:
    """Of a video.

    Attributes:
        rate: frames per second as (numerator, denominator), both >= 1; the mean, where frames are not evenly spaced.
        tick: unit of `intervals` in seconds, as (numerator, denominator), both >= 1.
        intervals: ticks from each frame to the next, all >= 1; empty where frames are evenly spaced.
        aspect: width of a pixel over its height when it is shown, as (numerator, denominator), both >= 1.
    """

    rate: tuple[int, int]
    tick: tuple[int, int] = (1, 1000)
    intervals: tuple[int, ...] = ()
    aspect: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        for name, ratio in (("rate", self.rate), ("tick", self.tick), ("aspect", self.aspect)):
            _expect(name, ratio, len(ratio) == 2 and all(isinstance(n, int) and 1 <= n < 2**31 for n in ratio))
        _expect("intervals", self.intervals, all(isinstance(n, int) and 1 <= n < 2**31 for n in self.intervals))

    @property
    def times(self) -> tuple[int, ...]:
        """Ticks from the first frame to each, 0 first; empty where frames are evenly spaced."""
        return tuple(accumulate(self.intervals, initial=0)) if self.intervals else ()

    def placed(self, placement: Placement) -> "VideoDetails":
        """The same video on another grid: its first frame is the new beginning."""
        (step, rows, columns), (start, *_) = placement.steps, placement.starts
        aspect = (Fraction(*self.aspect) * Fraction(columns / rows).limit_denominator(10**6)).limit_denominator(10**6)
        wider = max(aspect, Fraction(1, 10**6))
        return replace(self._timed(placement, step, start), aspect=(wider.numerator, wider.denominator))

    def _timed(self, placement: Placement, step: float, start: float) -> "VideoDetails":
        """The frame rate, or the times of frames, on another grid."""
        rate = Fraction(*self.rate) / Fraction(step).limit_denominator(10**6)
        rate = max(rate.limit_denominator(10**6), Fraction(1, 10**6))
        if (step, start, placement.shape[:1]) == (1.0, 0.0, (len(self.intervals) + 1,)) or not self.intervals:
            return replace(self, rate=(rate.numerator, rate.denominator))
        # Between the frames of the source time passes evenly, beyond them at the mean rate; ticks of at most 0.1 ms.
        finer = max(1, ceil(Fraction(*self.tick) * 10_000))
        tick = Fraction(*self.tick) / finer
        mean = sum(self.intervals) / len(self.intervals)
        indices = start + step * np.arange(placement.shape[0])
        own = np.arange(len(self.intervals) + 1)
        beyond = np.minimum(indices, 0.0) + np.maximum(indices - own[-1], 0.0)
        times = np.rint(finer * (np.interp(indices, own, self.times) + mean * beyond)).astype(np.int64)
        intervals = tuple(np.maximum(np.diff(times), 1).tolist())
        return replace(
            self,
            rate=(rate.numerator, rate.denominator),
            tick=(tick.numerator, tick.denominator),
            intervals=intervals,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class DistanceDetails:
    """What a grid of signed distances has beside its samples.

    Attributes:
        origin: position of the first sample, in the units of the mesh.
        spacing: distances between samples along each axis, in the units of the mesh, > 0.
    """

    origin: tuple[float, ...]
    spacing: tuple[float, ...]

    def __post_init__(self) -> None:
        _expect("origin", self.origin, len(self.origin) == 3 and _numbers(*self.origin))
        _expect("spacing", self.spacing, len(self.spacing) == 3 and _numbers(*self.spacing) and min(self.spacing) > 0)

    def placed(self, placement: Placement) -> "DistanceDetails":
        """The same field on another grid."""
        origin = (
            first + size * start for first, size, start in zip(self.origin, self.spacing, placement.starts, strict=True)
        )
        spacing = (size * step for size, step in zip(self.spacing, placement.steps, strict=True))
        return DistanceDetails(origin=tuple(origin), spacing=tuple(spacing))


Details = AudioDetails | VolumeDetails | VideoDetails | DistanceDetails


def details_to_map(details: Details) -> dict[str, Any]:
    """The details as numbers, words and lists; what has its default is left out."""
    defaults = {field.name: field.default for field in fields(details)}
    return {name: value for name, value in asdict(details).items() if value != defaults[name]}


def details_from_map(kind: type[Details], entries: Mapping[str, Any]) -> Details:
    """The details of that class; entries it does not know are ignored.

    Raises:
        InvalidSignal: if an entry is missing or out of its range.
    """
    known = {field.name for field in fields(kind)}
    given = {
        name: tuple(value) if isinstance(value, list) else value for name, value in entries.items() if name in known
    }
    make: Any = kind
    try:
        details: Details = make(**given)
    except TypeError as error:
        raise InvalidSignal(f"the details are {sorted(entries)}, expected {sorted(known)}: {error}") from error
    return details


def _numbers(*values: object) -> bool:
    return all(isinstance(value, int | float) and isfinite(value) for value in values)


def _expect(name: str, value: object, holds: bool) -> None:
    if not holds:
        raise InvalidSignal(f"{name} is {value}, which no such signal can have")
