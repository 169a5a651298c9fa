"""Arrays of one to four dimensions to signals and back: .npy, never with pickles.

The header is read first and held against the limits; the samples are then taken from the bytes as they are. Every axis
becomes an axis of the grid, with one value per point. Integers and floats alike are scaled by the range they use.
"""

from io import BytesIO
from math import prod
from mmap import mmap
from typing import Any, Final

import numpy as np
from numpy.lib import format as npy

from tuner.errors import DamagedSignal, InvalidSignal, UnsupportedFormat
from tuner.signal.details import VolumeDetails
from tuner.signal.large import LargeSignal
from tuner.signal.limits import SignalLimits
from tuner.signal.objects import plain_array
from tuner.signal.samples import SampleFormat, Scaling, Storage
from tuner.signal.signal import Signal, SignalKind

_VERSIONS: Final = ((1, 0), (2, 0), (3, 0))
_MOST_AXES: Final = 4
_HEADER_BYTES: Final = 1 << 17  # numpy takes no header of more than 10,000


def read_array(data: bytes, limits: SignalLimits) -> Signal:
    """Decode a .npy file into a signal of shape (*shape, 1).

    Args:
        data: content of the file.
        limits: held against the header before anything is decoded.

    Returns:
        The signal; values span [0, 1], its scaling leads back.

    Raises:
        UnsupportedFormat: if its elements are no numbers, or it has no dimension or more than four.
        DamagedSignal: if it is truncated or corrupt.
        InvalidSignal: if it is empty, or an element is NaN or infinite.
        SignalTooLarge: if it is over a limit.
    """
    return stored_array(data, limits).held()


def stored_array(data: bytes | mmap, limits: SignalLimits) -> LargeSignal:
    """The elements of a .npy file where they lie; raises what `read_array` raises.

    Args:
        data: content of the file, in memory or mapped.
        limits: held against the header before anything is decoded.
    """
    file = BytesIO(data[:_HEADER_BYTES])
    try:
        version = npy.read_magic(file)
        if version not in _VERSIONS:
            raise ValueError(f"its version is {version}, expected one of {_VERSIONS}")
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, columns_first, dtype = read_header(file)
    except MemoryError:
        # Of the parser, which has a limit of its own: the header is short, whatever it says.
        raise DamagedSignal("the header of the .npy file nests too deeply: it is corrupt") from None
    except Exception as error:  # numpy parses the header as Python source, which fails in many ways
        raise DamagedSignal(f"the header of the .npy file is truncated or corrupt: {error}") from error
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise UnsupportedFormat(f"the array has elements of type {dtype}, expected integers or floats: convert it")
    if not 1 <= len(shape) <= _MOST_AXES:
        raise UnsupportedFormat(f"the array has {len(shape)} dimensions, expected one to four: reshape it")
    _check_axes(shape, limits)
    limits.check("stored_bytes", prod(shape) * dtype.itemsize)
    expected, found = prod(shape) * dtype.itemsize, len(data) - file.tell()
    if found != expected:
        raise DamagedSignal(f"the array has {found} bytes of elements, expected {expected}: the file is damaged")
    elements = np.frombuffer(data, dtype, offset=file.tell()).reshape(shape, order="F" if columns_first else "C")
    return in_own_range(elements[..., None], SignalKind.ARRAY)


def _check_axes(shape: tuple[int, ...], limits: SignalLimits) -> None:
    """Hold each axis against the limits by itself: a product of wrong numbers may look right.

    Raises:
        DamagedSignal: if an axis has no length, such as -1 or True.
        InvalidSignal: if an axis is empty.
        SignalTooLarge: if an axis, or all of them together, are over the limit.
    """
    for axis, length in enumerate(shape):
        if type(length) is not int or length < 0:
            shown = str(length)[:20]
            raise DamagedSignal(f"axis {axis} of the array has the length {shown}, expected a positive integer")
    if 0 in shape:
        raise InvalidSignal("the array has an empty axis, expected at least one element: leave it out")
    # Enough to refuse it, and small enough to be written down: a header has room for thousands of digits.
    limits.check("points", min(prod(shape), 2**63))


def array_signal(elements: Any, *, channels_last: bool = False) -> Signal:
    """A signal of any array, each dimension of which is an axis of the grid, but for a last one of channels.

    Example:
        >>> import numpy as np
        >>> signal = array_signal(np.array([[-1024, 0], [2048, 3071]], dtype=np.int16))
        >>> signal.values[..., 0].min(), signal.values[..., 0].max()
        (np.float32(0.0), np.float32(1.0))
        >>> signal.storage.to_samples(signal.values)[..., 0].tolist()
        [[-1024, 0], [2048, 3071]]

    Args:
        elements: integers or floats, one to four dimensions beside that of the channels; an array, or anything that
            numpy makes one from: a list, a torch tensor, a data frame.
        channels_last: whether the last dimension holds the channels; otherwise there is one channel.

    Returns:
        The signal; its values span [0, 1].

    Raises:
        InvalidSignal: if the array is empty, of another type or rank, or holds NaN or infinity.
    """
    elements = plain_array(elements)
    return in_own_range(elements if channels_last else elements[..., None], SignalKind.ARRAY).held()


def volume_signal(samples: np.ndarray, details: VolumeDetails) -> Signal:
    """A signal of the voxels of a volume, scaled like those of an array.

    Args:
        samples: integers or floats, (*grid_shape, channels).
        details: what the file says beside its voxels.

    Returns:
        The signal; its values span [0, 1].

    Raises:
        InvalidSignal: if a voxel is NaN or infinite, or of a type that no signal has.
    """
    return in_own_range(samples, SignalKind.VOLUME, details).held()


def in_own_range(samples: np.ndarray, kind: SignalKind, details: VolumeDetails | None = None) -> LargeSignal:
    """A signal of samples as they are stored, whose values span [0, 1].

    Args:
        samples: integers or floats, (*grid_shape, channels), which are looked at but not copied.
        kind: what the samples are.
        details: what the file says beside its samples, or None.

    Raises:
        InvalidSignal: if there are no samples, or one has no value, or of a type that no signal has.
    """
    if not 2 <= samples.ndim <= _MOST_AXES + 1:
        raise InvalidSignal(
            f"samples have shape {samples.shape}, expected (*grid_shape, channels): 1 to 4 axes and the channels"
        )
    storage = Storage(SampleFormat.of(samples.dtype), Scaling.over(samples))
    storage.to_values(np.array([samples.min(), samples.max()]))  # refuses integers beyond those that a double counts
    return LargeSignal(
        samples=samples,
        grid_shape=samples.shape[:-1],
        channels=samples.shape[-1],
        kind=kind,
        sample_format=storage.format,
        scaling=storage.scaling,
        details=details,
    )


def write_array(signal: Signal) -> bytes:
    """Encode the stored samples of any signal as .npy; a single channel has no axis of its own."""
    samples = signal.storage.to_samples(signal.values)
    if samples.ndim < 2:
        raise InvalidSignal(f"samples have shape {samples.shape}, expected (*grid_shape, channels)")
    file = BytesIO()
    np.save(file, samples[..., 0] if signal.channels == 1 else samples, allow_pickle=False)
    return file.getvalue()
