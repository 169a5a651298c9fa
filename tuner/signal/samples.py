"""How a file stores one sample, and how that becomes a value that a network is fitted to.

A network sees values of order one. A file holds 8-bit integers, 24-bit integers, floats in Hounsfield units. Between
the two stands `Storage`: sample = value x scale + offset, rounded and limited where the format asks for it. Integer
pictures, videos and sounds have their natural scale, so that 0 and the largest integer stand for 0 and 1; volumes and
arrays are scaled by the range that they use, and keep scale and offset. Used by every reader and writer, by the
metrics and by the codec.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from math import isfinite
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tuner.errors import InvalidSignal
from tuner.shapes import FloatArray


class SampleFormat(StrEnum):
    """How the source stored one sample: unsigned, signed or float, and its bits."""

    U8 = "u8"
    U16 = "u16"
    S8 = "s8"
    S16 = "s16"
    S24 = "s24"
    U32 = "u32"
    S32 = "s32"
    U64 = "u64"
    S64 = "s64"
    F16 = "f16"
    F32 = "f32"
    F64 = "f64"

    @property
    def is_integer(self) -> bool:
        """Whether samples are integers."""
        return self.value[0] != "f"

    @property
    def bits(self) -> int:
        """Bits of one sample."""
        return int(self.value[1:])

    @property
    def least(self) -> int:
        """The smallest stored integer; 64-bit integers are used as far as a double counts them, to 2^53."""
        return 0 if self.value[0] == "u" else max(-(1 << (self.bits - 1)), -EXACT)

    @property
    def largest(self) -> int:
        """The largest stored integer; see `least`."""
        return min((1 << (self.bits - (self.value[0] == "s"))) - 1, EXACT)

    @property
    def levels(self) -> int:
        """Steps between the least and the largest stored integer: 255, 65535, ..."""
        return self.largest - self.least

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array type that holds such samples; 24 bits are held in 32."""
        return np.dtype(
            f"{'i' if self.value[0] == 's' else self.value[0]}{max(self.bits, 8) // 8 if self.bits != 24 else 4}"
        )

    @classmethod
    def of(cls, dtype: np.dtype[Any]) -> "SampleFormat":
        """The format of an array type.

        Raises:
            InvalidSignal: if samples of this type cannot be fitted.
        """
        letter = {"u": "u", "i": "s", "f": "f"}.get(dtype.kind, "")
        name = f"{letter}{8 * dtype.itemsize}"
        if name not in cls.__members__.values():
            raise InvalidSignal(
                f"samples are {dtype}, expected integers or floats of at most 64 bits: convert them, "
                "for example with .astype(numpy.float32)"
            )
        return cls(name)


EXACT: Final = 1 << 53
_AT_ONCE: Final = 1 << 22  # samples that are looked at together


@dataclass(frozen=True, slots=True)
class Scaling:
    """sample = value x scale + offset.

    Attributes:
        scale: finite, > 0.
        offset: finite.

    Raises:
        InvalidSignal: if either is out of its range.
    """

    scale: float
    offset: float = 0.0

    def __post_init__(self) -> None:
        if not (isfinite(self.scale) and self.scale > 0.0 and isfinite(self.offset)):
            raise InvalidSignal(
                f"the scale is {self.scale} and the offset {self.offset}, expected finite numbers, the scale above 0: "
                "the samples span too much, or nothing"
            )

    @classmethod
    def over(cls, samples: NDArray[Any]) -> "Scaling":
        """The scaling by which samples span the values [0, 1]; a constant becomes 0."""
        check_finite(samples)
        low, high = float(samples.min()), float(samples.max())
        return cls(high - low if high > low else 1.0, low)


