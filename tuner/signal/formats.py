"""Files of every kind to signals and back: which reader, which writer.

A file is known by what it begins with, never by its name. A signal is written by its kind, and the name's suffix
chooses among the formats of that kind; .npy takes any. Libraries for sounds, volumes, videos and meshes are imported
when such a file is met.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, Final

import numpy as np

from tuner.errors import ConfigError, DamagedSignal, UnsupportedFormat
from tuner.files import write_whole
from tuner.signal.array import read_array, stored_array, write_array
from tuner.signal.audio import read_audio, stored_audio, write_audio
from tuner.signal.compaction import compaction_db
from tuner.signal.details import details_to_map
from tuner.signal.foreign import foreign
from tuner.signal.image import ImageLimits, look_into_image, read_image, write_image
from tuner.signal.large import MOST_TILED_AXES, LargeSignal
from tuner.signal.large_picture import large_picture
from tuner.signal.limits import STORED_LIMITS, SignalLimits
from tuner.signal.mesh import (
    BYTE_ORDER_MARK,
    RESOLUTION,
    distance_signal,
    field_shape,
    read_mesh,
    read_mesh_field,
    write_mesh,
)
from tuner.signal.nifti import read_nifti, stored_nifti, write_nifti
from tuner.signal.obj import FREE_FORM
from tuner.signal.samples import Storage
from tuner.signal.signal import Signal, SignalKind
from tuner.signal.sound_chunks import without_id3
from tuner.signal.stl import is_text_stl, is_whole_binary_stl, may_be_binary_stl
from tuner.signal.tiff import TiffContent, begins_tiff, content_of
from tuner.signal.tiff_pages import read_stack, read_tiff_array, write_page, write_stack
from tuner.signal.triangles import Heed, Mesh, nobody
from tuner.signal.video import read_video, write_video

Writer = Callable[[Signal], bytes]
# Of files whose samples can stay as they are stored. A TIFF stack and a video are decoded page by page into values.
_STORED_READERS: Final[Mapping[str, Callable[[Any, SignalLimits], LargeSignal]]] = {
    "npy": stored_array,
    "nii": stored_nifti,
    "nii.gz": stored_nifti,
    "wav": stored_audio,
    "flac": stored_audio,
    "ogg": stored_audio,
}
_BEGINNING: Final = 1 << 12  # bytes by which a .npy, a .nii and a sound are known
_INSPECTION_RESOLUTION: Final = 8


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A format that is read: its name, the kind of signal it holds, and how it begins."""

    name: str
    kind: SignalKind
    begins: Callable[[bytes], bool]

    @property
    def is_read_as_stored(self) -> bool:
        """Whether samples can stay as they are stored; if not, and it is no picture, a signal is held as values."""
        return self.name in _STORED_READERS


# The first one that fits is taken.
FORMATS: Final = (
    FileFormat("npy", SignalKind.ARRAY, lambda data: data.startswith(b"\x93NUMPY")),
    FileFormat("wav", SignalKind.AUDIO, lambda data: data[:4] in {b"RIFF", b"RF64", b"BW64"} and data[8:12] == b"WAVE"),
    FileFormat("flac", SignalKind.AUDIO, lambda data: without_id3(data).startswith(b"fLaC")),
    FileFormat("ogg", SignalKind.AUDIO, lambda data: data.startswith(b"OggS")),
    FileFormat("avi", SignalKind.VIDEO, lambda data: data.startswith(b"RIFF") and data[8:12] == b"AVI "),
    FileFormat("mp4", SignalKind.VIDEO, lambda data: data[4:8] == b"ftyp"),
    FileFormat("mov", SignalKind.VIDEO, lambda data: data[4:8] in {b"moov", b"mdat", b"wide"}),
    FileFormat("mkv", SignalKind.VIDEO, lambda data: data.startswith(b"\x1a\x45\xdf\xa3")),
    FileFormat("nii.gz", SignalKind.VOLUME, lambda data: data.startswith(b"\x1f\x8b")),
    FileFormat("nii", SignalKind.VOLUME, lambda data: _begins_nifti(data)),
    FileFormat("tiff", SignalKind.VOLUME, lambda data: content_of(data) is TiffContent.STACK),
    FileFormat("tiff", SignalKind.ARRAY, lambda data: content_of(data) is TiffContent.ARRAY),
    FileFormat(
        "ply", SignalKind.DISTANCE, lambda data: data.removeprefix(BYTE_ORDER_MARK).startswith((b"ply\n", b"ply\r"))
    ),
    FileFormat("stl", SignalKind.DISTANCE, lambda data: _begins_stl(data)),
    FileFormat("obj", SignalKind.DISTANCE, lambda data: _begins_obj(data)),
    FileFormat("image", SignalKind.IMAGE, lambda data: _begins_image(data)),
    # What is left may be a binary STL that has been cut, or that has something behind it.
    FileFormat("stl", SignalKind.DISTANCE, may_be_binary_stl),
)

