"""Hostile files: JPEG and WebP."""

import struct
from io import BytesIO

from PIL import Image

from tests.hostile.files.kinds import CYCLE, DAMAGED, MANY, SHAPE, TOO_LARGE, WORK, add
from tests.hostile.files.pieces import honest, patched, patched_in


def jpeg_of(width: int, height: int) -> bytes:
    """A JPEG whose header says another size than its data has."""
    data = honest("jpeg")
    place = data.index(b"\xff\xc0") + 5
    return patched(data, place, struct.pack(">HH", height, width))


def many_scans(scans: int) -> bytes:
    """A progressive JPEG of 4096 x 4096 with so many scans, each of which changes nothing and passes over all of it."""
    file = BytesIO()
    Image.new("L", (4096, 4096)).save(file, "JPEG", progressive=True, quality=50)
    data = file.getvalue()
    start = data.rindex(b"\xff\xda")
    return data[:start] + data[start:-2] * scans + data[-2:]


add("jpeg of 65535 squared", SHAPE, TOO_LARGE, lambda: jpeg_of(65535, 65535))
add("jpeg of no rows", SHAPE, DAMAGED, lambda: jpeg_of(32, 0))
# What is missing is grey, as in every reader of JPEG; a picture is not held as values until it is fitted.
add("jpeg of 16000 x 2000 with the data of 32 x 32", SHAPE, None, lambda: jpeg_of(16000, 2000))
add("jpeg of 1,000 scans", WORK, TOO_LARGE, lambda: many_scans(1000))
add("jpeg of 100,000 comments", MANY, None, lambda: patched_in(honest("jpeg"), 2, b"\xff\xfe\0\x03x" * 100_000))
add(
    "jpeg with EXIF that names itself",
    CYCLE,
    None,
    lambda: patched_in(
        honest("jpeg"),
        2,
        b"\xff\xe1\0\x24Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0",
    ),
)
add("jpeg that says it has 2^31 pictures", MANY, None, lambda: patched_in(honest("jpeg"), 2, mpf(2**31 - 1)))


def mpf(pictures: int) -> bytes:
    body = b"MPF\0II*\0\x08\0\0\0\x01\0\x01\xb0\x04\0\x01\0\0\0" + struct.pack("<I", pictures) + bytes(4)
    return b"\xff\xe2" + struct.pack(">H", len(body) + 2) + body


def webp_of(width: int, height: int, frames: int = 0) -> bytes:
    """A WebP with an extended header that says any size, and frames of nothing."""
    flags = 2 if frames else 0
    extended = struct.pack("<I", flags) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + extended
    if frames:
        body += b"ANIM" + struct.pack("<I", 6) + bytes(6)
        body += (b"ANMF" + struct.pack("<I", 16) + bytes(16)) * frames
    return b"RIFF" + struct.pack("<I", len(body)) + body


add("webp of 2^24 squared", SHAPE, TOO_LARGE, lambda: webp_of(2**24, 2**24))
add("webp of 100,000 frames of nothing", MANY, DAMAGED, lambda: webp_of(16, 16, 100_000))
add("webp of 16383 squared without data", SHAPE, TOO_LARGE, lambda: webp_of(16383, 16383))
add("webp whose length is 2^32-1", SHAPE, DAMAGED, lambda: patched(honest("webp"), 4, b"\xff\xff\xff\xff"))
