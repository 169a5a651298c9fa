"""Image files to signals and back: PNG, JPEG, WebP and TIFF in, PNG out.

Files come from strangers. The formats are an allow-list, sizes are read from the header and held against limits before
a pixel is decoded, and decoding is complete, so that a truncated file is refused and not half used. No bit is lost
silently: 16-bit samples stay 16-bit, and what cannot be kept is refused by name.

| in the file | in the signal |
|---|---|
| grey, 1 bit per pixel | 1 channel |
| grey with alpha or a transparent colour | 2 channels |
| RGB, palette, CMYK (profile dropped), YCbCr | 3 channels |
| RGBA, RGB or palette with a transparent colour | 4 channels |
| 16 bits per channel | the same channels (and alpha for a transparent colour), `SampleFormat.U16` |
| an EXIF or TIFF orientation | applied |
| several frames or pages | refused (of a multi-picture JPEG the first is used, as viewers do) |
| floats, signed, 12-bit or 32-bit samples, bands of unspecified meaning | arrays (`tuner.signal.tiff_pages`) |
| Lab and other colours, inks other than CMYK, premultiplied 16-bit colours | refused |
"""

import warnings
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from tuner.errors import DamagedSignal, InvalidSignal, SignalTooLarge, TunerError, UnsupportedFormat
from tuner.shapes import SampleArray
from tuner.signal.deep_colour import decode_deep_colour, encode_deep_png
from tuner.signal.libtiff import quiet_libtiff
from tuner.signal.limits import SignalLimits
from tuner.signal.orientation import upright
from tuner.signal.signal import SampleFormat, Signal, SignalKind
from tuner.signal.tiff import Page, begins_tiff, main_pages
from tuner.signal.tiff_pages import read_page

# MPO is what Pillow calls a JPEG that carries further pictures, as many telephones write.
_FORMATS: Final = {"PNG": "png", "JPEG": "jpeg", "MPO": "jpeg", "WEBP": "webp", "TIFF": "tiff"}
_SIGNATURES: Final = {b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"RIFF": "WebP", b"II": "TIFF", b"MM": "TIFF"}
# Tags of EXIF and TIFF.
_ORIENTATION: Final = 274
_PNG_BITS: Final = 24  # where the header has the bits of a sample
# Codecs of a TIFF that every Pillow has; tifffile decodes the others, or names them.
_PILLOW_CODECS: Final = {1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946}
# Codecs whose bits Pillow takes in either order: those of facsimiles; it decodes JPEG, which has an order of its own.
_EITHER_ORDER: Final = {2, 3, 4, 6, 7}
_FRAMES_OF_JPEG: Final = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # the rest are tables; JPEG-LS has one
_SCAN: Final = b"\xff\xda"  # within the data of a scan, ff is followed by 00
_USUAL_SCANS, _SCANS_OF_ALL_PIXELS, _MOST_SCANS = 40, 4, 1000
_LOSSLESS_JPEG: Final = {0xC3, 0xC7, 0xCB, 0xCF, 0xF7}
_MODES_BY_CHANNELS: Final = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageLimits:
    """What is decoded at most.

    Attributes:
        max_pixels: width times height.
        max_side: the longer side, in pixels.
    """

    max_pixels: int = 2**25
    max_side: int = 2**14


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageFacts:
    """What an image file holds, as the signal will have it.

    Attributes:
        format: "png", "jpeg", "webp" or "tiff".
        width: number of pixels in a row, after the orientation has been applied.
        height: number of rows of pixels, after the orientation has been applied.
        channels: number of values of a pixel, 1 to 4.
        sample_format: type of number that a sample is stored as.
        has_icc: whether a colour profile comes along.
    """

    format: str
    width: int
    height: int
    channels: int
    sample_format: SampleFormat
    has_icc: bool

    def to_json(self) -> dict[str, str | int | bool | list[int]]:
        """The facts as JSON types."""
        return {
            "kind": SignalKind.IMAGE.value,
            "format": self.format,
            "width": self.width,
            "height": self.height,
            "shape": [self.height, self.width],
            "channels": self.channels,
            "sample_format": self.sample_format.value,
            "has_icc": self.has_icc,
        }


