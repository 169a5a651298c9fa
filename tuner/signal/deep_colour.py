"""Sixteen bits per channel in colour, which Pillow reads as eight and cannot write.

Pillow keeps 16-bit grey, but of a 16-bit RGB or RGBA sample it unpacks the first byte and drops the second, silently.
Reading: decode twice, the second time telling the unpacker that bytes come in the other order, and join the halves;
Pillow still does all of the parsing, inflating and unfiltering. Writing: a PNG of 16-bit samples is a few chunks.
"""

import struct
import sys
import zlib
from collections.abc import Callable

import numpy as np
from PIL.ImageFile import ImageFile

from tuner.errors import UnsupportedFormat
from tuner.shapes import SampleArray

# Pillow's names of the byte order of 16-bit samples, and the opposite of each; N is the machine's.
_OTHER_ORDER = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}
_PNG_FILTER_UP = 2


def decode_deep_colour(open_image: Callable[[], ImageFile]) -> SampleArray:
    """Decode an image of 16-bit grey-alpha, RGB or RGBA samples without losing a bit.

    Args:
        open_image: opens the image afresh, not yet loaded.

    Returns:
        uint16 (height, width, channels).

    Raises:
        UnsupportedFormat: if the samples are laid out in another way.
    """
    layout = _layout(open_image())
    if layout == "LA;16B":
        # Four bytes per pixel, like 8-bit RGBA.
        return _decode_as(open_image(), "RGBA").view(">u2").astype(np.uint16)
    colour, order = layout[:-1], layout[-1]
    if colour not in {"RGB;16", "RGBA;16"}:
        raise UnsupportedFormat(
            f"16-bit samples are laid out as {layout}, expected interleaved RGB or RGBA: "
            "save the image as a 16-bit RGB PNG, or with 8 bits"
        )
    first = _decode_as(open_image(), layout)
    second = _decode_as(open_image(), colour + _OTHER_ORDER[order])
    return np.stack([first, second], axis=-1).view(">u2")[..., 0].astype(np.uint16)


def encode_deep_png(samples: SampleArray, icc_profile: bytes | None) -> bytes:
    """A PNG of 16-bit samples.

    Args:
        samples: uint16 (height, width, channels), 1 to 4 channels.
        icc_profile: colour profile to embed, or None.

    Returns:
        The file.
    """
    height, width, channels = samples.shape
    rows = samples.astype(">u2").reshape(height, -1).view(np.uint8)
    up = np.diff(rows, axis=0, prepend=np.zeros_like(rows[:1]))
    filtered = np.concatenate([np.full((height, 1), _PNG_FILTER_UP, np.uint8), up], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 16, _PNG_COLOUR_TYPE[channels], 0, 0, 0)
    profile = b"" if icc_profile is None else _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc_profile))
    return b"".join(
        [
            _PNG_SIGNATURE,
            _chunk(b"IHDR", header),
            profile,
            _chunk(b"IDAT", zlib.compress(filtered.tobytes())),
            _chunk(b"IEND", b""),
        ]
    )


def _layout(image: ImageFile) -> str:
    """How the first tile says that samples are packed, for example "RGB;16B"."""
    arguments = image.tile[0].args
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def _decode_as(image: ImageFile, layout: str) -> SampleArray:
    """Decode with another unpacker than the one the header asks for."""
    image.tile = [
        tile._replace(args=(layout, *tile.args[1:]) if isinstance(tile.args, tuple) else layout) for tile in image.tile
    ]
    return np.asarray(image)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
