"""Hostile files: PNG."""

import struct
import zlib
from functools import partial

from tests.hostile.files.kinds import BOMB, CYCLE, DAMAGED, MANY, MIX, OVER_BUDGET, SHAPE, TOO_LARGE, add
from tests.hostile.files.pieces import deflated_zeros, honest
from tests.integration.api.images import chunk as png_chunk


def png(width: int, height: int, data: bytes, *, bits: int = 8, colour: int = 0, extra: bytes = b"") -> bytes:
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
        + extra
        + png_chunk(b"IDAT", data)
        + png_chunk(b"IEND", b"")
    )


SMALL = zlib.compress(b"\0" * 5 * 4)
add("png of 2^31-1 squared", SHAPE, TOO_LARGE, lambda: png(2**31 - 1, 2**31 - 1, SMALL))
add("png of 2^32-1 squared", SHAPE, TOO_LARGE, lambda: png(2**32 - 1, 2**32 - 1, SMALL))
add("png of a row as long as all", SHAPE, TOO_LARGE, lambda: png(2**25, 1, SMALL))
add("png of a column as long as all", SHAPE, TOO_LARGE, lambda: png(1, 2**25, SMALL))
add("png of 16384 x 2048 without data", SHAPE, DAMAGED, lambda: png(16384, 2048, SMALL))
add("png that inflates to 300 MB behind 4 x 4", BOMB, None, lambda: png(4, 4, deflated_zeros(300 << 20)))
add(
    "png of 16384 x 2048 colours of 16 bits",
    BOMB,
    OVER_BUDGET,
    lambda: png(16384, 2048, deflated_zeros((16384 * 6 + 1) * 2048), bits=16, colour=2),
)
for _name, _content in {
    "a profile": b"x\0\0",
    "a text": b"x\0\0",
    "an international text": b"x\0\1\0\0\0",
}.items():
    _type = {"a profile": b"iCCP", "a text": b"zTXt", "an international text": b"iTXt"}[_name]
    add(
        f"png with {_name} of 300 MB, packed",
        BOMB,
        DAMAGED,
        partial(
            lambda kind, content: png(4, 4, SMALL, extra=png_chunk(kind, content + deflated_zeros(300 << 20))),
            _type,
            _content,
        ),
    )
add(
    "png with 20,000 texts",
    MANY,
    None,
    lambda: png(4, 4, SMALL, extra=png_chunk(b"tEXt", b"a\0b") * 20_000),
)
add(
    "png with 100,000 empty pieces of data",
    MANY,
    None,
    lambda: png(4, 4, SMALL, extra=b"").replace(
        png_chunk(b"IDAT", SMALL), png_chunk(b"IDAT", b"") * 100_000 + png_chunk(b"IDAT", SMALL)
    ),
)
add(
    "png of a million frames, it says",
    MANY,
    DAMAGED,
    lambda: png(4, 4, SMALL, extra=png_chunk(b"acTL", struct.pack(">II", 10**6, 0))),
)
add(
    "png with EXIF whose directory is its own",
    CYCLE,
    None,
    lambda: png(4, 4, SMALL, extra=png_chunk(b"eXIf", b"II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0" * 2)),
)
add("png that is a zip, too", MIX, None, lambda: honest("png") + b"PK\x05\x06" + bytes(18))
add("png that is a page, too", MIX, None, lambda: honest("png") + b"<html><script>alert(1)</script></html>")