@dataclass(frozen=True)
class Storage:
    """How values of a signal are stored.

    Attributes:
        format: type of number that a sample is stored as.
        scaling: map from values to stored samples; None for the natural one: the largest unsigned integer stands for
            1, 2^(bits - 1) in a signed format, and floats stand for themselves.
    """

    format: SampleFormat
    scaling: Scaling | None = None

    @cached_property
    def effective(self) -> Scaling:
        """The scaling that is used."""
        if self.scaling is not None:
            return self.scaling
        if not self.format.is_integer:
            return Scaling(1.0)
        return Scaling(float(self.format.largest if self.format.least == 0 else -self.format.least))

    @property
    def value_range(self) -> tuple[float, float] | None:
        """Least and largest value that can be written; None if any can."""
        if not self.format.is_integer:
            return None
        if self.scaling is not None:
            return 0.0, 1.0
        return self.format.least / self.effective.scale, self.format.largest / self.effective.scale

    @property
    def is_kept_by_values(self) -> bool:
        """Whether values, which are 32-bit floats, are enough to write each sample as it was read."""
        if self.format.is_integer:  # a quarter of a step at most is lost
            return self.effective.scale <= 1 << 23
        return self.format.bits <= 32 and self.effective == Scaling(1.0)

    def limited(self, values: FloatArray) -> FloatArray:
        """Values brought within the range that can be written."""
        if self.value_range is None:
            return values
        limited: FloatArray = np.clip(values, *self.value_range)
        return limited

    def to_samples(self, values: FloatArray) -> NDArray[Any]:
        """What is written for `values`, in the format's array type."""
        samples = self.limited(values).astype(np.float64) * self.effective.scale + self.effective.offset
        if not self.format.is_integer:
            largest = float(np.finfo(self.format.dtype).max)
            return np.clip(samples, -largest, largest).astype(self.format.dtype)
        return np.clip(np.rint(samples), self.format.least, self.format.largest).astype(self.format.dtype)

    def to_values(self, samples: NDArray[Any]) -> FloatArray:
        """The values of stored samples, float32.

        Raises:
            InvalidSignal: if a sample is NaN or infinite, or an integer beyond 2^53.
        """
        check_finite(samples)
        if (
            samples.dtype.itemsize == 8
            and samples.dtype.kind in "iu"
            and (int(samples.max()) > EXACT or int(samples.min()) < -EXACT)
        ):
            raise InvalidSignal(f"samples reach {samples.max()}, expected integers up to 2^53: divide them first")
        values = (samples.astype(np.float64) - self.effective.offset) / self.effective.scale
        return values.astype(np.float32)

    def as_written(self, values: FloatArray) -> FloatArray:
        """The values that come back after writing and reading."""
        coarse = self.format.is_integer or self.format is SampleFormat.F16
        return self.to_values(self.to_samples(values)) if coarse else values


def unflipped(array: FloatArray) -> FloatArray:
    """The array, copied if it is a view that runs backwards along an axis, which torch does not take."""
    return array if min(array.strides, default=0) >= 0 else np.ascontiguousarray(array)


def check_finite(samples: NDArray[Any]) -> None:
    """Refuse samples without a value.

    Raises:
        InvalidSignal: if there are none, or one is NaN or infinite.
    """
    if samples.size == 0:
        raise InvalidSignal(f"samples have shape {samples.shape}, expected no empty axis")
    if samples.dtype.kind in "iu":
        return
    # In the order of memory and in pieces: a large array may be mapped, and is not to be looked at by copies of all.
    flat = samples.ravel(order="K")
    bad = sum(
        int(np.count_nonzero(~np.isfinite(flat[start : start + _AT_ONCE]))) for start in range(0, flat.size, _AT_ONCE)
    )
    if bad:
        raise InvalidSignal(f"{bad} of {samples.size} values are NaN or infinite: replace or mask them before the fit")


def refuse_masked(*arrays: object) -> None:
    """Refuse arrays, and lists of arrays, of which some elements are masked: what lies under a mask is no measurement.

    Raises:
        InvalidSignal: if an element is masked.
    """
    for array in arrays:
        if isinstance(array, list | tuple):
            refuse_masked(*(part for part in array if isinstance(part, list | tuple | np.ma.MaskedArray)))
        if isinstance(array, np.ma.MaskedArray) and np.ma.getmaskarray(array).any():
            raise InvalidSignal(
                f"{int(np.ma.getmaskarray(array).sum())} of {array.size} elements are masked, expected a value for "
                "each: fill them in with .filled(value), or fit the others as points with scattered_signal"
            )
