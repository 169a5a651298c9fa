"""Volumes to signals and back: NIfTI through nibabel, stacks of TIFF pages through tifffile.

Stored numbers are kept, not the floats that a viewer makes of them: the file's own slope and intercept travel in the
details, beside the affine that says where the voxels lie. A NIfTI of four axes (a series) is a grid of four axes.
"""

import struct
import zlib
from gzip import BadGzipFile, GzipFile
from io import BytesIO
from math import prod
from typing import Any, Final

import numpy as np

from tuner.errors import DamagedSignal, InvalidSignal, SignalError, UnsupportedFormat
from tuner.signal.details import VolumeDetails
from tuner.signal.extras import require
from tuner.signal.limits import SignalLimits
from tuner.signal.samples import SampleFormat, Scaling, Storage
from tuner.signal.signal import Signal, SignalKind

_HEADER_BYTES: Final = {348: "Nifti1", 540: "Nifti2"}
# Letters of tifffile for axes whose elements belong to one point.
_CHANNEL_AXES: Final = "SC"
_ALIGNED: Final = 2  # NIfTI's code for "aligned to another file"
_TIME_AXIS: Final = 3
_SLOPE_AT: Final = 112  # in the header, followed by the intercept


def read_nifti(data: bytes, limits: SignalLimits) -> Signal:
    """Decode a NIfTI file (.nii or .nii.gz) into a signal of shape (*axes, 1).

    Args:
        data: of the file.
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
    nibabel = require("nibabel", "volume")
    try:
        return _decode_nifti(nibabel, data, limits)
    except SignalError:
        raise
    except Exception as error:  # a hostile file makes a decoder raise nearly anything
        raise DamagedSignal(f"the volume is truncated or corrupt: {error}") from error


def read_stack(data: bytes, limits: SignalLimits) -> Signal:
    """Decode the pages of a TIFF into a signal (pages, height, width, channels); raises what `read_nifti` raises."""
    tifffile = require("tifffile", "volume")
    try:
        with tifffile.TiffFile(BytesIO(data)) as file:
            return _decode_stack(file, limits)
    except SignalError:
        raise
    except Exception as error:  # likewise
        raise DamagedSignal(
            f"the stack is truncated, corrupt, or of a variant that is not supported: {error}"
        ) from error


def write_nifti(signal: Signal, *, compressed: bool) -> bytes:
    """Encode a volume as NIfTI-1, with the stored numbers, the affine and the units of its source.

    Raises:
        InvalidSignal: if the signal has more than one channel.
    """
    nibabel = require("nibabel", "volume")
    if signal.channels != 1:
        raise InvalidSignal(f"the signal has {signal.channels} channels, expected one for a NIfTI file")
    details = signal.details if isinstance(signal.details, VolumeDetails) else VolumeDetails()
    samples = signal.storage.to_samples(signal.values)[..., 0]
    affine = np.eye(4) if details.affine is None else np.array(details.affine).reshape(4, 4)
    image = nibabel.Nifti1Image(samples, affine)
    image.set_data_dtype(samples.dtype)
    qform, sform = details.codes
    image.set_qform(affine, qform)
    image.set_sform(affine, sform if qform or sform else _ALIGNED)
    image.header.set_xyzt_units(details.space_unit, details.time_unit)
    if samples.ndim > _TIME_AXIS:
        image.header.set_zooms((*image.header.get_zooms()[:_TIME_AXIS], details.time_step))
    plain: bytes = image.to_bytes()
    if (details.slope, details.intercept) != (1.0, 0.0):
        # nibabel would choose a slope of its own, and with it other stored numbers.
        plain = plain[:_SLOPE_AT] + struct.pack("<ff", details.slope, details.intercept) + plain[_SLOPE_AT + 8 :]
    if not compressed:
        return plain
    file = BytesIO()
    with GzipFile(fileobj=file, mode="wb", mtime=0) as packed:
        packed.write(plain)
    return file.getvalue()


def write_stack(signal: Signal) -> bytes:
    """Encode a volume as a TIFF of one page per index of its first axis.

    Raises:
        InvalidSignal: if it has not three axes.
    """
    tifffile = require("tifffile", "volume")
    if len(signal.grid_shape) != 3:
        raise InvalidSignal(f"the signal has {len(signal.grid_shape)} axes, expected three for a stack of pages")
    samples = signal.storage.to_samples(signal.values)
    file = BytesIO()
    colour = signal.channels in {3, 4}
    tifffile.imwrite(
        file,
        samples
        if colour
        else np.moveaxis(samples, -1, 1)[:, 0]
        if signal.channels == 1
        else np.moveaxis(samples, -1, 1),
        photometric="rgb" if colour else "minisblack",
        metadata={"axes": "ZYXS" if colour else "ZYX" if signal.channels == 1 else "ZCYX"},
    )
    return file.getvalue()


def _decode_nifti(nibabel: Any, data: bytes, limits: SignalLimits) -> Signal:
    packed = data.startswith(b"\x1f\x8b")
    source: Any = GzipFile(fileobj=BytesIO(data)) if packed else BytesIO(data)
    try:
        start = source.read(544)
        variant = _variant(start)
        header = getattr(nibabel, f"{variant}Header")(start[: 348 if variant == "Nifti1" else 540], check=False)
        shape, dtype = header.get_data_shape(), header.get_data_dtype()
        while len(shape) > _TIME_AXIS and shape[-1] == 1:
            shape = shape[:-1]
        _check_voxels(shape, dtype, limits)
        offset = int(header["vox_offset"])
        size = max(offset, 0) + prod(shape) * dtype.itemsize
        whole = start + source.read(max(0, size - len(start)))
        if packed and source.read(1):
            pass  # padding is allowed; reading to here has also checked what came before
    except (EOFError, BadGzipFile, zlib.error) as error:
        raise DamagedSignal(f"the compressed volume is truncated or corrupt: {error}") from error
    if len(whole) < size:
        raise DamagedSignal(f"the volume has {len(whole)} bytes, expected {size}: it is truncated")
    image = getattr(nibabel, f"{variant}Image").from_bytes(whole)
    samples = np.asarray(image.dataobj.get_unscaled()).reshape(shape)
    space_unit, time_unit = image.header.get_xyzt_units()
    zooms = image.header.get_zooms()
    details = VolumeDetails(
        affine=tuple(np.asarray(image.affine, dtype=np.float64).reshape(-1).tolist()),
        space_unit=space_unit,
        time_unit=time_unit,
        time_step=float(zooms[_TIME_AXIS]) if len(shape) > _TIME_AXIS else 1.0,
        codes=(int(image.header["qform_code"]), int(image.header["sform_code"])),
        slope=float(image.dataobj.slope),
        intercept=float(image.dataobj.inter),
    )
    return _volume(samples[..., None], details)


def _variant(start: bytes) -> str:
    for order in ("little", "big"):
        variant = _HEADER_BYTES.get(int.from_bytes(start[:4], order))
        if variant is not None:
            return variant
    raise DamagedSignal("the volume has no NIfTI header: it is truncated or corrupt")


def _check_voxels(shape: tuple[int, ...], dtype: np.dtype[Any], limits: SignalLimits) -> None:
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise UnsupportedFormat(f"the volume has voxels of type {dtype}, expected integers or floats: convert it")
    if not 1 <= len(shape) <= 4:
        raise UnsupportedFormat(f"the volume has shape {shape}, expected one to four axes: split it")
    if min(shape) < 1:
        raise InvalidSignal(f"the volume has shape {shape}, expected no empty axis")
    limits.check("side", max(shape))
    limits.check("points", prod(shape))


def _decode_stack(file: Any, limits: SignalLimits) -> Signal:
    limits.check("frames", len(file.pages))
    if len(file.series) != 1:
        raise UnsupportedFormat(
            f"the TIFF has {len(file.series)} series of pages, expected pages of one size: split it"
        )
    (series,) = file.series
    channel_axes = [axis for axis, name in enumerate(series.axes) if name in _CHANNEL_AXES]
    if len(channel_axes) > 1:
        raise UnsupportedFormat(f"the TIFF has axes {series.axes}, expected at most one of channels: split it")
    shape = tuple(samples for axis, samples in enumerate(series.shape) if axis not in channel_axes)
    _check_voxels(shape, series.dtype, limits)
    channels = series.shape[channel_axes[0]] if channel_axes else 1
    limits.check("channels", channels)
    samples = series.asarray()
    samples = np.moveaxis(samples, channel_axes[0], -1) if channel_axes else samples[..., None]
    return _volume(samples, VolumeDetails())


def _volume(samples: np.ndarray, details: VolumeDetails) -> Signal:
    sample_format = SampleFormat.of(samples.dtype)
    native = samples.astype(samples.dtype.newbyteorder("="))
    scaling = Scaling.over(native)
    return Signal(
        values=np.ascontiguousarray(Storage(sample_format, scaling).to_values(native)),
        kind=SignalKind.VOLUME,
        sample_format=sample_format,
        scaling=scaling,
        details=details,
    )
