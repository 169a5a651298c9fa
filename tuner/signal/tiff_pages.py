"""Pages of a TIFF to samples and back, through tifffile: stacks, arrays, and pictures of 16 bits.

What the samples mean has been read from the tags by `tuner.signal.tiff`; here it is applied, in one place for a single
page and for stacks, so that both give the same numbers. Where voxels lie comes from OME or ImageJ metadata and the
resolution, and goes back into an OME-TIFF.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from io import BytesIO
from math import isfinite, prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuner.errors import DamagedSignal, InvalidSignal, SignalError, UnsupportedFormat
from tuner.shapes import SampleArray
from tuner.signal.array import array_signal, volume_signal
from tuner.signal.details import VolumeDetails
from tuner.signal.extras import require
from tuner.signal.limits import SignalLimits
from tuner.signal.orientation import upright
from tuner.signal.signal import Signal
from tuner.signal.tiff import Page, Photometric, main_pages

Numbers = NDArray[Any]

# Letters of tifffile for axes whose elements belong to one point.
_CHANNEL_AXES: Final = "SC"
_MOST_AXES: Final = 4
_PREMULTIPLIED: Final = 1  # of ExtraSamples: colours are multiplied by this alpha
_JPEG: Final = {6, 7}  # codecs whose decoder has turned YCbCr into RGB already
_NO_DATA: Final = 42113  # GDAL's tag
# Units of OME, ImageJ and NIfTI: how ours is called, and how many of ours make one.
_SPACE_UNITS: Final = {
    **dict.fromkeys(("mm", "millimeter", "millimetre"), ("mm", 1.0)),
    **dict.fromkeys(
        ("\N{MICRO SIGN}m", "\N{GREEK SMALL LETTER MU}m", "um", "micron", "microns", "\\u00b5m", "micrometer"),
        ("micron", 1.0),
    ),
    **dict.fromkeys(("nm", "nanometer"), ("micron", 1e-3)),
    **dict.fromkeys(("cm", "centimeter"), ("mm", 10.0)),
    **dict.fromkeys(("inch", "in"), ("mm", 25.4)),
    **dict.fromkeys(("m", "meter", "metre"), ("meter", 1.0)),
}
_TIME_UNITS: Final = {
    **dict.fromkeys(("s", "sec"), "sec"),
    **dict.fromkeys(("ms", "msec"), "msec"),
    **dict.fromkeys(("\N{MICRO SIGN}s", "us", "usec"), "usec"),
}
_OME_SIZES: Final = {"SizeZ", "SizeC", "SizeT"}
_OME_FILES: Final = re.compile(r"<(?:\w+:)?UUID\b[^>]*>\s*([^<\s]*)")
_OME_ELSEWHERE: Final = re.compile(r"<(?:\w+:)?BinaryOnly\b")
_OME_NUMBERS: Final = re.compile(r"""\b(Size[ZCT]|SamplesPerPixel|PlaneCount|IFD|First[ZCT])\s*=\s*["']\s*\+?(\d+)""")
_MOST_DIGITS: Final = 20
_OME_UNITS: Final = {
    "mm": "mm",
    "micron": "\N{MICRO SIGN}m",
    "meter": "m",
    "sec": "s",
    "msec": "ms",
    "usec": "\N{MICRO SIGN}s",
}


def read_page(data: bytes, page: Page, limits: SignalLimits) -> SampleArray:
    """Decode one page as a picture.

    Args:
        data: all bytes of the file.
        page: facts of the page, with what its samples mean; `Page.is_picture`.
        limits: held against the page before anything is decoded.

    Returns:
        uint8 or uint16 (height, width, channels), black to white, upright.

    Raises:
        UnsupportedFormat: if the samples mean something else, or are compressed by a codec that is not known.
        DamagedSignal: if the page is truncated or corrupt.
        SignalTooLarge: if it is over a limit.
    """
    with _opened(data, page.compression) as file:
        samples = _samples(file, page.checked(), limits)
        return _picture(samples, page, file.pages[page.place].colormap)


