"""NIfTI volumes to signals and back, through nibabel.

Stored numbers are kept, not the floats that a viewer makes of them: the file's own slope and intercept travel in the
details, beside both geometries with their codes, and the rest of what the header says about the samples. A NIfTI of
four axes (a series) is a grid of four axes. docs/signals/volume.md says what is kept, field by field.
"""

import struct
import zlib
from gzip import BadGzipFile, GzipFile
from io import BytesIO
from math import prod
from mmap import mmap
from typing import Any, Final

import numpy as np

from tuner.errors import DamagedSignal, InvalidSignal, SignalError, UnsupportedFormat
from tuner.signal.array import in_own_range
from tuner.signal.details import VolumeDetails
from tuner.signal.extras import require
from tuner.signal.kind import SignalKind
from tuner.signal.large import LargeSignal
from tuner.signal.limits import SignalLimits
from tuner.signal.signal import Signal

_HEADER_BYTES: Final = {348: "Nifti1", 540: "Nifti2"}
_HEADER_SIZES: Final = {name: size for size, name in _HEADER_BYTES.items()}
_MOST_NIFTI1: Final = 1 << 15  # samples along an axis
_MOST_EXTENSION_BYTES: Final = 1 << 16  # more would outweigh the representation
_MOST_OFFSET: Final = 1 << 26
_LONGEST_HEADER: Final = 544  # with what says whether extensions follow
_PIECE: Final = 1 << 20  # bytes that are inflated at once
_ALIGNED: Final = 2  # NIfTI's code for "aligned to another file"
_TIME_AXIS: Final = 3
# Place of the slope in the header, followed by the intercept, and how both are packed.
_SLOPE_AT: Final = {"Nifti1": (112, "<ff"), "Nifti2": (176, "<dd")}


def read_nifti(data: bytes, limits: SignalLimits) -> Signal:
    """Decode a NIfTI file (.nii or .nii.gz) into a signal of shape (*axes, 1).

    Args:
        data: bytes of the file.
        limits: held against the header before anything is decoded or inflated.

    Returns:
        The signal; values span [0, 1], its details hold the affine and the units.

    Raises:
        UnsupportedFormat: if its voxels are no plain numbers, or it has more than four axes, or nibabel is not
            installed.
        DamagedSignal: if it is truncated or corrupt.
        InvalidSignal: if it is empty, or a voxel is NaN or infinite.
        SignalTooLarge: if it is over a limit.
    """
    return stored_nifti(data, limits).held()


def stored_nifti(data: bytes | mmap, limits: SignalLimits) -> LargeSignal:
    """The voxels of a NIfTI file where they lie, or as they are inflated; raises what `read_nifti` raises.

    Args:
        data: bytes of the file, in memory or mapped.
        limits: held against the header before anything is decoded or inflated.
    """
    nibabel = require("nibabel", "volume")
    try:
        return _decode_nifti(nibabel, data, limits)
    except SignalError:
        raise
    except Exception as error:  # a hostile file makes a decoder raise nearly anything
        raise DamagedSignal(f"the volume is truncated or corrupt: {error}") from error


def write_nifti(signal: Signal, *, compressed: bool) -> bytes:
    """Encode a volume as NIfTI-1, or NIfTI-2 where an axis is too long, with all that its source said beside it.

    Raises:
        InvalidSignal: if the signal has more than one channel, or cannot be held for another reason.
    """
    nibabel = require("nibabel", "volume")
    if signal.channels != 1:
        raise InvalidSignal(f"the signal has {signal.channels} channels, expected one for a NIfTI file: write a .tif")
    details = signal.details if isinstance(signal.details, VolumeDetails) else VolumeDetails()
    samples = signal.storage.to_samples(signal.values)[..., 0]
    if samples.dtype == np.float16:  # which NIfTI does not have
        samples = samples.astype(np.float32)
    samples = samples.reshape(*samples.shape, *(1,) * details.unit_axes)
    try:
        plain = _encode_nifti(nibabel, samples, details)
    except Exception as error:  # whatever the library says, it is the volume that does not fit
        raise InvalidSignal(
            f"samples {samples.dtype} of shape {samples.shape} cannot be written as NIfTI, write a .npy: {error}"
        ) from error
    if not compressed:
        return plain
    file = BytesIO()
    with GzipFile(fileobj=file, mode="wb", mtime=0) as packed:
        packed.write(plain)
    return file.getvalue()