def read_image(source: bytes | Path, limits: ImageLimits = ImageLimits()) -> Signal:
    """Decode an image file into a signal of shape (height, width, channels) with values in [0, 1].

    Args:
        source: the file's bytes, or its path.
        limits: held against the header before anything is decoded.

    Returns:
        The signal; see the table above.

    Raises:
        UnsupportedFormat: if it is no PNG, JPEG, WebP or TIFF, or of a variant that cannot be kept.
        DamagedSignal: if it is truncated or corrupt.
        SignalTooLarge: if it is over a limit.
    """
    decoded = _decode(source, limits)
    return Signal(
        values=decoded.samples.astype(np.float32) / np.float32(decoded.sample_format.levels),
        kind=SignalKind.IMAGE,
        sample_format=decoded.sample_format,
        icc_profile=decoded.icc_profile,
    )


def read_stored_image(source: bytes | Path, limits: ImageLimits = ImageLimits()) -> "StoredImage":
    """Decode an image file into the samples that it stores; arguments and errors are those of `read_image`."""
    decoded = _decode(source, limits)
    return StoredImage(decoded.samples, decoded.icc_profile)


def inspect_image(source: bytes | Path, limits: ImageLimits = ImageLimits()) -> "ImageFacts":
    """Decode an image file completely and say what it holds; raises what `read_image` raises."""
    return look_into_image(source, limits)[0]


def look_into_image(
    source: bytes | Path,
    limits: ImageLimits = ImageLimits(),
) -> tuple["ImageFacts", SampleArray]:
    """What an image file holds, and its pixels as they are stored; arguments and errors are those of `read_image`."""
    decoded = _decode(source, limits)
    height, width, channels = decoded.samples.shape
    facts = ImageFacts(
        format=decoded.format,
        width=width,
        height=height,
        channels=channels,
        sample_format=decoded.sample_format,
        has_icc=decoded.icc_profile is not None,
    )
    return facts, decoded.samples


def write_image(signal: Signal) -> bytes:
    """Encode an image signal as PNG, clipped to [0, 1] and rounded to its sample format.

    Raises:
        InvalidSignal: if the signal is not (height, width, channels) with 1 to 4 channels.
    """
    if len(signal.grid_shape) != 2 or signal.channels not in _MODES_BY_CHANNELS:
        raise InvalidSignal(f"values have shape {signal.values.shape}, expected (height, width, 1 to 4 channels)")
    levels = signal.sample_format.levels
    samples = np.rint(np.clip(signal.values, 0.0, 1.0) * np.float32(levels))
    if signal.sample_format is SampleFormat.U16:
        return encode_deep_png(samples.astype(np.uint16), signal.icc_profile)
    pixels = samples.astype(np.uint8)
    image = Image.fromarray(pixels[..., 0] if signal.channels == 1 else pixels, _MODES_BY_CHANNELS[signal.channels])
    file = BytesIO()
    image.save(file, format="PNG", icc_profile=signal.icc_profile)
    return file.getvalue()


@dataclass(frozen=True, slots=True, eq=False)
class StoredImage:
    """The pixels of an image file.

    Attributes:
        samples: pixels as they are stored, of 8 or 16 bits, (height, width, channels).
        icc_profile: colour profile of the file, kept as it came, or None.
    """

    samples: SampleArray
    icc_profile: bytes | None


@dataclass(frozen=True, slots=True)
class _Decoded:
    samples: SampleArray  # (height, width, channels)
    sample_format: SampleFormat
    format: str
    icc_profile: bytes | None


def _decode(source: bytes | Path, limits: ImageLimits) -> _Decoded:
    data = source if isinstance(source, bytes) else source.read_bytes()
    if not data:
        raise DamagedSignal("the file is empty, expected a PNG, JPEG, WebP or TIFF image")
    with warnings.catch_warnings():
        # Pillow warns of odd metadata and of large pictures; the limits decide on the latter.
        warnings.simplefilter("ignore")
        try:
            return _decode_checked(data, limits)
        except TunerError:
            raise
        except (MemoryError, Image.DecompressionBombError) as error:
            raise SignalTooLarge(f"the picture needs more memory than there is: {error}") from error
        except Exception as error:  # a hostile file makes Pillow raise nearly anything
            raise DamagedSignal(f"the image is truncated or corrupt: {error}") from error


