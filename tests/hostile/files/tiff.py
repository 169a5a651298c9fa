"""Hostile files: TIFF, with OME and stacks."""

import struct
from functools import partial

from tests.hostile.files.kinds import BOMB, CUT, CYCLE, DAMAGED, MANY, NESTING, REFERENCE, SHAPE, TOO_LARGE, add
from tests.hostile.files.pieces import LAUGHS, deflated_zeros


def entry(tag: int, kind: int, count: int, value: int) -> bytes:
    return struct.pack("<HHII", tag, kind, count, value)


def tiff(*pages: dict[int, tuple[int, int, int]], following: int = 0, body: bytes = b"", classic: bool = True) -> bytes:
    """Directories one after another, each tag with type, count and value; `following` ends the last one.

    The bytes of `body` lie behind all directories, at the place that a value of -1 stands for.
    """
    assert classic
    sizes = [2 + 12 * len(page) + 4 for page in pages]
    places = [8 + sum(sizes[:number]) for number in range(len(pages) + 1)]
    out = b"II*\0" + struct.pack("<I", 8)
    for number, page in enumerate(pages):
        entries = [
            entry(tag, kind, count, places[-1] if value == -1 else value)
            for tag, (kind, count, value) in sorted(page.items())
        ]
        after = places[number + 1] if number + 1 < len(pages) else following
        out += struct.pack("<H", len(page)) + b"".join(entries) + struct.pack("<I", after)
    return out + body


def page(width: int = 4, height: int = 4, **others: tuple[int, int, int]) -> dict[int, tuple[int, int, int]]:
    """A grey page of 8 bits; other tags are named t273 and so on."""
    tags = {256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1), 273: (4, 1, -1),
            277: (3, 1, 1), 278: (4, 1, height), 279: (4, 1, width * height & 0xFFFFFFFF)}  # fmt: skip
    return tags | {int(name[1:]): value for name, value in others.items()}


PIXELS = bytes(range(16))
add("tiff, honest page", SHAPE, None, lambda: tiff(page(), body=PIXELS))
add("tiff whose second page is the first", CYCLE, None, lambda: tiff(page(), following=8, body=PIXELS))
add(
    "tiff whose third page is the second",
    CYCLE,
    None,
    lambda: tiff(page(), page(), following=8 + 2 + 12 * 9 + 4, body=PIXELS),
)
add("tiff whose next page is within the first", CYCLE, DAMAGED, lambda: tiff(page(), following=14, body=PIXELS))
add("tiff whose next page is beyond all", CYCLE, DAMAGED, lambda: tiff(page(), following=2**32 - 1, body=PIXELS))
add("tiff whose nested pages are its own", CYCLE, None, lambda: tiff(page(t330=(4, 1, 8)), body=PIXELS))
add("tiff without a page", SHAPE, DAMAGED, lambda: b"II*\0" + bytes(4))
add("tiff of 2^32-1 squared", SHAPE, TOO_LARGE, lambda: tiff(page(2**32 - 1, 2**32 - 1), body=PIXELS))
add("tiff of no pixels", SHAPE, DAMAGED, lambda: tiff(page(0, 0), body=PIXELS))
add("tiff of 65535 samples a pixel", SHAPE, TOO_LARGE, lambda: tiff(page(t277=(3, 1, 65535)), body=PIXELS))
add("tiff of 20,000 pages", MANY, TOO_LARGE, lambda: tiff(*[page()] * 20_000, body=PIXELS))
add(
    "tiff of 20 pages of 4,000 tags each with many values",
    MANY,
    None,
    lambda: wide_directories(20, 4000),
)
add(
    "tiff of 32768 x 1024 by one deflated strip of nothing",
    BOMB,
    TOO_LARGE,
    lambda: tiff(page(32768, 1024, t259=(3, 1, 8), t279=(4, 1, 40_000)), body=deflated_zeros(32 << 20)),
)
add(
    "tiff of 4 x 4 by a strip that inflates to 300 MB",
    BOMB,
    None,
    lambda: tiff(page(t259=(3, 1, 8), t279=(4, 1, len(deflated_zeros(300 << 20)))), body=deflated_zeros(300 << 20)),
)
add(
    "tiff of 32 bits by a strip that inflates to 300 MB",
    BOMB,
    DAMAGED,
    lambda: tiff(
        page(t258=(3, 1, 32), t339=(3, 1, 3), t259=(3, 1, 8), t279=(4, 1, len(deflated_zeros(300 << 20)))),
        body=deflated_zeros(300 << 20),
    ),
)
for _bits in (8, 32):
    add(
        f"tiff of {_bits} bits with a tile of 2^31 squared",
        SHAPE,
        DAMAGED if _bits == 32 else None,
        partial(
            lambda bits: tiff(
                page(t258=(3, 1, bits), t322=(4, 1, 2**31), t323=(4, 1, 2**31), t324=(4, 1, -1), t325=(4, 1, 16)),
                body=PIXELS,
            ),
            _bits,
        ),
    )
    add(
        f"tiff of {_bits} bits with a tile of 16384 x 16384 for 4 x 4",
        SHAPE,
        DAMAGED if _bits == 32 else None,
        partial(
            lambda bits: tiff(
                page(t258=(3, 1, bits), t322=(4, 1, 16384), t323=(4, 1, 16384), t324=(4, 1, -1), t325=(4, 1, 16)),
                body=PIXELS,
            ),
            _bits,
        ),
    )