def read_tiff_array(data: bytes, limits: SignalLimits) -> Signal:
    """Decode the single page of a TIFF whose samples are no picture into an array (height, width) of its bands.

    Args:
        data: all bytes of the file.
        limits: held against the page before anything is decoded.

    Returns:
        An array of two axes with the numbers of the file; bands are its channels.

    Raises:
        UnsupportedFormat: if samples are no plain numbers, or some stand for missing data.
        DamagedSignal: if the file is truncated or corrupt.
        InvalidSignal: if a sample is NaN or infinite.
        SignalTooLarge: if the page is over a limit.
    """
    page = main_pages(data)[0].checked()
    with _opened(data, page.compression) as file:
        samples = _samples(file, page, limits)
        _refuse_missing(file.pages[page.place], samples)
        if samples.dtype == np.bool_:  # bands of one bit are numbers, as those of two are
            samples = samples.astype(np.uint8)
        return array_signal(_upright(samples, page), channels_last=True)


def read_stack(data: bytes, limits: SignalLimits) -> Signal:
    """Decode the pages of a TIFF into a volume (*axes, height, width, channels), of up to four axes.

    Args:
        data: all bytes of the file.
        limits: held against the directories before anything is decoded.

    Returns:
        The signal; values span [0, 1], its details hold the spacing where the file says it.

    Raises:
        UnsupportedFormat: if the pages differ, mean something that cannot be kept, or have too many axes.
        DamagedSignal: if the file is truncated or corrupt.
        InvalidSignal: if a sample is NaN or infinite.
        SignalTooLarge: if the stack is over a limit.
    """
    pages = main_pages(data)
    limits.check("frames", len(pages))
    first = pages[0].checked()
    if any(
        replace(page, place=0, planes=False, nested=False) != replace(first, place=0, planes=False, nested=False)
        for page in pages
    ):
        raise UnsupportedFormat(
            "the pages of the TIFF differ in size, colours, bits or orientation, expected pages of one kind: split it"
        )
    with _opened(data, first.compression) as file:
        return _decode_stack(file, first, limits)


def write_stack(signal: Signal) -> bytes:
    """Encode a volume as a TIFF of one page per index of all but its last two axes; OME where the spacing is known.

    Args:
        signal: volume of three or four axes.

    Returns:
        The file.

    Raises:
        InvalidSignal: if it has other axes, or samples that no TIFF holds.
    """
    if len(signal.grid_shape) not in {3, _MOST_AXES}:
        raise InvalidSignal(
            f"the signal has {len(signal.grid_shape)} axes, expected three or four for a stack of pages: write a .npy"
        )
    details = signal.details if isinstance(signal.details, VolumeDetails) else VolumeDetails()
    samples = signal.storage.to_samples(signal.values)
    colour = details.colours in {"rgb", "rgba"} or (not details.colours and signal.channels in {3, 4})
    axes = "TZYX"[-len(signal.grid_shape) :]
    if len(signal.grid_shape) == _MOST_AXES:
        samples = np.moveaxis(samples, 3, 0)  # time is the last axis of a volume
    if signal.channels == 1:
        samples = samples[..., 0]
    elif colour:
        axes += "S"
    else:
        samples, axes = np.moveaxis(samples, -1, -3), f"{axes[:-2]}CYX"
    options: dict[str, Any] = {"photometric": "rgb" if colour else "minisblack", "metadata": {"axes": axes}}
    if details.affine is not None and details.space_unit in _OME_UNITS and samples.dtype.itemsize < 8:
        options |= {"ome": True, "metadata": {"axes": axes, **_ome(details)}}
    return _written(samples, options)


def write_page(signal: Signal) -> bytes:
    """Encode an array of two axes as a TIFF of one page, whatever its numbers; bands stay bands.

    Raises:
        InvalidSignal: if it has not two axes, or samples that no TIFF holds.
    """
    if len(signal.grid_shape) != 2:
        raise InvalidSignal(f"the array has {len(signal.grid_shape)} axes, expected two for a page: write a .npy")
    samples = signal.storage.to_samples(signal.values)
    options: dict[str, Any] = {"photometric": "minisblack", "metadata": None}
    if signal.channels > 1:
        options |= {"planarconfig": "contig", "extrasamples": ["unspecified"] * (signal.channels - 1)}
    return _written(samples[..., 0] if signal.channels == 1 else samples, options)


def _written(samples: Numbers, options: dict[str, Any]) -> bytes:
    tifffile = require("tifffile", "volume")
    file = BytesIO()
    try:
        tifffile.imwrite(file, samples, **options)
    except Exception as error:  # whatever a library says, it is the samples that do not fit
        raise InvalidSignal(
            f"samples {samples.dtype} of shape {samples.shape} cannot be written as TIFF, write a .npy: {error}"
        ) from error
    return file.getvalue()


