"""Small pictures of every kind, a sound and an array, as bytes, and files that only pretend to be one."""

import io
import struct
import zlib
from itertools import count

from PIL import Image

_shades = count(1)


def png(mode: str = "RGB", size: tuple[int, int] = (6, 4), form: str = "PNG") -> bytes:
    """A picture that no test has used before."""
    shade = next(_shades)
    picture = Image.new("I;16" if mode == "I;16" else "RGB", size)
    for at in range(size[0] * size[1]):
        value = shade * 977 + at * 31
        pixel = value % 65_536 if mode == "I;16" else (value % 256, value // 256 % 256, at % 256)
        picture.putpixel((at % size[0], at // size[0]), pixel)
    if mode not in {"RGB", "I;16"}:
        picture = picture.convert(mode)
    # A comment makes bytes new even where one pixel cannot.
    buffer = io.BytesIO()
    picture.save(buffer, form)
    return with_comment(buffer.getvalue(), shade) if form == "PNG" else buffer.getvalue()


def with_comment(picture: bytes, number: int) -> bytes:
    """A PNG with a text chunk before its end."""
    return picture[:-12] + chunk(b"tEXt", f"Comment\0{number}".encode()) + picture[-12:]


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb() -> bytes:
    """A PNG of few bytes whose header declares 60,000 x 60,000 pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def animation() -> bytes:
    """A WebP of two frames."""
    frames = [Image.new("RGB", (4, 4), (shade, 0, 0)) for shade in (10, 200)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    return buffer.getvalue()


def pages() -> bytes:
    """A TIFF of two pages."""
    first, second = (Image.new("RGB", (4, 4), (shade, 0, 0)) for shade in (10, 200))
    buffer = io.BytesIO()
    first.save(buffer, "TIFF", save_all=True, append_images=[second])
    return buffer.getvalue()


def sound() -> bytes:
    """A WAV of 500 samples, 16 bits."""
    samples = struct.pack("<500h", *(at * 37 % 2000 - 1000 for at in range(500)))
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16_000, 2, 16)
    content = b"WAVE" + form + b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(content)) + content


def shaped(shape: bytes) -> bytes:
    """A .npy of no elements whose header says any shape."""
    header = (b"{'descr': '<f8', 'fortran_order': False, 'shape': " + shape + b", }").ljust(117) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header


def array(last: float) -> bytes:
    """A .npy of six doubles, the last one of which is given."""
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }".ljust(117) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + struct.pack("<6d", 0, 1, 2, 3, 4, last)