def _encode_nifti(nibabel: Any, samples: np.ndarray, details: VolumeDetails) -> bytes:
    variant = "Nifti1" if max(samples.shape) < _MOST_NIFTI1 else "Nifti2"
    affine = np.eye(4) if details.affine is None else np.array(details.affine).reshape(4, 4)
    image = getattr(nibabel, f"{variant}Image")(samples, affine, dtype=samples.dtype)
    header = image.header
    header.set_data_dtype(samples.dtype)
    header.set_xyzt_units(details.space_unit, details.time_unit)
    if samples.ndim > _TIME_AXIS:
        header["pixdim"][_TIME_AXIS + 1] = details.time_step
    _set_geometry(header, affine, details)
    (code, *parameters), slices = details.intent, details.slices
    header["intent_code"] = int(code)
    header["intent_p1"], header["intent_p2"], header["intent_p3"] = parameters
    header["cal_min"], header["cal_max"] = details.calibration
    header["toffset"] = details.time_offset
    header["dim_info"], header["slice_start"], header["slice_end"], header["slice_code"] = map(int, slices[:4])
    header["slice_duration"] = slices[4]
    for name, words in (
        ("intent_name", details.intent_name),
        ("descrip", details.description),
        ("aux_file", details.other_file),
    ):
        header[name] = words.encode("latin-1", "replace")
    for number, content in zip(details.extensions[::2], details.extensions[1::2], strict=True):
        header.extensions.append(nibabel.nifti1.Nifti1Extension(number, content))
    plain: bytes = image.to_bytes()
    if (details.slope, details.intercept) != (1.0, 0.0):
        # nibabel would choose a slope of its own, and with it other stored numbers.
        place, numbers = _SLOPE_AT[variant]
        packed = struct.pack(numbers, details.slope, details.intercept)
        plain = plain[:place] + packed + plain[place + len(packed) :]
    return plain


def _set_geometry(header: Any, affine: np.ndarray, details: VolumeDetails) -> None:
    """Both forms, with their codes, to the bit where nothing has moved."""
    qform, sform = details.codes
    header["qform_code"], header["sform_code"] = qform, sform
    if details.quaternion:
        turn, sign, lengths = details.quaternion[:6], details.quaternion[6], details.quaternion[7:]
        names = ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")
        for name, number in zip(names, turn, strict=True):
            header[name] = number
        header["pixdim"][:4] = (sign, *lengths)
    else:
        header.set_qform(affine, qform, strip_shears=True)
    if sform or not qform:
        # Without any code the affine is a guess from the lengths of the steps: right as long as it is the same guess.
        guessed = not sform and np.allclose(header.get_base_affine(), affine)
        header["sform_code"] = 0 if guessed else sform or _ALIGNED
        for row, name in enumerate(("srow_x", "srow_y", "srow_z")):
            header[name][:] = affine[row]
    elif not details.quaternion:
        header["sform_code"] = 0


