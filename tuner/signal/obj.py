"""Vertices and faces of a Wavefront OBJ.

trimesh reads most of them, but takes an index of 0 for the last vertex, counts negative indices from the end of the
file instead of from the face, and passes over lines that are indented or have tabs. So the two kinds of lines that
make a surface are read here. Free-form surfaces and rational weights change where the surface lies and are refused;
normals, texture, colours, groups and materials do not, and are passed over.
"""

import re
from io import BytesIO
from itertools import pairwise
from typing import Final

import numpy as np

from tuner.errors import DamagedSignal, UnsupportedFormat
from tuner.shapes import DoubleArray, IndexArray
from tuner.signal.limits import SignalLimits

FREE_FORM: Final = {b"curv", b"curv2", b"surf", b"cstype", b"vp"}
_CONTINUED = re.compile(rb"\\[ \t]*\r?\n")


def read_obj(data: bytes, limits: SignalLimits) -> tuple[DoubleArray, IndexArray]:
    """Corners and triangles of the surface, polygons cut into fans.

    Args:
        data: all bytes of the file, without a byte order mark.
        limits: held against the number of faces while they are read.

    Returns:
        float64 (V, 3), and int64 (F, 3) from 0.

    Raises:
        DamagedSignal: if a line is no number, or a face refers to vertex 0 or to one before the first.
        UnsupportedFormat: if the surface is made of free-form pieces, or a vertex has a weight other than 1.
        SignalTooLarge: if there are too many faces or vertices.
    """
    # Most of what is too much is seen without reading a line.
    limits.check("faces", max(data.count(b"\nf "), data.count(b"\nv ") // 4))
    vertices: list[tuple[float, ...]] = []
    faces: list[tuple[int, int, int]] = []
    for number, line in enumerate(_lines(_CONTINUED.sub(b" ", data)), 1):
        words = line.partition(b"#")[0].split()
        if not words:
            continue
        try:
            if words[0] == b"v":
                vertices.append(_vertex(words[1:]))
            elif words[0] == b"f":
                limits.check("faces", len(faces) + len(words) - 3)
                if len(words) == 1:
                    raise ValueError("a face has no corners")
                first, *others = (_index(word, len(vertices)) for word in words[1:])
                faces += [(first, second, third) for second, third in pairwise(others)]
        except ValueError as error:
            raise DamagedSignal(f"line {number} of the OBJ cannot be read: {error}") from error
        if words[0] in FREE_FORM:
            raise UnsupportedFormat(
                f"line {number} of the OBJ belongs to a free-form surface ({words[0].decode()}), expected triangles or "
                "polygons: export it as a mesh"
            )
        limits.check("faces", max(len(faces), len(vertices) // 4))
    return (
        np.array(vertices, dtype=np.float64).reshape(-1, 3),
        np.array(faces, dtype=np.int64).reshape(-1, 3),
    )


def _lines(data: bytes) -> BytesIO:
    """Lines one after another, however they end; all at once they would take many times the memory of the file."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return BytesIO(data)


def _vertex(words: list[bytes]) -> tuple[float, ...]:
    if len(words) < 3:
        raise ValueError(f"a vertex has {len(words)} coordinates, expected three")
    if len(words) == 4 and float(words[3]) != 1.0:
        raise UnsupportedFormat(
            f"a vertex of the OBJ has the weight {float(words[3])}, expected 1 (polygons): export it as a mesh"
        )
    return float(words[0]), float(words[1]), float(words[2])


def _index(word: bytes, known: int) -> int:
    """From 1 on, or backwards from the last vertex before the face, to a count from 0."""
    index = int(word.partition(b"/")[0])
    if index == 0:
        raise ValueError("a face refers to vertex 0, expected 1 for the first: add 1 to every index")
    if index < -known:
        raise ValueError(f"a face refers to vertex {index} of {known} before it")
    return index - 1 if index > 0 else known + index