add("tiff of 100 pages of 4,000 tags", MANY, DAMAGED, lambda: wide_directories(100, 4000))
add(
    "tiff of 2^31 strips, it says",
    MANY,
    DAMAGED,
    lambda: tiff(page(t273=(4, 2**31, -1), t279=(4, 2**31, -1)), body=PIXELS),
)
add("tiff of strips beyond its end", CUT, DAMAGED, lambda: tiff(page(t273=(4, 1, 10**9)), body=PIXELS))


def wide_directories(pages: int, tags: int) -> bytes:
    """Pages with thousands of tags, each of which has more values than anybody looks at."""
    size = 2 + 12 * tags + 4
    out = b"II*\0" + struct.pack("<I", 8)
    for number in range(pages):
        entries = b"".join(entry(40_000 + tag, 4, 1000, 8) for tag in range(tags - 9))
        own = b"".join(entry(tag, *value) for tag, value in page(t273=(4, 1, 8)).items())
        out += struct.pack("<H", tags) + own + entries
        out += struct.pack("<I", 8 + size * (number + 1) if number + 1 < pages else 0)
    return out


def described(text: bytes, *pages: dict[int, tuple[int, int, int]]) -> bytes:
    """A TIFF of 4 x 4 with a description, pixels behind it."""
    text += b"\0" * (1 + (len(text) + 1) % 2)
    given = [page() for _ in range(2)] if not pages else list(pages)
    directory = sum(2 + 12 * (len(one) + (number == 0)) + 4 for number, one in enumerate(given))
    given[0] = {**given[0], 270: (2, len(text), 8 + directory)}
    given = [{**one, 273: (4, 1, 8 + directory + len(text))} for one in given]
    return tiff(*given, body=text + PIXELS)


def ome(inner: bytes, sizes: dict[str, int], before: bytes = b"") -> bytes:
    attributes = b" ".join(b'%s="%d"' % (name.encode(), size) for name, size in sizes.items())
    return described(
        b'<?xml version="1.0" encoding="UTF-8"?>' + before
        + b'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" '
        + b'DimensionOrder="XYZCT" Type="uint8" ' + attributes + b">" + inner + b"</Pixels></Image></OME>"
    )  # fmt: skip


FOUR = {"SizeX": 4, "SizeY": 4, "SizeZ": 2, "SizeC": 1, "SizeT": 1}

add("ome-tiff, honest", SHAPE, None, lambda: ome(b"<TiffData/>", FOUR))
add("ome-tiff of 10^9 planes", SHAPE, TOO_LARGE, lambda: ome(b"<TiffData/>", FOUR | {"SizeZ": 10**9}))
add(
    "ome-tiff of 10^8 planes and times",
    SHAPE,
    TOO_LARGE,
    lambda: ome(b"<TiffData/>", FOUR | {"SizeZ": 10**4, "SizeT": 10**4}),
)
add("ome-tiff of -1 planes", SHAPE, None, lambda: ome(b"<TiffData/>", FOUR | {"SizeZ": -1}))
add(
    "ome-tiff of 10^9 planes in one entry",
    SHAPE,
    TOO_LARGE,
    lambda: ome(b'<TiffData IFD="0" PlaneCount="1000000000"/>', FOUR),
)
add("ome-tiff of 10^9 channels", SHAPE, TOO_LARGE, lambda: ome(b"<TiffData/>", FOUR | {"SizeC": 10**9}))
add("ome-tiff with entities in entities", NESTING, None, lambda: ome(b"<TiffData/>&a11;", FOUR, LAUGHS))
add(
    "ome-tiff with an entity that is a file",
    REFERENCE,
    None,
    lambda: ome(b"&f;", FOUR, b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'),
)
add(
    "ome-tiff with a definition elsewhere",
    REFERENCE,
    None,
    lambda: ome(b"<TiffData/>", FOUR, b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">'),
)
add(
    "ome-tiff that is one file of many",
    REFERENCE,
    None,
    lambda: ome(b'<TiffData IFD="0"><UUID FileName="../../../etc/passwd">urn:uuid:1</UUID></TiffData>', FOUR),
)
add("ome-tiff nested 50,000 deep", NESTING, None, lambda: ome(b"<a>" * 50_000 + b"</a>" * 50_000, FOUR))
add("ome-tiff of 50,000 entries", MANY, None, lambda: ome(b"<TiffData/>" * 50_000, FOUR))
add(
    "imagej-tiff of 10^9 pictures",
    SHAPE,
    None,
    lambda: described(b"ImageJ=1.53\nimages=1000000000\nslices=1000000000\n", page()),
)
add("tifffile-tiff of 10^9 pages", SHAPE, TOO_LARGE, lambda: described(b'{"shape": [1000000000, 4, 4]}', page()))
add("tifffile-tiff of JSON 50,000 deep", NESTING, DAMAGED, lambda: described(b'{"shape": [' + b"[" * 50_000))
