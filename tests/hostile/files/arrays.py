"""Hostile files: NumPy."""

import pickle
import struct
from collections.abc import Callable
from functools import partial

from tests.hostile.files.kinds import (
    BOMB,
    CUT,
    DAMAGED,
    INVALID,
    MAGIC,
    NUMBER,
    PICKLE,
    SHAPE,
    TOO_LARGE,
    UNSUPPORTED,
    add,
)
from tests.hostile.files.pieces import deflated_zeros


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