def _decode_nifti(nibabel: Any, data: bytes | mmap, limits: SignalLimits) -> LargeSignal:
    file = _Inflated(data) if data[:2] == b"\x1f\x8b" else None
    try:
        start = data[:_LONGEST_HEADER] if file is None else bytes(file.until(_LONGEST_HEADER))
        variant = _variant(start)
        header = getattr(nibabel, f"{variant}Header")(start[: _HEADER_SIZES[variant]], check=False)
        full, dtype = header.get_data_shape(), header.get_data_dtype()
        shape = full
        while len(shape) > _TIME_AXIS and shape[-1] == 1:
            shape = shape[:-1]
        _check_voxels(shape, dtype, limits)
        size = prod(shape) * dtype.itemsize
        offset = _offset(header, variant)
        most = (offset or _HEADER_SIZES[variant] + 4) + size
        whole = data if file is None else file.until(most)
        # Padding is allowed; inflating to there has also checked what came before.
        more = len(data) > most if file is None else file.has_more()
    except (EOFError, BadGzipFile, zlib.error) as error:
        raise DamagedSignal(f"the compressed volume is truncated or corrupt: {error}") from error
    if not offset:
        # Some writers leave the place of the first voxel out: then it follows the header, if the length agrees.
        offset = min(len(whole), most) - size
        if more or offset - _HEADER_SIZES[variant] not in {0, 4}:
            raise UnsupportedFormat(
                "the volume does not say where its voxels begin (vox_offset is 0) and its length does not tell, "
                "expected 352 or more: write it again with another program, or get the rest of the file"
            )
    if len(whole) < offset + size:
        raise DamagedSignal(f"the volume has {len(whole)} bytes, expected {offset + size}: it is truncated")
    samples = np.frombuffer(whole, dtype, prod(shape), offset).reshape(shape, order="F")
    details = _details(header, bytes(whole[:offset]), shape, len(full) - len(shape))
    return in_own_range(samples[..., None], SignalKind.VOLUME, details)


class _Inflated:
    """What a gzip file holds, as far as it was asked for: what a header declares takes no memory.

    Args:
        data: content of the gzip file.
    """

    def __init__(self, data: bytes | mmap) -> None:
        self._source = GzipFile(fileobj=BytesIO(data))
        self._held = bytearray()

    def until(self, size: int) -> bytearray:
        """The first bytes, so many or all that there are."""
        while len(self._held) < size:
            piece = self._source.read(min(_PIECE, size - len(self._held)))
            if not piece:
                break
            self._held += piece
        return self._held

    def has_more(self) -> bool:
        """Whether more follows than was asked for."""
        return bool(self._source.read(1))


def _offset(header: Any, variant: str) -> int:
    """Where the voxels begin; 0 if the header leaves it out."""
    if header["magic"].item() in {b"ni1", b"ni2"}:
        raise UnsupportedFormat(
            "the file is the header of a pair (.hdr and .img), expected one file with header and voxels: "
            "convert both to a .nii, for example with nibabel.save(nibabel.load('x.hdr'), 'x.nii')"
        )
    offset = float(header["vox_offset"])
    if offset == 0.0:
        return 0
    if not (offset >= _HEADER_SIZES[variant] and offset == int(offset)):
        raise DamagedSignal(f"voxels begin at byte {offset}, expected {_HEADER_SIZES[variant] + 4} or more: corrupt")
    if offset > _MOST_OFFSET:
        raise DamagedSignal(
            f"voxels begin at byte {offset:g}, expected at most {_MOST_OFFSET}: the header is corrupt, or its "
            "extensions are too long: write it again without them"
        )
    return int(offset)


def _details(header: Any, head: bytes, shape: tuple[int, ...], unit_axes: int) -> VolumeDetails:
    qform, sform = int(header["qform_code"]), int(header["sform_code"])
    matrix = header.get_sform()
    if sform and not (np.isfinite(matrix).all() and abs(np.linalg.det(matrix[:3, :3])) > 0.0):
        sform = 0  # a code without a matrix: what the other form says holds
    quaternion: tuple[float, ...] = ()
    holding = header if sform else _repaired(header)
    if qform:
        names = ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")
        sign = -1.0 if header["pixdim"][0] < 0 else 1.0
        quaternion = (*(float(holding[name]) for name in names), sign, *map(float, holding["pixdim"][1:4]))
    affine = matrix if sform else holding.get_qform() if qform else holding.get_base_affine()
    if not np.isfinite(affine).all():
        raise DamagedSignal("the place of the volume (qform, sform) is no number: repair its header")
    space_unit, time_unit = _units(header)
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    scaled = np.isfinite([slope, intercept]).all() and slope != 0.0
    time_step = float(header["pixdim"][_TIME_AXIS + 1])
    return VolumeDetails(
        affine=tuple(np.asarray(affine, dtype=np.float64).reshape(-1).tolist()),
        space_unit=space_unit,
        time_unit=time_unit,
        time_step=time_step if len(shape) + unit_axes > _TIME_AXIS and np.isfinite(time_step) else 1.0,
        codes=(qform, sform),
        slope=slope if scaled else 1.0,
        intercept=intercept if scaled else 0.0,
        unit_axes=unit_axes,
        quaternion=quaternion,
        intent=(int(header["intent_code"]), *(_finite(header[f"intent_p{number}"]) for number in (1, 2, 3))),
        intent_name=_words(header["intent_name"]),
        calibration=(_finite(header["cal_min"]), _finite(header["cal_max"])),
        time_offset=_finite(header["toffset"]),
        slices=(
            *(int(header[name]) for name in ("dim_info", "slice_start", "slice_end", "slice_code")),
            _finite(header["slice_duration"]),
        ),
        description=_words(header["descrip"]),
        other_file=_words(header["aux_file"]),
        extensions=_extensions(head, header),
    )


