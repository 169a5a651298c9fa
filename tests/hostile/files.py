"""Files of every format that is read, each of which attacks whoever reads it, with the answer that it must get.

All of them are made here, from small honest files or from nothing. Sizes are chosen so that a reader without limits
would take far more than two seconds or 512 MiB. A code of None stands for files that are only odd, and are read.
"""

import gzip
import pickle
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from io import BytesIO

import numpy as np
from PIL import Image

from tests.hostile.lies import HONEST, LIES, Network, chunk, header
from tests.integration.api.images import chunk as png_chunk
from tuner.signal.details import AudioDetails
from tuner.signal.formats import encode_signal
from tuner.signal.kind import SignalKind
from tuner.signal.samples import SampleFormat
from tuner.signal.signal import Signal

UNSUPPORTED, DAMAGED = "unsupported_format", "damaged_signal"
TOO_LARGE, INVALID = "signal_too_large", "invalid_signal"
OVER_BUDGET = "undecodable_signal"  # ended by the cage
CORRUPT, LIMIT = "corrupt_file", "limit_exceeded"

BOMB, SHAPE, CUT, NUMBER, NESTING = "bomb", "shape", "cut", "not a number", "nesting"
REFERENCE, MIX, MAGIC, MANY, CYCLE, PICKLE, WORK = (
    "outside reference",
    "polyglot",
    "magic",
    "many parts",
    "cycle",
    "pickle",
    "work",
)


@dataclass(frozen=True, slots=True)
class HostileFile:
    """One file of the corpus.

    Attributes:
        name: what tells it from all others.
        attack: kind of the attack.
        code: code of the error that answers it; None where it is read.
        make: makes its bytes.
        reader: "signal" for an upload, "representation" for a compressed file.
    """

    name: str
    attack: str
    code: str | None
    make: Callable[[], bytes]
    reader: str = "signal"


FILES: list[HostileFile] = []


def add(name: str, attack: str, code: str | None, make: Callable[[], bytes]) -> None:
    FILES.append(HostileFile(name, attack, code, make))


def compressed(name: str, attack: str, code: str | None, make: Callable[[], bytes]) -> None:
    FILES.append(HostileFile(f"tnr, {name}", attack, code, make, "representation"))


# Honest files to begin with.
_HONEST = {
    "png": (SignalKind.IMAGE, (32, 32, 3), "x.png"),
    "wav": (SignalKind.AUDIO, (4000, 1), "x.wav"),
    "flac": (SignalKind.AUDIO, (4000, 1), "x.flac"),
    "ogg": (SignalKind.AUDIO, (4000, 1), "x.ogg"),
    "nii": (SignalKind.VOLUME, (8, 8, 8, 1), "x.nii"),
    "nii.gz": (SignalKind.VOLUME, (8, 8, 8, 1), "x.nii.gz"),
    "stack": (SignalKind.VOLUME, (4, 16, 16, 1), "x.tif"),
    "mp4": (SignalKind.VIDEO, (6, 32, 32, 3), "x.mp4"),
    "mkv": (SignalKind.VIDEO, (6, 32, 32, 3), "x.mkv"),
    "npy": (SignalKind.ARRAY, (16, 16, 1), "x.npy"),
    "page": (SignalKind.ARRAY, (16, 16, 1), "x.tif"),
}
MESH = b"v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"


@cache
def honest(kind: str) -> bytes:
    """A small file of a format, with noise for samples so that nothing about it compresses away."""
    if kind in {"jpeg", "webp", "tiff"}:
        file = BytesIO()
        noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(noise).save(file, kind.upper())
        return file.getvalue()
    if kind == "avi":
        return _avi()
    if kind in {"obj", "ply", "stl"}:
        return {"obj": MESH, "ply": _ply(), "stl": _stl(4)}[kind]
    signal_kind, shape, name = _HONEST[kind]
    values = np.random.default_rng(0).random(shape, dtype=np.float32)
    details = AudioDetails(sample_rate=8000) if signal_kind is SignalKind.AUDIO else None
    stored = SampleFormat.S16 if signal_kind is SignalKind.AUDIO else SampleFormat.U8
    return encode_signal(Signal(values=values, kind=signal_kind, sample_format=stored, details=details), name)


def _avi() -> bytes:
    import av

    file = BytesIO()
    with av.open(file, "w", format="avi") as output:
        stream = output.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for shade in range(4):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((32, 32, 3), 40 * shade, np.uint8))))
        output.mux(stream.encode())
    return file.getvalue()


def _ply(elements: bytes = b"", body: bytes | None = None, vertices: int = 4, faces: int = 4) -> bytes:
    corners = b"0 0 0\n1 0 0\n0 1 0\n0 0 1\n3 0 2 1\n3 0 1 3\n3 0 3 2\n3 1 2 3\n"
    return (
        b"ply\nformat ascii 1.0\nelement vertex %d\nproperty float x\nproperty float y\nproperty float z\n%s"
        b"element face %d\nproperty list uchar int vertex_indices\nend_header\n%s"
        % (vertices, elements, faces, corners if body is None else body)
    )


