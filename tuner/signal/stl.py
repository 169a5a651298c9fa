"""Triangles of an STL, text or binary.

The two are hard to tell apart: a binary file has no signature, and its free text of 80 bytes often begins with "solid",
as a text file does. So what decides is the length, which a binary file declares, and then the words.
"""

import re
from array import array
from typing import Final

import numpy as np

from tuner.errors import DamagedSignal
from tuner.shapes import DoubleArray, IndexArray
from tuner.signal.limits import SignalLimits

HEADER, FACE = 84, 50  # bytes
_MOST_FACES: Final = 1 << 28
_LOOKED_AT: Final = 1 << 16
_VERTEX: Final = re.compile(rb"\bvertex\s+(\S+)\s+(\S+)\s+(\S+)", re.IGNORECASE)
_END_LOOP: Final = re.compile(rb"\bendloop\b", re.IGNORECASE)
_END_SOLID: Final = re.compile(rb"\bend\s*solid\b", re.IGNORECASE)


def is_text_stl(data: bytes) -> bool:
    """Whether a file, without a byte order mark, is an STL in words."""
    start = data[:_LOOKED_AT].lstrip().lower()
    return start.startswith(b"solid") and (b"facet" in start or b"endsolid" in start) and not is_whole_binary_stl(data)


def is_whole_binary_stl(data: bytes) -> bool:
    """Whether a file is as long as the number of faces says that a binary STL declares."""
    return len(data) > HEADER and len(data) == HEADER + FACE * declared_faces(data)


def may_be_binary_stl(data: bytes) -> bool:
    """Whether a file may be a binary STL that was cut, or has something behind it: a number of faces, then faces.

    The first ones have normals of length 1 or 0 and coordinates of a reasonable size.
    """
    faces, there = declared_faces(data), len(data) - HEADER
    if there < FACE or not 0 < faces < _MOST_FACES:
        return False
    looked_at = min(faces, there // FACE, 8)
    records = np.frombuffer(data, np.dtype([("numbers", "<f4", (12,)), ("rest", "<u2")]), looked_at, HEADER)
    with np.errstate(invalid="ignore"):
        numbers = records["numbers"].astype(np.float64)
    sizes, normals = np.abs(numbers), np.linalg.norm(numbers[:, :3], axis=1)
    reasonable = np.isfinite(numbers) & ((sizes == 0.0) | ((sizes > 1e-20) & (sizes < 1e15)))
    return bool(reasonable.all() and ((np.abs(normals - 1.0) < 0.1) | (normals == 0.0)).all() and sizes.any())


def declared_faces(data: bytes) -> int:
    """The number of faces of a binary STL."""
    return int.from_bytes(data[HEADER - 4 : HEADER], "little")


def read_stl(data: bytes, limits: SignalLimits) -> tuple[DoubleArray, IndexArray]:
    """Corners and triangles of the surface; corners that triangles share come back as one.

    Args:
        data: all bytes of the file, without a byte order mark.
        limits: held against the number of faces before, or while, they are read.

    Returns:
        float64 (V, 3), and int64 (F, 3) from 0.

    Raises:
        DamagedSignal: if the file ends early, or a coordinate is no number.
        SignalTooLarge: if there are too many faces.
    """
    corners = _text(data, limits) if is_text_stl(data) else _binary(data, limits)
    if not len(corners):
        return np.zeros((0, 3)), np.zeros((0, 3), np.int64)
    vertices, index = np.unique(corners, axis=0, return_inverse=True)
    return vertices, index.reshape(-1, 3).astype(np.int64)


def _binary(data: bytes, limits: SignalLimits) -> DoubleArray:
    faces = declared_faces(data)
    limits.check("faces", faces)
    missing = HEADER + FACE * faces - len(data)
    if missing > 0:
        raise DamagedSignal(
            f"the STL lacks its last {missing} bytes: its header declares {faces} faces, and "
            f"{(len(data) - HEADER) // FACE} are there: it is truncated"
        )
    kind = np.dtype([("normal", "<f4", (3,)), ("corners", "<f4", (3, 3)), ("rest", "<u2")])
    return np.frombuffer(data, kind, faces, HEADER)["corners"].astype(np.float64).reshape(-1, 3)


def _text(data: bytes, limits: SignalLimits) -> DoubleArray:
    if not _END_SOLID.search(data):
        raise DamagedSignal("the STL file has no line endsolid: it is truncated")
    numbers = array("d")
    try:
        for found in _VERTEX.finditer(data):
            numbers.extend(map(float, found.groups()))
            if len(numbers) % 90_000 == 0:
                limits.check("faces", len(numbers) // 9)
    except ValueError as error:
        raise DamagedSignal(f"vertex {len(numbers) // 3} of the STL is no number: {error}") from error
    limits.check("faces", len(numbers) // 9)
    loops = sum(1 for _ in _END_LOOP.finditer(data))
    if len(numbers) != 9 * loops:
        raise DamagedSignal(
            f"the STL has {len(numbers) // 3} vertices and {loops} loops, expected three for each: it is damaged"
        )
    return np.frombuffer(numbers, np.float64).reshape(-1, 3)