def _repaired(header: Any) -> Any:
    """A header whose steps and qform are not quite by the rules, as the reference library takes it.

    A quaternion longer than 1 is one of half a turn, and a step without a length, or the sign of the third, is 1.

    Raises:
        UnsupportedFormat: if a step is negative, which programs do not understand alike.
    """
    repaired = header.copy()
    names = ("quatern_b", "quatern_c", "quatern_d")
    turn = np.array([float(header[name]) for name in names])
    if (length := float(np.linalg.norm(turn))) > 1.0:
        for name, number in zip(names, turn / length, strict=True):
            repaired[name] = number
    steps = np.array(header["pixdim"][1:4])
    if (steps < 0).any():
        raise UnsupportedFormat(
            f"the sizes of the voxels are {steps.tolist()} (pixdim) and there is no sform, expected positive ones: "
            "write the volume again with an sform"
        )
    repaired["pixdim"][:4] = (-1.0 if header["pixdim"][0] < 0 else 1.0, *np.where(steps == 0, 1.0, steps))
    return repaired


def _units(header: Any) -> tuple[str, str]:
    try:
        space_unit, time_unit = header.get_xyzt_units()
    except KeyError:  # a number that stands for no unit
        return "unknown", "unknown"
    return space_unit, time_unit


def _finite(number: Any) -> float:
    return float(number) if np.isfinite(number) else 0.0


def _words(field: Any) -> str:
    return bytes(field.item()).split(b"\0")[0].decode("latin-1")


def _extensions(head: bytes, header: Any) -> tuple[int | bytes, ...]:
    """Code and content of each extension between the header and the voxels; a broken or huge one ends them."""
    place = int(header["sizeof_hdr"])
    order: Any = "big" if header.endianness == ">" else "little"
    if len(head) < place + 4 or not head[place]:
        return ()
    place += 4
    found: list[int | bytes] = []
    while place + 8 <= len(head):
        size, code = (int.from_bytes(head[start : start + 4], order) for start in (place, place + 4))
        if size < 8 or place + size > min(len(head), _MOST_EXTENSION_BYTES) or code >= 1 << 31:
            break
        found += [code, head[place + 8 : place + size].rstrip(b"\0")]
        place += size
    return tuple(found)


def _variant(start: bytes) -> str:
    for order in ("little", "big"):
        variant = _HEADER_BYTES.get(int.from_bytes(start[:4], order))
        if variant is not None:
            return variant
    if len(start) < _HEADER_SIZES["Nifti1"]:
        raise DamagedSignal("the volume has no whole NIfTI header: it is truncated")
    raise UnsupportedFormat(
        f"the compressed file holds something that begins with {start[:8]!r}, expected a NIfTI volume (.nii.gz): "
        "inflate it, and convert what it holds"
    )


def _check_voxels(shape: tuple[int, ...], dtype: np.dtype[Any], limits: SignalLimits) -> None:
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise UnsupportedFormat(f"the volume has voxels of type {dtype}, expected integers or floats: convert it")
    if not 1 <= len(shape) <= 4:
        raise UnsupportedFormat(f"the volume has shape {shape}, expected one to four axes: split it")
    if min(shape) < 1:
        raise InvalidSignal(f"the volume has shape {shape}, expected no empty axis")
    limits.check("side", max(shape))
    limits.check("points", prod(shape))
    limits.check("stored_bytes", prod(shape) * dtype.itemsize)