WRITERS: Final[Mapping[SignalKind, Mapping[str, Writer]]] = {
    SignalKind.IMAGE: {".png": write_image},
    SignalKind.AUDIO: {
        ".wav": lambda signal: write_audio(signal, "wav"),
        ".flac": lambda signal: write_audio(signal, "flac"),
        ".ogg": lambda signal: write_audio(signal, "ogg"),
    },
    SignalKind.VOLUME: {
        ".nii": lambda signal: write_nifti(signal, compressed=False),
        ".nii.gz": lambda signal: write_nifti(signal, compressed=True),
        ".tif": write_stack,
        ".tiff": write_stack,
    },
    SignalKind.VIDEO: {
        ".mp4": lambda signal: write_video(signal, "mp4"),
        ".mkv": lambda signal: write_video(signal, "mkv"),
    },
    SignalKind.DISTANCE: {
        ".ply": lambda signal: write_mesh(signal, "ply"),
        ".obj": lambda signal: write_mesh(signal, "obj"),
        ".stl": lambda signal: write_mesh(signal, "stl"),
    },
    SignalKind.ARRAY: {".npy": write_array, ".tif": write_page, ".tiff": write_page},
}


def read_signal(
    source: bytes | Path | str,
    limits: SignalLimits = SignalLimits(),  # noqa: B008  frozen
    *,
    resolution: int = RESOLUTION,
    heed: Heed = nobody,
) -> Signal:
    """Read a file of any known format.

    Example:
        >>> import numpy as np
        >>> from tuner.signal.array import array_signal
        >>> file = encode_signal(array_signal(np.arange(12.0).reshape(3, 4)), "ramp.npy")
        >>> signal = read_signal(file)
        >>> signal.kind.value, signal.grid_shape, signal.channels
        ('array', (3, 4), 1)

    Args:
        source: the file's bytes, or its path.
        limits: held against the file and its header before anything is decoded.
        resolution: samples along the longest side of the distance field that a mesh becomes.
        heed: called before decoding, and several times a second while a mesh is measured; what it raises ends the
            reading.

    Returns:
        The signal, of the kind that the file's first bytes say.

    Raises:
        UnsupportedFormat: if the format is unknown or cannot be kept, or its library is not installed.
        DamagedSignal: if the file is empty, truncated or corrupt.
        InvalidSignal: if its samples cannot be fitted.
        SignalTooLarge: if it is over a limit.
    """
    data = _bytes_of(source, limits)
    found = format_of(data)
    heed()
    if found.kind is SignalKind.DISTANCE:
        return read_mesh_field(data, limits, found.name, resolution=resolution, heed=heed)
    if found.kind is SignalKind.VOLUME:
        return read_stack(data, limits) if found.name == "tiff" else read_nifti(data, limits)
    if found.kind is SignalKind.IMAGE:
        return read_image(data, _image_limits(limits))
    if found.kind is SignalKind.ARRAY:
        return read_tiff_array(data, limits) if found.name == "tiff" else read_array(data, limits)
    readers = {SignalKind.AUDIO: read_audio, SignalKind.VIDEO: read_video}
    return readers[found.kind](data, limits)


