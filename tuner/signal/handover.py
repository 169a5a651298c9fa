"""A signal that is read in one process and used in another: its samples and what belongs to them, as bytes.

A signal of very many values is handed over as it is stored where its format allows that, a fourth of the bytes as a
rule, and never held as values on either side. A head of JSON, padded so that the samples behind it lie on a boundary,
and then the samples as they lie in memory. The side that reads the file may have been taken over by it, so the other
side believes nothing: lengths and types are checked, and a signal is made from the parts as from any other source.
`prepare` and `run` are for a process that is locked in between the two.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from io import BytesIO
from math import prod
from typing import Any, Final

import numpy as np
from PIL import Image

from tuner.errors import (
    DamagedSignal,
    InvalidSignal,
    SignalError,
    SignalTooLarge,
    TunerError,
    UnsupportedFormat,
)
from tuner.notes import pass_over_notes
from tuner.signal.details import AudioDetails, details_from_map, details_to_map
from tuner.signal.formats import WRITERS, inspect_signal, read_large, read_signal
from tuner.signal.kind import SignalKind
from tuner.signal.large import MOST_TILED_AXES, LargeSignal
from tuner.signal.large_picture import LARGE_LIMITS
from tuner.signal.limits import STORED_LIMITS, SignalLimits
from tuner.signal.samples import SampleFormat, Scaling
from tuner.signal.signal import DETAILS, Signal
from tuner.signal.tiff_pages import load_codecs

_ALIGNMENT: Final = 64
_HEAD_BYTES: Final = 1 << 26  # a colour profile may be long
_REFUSALS: Final = {error.code: error for error in (UnsupportedFormat, DamagedSignal, SignalTooLarge, InvalidSignal)}
_MOST_COLOURS: Final = 4
_STORED: Final = {each.dtype.newbyteorder("<").str for each in SampleFormat}
_WANT_OF_MEMORY: Final = ("out of memory", "cannot allocate memory", "unable to allocate")
_SHAPES: Final = {  # of a small signal of each kind
    SignalKind.IMAGE: (8, 8, 3),
    SignalKind.AUDIO: (64, 1),
    SignalKind.VOLUME: (4, 4, 4, 1),
    SignalKind.VIDEO: (2, 16, 16, 3),
    SignalKind.ARRAY: (4, 4, 1),
}
_MESH: Final = b"v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"


def load_readers() -> None:
    """Read a small file of every format, so that nothing is left to be imported when a stranger's file is met.

    A format whose library is not installed is left out: its files are refused later, by name.
    """
    Image.init()
    with suppress(SignalError):
        load_codecs()
    for small in _small_files():
        with suppress(SignalError):
            inspect_signal(small)
            read_signal(small, resolution=8)


def prepare() -> None:
    """Load everything that any file may need."""
    load_readers()
    pass_over_notes()


def run(data: bytes, request: dict[str, Any]) -> Iterator[bytes | memoryview]:
    """Read a file: the signal, or why it is none.

    Args:
        data: content of the file.
        request: may have `stored_beyond`, for each kind of signal the number of values beyond which it is handed over
            as it is stored.
    """
    try:
        signal = _read(data, request.get("stored_beyond"))
    except SignalError as error:
        blame_memory(error)
        yield _head({"refused": error.code, "message": str(error)})
        return
    yield from signal_pieces(signal)


def _read(data: bytes, stored_beyond: dict[str, int] | None) -> Signal | LargeSignal:
    if stored_beyond is None:
        return read_signal(data)
    return read_large(data, {kind: stored_beyond[kind] for kind in SignalKind})


def blame_memory(error: TunerError) -> None:
    """Decoders that are refused memory call the file damaged, which it is not.

    Raises:
        MemoryError: if that is what happened.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or any(words in str(cause).lower() for words in _WANT_OF_MEMORY):
            raise MemoryError(str(error)) from error
        cause = cause.__cause__


def signal_pieces(signal: Signal | LargeSignal) -> Iterator[bytes | memoryview]:
    """A signal as bytes, in pieces of which the last is its samples, uncopied.

    Args:
        signal: a signal, or one whose samples are as they are stored.
    """
    details, scaling, profile = signal.details, signal.scaling, signal.icc_profile
    head = {
        "shape": [*signal.grid_shape, signal.channels],
        "kind": signal.kind.value,
        "sample_format": signal.sample_format.value,
        "icc_profile": None if profile is None else b64encode(profile).decode(),
        "scaling": None if scaling is None else asdict(scaling),
        "details": None if details is None else details_to_map(details),
    }
    if isinstance(signal, Signal):
        yield _head(head)
        yield np.ascontiguousarray(signal.values, dtype="<f4").data.cast("B")
        return
    samples = np.asarray(signal.samples).reshape(*signal.grid_shape, signal.channels)
    dtype = samples.dtype.newbyteorder("<")
    # The voxels of a NIfTI lie with their first axis innermost, and are not turned round for this.
    turned = samples.flags.f_contiguous and not samples.flags.c_contiguous
    yield _head(head | {"stored": dtype.str, "turned": turned})
    yield np.ascontiguousarray(samples.T if turned else samples, dtype=dtype).data.cast("B")


