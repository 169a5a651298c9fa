"""Hostile files: NIfTI."""

import gzip
import struct
from functools import partial

from tests.hostile.files.kinds import (
    BOMB,
    CUT,
    CYCLE,
    DAMAGED,
    INVALID,
    MANY,
    NESTING,
    NUMBER,
    SHAPE,
    TOO_LARGE,
    UNSUPPORTED,
    add,
)
from tests.hostile.files.pieces import deflated_zeros, honest, patched


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