def _decode_checked(data: bytes, limits: ImageLimits) -> _Decoded:
    if begins_tiff(data):
        page = _picture_page(data)
        if set(page.bits) == {16} or page.compression not in _PILLOW_CODECS or _is_odd(page):
            return _decoded_page(data, page, limits)
        quiet_libtiff()
        try:
            image = _open(data)
        except DamagedSignal:
            return _decoded_page(data, page, limits)
        _check_size(image, limits)
        image.seek(page.place)
    else:
        _check_codec(data)  # before Pillow, which takes some of them for no picture at all
        image = _open(data)
        _check_frames(image)
    _check_size(image, limits)
    _check_scans(image, data, limits)
    if image.format == "PNG":
        # Checks the checksum of every chunk, and uses the image up.
        image.verify()
        image = _open(data)
    if image.format == "PNG" and image.mode == "L" and isinstance(image.info.get("transparency"), int):
        # Pillow spreads samples of 2 and 4 bits over 8, and leaves the transparent one as it is stored.
        image.info["transparency"] *= 255 // ((1 << data[_PNG_BITS]) - 1)
    deep = _is_deep(image)
    samples = _deep_samples(image, data) if deep else np.asarray(in_plain_mode(image))
    image.load()  # a PNG may carry its orientation behind the pixels
    return _Decoded(
        samples=upright(samples if samples.ndim == 3 else samples[..., None], orientation_of(image)),
        sample_format=SampleFormat.U16 if deep else SampleFormat.U8,
        format=_FORMATS[str(image.format)],
        # A CMYK profile means nothing once the inks have been turned into RGB.
        icc_profile=None if image.mode == "CMYK" else image.info.get("icc_profile"),
    )


def _picture_page(data: bytes) -> Page:
    """The one page of a TIFF that is a picture."""
    pages = main_pages(data)
    if len(pages) > 1:
        raise UnsupportedFormat("the image has several frames or pages, expected a single one: save one of them")
    page = pages[0].checked()
    if not page.is_picture:
        raise UnsupportedFormat(
            f"the TIFF has {page.samples} samples of {page.bits[0]} bits, format {page.formats[0]}, a pixel, expected "
            "unsigned integers of 1 to 8 or of 16 bits that are grey, colour or alpha: read it as an array "
            "(read_signal), or convert it to a .npy"
        )
    return page


def _is_odd(page: Page) -> bool:
    """What Pillow does not read in every layout.

    These are alpha in planes, alpha that colours are multiplied by, and bytes whose lowest bit is the first: it takes
    those of planes the other way round, without a word, and refuses those of a palette.
    """
    return (bool(page.extras) and (page.apart or 1 in page.extras)) or (
        page.lowest_first and page.compression not in _EITHER_ORDER
    )


def _decoded_page(data: bytes, page: Page, limits: ImageLimits) -> _Decoded:
    """What Pillow cannot read, or of 16 bits reads the upper half."""
    samples = read_page(data, page, SignalLimits(points=limits.max_pixels, side=limits.max_side))
    profile = None
    with suppress(Exception):  # a profile that cannot be found is none
        profile = _open(data).info.get("icc_profile")
    return _Decoded(samples, SampleFormat.U8 if samples.dtype == np.uint8 else SampleFormat.U16, "tiff", profile)


def _check_codec(data: bytes) -> None:
    """Of JPEG what no 8-bit decoder reads: without loss, or with 12 bits."""
    position = 2
    while data.startswith(b"\xff\xd8") and position + 10 < len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        if marker in _FRAMES_OF_JPEG:
            if data[position + 4] != 8 or marker in _LOSSLESS_JPEG:
                raise UnsupportedFormat(
                    f"the JPEG has {data[position + 4]} bits{' without loss' if marker in _LOSSLESS_JPEG else ''}, "
                    "expected 8 bits, sequential or progressive: convert it to a PNG"
                )
            return
        if marker == 0xDA:
            return
        position += 2 + length if marker != 0xFF else 1