def signal_of(
    answer: memoryview,
    limits: SignalLimits = SignalLimits(),  # noqa: B008  frozen
) -> Signal | LargeSignal:
    """The signal that `signal_pieces` wrote; its samples are not copied.

    Args:
        answer: the bytes.
        limits: what a signal that is held as values may have; one that is stored has `STORED_LIMITS`.

    Raises:
        SignalError: if the file was refused, of the class that says why.
        InvalidSignal: if the bytes are no signal.
    """
    try:
        head, values = _parts(answer)
        if "refused" in head:
            raise _REFUSALS.get(head["refused"], InvalidSignal)(str(head["message"]))
        shape = tuple(int(length) for length in head["shape"])
        if min(shape) < 1:  # -1 would be found out from the others
            raise ValueError(f"its shape is {shape}")
        limits = STORED_LIMITS if "stored" in head else limits
        limits.check("points", prod(shape[:-1]))
        limits.check("channels", shape[-1])
        kind = SignalKind(head["kind"])
        scaling, details, profile = head["scaling"], head["details"], head["icc_profile"]
        belongings: dict[str, Any] = {
            "kind": kind,
            "sample_format": SampleFormat(head["sample_format"]),
            "icc_profile": None if profile is None else b64decode(profile),
            "scaling": None if scaling is None else Scaling(**scaling),
            "details": None if details is None else details_from_map(DETAILS[kind], details),
        }
        if "stored" not in head:
            return Signal(values=np.frombuffer(values, dtype="<f4").reshape(shape), **belongings)
        if head["stored"] not in _STORED:
            raise ValueError(f"its samples are {head['stored']}")
        _check_stored(kind, shape)
        samples = np.frombuffer(values, dtype=head["stored"])
        samples = samples.reshape(shape[::-1]).T if head["turned"] else samples.reshape(shape)
        return LargeSignal(samples=samples, grid_shape=shape[:-1], channels=shape[-1], **belongings)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InvalidSignal(f"the process that read the file handed over no signal: {error!r}") from error


def _check_stored(kind: SignalKind, shape: tuple[int, ...]) -> None:
    """Hold a shape, (*grid_shape, channels), against what a reader of such files gives."""
    if kind is SignalKind.IMAGE:
        height, width, channels = shape
        STORED_LIMITS.check("values", height * width * channels)
        replace(STORED_LIMITS, side=LARGE_LIMITS.max_side).check("side", max(height, width))
        replace(STORED_LIMITS, channels=_MOST_COLOURS).check("channels", channels)
    elif not 2 <= len(shape) <= MOST_TILED_AXES + 1:
        raise ValueError(f"its shape is {shape}")


def _head(head: dict[str, Any]) -> bytes:
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little").ljust(_ALIGNMENT, b"\0") + text


def _parts(answer: memoryview) -> tuple[dict[str, Any], memoryview]:
    length = int.from_bytes(answer[:8], "little")
    if length > min(len(answer) - _ALIGNMENT, _HEAD_BYTES):
        raise ValueError(f"its head has {length} bytes, and all of it {len(answer)}")
    return json.loads(bytes(answer[_ALIGNMENT : _ALIGNMENT + length])), answer[_ALIGNMENT + length :]


def _small_files() -> Iterator[bytes]:
    for kind, shape in _SHAPES.items():
        ramp = np.linspace(0, 1, prod(shape), dtype=np.float32).reshape(shape)
        details = AudioDetails(sample_rate=8000) if kind is SignalKind.AUDIO else None
        signal = Signal(values=ramp, kind=kind, details=details)
        for write in WRITERS[kind].values():
            with suppress(SignalError):
                yield write(signal)
    for name in ("JPEG", "WEBP", "TIFF"):
        picture = BytesIO()
        Image.new("RGB", (8, 8)).save(picture, name)
        yield picture.getvalue()
    array = BytesIO()
    np.save(array, np.arange(12.0).reshape(3, 4), allow_pickle=False)
    yield array.getvalue()
    yield _MESH
    with suppress(SignalError):
        mesh = read_signal(_MESH, resolution=8)
        for write in WRITERS[SignalKind.DISTANCE].values():
            yield write(mesh)
