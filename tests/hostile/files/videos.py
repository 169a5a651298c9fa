"""Hostile files: videos, as MP4, Matroska and AVI."""

import struct

from tests.hostile.files.kinds import DAMAGED, MAGIC, MANY, NESTING, OVER_BUDGET, REFERENCE, SHAPE, UNSUPPORTED, add
from tests.hostile.files.pieces import honest, patched


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