def load_codecs() -> None:
    """Import what decodes each compression of a TIFF: tifffile does so when it meets one, which may be too late.

    Raises:
        UnsupportedFormat: if tifffile is not installed.
    """
    tifffile = require("tifffile", "volume")
    for decoders, numbers in (
        (tifffile.TIFF.DECOMPRESSORS, tifffile.COMPRESSION),
        (tifffile.TIFF.UNPREDICTORS, tifffile.PREDICTOR),
    ):
        for number in numbers:
            with suppress(KeyError):  # what is not decoded is refused by name when it comes
                decoders[number]


@contextmanager
def _opened(data: bytes, compression: int) -> Iterator[Any]:
    tifffile = require("tifffile", "volume")
    # What it logs it also raises, or it does not matter; without any handler Python prints it on standard error.
    logger = logging.getLogger("tifffile")
    if not any(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
        logger.addHandler(logging.NullHandler())
    try:
        # Never other files that this one names.
        with tifffile.TiffFile(BytesIO(data), _multifile=False) as file:
            yield file
    except SignalError:
        raise
    except Exception as error:  # a hostile file makes a decoder raise nearly anything
        # A codec that is missing is said in words only, and depends on what is installed.
        if re.search(r"requires the 'imagecodecs'|not supported|COMPRESSION|PREDICTOR", str(error)):
            name = getattr(tifffile.COMPRESSION, "_value2member_map_", {}).get(compression)
            raise UnsupportedFormat(
                f"the TIFF is compressed by {name.name if name else f'codec {compression}'}, which is not decoded "
                f"here: convert it to one that is uncompressed or deflated, or pip install imagecodecs ({error})"
            ) from error
        raise DamagedSignal(f"the TIFF is truncated or corrupt: {error}") from error


def _samples(file: Any, page: Page, limits: SignalLimits) -> Numbers:
    """Numbers of one page (height, width, samples), as they are stored."""
    found = file.pages[page.place]
    limits.check("side", max(found.shape))
    limits.check("points", found.imagelength * found.imagewidth)
    limits.check("channels", page.samples)
    limits.check("values", found.imagelength * found.imagewidth * page.samples)
    if found.dtype is None or set(found.axes) - set("YXS") or found.dtype.kind not in "biuf":
        raise UnsupportedFormat(
            f"the page has axes {found.axes} and samples {found.dtype}, expected rows and columns of plain numbers: "
            "convert it to a .npy"
        )
    samples = found.asarray()
    _check_counts(found, file.filehandle.size)
    return np.moveaxis(samples, found.axes.index("S"), -1) if "S" in found.axes else samples[..., None]


def _picture(samples: Numbers, page: Page, colour_map: Numbers | None) -> Numbers:
    """Samples of any shape (…, height, width, samples) as their tags mean them: grey or RGB, from black to white."""
    bits = page.bits[0]
    if page.photometric == Photometric.PALETTE:
        return _upright(_coloured(samples, colour_map), page)
    if samples.dtype == np.bool_:
        samples = samples.astype(np.uint8)
    if page.photometric == Photometric.SEPARATED:
        shape = samples.shape
        inks = Image.fromarray(np.ascontiguousarray(samples.reshape(-1, shape[-2], 4)), "CMYK")
        samples = np.asarray(inks.convert("RGB")).reshape(*shape[:-1], 3)
    elif page.photometric == Photometric.YCBCR and page.compression not in _JPEG:
        raise UnsupportedFormat("the TIFF has YCbCr samples that are not JPEG, expected RGB: convert it")
    elif bits < 8:
        samples = samples * np.uint8(255 // ((1 << bits) - 1))
    if page.photometric == Photometric.WHITE_IS_ZERO:
        colours = samples[..., : page.colours]
        samples = np.concatenate([np.iinfo(samples.dtype).max - colours, samples[..., page.colours :]], axis=-1)
    if page.extras == (_PREMULTIPLIED,):
        samples = _divided(samples)
    return _upright(samples, page)


def _divided(samples: Numbers) -> Numbers:
    """Colours of 8 bits that stand for themselves; under an alpha of 0 there is no colour."""
    alpha = samples[..., -1:].astype(np.float32)
    colours = samples[..., :-1] * np.divide(255.0, alpha, out=np.zeros_like(alpha), where=alpha > 0)
    whole = np.clip(np.rint(colours), 0, 255).astype(np.uint8)
    return np.concatenate([whole, samples[..., -1:]], axis=-1)


def _upright(samples: Numbers, page: Page) -> Numbers:
    return upright(samples, page.orientation, axis=samples.ndim - 3)


def _coloured(samples: Numbers, colour_map: Numbers | None) -> Numbers:
    """Colours of a palette (3, 2^bits) of 16 bits, in 8 as everybody reads them."""
    if samples.shape[-1] != 1:
        raise UnsupportedFormat("the TIFF has several samples a pixel and a palette, expected one: convert it to RGB")
    if colour_map is None or len(colour_map[0]) <= int(samples.max()):
        raise DamagedSignal("the TIFF has samples beyond its palette: it is corrupt")
    colours = np.asarray(colour_map)[:, samples[..., 0].astype(np.intp)] >> 8
    return np.moveaxis(colours.astype(np.uint8), 0, -1)


def _refuse_missing(found: Any, samples: Numbers) -> None:
    """GDAL's tag of the number that stands for "no data" where there was nothing to measure."""
    tag = found.tags.get(_NO_DATA)
    text = str(tag.value).strip("\0 ") if tag is not None else ""
    try:
        missing = samples == np.array(float(text)).astype(samples.dtype)
    except (ValueError, OverflowError):
        return
    if missing.any():
        raise UnsupportedFormat(
            f"{int(missing.sum())} samples of the TIFF are {text}, which stands for no data (GDAL_NODATA): "
            "fill them in first, or cut the picture"
        )


def _check_planes(file: Any, limits: SignalLimits) -> None:
    """Hold the numbers of OME's metadata against the limits, before tifffile makes lists as long as they say.

    They are attributes of the planes (Pixels), and of each range of directories (TiffData).
    """
    planes = 1
    for name, digits in _OME_NUMBERS.findall(file.ome_metadata or ""):
        number = int(digits[:_MOST_DIGITS])
        if name in _OME_SIZES:
            planes *= max(1, number)
        limits.check("frames", max(planes, number))


def _refuse_parts(file: Any) -> None:
    """Refuse an OME-TIFF that is a part of a set: planes, or what is known of them, lie in other files."""
    files = set(_OME_FILES.findall(file.ome_metadata or ""))
    if len(files) > 1 or _OME_ELSEWHERE.search(file.ome_metadata or ""):
        raise UnsupportedFormat(
            "the OME-TIFF is one of several files that name each other, expected one that holds all planes: join them "
            "(for example with bfconvert)"
        )


def _decode_stack(file: Any, page: Page, limits: SignalLimits) -> Signal:
    _check_planes(file, limits)
    _refuse_parts(file)
    series = [found for found in file.series if not int(found.keyframe.subfiletype) & 1]
    if len(series) != 1:
        raise UnsupportedFormat(f"the TIFF has {len(series)} series of pages, expected pages of one size: split it")
    (found,) = series
    channel_axes = [axis for axis, name in enumerate(found.axes) if name in _CHANNEL_AXES]
    if len(channel_axes) > 1:
        raise UnsupportedFormat(f"the TIFF has axes {found.axes}, expected at most one of channels: split it")
    names = "".join(name for name in found.axes if name not in _CHANNEL_AXES)
    shape = tuple(side for side, name in zip(found.shape, found.axes, strict=True) if name not in _CHANNEL_AXES)
    if not names.endswith("YX") or not 2 <= len(shape) <= _MOST_AXES:
        raise UnsupportedFormat(
            f"the TIFF has axes {found.axes} of lengths {found.shape}, expected at most two before rows and columns: "
            "split it, or convert it to a .npy"
        )
    limits.check("side", max(shape))
    limits.check("points", prod(shape))
    channels = found.shape[channel_axes[0]] if channel_axes else 1
    limits.check("channels", channels)
    limits.check("values", prod(shape) * channels)
    if found.dtype is None or found.dtype.kind not in "biuf" or found.dtype.itemsize > 8:
        raise UnsupportedFormat(f"the TIFF has samples of type {found.dtype}, expected integers or floats: convert it")
    samples = found.asarray()
    for one in found.pages:
        if one is not None:
            _check_counts(one, file.filehandle.size)
    planar = bool(channel_axes) and found.axes[channel_axes[0]] == "C"
    samples = np.moveaxis(samples, channel_axes[0], -1) if channel_axes else samples[..., None]
    samples = _picture(samples, page, found.keyframe.colormap) if page.is_picture else _upright(samples, page)
    if len(shape) == 2:
        samples, names = samples[None], f"Z{names}"
    if len(names) == _MOST_AXES:  # time comes last, as in every volume of four axes
        time = max(names.find("T"), 0)
        samples = np.moveaxis(samples, time, 3)
        names = names[:time] + names[time + 1 :] + "T"
    return volume_signal(samples, _details(file, found, page, names, planar=planar))


def _check_counts(page: Any, size: int) -> None:
    """Strips without any bytes are what a truncated or sparse file has; tifffile makes zeros of them."""
    ends = [place + count for place, count in zip(page.dataoffsets, page.databytecounts, strict=False)]
    if not ends or 0 in page.databytecounts or max(ends) > size:
        raise DamagedSignal("the TIFF lacks the samples of some strips or tiles: it is truncated or sparse")


def _details(file: Any, found: Any, page: Page, names: str, *, planar: bool) -> VolumeDetails:
    """Spacing as an affine along the axes as they are stored, and whether channels are colours."""
    colours = "grey"
    if not planar and page.photometric != Photometric.BLACK_IS_ZERO and page.photometric != Photometric.WHITE_IS_ZERO:
        colours = "rgba" if page.extras else "rgb"
    steps, unit, time, time_unit = _ome_steps(file) if file.is_ome else _imagej_steps(file, found)
    if page.orientation >= 5 and "X" in steps and "Y" in steps:
        steps = {**steps, "X": steps["Y"], "Y": steps["X"]}
    if not steps:
        return VolumeDetails(colours=colours)
    affine = np.diag([*(steps.get(name, 1.0) for name in names[:3]), 1.0])
    return VolumeDetails(
        affine=tuple(affine.reshape(-1).tolist()),
        space_unit=unit,
        time_unit=time_unit,
        time_step=time if len(names) == _MOST_AXES else 1.0,
        colours=colours,
    )


def _imagej_steps(file: Any, found: Any) -> tuple[dict[str, float], str, float, str]:
    metadata = file.imagej_metadata or {}
    name = str(metadata.get("unit", "")).strip()
    unit, factor = _SPACE_UNITS.get(name, ("unknown", 1.0))
    if unit == "unknown":
        return {}, unit, 1.0, "unknown"
    steps = {"Z": factor * _positive(metadata.get("spacing"))}
    for axis, tag in (("X", 282), ("Y", 283)):
        value = found.keyframe.tags.get(tag)
        numerator, denominator = value.value if value is not None else (1, 1)
        steps[axis] = factor * _positive(denominator / numerator if numerator else None)
    interval = metadata.get("finterval")
    return steps, unit, _positive(interval), "sec" if interval else "unknown"


def _ome_steps(file: Any) -> tuple[dict[str, float], str, float, str]:
    tag = re.search(r"<(?:\w+:)?Pixels\b[^>]*>", file.ome_metadata or "")
    found = dict(re.findall(r'(\w+)="([^"]*)"', tag.group(0))) if tag else {}
    sizes = {axis: found.get(f"PhysicalSize{axis}") for axis in "XYZ"}
    units = {
        found.get(f"PhysicalSize{axis}Unit", "\N{MICRO SIGN}m") for axis, size in sizes.items() if size is not None
    }
    if len(units) != 1 or next(iter(units)) not in _SPACE_UNITS:
        return {}, "unknown", 1.0, "unknown"
    unit, factor = _SPACE_UNITS[units.pop()]
    steps = {axis: factor * _positive(size) for axis, size in sizes.items() if size is not None}
    increment = found.get("TimeIncrement")
    time_unit = _TIME_UNITS.get(found.get("TimeIncrementUnit", "s"), "unknown") if increment else "unknown"
    return steps, unit, _positive(increment), time_unit


def _positive(value: object) -> float:
    try:
        number = float(str(value))
    except ValueError:
        return 1.0
    return number if isfinite(number) and number > 0 else 1.0


def _ome(details: VolumeDetails) -> dict[str, Any]:
    """Spacing in the words of OME: lengths of the steps, whatever way they lead."""
    lengths = np.linalg.norm(np.array(details.affine).reshape(4, 4)[:3, :3], axis=0).tolist()
    words: dict[str, Any] = {}
    for axis, size in zip("ZYX", lengths, strict=True):
        words |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": _OME_UNITS[details.space_unit]}
    if details.time_unit in _OME_UNITS:
        words |= {"TimeIncrement": details.time_step, "TimeIncrementUnit": _OME_UNITS[details.time_unit]}
    return words