def read_stored(data: bytes | mmap, limits: SignalLimits = STORED_LIMITS) -> LargeSignal | None:
    """Read a file whose samples can stay as they are stored, so that a large one is never held as values.

    These are .npy, NIfTI of at most three axes, and sounds. Every other format is None, and so is a picture, which
    `tuner.signal.large_picture` knows.

    Args:
        data: content of the file; of a .npy or a .nii it may be mapped.
        limits: held against the file and its header before anything is decoded.

    Raises:
        SignalError: if it is such a file and cannot be read; see `read_signal`.
    """
    limits.check("bytes", len(data))
    reader = _STORED_READERS.get(format_of(data[:_BEGINNING] if isinstance(data, mmap) else data).name)
    if reader is None:
        return None
    signal = reader(data, limits)
    if len(signal.grid_shape) > MOST_TILED_AXES:
        # It is not cut into tiles, but held as values.
        replace(limits, points=min(limits.points, SignalLimits().points)).check("points", signal.sample_count)
    return signal


def read_large(source: bytes | Path | str, more_than: Mapping[SignalKind, int]) -> Signal | LargeSignal:
    """Read a file of any known format; what has many values comes as it is stored where its format allows that.

    Args:
        source: the file's bytes, or its path.
        more_than: number of values that a signal of each kind must have more than.

    Returns:
        The signal as values, or with its samples as they are stored.

    Raises:
        SignalError: if it cannot be read; see `read_signal`.
    """
    picture = large_picture(source, more_than[SignalKind.IMAGE])
    if picture is not None:
        return picture
    data = _mapped(Path(source)) if isinstance(source, Path | str) else source
    found = read_stored(data)
    if found is None:
        return read_signal(bytes(data))
    is_large = found.sample_count * found.channels > more_than[found.kind]
    return found if is_large and len(found.grid_shape) <= MOST_TILED_AXES else found.held()


def _mapped(path: Path) -> bytes | mmap:
    """A file that is read where it lies if its samples may stay there, or else its bytes."""
    STORED_LIMITS.check("bytes", path.stat().st_size)
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING)
        if beginning and format_of(beginning).name in {"npy", "nii"}:
            return mmap(file.fileno(), 0, access=ACCESS_READ)
        return beginning + file.read()


def read_surface(source: bytes | Path | str, limits: SignalLimits = SignalLimits()) -> Mesh:  # noqa: B008  frozen
    """Read the triangles of an OBJ, PLY or STL; raises what `read_signal` raises, and refuses other kinds."""
    data = _bytes_of(source, limits)
    found = format_of(data)
    if found.kind is not SignalKind.DISTANCE:
        raise UnsupportedFormat(f"the file is of kind {found.kind}, expected a mesh (OBJ, PLY, STL): it has a surface")
    return read_mesh(data, limits, found.name)


def write_signal(signal: Signal, path: Path | str) -> None:
    """Write a signal to a file of its kind, whole or not at all.

    Args:
        signal: what to write.
        path: location of the file; its suffix names the format, one of `suffixes`.

    Raises:
        ConfigError: if the suffix is none of the kind's.
        InvalidSignal: if the format cannot hold the signal.
    """
    path = Path(path)
    write_whole(path, encode_signal(signal, path.name))


def encode_signal(signal: Signal, name: str) -> bytes:
    """The file that `write_signal` would write under a name."""
    return writer(signal.kind, name)(signal)