def _binary_ply(vertices: int, faces: int, body: bytes, count: bytes = b"uchar") -> bytes:
    return (
        b"ply\nformat binary_little_endian 1.0\nelement vertex %d\nproperty float x\nproperty float y\n"
        b"property float z\nelement face %d\nproperty list %s int vertex_indices\nend_header\n%s"
        % (vertices, faces, count, body)
    )


def _stl(declared: int, there: int = 4) -> bytes:
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype="<f4")
    faces = [(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)]
    records = b"".join(bytes(12) + corners[list(face)].tobytes() + bytes(2) for face in faces)
    return bytes(80) + struct.pack("<I", declared) + (records * (there // 4 or 1))[: 50 * there]


def patched(data: bytes, place: int, value: bytes) -> bytes:
    return data[:place] + value + data[place + len(value) :]


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data, old
    return data.replace(old, new, 1)


# Every format, cut within its head and within its samples, and behind another's beginning.
FORMATS = ("png", "jpeg", "webp", "tiff", "wav", "flac", "ogg", "nii", "nii.gz", "stack", "mp4", "mkv", "avi", "npy",
           "page", "ply", "stl", "obj")  # fmt: skip
# Of some so little is left that it could be anything; of an OBJ what is left is one, and open.
_OF_A_PART = {("nii", 0.3): UNSUPPORTED, ("stl", 0.3): UNSUPPORTED, ("obj", 0.7): INVALID}
for _kind in FORMATS:
    for _part in (0.3, 0.7):
        add(
            f"{_kind} of which {round(100 * (1 - _part))} % are missing",
            CUT,
            _OF_A_PART.get((_kind, _part), DAMAGED),
            partial(lambda kind, part: honest(kind)[: round(part * len(honest(kind)))], _kind, _part),
        )
    if _kind not in {"obj", "stl"}:
        add(
            f"{_kind} whose first byte is another",
            MAGIC,
            UNSUPPORTED if _kind != "mp4" else DAMAGED,  # whose first bytes are a length
            partial(lambda kind: bytes([honest(kind)[0] ^ 0x55]) + honest(kind)[1:], _kind),
        )


# PNG.
def png(width: int, height: int, data: bytes, *, bits: int = 8, colour: int = 0, extra: bytes = b"") -> bytes:
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
        + extra
        + png_chunk(b"IDAT", data)
        + png_chunk(b"IEND", b"")
    )


@cache
def deflated_zeros(count: int, form: int = 15) -> bytes:
    """So many zeros, a thousandth of it in bytes."""
    packer = zlib.compressobj(9, wbits=form)
    pieces = [packer.compress(bytes(min(1 << 20, count - done))) for done in range(0, count, 1 << 20)]
    return b"".join([*pieces, packer.flush()])


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


# JPEG and WebP.
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


def patched_in(data: bytes, place: int, more: bytes) -> bytes:
    return data[:place] + more + data[place:]


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


# TIFF.
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
LAUGHS = b"<!DOCTYPE x [<!ENTITY a0 'ha'>" + b"".join(
    b"<!ENTITY a%d '%s'>" % (number, b"&a%d;" % (number - 1) * 10) for number in range(1, 12)
) + b"]>"  # fmt: skip
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


# NumPy.
def npy(shape: str, body: bytes = b"", descr: str = "'<f8'", version: bytes = b"\1\0") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode() + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H" if version[0] == 1 else "<I", len(text)) + text + body


class _Bad:
    def __reduce__(self) -> tuple[Callable[[bytes], object], tuple[bytes]]:
        return bytes, (b"run",)


for _name, _shape, _code in (
    ("of a negative axis", "(-4,)", DAMAGED),
    ("of two negative axes", "(-2, -3)", DAMAGED),
    ("of -1 and more than all", f"(-1, {2**62})", DAMAGED),
    ("of 2^64 elements", f"({2**32}, {2**32})", TOO_LARGE),
    ("of 10^4000 elements", f"({'9' * 4000},)", TOO_LARGE),
    ("of four axes of 2^16", f"({2**16}, {2**16}, {2**16}, {2**16})", TOO_LARGE),
    ("of five axes", "(1, 1, 1, 1, 1)", UNSUPPORTED),
    ("of no axis", "()", UNSUPPORTED),
    ("of 3,000 axes", f"({'1,' * 3000})", UNSUPPORTED),
    ("of an empty axis and an endless one", f"(0, {10**30})", INVALID),
    ("of True", "(True, 2)", DAMAGED),
    ("of floats for a shape", "(1e9, 2.0)", DAMAGED),
    ("of 2^25 elements that are not there", f"({2**25},)", DAMAGED),
    ("whose shape is code", "(__import__('os').getpid(),)", DAMAGED),
    ("whose shape is 3,000 brackets deep", "(" * 3000 + ")" * 3000, DAMAGED),
    ("whose shape is 9,000 signs", "(" + "-" * 9000 + "1,)", DAMAGED),
):
    add(f"npy {_name}", SHAPE, _code, partial(lambda shape: npy(shape, bytes(48)), _shape))
add("npy of pickles", PICKLE, UNSUPPORTED, lambda: npy("(1,)", pickle.dumps([_Bad()]), "'|O'"))
add("npy of records with pickles", PICKLE, UNSUPPORTED, lambda: npy("(1,)", pickle.dumps(_Bad()), "[('a', '|O')]"))
add("npy that is a pickle", PICKLE, UNSUPPORTED, lambda: pickle.dumps(_Bad()))
add("npy of one text of 2^30 letters", SHAPE, UNSUPPORTED, lambda: npy("(1,)", b"", f"'<U{2**28}'"))
add("npy of nothing at all", SHAPE, UNSUPPORTED, lambda: npy("(4,)", b"", "'|V0'"))
add("npy of complex numbers", NUMBER, UNSUPPORTED, lambda: npy("(3,)", bytes(48), "'<c16'"))
add("npy of NaN", NUMBER, INVALID, lambda: npy("(2,)", struct.pack("<2d", 0, float("nan"))))
add("npy of infinity", NUMBER, INVALID, lambda: npy("(2,)", struct.pack("<2d", 0, float("-inf"))))
add("npy of the largest numbers there are", NUMBER, INVALID, lambda: npy("(2,)", struct.pack("<2d", -1.7e308, 1.7e308)))
add("npy of the smallest numbers there are", NUMBER, None, lambda: npy("(2,)", struct.pack("<2d", 5e-324, -5e-324)))
add("npy of one number, again and again", NUMBER, None, lambda: npy("(6,)", bytes(48)))
add("npy of version 9", MAGIC, DAMAGED, lambda: npy("(6,)", bytes(48), version=b"\x09\x09"))
add("npy with a header of 4 GB", SHAPE, DAMAGED, lambda: b"\x93NUMPY\2\0\xff\xff\xff\xff{")
add("npy of 4 bytes more than it has", CUT, DAMAGED, lambda: npy("(6,)", bytes(52)))
add("npz with 300 MB, packed", BOMB, UNSUPPORTED, lambda: b"PK\x03\x04" + bytes(26) + deflated_zeros(300 << 20, -15))


# NIfTI.
def nifti(place: int, value: bytes, data: bytes | None = None) -> bytes:
    return patched(honest("nii") if data is None else data, place, value)


def dims(*lengths: int) -> bytes:
    return nifti(40, struct.pack("<8h", len(lengths), *(*lengths, *(1,) * 7)[:7]))


for _lengths, _code in (
    ((32767, 32767, 32767), TOO_LARGE),
    ((32767, 1024, 2), TOO_LARGE),
    ((-8, 8, 8), INVALID),
    ((-8, -8, 8), INVALID),
    ((0, 8, 8), INVALID),
    ((2, 2, 2, 2, 2, 2, 2), UNSUPPORTED),
    ((300, 300, 300), DAMAGED),
):
    add(f"nii of {'x'.join(map(str, _lengths))}", SHAPE, _code, partial(lambda lengths: dims(*lengths), _lengths))
add("nii of -1 axes", SHAPE, UNSUPPORTED, lambda: nifti(40, struct.pack("<h", -1)))
add("nii of 30,000 axes", SHAPE, UNSUPPORTED, lambda: nifti(40, struct.pack("<h", 30_000)))
add("nii of 2^62 voxels", SHAPE, TOO_LARGE, lambda: nifti2(struct.pack("<8q", 2, 2**31, 2**31, 1, 1, 1, 1, 1)))
add("nii of a type that is none", SHAPE, DAMAGED, lambda: nifti(70, struct.pack("<h", 9999)))
add("nii of complex numbers", NUMBER, UNSUPPORTED, lambda: nifti(70, struct.pack("<h", 1792)))
for _number in (float("nan"), float("inf"), -1.0, 1e30, 353.5):
    add(
        f"nii whose voxels begin at {_number}",
        NUMBER,
        DAMAGED,
        partial(lambda number: nifti(108, struct.pack("<f", number)), _number),
    )
add("nii whose slope is no number", NUMBER, None, lambda: nifti(112, struct.pack("<ff", float("nan"), float("inf"))))
add(
    "nii whose place is no number",
    NUMBER,
    None,
    lambda: nifti(252, struct.pack("<hh", 0, 1) + bytes(24) + struct.pack("<12f", *[float("nan")] * 12)),
)
add("nii.gz whose voxels begin behind 640 MB of nothing", BOMB, DAMAGED, lambda: gzip_bomb(struct.pack("<f", 2e9)))
add("nii.gz with 640 MB of nothing behind its voxels", BOMB, None, lambda: gzip_bomb(struct.pack("<f", 352.0)))
add("gz of nothing but zeros", BOMB, UNSUPPORTED, lambda: deflated_zeros(640 << 20, 31))
add("gz in a gz in a gz", NESTING, UNSUPPORTED, lambda: gzip.compress(gzip.compress(honest("nii.gz"))))
add("gz of 100,000 members", MANY, DAMAGED, lambda: gzip.compress(b"", mtime=0) * 100_000)
add("nii.gz with a wrong checksum", CUT, DAMAGED, lambda: honest("nii.gz")[:-8] + bytes(8))
add("nii with extensions that overlap", CYCLE, None, lambda: extended(struct.pack("<II", 0, 4) * 8))
add("nii with an extension of 4 GB", SHAPE, None, lambda: extended(struct.pack("<II", 2**32 - 1, 4) * 8))


def nifti2(lengths: bytes) -> bytes:
    head = bytearray(544)
    struct.pack_into("<I8s2h", head, 0, 540, b"n+2\0\r\n\x1a\n", 2, 8)
    head[16:80] = lengths
    struct.pack_into("<q", head, 168, 544)
    return bytes(head)


def gzip_bomb(place: bytes) -> bytes:
    return gzip.compress(nifti(108, place), mtime=0) + deflated_zeros(640 << 20, 31)


def extended(extension: bytes) -> bytes:
    data = honest("nii")
    return patched(data[:348] + b"\1\0\0\0" + extension + data[352:], 108, struct.pack("<f", 352.0 + len(extension)))


# Sounds.
@cache
def silence(frames: int, channels: int) -> bytes:
    """A FLAC of nothing, a ten-thousandth of it in bytes."""
    import soundfile

    file = BytesIO()
    with soundfile.SoundFile(file, "w", 44100, channels, "PCM_16", format="FLAC") as sound:
        for _ in range(0, frames, 1 << 18):
            sound.write(np.zeros((1 << 18, channels), np.int16))
    return file.getvalue()


def wav(form: bytes, body: bytes = bytes(64), declared: int | None = None) -> bytes:
    content = b"WAVEfmt " + struct.pack("<I", len(form)) + form
    content += b"data" + struct.pack("<I", len(body) if declared is None else declared) + body
    return b"RIFF" + struct.pack("<I", len(content)) + content


def wav_format(codec: int = 1, channels: int = 1, rate: int = 8000, bits: int = 16) -> bytes:
    wide = max(1, channels * bits // 8)
    return struct.pack("<HHIIHH", codec, channels, rate, min(rate * wide, 2**32 - 1), min(wide, 65535), bits)


for _name, _form, _code in (
    ("of 65535 channels", wav_format(channels=65535), DAMAGED),
    ("of no channels", wav_format(channels=0), DAMAGED),
    ("of 1000 channels", wav_format(channels=1000), TOO_LARGE),
    ("of no rate", wav_format(rate=0), DAMAGED),
    ("of no bits", wav_format(bits=0), DAMAGED),
    ("of 65535 bits", wav_format(bits=65535), DAMAGED),
    ("of a codec that is none", wav_format(codec=0x1234), UNSUPPORTED),
    ("of MP3", wav_format(codec=0x55), UNSUPPORTED),
    ("without a whole format", b"\1\0", DAMAGED),
):
    add(f"wav {_name}", SHAPE, _code, partial(lambda form: wav(form), _form))
add("wav of 1 GB that is not there", CUT, DAMAGED, lambda: wav(wav_format(), declared=1 << 30))
add("wav of 4 GB, as pipes say", SHAPE, None, lambda: wav(wav_format(), declared=2**32 - 1))
add(
    "wav of 100,000 chunks",
    MANY,
    DAMAGED,
    lambda: replaced(honest("wav"), b"fmt ", b"junk\0\0\0\0" * 100_000 + b"fmt "),
)
add("wav of a chunk of 4 GB", SHAPE, DAMAGED, lambda: replaced(honest("wav"), b"data", b"junk\xff\xff\xff\xffdata"))
add(
    "wav of floats that are none",
    NUMBER,
    INVALID,
    lambda: wav(wav_format(3, bits=32), struct.pack("<f", float("nan")) * 16),
)
add("rf64 of 2^63 bytes", SHAPE, None, lambda: rf64(2**63))
add("100,000 ID3 tags and no sound", MANY, UNSUPPORTED, lambda: (b"ID3\4\0\0\0\0\0\0") * 100_000)
add("100,000 ID3 tags before a FLAC", MANY, None, lambda: (b"ID3\4\0\0\0\0\0\0") * 100_000 + honest("flac"))
add("an ID3 tag of 256 MB", SHAPE, UNSUPPORTED, lambda: b"ID3\4\0\0\x7f\x7f\x7f\x7f" + honest("flac"))
add("flac of 2^36-1 samples", SHAPE, TOO_LARGE, lambda: flac_of(2**36 - 1))
add("flac of more samples than it has", CUT, DAMAGED, lambda: flac_of(2**24))
add("flac of silence on 8 channels for an hour", BOMB, TOO_LARGE, lambda: flac_of(2**25, silence(1 << 18, 8)))
add("flac of 100,000 blocks", MANY, None, lambda: patched_in(honest("flac"), 42, b"\x01\0\0\0" * 100_000))
add(
    "flac with a picture of 16 MB that is not there",
    SHAPE,
    DAMAGED,
    lambda: patched_in(honest("flac"), 42, b"\x06\xff\xff\xff"),
)
add(
    "flac with a picture that is elsewhere",
    REFERENCE,
    None,
    lambda: patched_in(honest("flac"), 42, flac_picture(b"http://127.0.0.1:9/x.png")),
)
add("ogg of 300 sounds in a row", MANY, TOO_LARGE, lambda: honest("ogg") * 300)
add("ogg of 100,000 empty pages", MANY, UNSUPPORTED, lambda: (b"OggS\0\2" + bytes(21)) * 100_000)
add(
    "ogg of two streams beside each other",
    MANY,
    UNSUPPORTED,
    lambda: honest("ogg")[:58] + patched(honest("ogg"), 14, b"abcd"),
)
add("ogg of a later version", MAGIC, UNSUPPORTED, lambda: patched(honest("ogg"), 4, b"\x09"))
add("ogg that holds a video", MIX, UNSUPPORTED, lambda: replaced(honest("ogg"), b"\x01vorbis", b"\x80theora"))


def rf64(count: int) -> bytes:
    sizes = b"ds64" + struct.pack("<IQQQI", 28, count + 80, count, count, 0)
    content = b"WAVE" + sizes + b"fmt " + struct.pack("<I", 16) + wav_format() + b"data\xff\xff\xff\xff" + bytes(64)
    return b"RF64\xff\xff\xff\xff" + content


def flac_of(samples: int, data: bytes = b"") -> bytes:
    """A FLAC whose head says another length: the low 36 bits of eight bytes."""
    data = data or honest("flac")
    (head,) = struct.unpack(">Q", data[18:26])
    return patched(data, 18, struct.pack(">Q", head >> 36 << 36 | samples))


def flac_picture(address: bytes) -> bytes:
    body = struct.pack(">II", 3, 3) + b"-->" + bytes(4) + bytes(16) + struct.pack(">I", len(address)) + address
    return b"\x06" + len(body).to_bytes(3, "big") + body


# Videos.
def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + name + body


FTYP = box(b"ftyp", b"isom\0\0\2\0isomiso2")


def nested_boxes(depth: int) -> bytes:
    sizes = [8 * (depth - level) for level in range(depth)]
    return FTYP + b"".join(struct.pack(">I", size) + b"moov" for size in sizes)


def samples_of(count: int) -> bytes:
    """An MP4 whose table says that all samples have one size, and how many there are."""
    data = honest("mp4")
    place = data.index(b"stsz")
    return patched(data, place + 8, struct.pack(">II", 100, count))


add("mp4 of boxes 50,000 deep", NESTING, DAMAGED, lambda: nested_boxes(50_000))
add("mp4 of 100,000 empty boxes", MANY, DAMAGED, lambda: FTYP + box(b"free", b"") * 100_000)
add("mp4 of 2,000 tracks", MANY, OVER_BUDGET, lambda: FTYP + box(b"moov", box(b"trak", b"") * 2_000))
add("mp4 of 2^31-1 samples", SHAPE, DAMAGED, lambda: samples_of(2**31 - 1))
add("mp4 of 10^7 samples", SHAPE, DAMAGED, lambda: samples_of(10**7))
add("mp4 of a box of 2^63 bytes", SHAPE, UNSUPPORTED, lambda: FTYP + struct.pack(">I4sQ", 1, b"moov", 2**63 - 1))
add("mp4 of a box of 4 bytes", SHAPE, DAMAGED, lambda: FTYP + struct.pack(">I4s", 4, b"moov") * 10)
add("mp4 whose samples are in another file", REFERENCE, UNSUPPORTED, lambda: elsewhere(b"file:///etc/passwd\0"))
add("mp4 of a picture of 65535 squared", SHAPE, None, lambda: video_size(65535, 65535))
add("mov of nothing", SHAPE, DAMAGED, lambda: box(b"wide", b"") + box(b"mdat", b""))
add(
    "mp4 that is a playlist",
    REFERENCE,
    DAMAGED,
    lambda: FTYP + b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\nfile:///etc/passwd\n",
)
add("a playlist", REFERENCE, UNSUPPORTED, lambda: b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")
add("a list to put together", REFERENCE, UNSUPPORTED, lambda: b"ffconcat version 1.0\nfile /etc/passwd\n")
add(
    "a description of a stream",
    REFERENCE,
    UNSUPPORTED,
    lambda: b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
)


def elsewhere(address: bytes) -> bytes:
    """An MP4 whose data reference names a file; the box keeps its length by losing what follows."""
    data = honest("mp4")
    place = data.index(b"url \0\0\0\1")
    return patched(data, place + 4, b"\0\0\0\0" + address[:20])


def video_size(width: int, height: int) -> bytes:
    data = honest("mp4")
    place = data.index(b"avc1" if b"avc1" in data else b"mp4v") + 28
    return patched(data, place, struct.pack(">HH", width, height))


def ebml(name: bytes, body: bytes, length: bytes | None = None) -> bytes:
    return name + (length or struct.pack(">Q", 1 << 56 | len(body))) + body


MKV = ebml(b"\x1a\x45\xdf\xa3", ebml(b"\x42\x82", b"matroska"))
ENDLESS = b"\x01" + b"\xff" * 7
add("mkv of elements 20,000 deep", NESTING, DAMAGED, lambda: MKV + (b"\x18\x53\x80\x67" + ENDLESS) * 20_000)
add(
    "mkv of chapters 5,000 deep",
    NESTING,
    DAMAGED,
    lambda: MKV + b"\x18\x53\x80\x67" + ENDLESS + b"\x10\x43\xa7\x70" + ENDLESS + (b"\xb6" + ENDLESS) * 5_000,
)
add(
    "mkv of an element of 2^56 bytes",
    SHAPE,
    DAMAGED,
    lambda: MKV + ebml(b"\x18\x53\x80\x67", b"", b"\x01" + b"\xff" * 6 + b"\xfe"),
)
add(
    "mkv of 2,000 tracks",
    MANY,
    DAMAGED,
    lambda: (
        MKV
        + ebml(
            b"\x18\x53\x80\x67",
            ebml(b"\x16\x54\xae\x6b", ebml(b"\xae", ebml(b"\xd7", b"\1") + ebml(b"\x83", b"\2")) * 2_000),
        )
    ),
)
add("mkv of frames of 65535 squared", SHAPE, UNSUPPORTED, lambda: mkv_size(65535, 65535))
add("mkv of frames of 2^31 squared", SHAPE, UNSUPPORTED, lambda: mkv_size(2**31 - 1, 2**31 - 1))
add("mkv of nothing else", SHAPE, DAMAGED, lambda: MKV)
add(
    "mkv with a file attached 100 times",
    MANY,
    DAMAGED,
    lambda: (
        MKV
        + ebml(
            b"\x18\x53\x80\x67",
            ebml(
                b"\x19\x41\xa4\x69",
                ebml(b"\x61\xa7", ebml(b"\x46\x6e", b"../../etc/passwd") + ebml(b"\x46\x5c", bytes(1000))) * 100,
            ),
        )
    ),
)


def mkv_size(width: int, height: int) -> bytes:
    """A Matroska of one track that is raw frames of any size."""
    size = ebml(b"\xb0", struct.pack(">I", width)) + ebml(b"\xba", struct.pack(">I", height))
    track = ebml(b"\xd7", b"\1") + ebml(b"\x73\xc5", b"\1") + ebml(b"\x83", b"\1") + ebml(b"\x86", b"V_FFV1")
    tracks = ebml(b"\x16\x54\xae\x6b", ebml(b"\xae", track + ebml(b"\xe0", size)))
    block = ebml(b"\xa3", b"\x81\0\0\x80" + bytes(64))
    return MKV + ebml(b"\x18\x53\x80\x67", tracks + ebml(b"\x1f\x43\xb6\x75", ebml(b"\xe7", b"\0") + block))


def avi_streams(count: int) -> bytes:
    data = honest("avi")
    place = data.index(b"avih")
    return patched(data, place + 8 + 24, struct.pack("<I", count))


add("avi of 2^32-1 streams", MANY, None, lambda: avi_streams(2**32 - 1))
add(
    "avi of frames of 2^31 squared",
    SHAPE,
    None,
    lambda: patched(honest("avi"), honest("avi").index(b"strf") + 12, struct.pack("<II", 2**31 - 1, 2**31 - 1)),
)
add(
    "avi of 100,000 lists",
    NESTING,
    DAMAGED,
    lambda: b"RIFF\xff\xff\xff\xffAVI " + b"LIST\xff\xff\xff\xffhdrl" * 100_000,
)
add("avi of a codec that is none", MAGIC, UNSUPPORTED, lambda: honest("avi").replace(b"FMP4", b"zzzz"))


# Meshes.
add("obj that names a library elsewhere", REFERENCE, None, lambda: b"mtllib ../../../etc/passwd\nusemtl x\n" + MESH)
add("obj that names a library on a network", REFERENCE, None, lambda: b"mtllib http://127.0.0.1:9/x.mtl\n" + MESH)
add("obj with a call of another file", REFERENCE, None, lambda: MESH + b"call /etc/passwd\ncsh echo x\n")
add("obj of a face of 3,000,000 corners", MANY, TOO_LARGE, lambda: MESH + b"f" + b" 1 2 3" * 1_000_000 + b"\n")
add("obj of 5,000,000 vertices", MANY, TOO_LARGE, lambda: b"v 0 0 0\n" * 5_000_000)
add("obj of 2,000,000 faces", MANY, TOO_LARGE, lambda: MESH + b"f 1 2 3\n" * 2_000_000)
add("obj of 5,000,000 empty lines", MANY, None, lambda: b"v 0 0 0" + b"\n" * 5_000_000 + MESH[7:])
add("obj of a line that goes on 500,000 times", MANY, DAMAGED, lambda: MESH + b"v 0 \\\n" * 500_000)
add("obj of backslashes and spaces", WORK, None, lambda: MESH + b"# " + (b"\\" + b" " * 2000) * 1_000)
add("obj of vertex 0", SHAPE, DAMAGED, lambda: MESH + b"f 0 1 2\n")
add("obj of a vertex that is not there", SHAPE, DAMAGED, lambda: MESH + b"f 1 2 1000000000\n")
add("obj of vertex -10^30", SHAPE, DAMAGED, lambda: MESH + b"f 1 2 -1" + b"0" * 30 + b"\n")
add("obj of vertex 10^30", SHAPE, DAMAGED, lambda: MESH + b"f 1 2 1" + b"0" * 30 + b"\n")
add("obj of an index of 5,000 digits", SHAPE, DAMAGED, lambda: MESH + b"f 1 2 " + b"9" * 5000 + b"\n")
add("obj of vertices that are no numbers", NUMBER, INVALID, lambda: MESH.replace(b"v 1 0 0", b"v nan 0 0"))
add("obj of an endless vertex", NUMBER, INVALID, lambda: MESH.replace(b"v 1 0 0", b"v 1e999 0 0"))
add("obj of a vertex as far as there are numbers", NUMBER, INVALID, lambda: MESH.replace(b"v 1 0 0", b"v 1e308 0 0"))
add(
    "obj as small as there are numbers",
    NUMBER,
    INVALID,
    lambda: (
        MESH.replace(b" 1 0 0", b" 1e-310 0 0").replace(b" 0 1 0", b" 0 1e-310 0").replace(b"v 0 0 1", b"v 0 0 1e-310")
    ),
)
add("obj of a needle", SHAPE, INVALID, lambda: MESH.replace(b"v 1 0 0", b"v 1e9 0 0"))
add("obj of free-form surfaces", WORK, UNSUPPORTED, lambda: MESH + b"cstype bspline\nsurf 0 1 0 1 1 2 3 4\n")
add("stl of 2^28 faces", SHAPE, TOO_LARGE, lambda: _stl(2**28 - 1))
add("stl of 2^32-1 faces", SHAPE, UNSUPPORTED, lambda: _stl(2**32 - 1))
add("stl of NaN", NUMBER, INVALID, lambda: patched(_stl(4), 96, struct.pack("<f", float("nan"))))
add("stl of text without end", CUT, DAMAGED, lambda: b"solid x\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\n")
add(
    "stl of text with words for numbers",
    NUMBER,
    DAMAGED,
    lambda: b"solid x\nfacet normal a b c\nouter loop\n" + b"vertex x y z\n" * 3 + b"endloop\nendfacet\nendsolid\n",
)
add(
    "stl of 200,000 facets of text and no loop",
    MANY,
    INVALID,
    lambda: b"solid x\n" + b"facet normal 0 0 1\n" * 200_000 + b"endsolid\n",
)
add("ply of 10^9 faces", SHAPE, TOO_LARGE, lambda: _ply(faces=10**9))
add("ply of 10^9 vertices", SHAPE, TOO_LARGE, lambda: _ply(vertices=10**9))
add("ply of 4,000,000 vertices that are not there", CUT, DAMAGED, lambda: _ply(vertices=4_000_000))
add("ply of -1 faces", SHAPE, DAMAGED, lambda: _ply(faces=-1))
add("ply of 10^30 other things", SHAPE, TOO_LARGE, lambda: _ply(b"element other 1" + b"0" * 30 + b"\nproperty int a\n"))
add("ply of 4,000,000 other things without bytes", MANY, None, lambda: _ply(b"element other 4000000\n"))
add("ply of 50,000 elements", MANY, DAMAGED, lambda: _ply(b"element other 0\nproperty int a\n" * 50_000))
add(
    "ply of 100,000 properties",
    MANY,
    DAMAGED,
    lambda: _ply(b"".join(b"property float a%d\n" % n for n in range(100_000))),
)
add(
    "ply of lists in place of numbers",
    SHAPE,
    DAMAGED,
    lambda: _ply().replace(b"property float x", b"property list uchar float x"),
)
add("ply of a type that is none", SHAPE, DAMAGED, lambda: _ply().replace(b"property float x", b"property huge x"))
add(
    "ply of a face of 2^32-1 corners",
    SHAPE,
    DAMAGED,
    lambda: _binary_ply(4, 4, bytes(48) + b"\xff\xff\xff\xff" + bytes(64), b"uint"),
)
add(
    "ply of a face of -1 corners",
    SHAPE,
    DAMAGED,
    lambda: _binary_ply(4, 4, bytes(48) + b"\xff\xff\xff\xff" + bytes(64), b"int"),
)
add(
    "ply that names a texture elsewhere",
    REFERENCE,
    None,
    lambda: _ply().replace(b"element vertex", b"comment TextureFile /etc/passwd\nelement vertex", 1),
)
add("ply without the end of its head", CUT, DAMAGED, lambda: _ply().replace(b"end_header", b"end"))
add(
    "gltf whose samples are in a file",
    REFERENCE,
    UNSUPPORTED,
    lambda: b'{"asset": {"version": "2.0"}, "buffers": [{"uri": "../../etc/passwd", "byteLength": 9}]}',
)
add(
    "glb whose samples are in a file",
    REFERENCE,
    UNSUPPORTED,
    lambda: b"glTF\2\0\0\0" + bytes(12) + b'{"buffers":[{"uri":"file:///etc/passwd"}]}',
)

# What is none of all that.
add(
    "svg with an outer entity",
    REFERENCE,
    UNSUPPORTED,
    lambda: b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
)
add("xml with entities in entities", NESTING, UNSUPPORTED, lambda: LAUGHS + b"<x>&a11;</x>")
add("json 100,000 deep", NESTING, UNSUPPORTED, lambda: b"[" * 100_000)
add(
    "postscript that reads a file",
    REFERENCE,
    UNSUPPORTED,
    lambda: b"%!PS\n(/etc/passwd) (r) file 100 string readstring\n",
)
add("zip of 42", BOMB, UNSUPPORTED, lambda: b"PK\x03\x04" + bytes(26) + deflated_zeros(300 << 20, -15))
add("an HDF5 that links elsewhere", REFERENCE, UNSUPPORTED, lambda: b"\x89HDF\r\n\x1a\n" + b"/etc/passwd\0" * 10)
add("a link of Windows", REFERENCE, UNSUPPORTED, lambda: b"L\0\0\0\x01\x14\x02\0" + bytes(60) + b"C:\\x")
add("nothing", CUT, DAMAGED, lambda: b"")
add("a compressed file as an upload", MIX, UNSUPPORTED, lambda: HONEST)
add("10 MB of line ends", MANY, UNSUPPORTED, lambda: b"\n" * 10_000_000)
add("10 MB of spaces", MANY, UNSUPPORTED, lambda: b" " * 10_000_000)


# Compressed files.
for _name, (_data, _error, _) in LIES.items():
    compressed(_name, "lie", _error.code, partial(lambda data: data, _data))


def with_network(whole: bytes) -> bytes:
    return whole + chunk(1, bytes(Network()))


for _axes in (5, 6, 8, 16, 64, 127, 255):
    compressed(
        f"of {_axes} axes of 2", SHAPE, LIMIT, partial(lambda axes: with_network(header(shape=(2,) * axes)), _axes)
    )
for _grid in ((2**28 + 1,), (2**14, 2**14 + 1), (2**10,) * 3, (2**7 + 1,) * 4, (2**32 - 1,) * 4):
    compressed(
        f"of {'x'.join(map(str, _grid))} samples",
        SHAPE,
        LIMIT,
        partial(lambda shape: with_network(header(shape=shape)), _grid),
    )
for _grid, _channels, _widths in (
    ((2**14, 2**13), 4, (1,)),
    ((2**22,), 65, (1,)),
    ((2**14, 2**12), 32, (2**10,)),
    ((2**28,), 2, (1,)),
    ((2**28,), 1, (2**16,)),
    ((4,), 64, (2**12,) * 4),
):
    compressed(
        f"of {'x'.join(map(str, _grid))} x {_channels} behind {' '.join(map(str, _widths))}",
        WORK,
        LIMIT,
        partial(
            lambda shape, channels, widths: with_network(header(shape=shape, channels=channels, widths=widths)),
            _grid,
            _channels,
            _widths,
        ),
    )
for _part in (0.2, 0.4, 0.6, 0.8, 0.95):
    compressed(
        f"of which {round(100 * _part)} % are there",
        CUT,
        CORRUPT,
        partial(lambda part: HONEST[: round(part * len(HONEST))], _part),
    )
compressed("of 200 hidden layers", MANY, CORRUPT, lambda: with_network(header(widths=(1,) * 200)))
compressed(
    "of a million chunks that nobody knows",
    MANY,
    LIMIT,
    lambda: header(chunks=b"\xc0\x84\x3d") + chunk(0x90, b"") * 1_000_000,
)
compressed("of the largest period", NUMBER, None, lambda: with_network(header(period=3e38)))
compressed("that is a picture, too", MIX, CORRUPT, lambda: HONEST + honest("png"))
compressed("that is a picture", MAGIC, "not_a_representation", lambda: honest("png"))

NAMES = [file.name for file in FILES]
