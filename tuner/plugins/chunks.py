"""A chunk of a larger array as a .tnr file: what the codecs of Zarr and of numcodecs have in common.

Axes of length one are not axes of the file, so that a chunk (1, 1, z, y, x) of a microscope is a volume. The number of
the others is at most four, as in any representation.
"""

from dataclasses import asdict, dataclass
from math import prod
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tuner.codec.decode import decode
from tuner.codec.limits import DecodeLimits
from tuner.errors import ConfigError, CorruptFile
from tuner.plugins.asking import asked
from tuner.signal.array import array_signal
from tuner.signal.samples import SampleFormat

MOST_AXES: Final = 4
_TARGETS: Final = ("psnr_db", "max_error", "bits_per_sample")
# A fit uses all cores, and several at once would only share them.
_ONE_FIT: Final = Lock()


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkConfig:
    """What each chunk is to come to; exactly one target is given.

    Attributes:
        psnr_db: least quality of a chunk as PSNR in dB, with the range that the chunk uses as peak; or None.
        max_error: largest difference that a sample may have, as a share of the range that the chunk uses; or None.
        bits_per_sample: largest size of a chunk in bits for each sample; or None.
        effort: size of the networks and length of the fits in one word: "fast", "balanced" or "best".
        network: kind of network, "sines" or "wavelets"; None for the one that suits the chunk and the target.
        max_steps: largest number of training steps of a fit; None for that of the effort.
        seed: number that decides every random choice, >= 0.

    Raises:
        ConfigError: unless one target is given.
    """

    psnr_db: float | None = None
    max_error: float | None = None
    bits_per_sample: float | None = None
    effort: str = "balanced"
    network: str | None = None
    max_steps: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        given = [name for name in _TARGETS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ConfigError(
                f"{' and '.join(given) or 'no target'} given, expected one of {', '.join(_TARGETS)}: the codec is "
                "lossy, and an array says how much"
            )

    def to_json(self) -> dict[str, Any]:
        """What is not the default, as JSON types."""
        default = {"effort": "balanced", "seed": 0}
        return {name: value for name, value in asdict(self).items() if value != default.get(name)}

    @classmethod
    def from_json(cls, entries: dict[str, Any]) -> "ChunkConfig":
        """The configuration of an array.

        Raises:
            ConfigError: if there is an entry of another name, or not one target.
        """
        try:
            return cls(**entries)
        except TypeError as error:
            raise ConfigError(f"the configuration is {entries}, expected entries of {cls.__name__}: {error}") from error


def check_chunks(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse arrays whose chunks no representation holds, before one is written.

    Args:
        shape: length of each axis of a chunk.
        dtype: type of the elements of the array.

    Raises:
        InvalidSignal: if elements are no integers or floats of at most 64 bits.
        ConfigError: if a chunk has more than four axes longer than one, or is empty.
    """
    _format_of(dtype)
    if len(grid_of(shape)) > MOST_AXES or 0 in shape:
        raise ConfigError(
            f"chunks have shape {shape}, expected one to {MOST_AXES} axes longer than one and none empty: give the "
            "others chunks of length 1"
        )


def grid_of(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of a chunk that are axes of its file."""
    return tuple(length for length in shape if length != 1) or (1,)


def encode_chunk(chunk: NDArray[Any], config: ChunkConfig) -> bytes:
    """Fit a chunk.

    Args:
        chunk: numbers of any shape that `check_chunks` accepts.
        config: target and effort.

    Returns:
        The content of a .tnr file.

    Raises:
        FitError: if the target was missed: the array says that it holds.
        InvalidSignal: if a number is NaN, infinite, or an integer beyond 2^53.
    """
    check_chunks(chunk.shape, chunk.dtype)
    native = chunk.astype(chunk.dtype.newbyteorder("="), copy=False)
    signal = array_signal(np.ascontiguousarray(native).reshape(grid_of(chunk.shape)))
    options = {name: value for name, value in asdict(config).items() if value is not None}
    with _ONE_FIT:
        return asked(signal, options, must_meet=True)


def decode_chunk(content: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Read a chunk.

    Args:
        content: the .tnr file.
        shape: length of each axis of a chunk, as the array says it.
        dtype: type of its elements.

    Returns:
        The chunk, in exactly this shape and type.

    Raises:
        LimitExceeded: if the file holds more than the chunk.
        CorruptFile: if the file is that of another chunk.
        FormatError: if it cannot be read.
    """
    samples = prod(shape)
    representation = decode(content, DecodeLimits(samples=samples, values=samples, channels=1))
    expected = (grid_of(shape), _format_of(dtype))
    if (representation.grid_shape, representation.sample_format) != expected:
        raise CorruptFile(
            f"the chunk holds {representation.grid_shape} samples as {representation.sample_format}, expected "
            f"{expected[0]} as {expected[1]}: it belongs to another array"
        )
    signal = representation.render()
    numbers = signal.storage.to_samples(signal.values).reshape(shape)
    if dtype.kind == "f" and dtype.itemsize == 2:  # fitted with 32 bits, which reach farther
        numbers = np.clip(numbers, np.finfo(dtype).min, np.finfo(dtype).max)
    return numbers.astype(dtype)


def _format_of(dtype: np.dtype[Any]) -> SampleFormat:
    """The format of a type in any byte order.

    Raises:
        InvalidSignal: if no representation holds it.
    """
    return SampleFormat.of(dtype.newbyteorder("="))