def writer(kind: SignalKind, name: str) -> Writer:
    """What writes a signal of a kind to a file of that name.

    Raises:
        ConfigError: if the name's suffix is none of the kind's.
    """
    known = {**WRITERS[kind], ".npy": write_array}
    for suffix in sorted(known, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return known[suffix]
    raise ConfigError(
        f"the output is {name}, expected a name that ends in {', '.join(known)}: the signal is of kind {kind}"
    )


def suffixes(kind: SignalKind) -> tuple[str, ...]:
    """The suffixes under which a kind can be written, the usual one first."""
    return tuple({**WRITERS[kind], ".npy": write_array})


def inspect_signal(source: bytes | Path | str, limits: SignalLimits = SignalLimits()) -> dict[str, Any]:  # noqa: B008
    """Decode a file completely and say what it holds, as JSON types; raises what `read_signal` raises."""
    data = _bytes_of(source, limits)
    found = format_of(data)
    if found.kind is SignalKind.IMAGE:
        # As they are stored: the values of a large picture take more memory than inspection has.
        facts, samples = look_into_image(data, _image_limits(limits))
        return facts.to_json() | {"compaction_db": compaction_db(samples, Storage(facts.sample_format))}
    if found.is_read_as_stored:
        large = read_stored(data, limits)
        assert large is not None  # noqa: S101  its format is one of those
        return _facts(found, large, large.grid_shape)
    if found.kind is SignalKind.DISTANCE:
        # Distances on a fine grid take minutes; a coarse one shows that the mesh can be read, and how smooth it is.
        mesh = read_mesh(data, limits, found.name)
        shape = field_shape(mesh)
        limits.check("points", prod(shape))
        signal = distance_signal(mesh, _INSPECTION_RESOLUTION, limits)
    else:
        signal = read_signal(data, limits)
        shape = signal.grid_shape
    return _facts(found, LargeSignal.of(signal), shape)


def _facts(found: FileFormat, signal: LargeSignal, shape: tuple[int, ...]) -> dict[str, Any]:
    details = signal.details
    return {
        "kind": signal.kind.value,
        "format": found.name,
        "shape": list(shape),
        "channels": signal.channels,
        "sample_format": signal.sample_format.value,
        "compaction_db": compaction_db(np.asarray(signal.samples), None if signal.are_values else signal.storage),
        **({} if details is None or signal.kind is SignalKind.DISTANCE else _in_json(details_to_map(details))),
    }


def _in_json(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Entries without those that hold bytes, as extensions of a header do."""
    return {
        name: value
        for name, value in entries.items()
        if not any(isinstance(part, bytes) for part in (value if isinstance(value, tuple) else (value,)))
    }


def format_of(data: bytes) -> FileFormat:
    """The format by which a file begins.

    Raises:
        DamagedSignal: if the file is empty.
        UnsupportedFormat: if the format is none of `FORMATS`.
    """
    if not data:
        raise DamagedSignal("the file is empty, expected an image, a sound, a volume, a video, a mesh or an array")
    named = foreign(data)
    if named is not None:
        raise UnsupportedFormat(f"the file is {named.name}, which is not read: convert it to {named.advice}")
    for known in FORMATS:
        if known.begins(data):
            return known
    raise UnsupportedFormat(
        f"the file begins with {data[:8]!r}, expected an image (PNG, JPEG, WebP, TIFF), a sound (WAV, FLAC, Ogg), "
        "a volume (NIfTI, TIFF stack), a video (MP4, Matroska, AVI), a mesh (OBJ, PLY, STL) or a .npy array: "
        "convert it to one of these (the .img of a pair has no header: convert it with its .hdr to a .nii)"
    )


def _bytes_of(source: bytes | Path | str, limits: SignalLimits) -> bytes:
    if not isinstance(source, bytes):
        limits.check("bytes", Path(source).stat().st_size)
        return Path(source).read_bytes()
    limits.check("bytes", len(source))
    return source


def _image_limits(limits: SignalLimits) -> ImageLimits:
    return ImageLimits(max_pixels=limits.points, max_side=limits.side)


def _begins_nifti(data: bytes) -> bool:
    return (
        data[:4] in {(348).to_bytes(4, "little"), (348).to_bytes(4, "big")} and data[344:347] in {b"n+1", b"ni1"}
    ) or (data[:4] in {(540).to_bytes(4, "little"), (540).to_bytes(4, "big")} and data[4:7] in {b"n+2", b"ni2"})


def _begins_stl(data: bytes) -> bool:
    return is_text_stl(data.removeprefix(BYTE_ORDER_MARK)) or is_whole_binary_stl(data)


def _begins_obj(data: bytes) -> bool:
    """Whether the first line that is neither empty nor a comment begins as one of an OBJ does."""
    for line in data[: 1 << 16].removeprefix(BYTE_ORDER_MARK).splitlines():
        words = line.split()
        if words and not words[0].startswith(b"#"):
            return words[0] in {b"v", b"vn", b"vt", b"o", b"g", b"s", b"mg", b"mtllib", b"usemtl", *FREE_FORM}
    return False


def _begins_image(data: bytes) -> bool:
    return (
        data.startswith((b"\x89PNG", b"\xff\xd8\xff"))
        or begins_tiff(data)
        or (data.startswith(b"RIFF") and data[8:12] == b"WEBP")
    )