def _open(data: bytes) -> ImageFile:
    """Parse the header only."""
    try:
        return Image.open(BytesIO(data), formats=("PNG", "JPEG", "WEBP", "TIFF"))
    except UnidentifiedImageError as error:
        for signature, name in _SIGNATURES.items():
            if data.startswith(signature):
                raise DamagedSignal(
                    f"the file begins like a {name}, but its header cannot be read: it is truncated, corrupt, "
                    "or a variant that is not supported"
                ) from error
        raise UnsupportedFormat(
            f"the file begins with {data[:8]!r}, expected a PNG, JPEG, WebP or TIFF image: convert it to one of these"
        ) from error


def _check_size(image: ImageFile, limits: ImageLimits) -> None:
    width, height = image.size
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        raise SignalTooLarge(
            f"the image is {width} x {height}, expected at most {limits.max_pixels} pixels "
            f"and sides of at most {limits.max_side}: scale it down, or raise the limit"
        )


def _check_scans(image: ImageFile, data: bytes, limits: ImageLimits) -> None:
    """Of a progressive JPEG each scan may pass over all of the picture, and takes a few bytes to do so."""
    if image.format not in {"JPEG", "MPO"}:
        return
    width, height = image.size
    scans = data.count(_SCAN)
    allowed = max(_USUAL_SCANS, _SCANS_OF_ALL_PIXELS * limits.max_pixels // max(1, width * height))
    if scans > min(allowed, _MOST_SCANS):
        raise SignalTooLarge(
            f"the JPEG of {width} x {height} has {scans} scans, expected at most {min(allowed, _MOST_SCANS)}: save it "
            "again, or as a PNG"
        )


def _check_frames(image: ImageFile) -> None:
    if image.format == "MPO":
        return
    try:
        image.seek(1)
    except EOFError:
        image.seek(0)
    else:
        raise UnsupportedFormat("the image has several frames or pages, expected a single one: save one of them")


def _is_deep(image: ImageFile) -> bool:
    """Whether samples of a PNG have 16 bits; other formats, TIFF apart, have none."""
    return image.format == "PNG" and (image.mode == "I;16" or ";16" in str(image.tile[0].args))


def _deep_samples(image: ImageFile, data: bytes) -> SampleArray:
    if image.mode.startswith("I;16"):
        samples: SampleArray = np.asarray(image, dtype=np.uint16)[..., None]
    else:
        samples = decode_deep_colour(partial(_open, data))
    transparent = image.info.get("transparency")
    if transparent is None or samples.shape[-1] not in {1, 3}:
        return samples
    clear = (samples == np.array(transparent, dtype=np.uint16)).all(-1, keepdims=True)
    return np.concatenate([samples, np.where(clear, 0, SampleFormat.U16.levels).astype(np.uint16)], axis=-1)


def in_plain_mode(image: Image.Image) -> Image.Image:
    """Grey, grey-alpha, RGB or RGBA of 8 bits."""
    transparent = image.has_transparency_data
    modes = {
        **dict.fromkeys(("1", "L", "LA", "La"), "LA" if transparent else "L"),
        **dict.fromkeys(("P", "PA", "RGB", "RGBA", "RGBa", "RGBX"), "RGBA" if transparent else "RGB"),
        **dict.fromkeys(("CMYK", "YCbCr"), "RGB"),
    }
    if image.mode not in modes:
        raise UnsupportedFormat(f"the image is of mode {image.mode}, expected grey, RGB, palette or CMYK: convert it")
    return image.convert(modes[image.mode])


def orientation_of(image: Image.Image) -> int:
    """1 to 8, as EXIF defines them; 1 if there is none. Pillow turns a TIFF by itself while loading."""
    if isinstance(image, TiffImageFile):
        return 1
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # metadata that cannot be read turns nothing
        return 1
