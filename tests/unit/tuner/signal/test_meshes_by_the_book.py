"""PLY and STL by their rules: every type, byte order and layout, and trimesh beside ours where it can read a file."""

import struct
from io import BytesIO
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.signals import octahedron
from tests.unit.tuner.signal.examples import tried
from tuner.errors import DamagedSignal, InvalidSignal, SignalError, SignalTooLarge, UnsupportedFormat
from tuner.signal.formats import read_surface
from tuner.signal.limits import SignalLimits

_INTEGERS = {"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"}
_SIZED = {"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"}
TYPES: Final = _INTEGERS | _SIZED | {"float": "f4", "double": "f8", "float32": "f4", "float64": "f8"}
WHOLE: Final = sorted(name for name, kind in TYPES.items() if kind[0] != "f")
BROKEN: Final = sorted(name for name, kind in TYPES.items() if kind[0] == "f")
CORNERS = np.rint(octahedron().vertices * 8) / 8  # which every type of float holds
ORDERS: Final = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}


def number(value: float, kind: str, order: str) -> bytes:
    if not order:
        return f"{int(value) if TYPES[kind][0] != 'f' else float(value)} ".encode()
    return np.array(value).astype(order + TYPES[kind]).tobytes()


def listed(values: list[int], count: str, kind: str, order: str) -> bytes:
    return number(len(values), count, order) + b"".join(number(value, kind, order) for value in values)


@st.composite
def plys(draw: st.DrawFn) -> tuple[bytes, NDArray[Any], bool]:
    """A file, its triangles, and whether all polygons are triangles."""
    form = draw(st.sampled_from(sorted(ORDERS)))
    order, ending = ORDERS[form], draw(st.sampled_from(["\n", "\r\n"]))
    end = ending.encode() if not order else b""
    coordinate, count, index = (draw(st.sampled_from(kinds)) for kinds in (BROKEN, WHOLE, WHOLE))
    axes = draw(st.permutations("xyz"))
    others = draw(st.lists(st.sampled_from(["uchar red", "float nx", "short flag", "list uchar int near"]), max_size=2))
    head = ["ply", f"format {form} 1.0", *draw(st.sampled_from([[], ["comment by a test", "obj_info none"]]))]
    body = b""
    if draw(st.booleans()):
        head += ["element camera 2", "property float zoom", "property list uchar short seen"]
        body += 2 * (number(1.5, "float", order) + listed([7, 8], "uchar", "short", order) + end)
    head.append(f"element vertex {len(CORNERS)}")
    head += [f"property {coordinate} {axis}" for axis in axes] + [f"property {other}" for other in others]
    for corner in CORNERS:
        body += b"".join(number(corner["xyz".index(axis)], coordinate, order) for axis in axes)
        for other in others:
            body += listed([1, 2], "uchar", "int", order) if "list" in other else number(3, other.split()[0], order)
        body += end
    lengths = draw(st.one_of(st.lists(st.just(3), min_size=1, max_size=9), st.lists(st.integers(3, 6), min_size=1)))
    faces = [draw(st.permutations(range(6)))[:length] for length in lengths]
    flag = draw(st.booleans())
    head += [f"element face {len(faces)}", *(["property uchar flag"] if flag else [])]
    head.append(f"property list {count} {index} {draw(st.sampled_from(['vertex_indices', 'vertex_index']))}")
    for face in faces:
        body += (number(1, "uchar", order) if flag else b"") + listed(face, count, index, order) + end
    triangles = [[face[0], b, c] for face in faces for b, c in pairwise(face[1:])]
    head += ["end_header", ""]
    return ending.join(head).encode() + body, CORNERS[np.array(triangles)], set(lengths) == {3}


@tried(60)
@given(plys())
def test_a_ply_is_what_its_header_says(case: tuple[bytes, NDArray[Any], bool]) -> None:
    data, triangles, only_triangles = case
    flat = np.linalg.matrix_rank((corners := triangles.reshape(-1, 3)) - corners.mean(0), tol=1e-6) < 3
    if flat:
        with pytest.raises(InvalidSignal, match="flat"):
            read_surface(data)
        return
    np.testing.assert_array_equal(read_surface(data).triangles, triangles)
    if only_triangles and b"list uchar int near" not in data and b"element camera" not in data:
        try:
            other = trimesh.load_mesh(BytesIO(data), file_type="ply", process=False)
        except ValueError:  # it does not read every layout
            return
        np.testing.assert_array_equal(other.triangles, triangles)


HEAD = "ply\nformat {} 1.0\nelement vertex 3\nproperty float x\nproperty float y\n{}element face 1\n{}end_header\n"
FACES = "property list uchar int vertex_indices\n"
WRONG: dict[str, tuple[bytes, type[SignalError], str]] = {
    "strips": (
        b"ply\nformat ascii 1.0\nelement vertex 0\nproperty float x\nproperty float y\nproperty float z\n"
        b"element tristrips 1\nproperty list int int vertex_indices\nend_header\n",
        UnsupportedFormat,
        "strips",
    ),
    "two coordinates": (HEAD.format("ascii", "", FACES).encode(), InvalidSignal, "expected x, y and z"),
    "faces without corners": (
        HEAD.format("ascii", "property float z\n", "property uchar flag\n").encode() + b"0 0 0\n" * 3,
        DamagedSignal,
        "expected a list vertex_indices",
    ),
    "a type nobody knows": (
        HEAD.format("ascii", "property quad z\n", FACES).encode(),
        DamagedSignal,
        "property of a known type",
    ),
    "faces twice": (
        HEAD.format("ascii", "property float z\n", FACES + "element face 1\n" + FACES).encode(),
        DamagedSignal,
        "declares face twice",
    ),
    "no format": (
        HEAD.format("ebcdic", "property float z\n", FACES).encode(),
        DamagedSignal,
        "does not say its format",
    ),
    "a word": (
        HEAD.format("ascii", "property float z\n", FACES).encode() + b"0 0 zero\n",
        DamagedSignal,
        "row 0 of the vertex",
    ),
    "points only": (
        b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\n"
        b"end_header\n1 2 3",
        InvalidSignal,
        "no faces",
    ),
    "a list beyond the end": (
        HEAD.format("binary_little_endian", "property float z\n", FACES.replace("uchar", "uint")).encode()
        + bytes(36)
        + b"\xff\xff\xff\x7f\0\0\0\0",
        DamagedSignal,
        "ends after 0 of 1 rows of its face",
    ),
    "a corner before the first": (
        HEAD.format("ascii", "property float z\n", FACES).encode() + b"0 0 0\n1 0 0\n0 1 1\n3 0 1 -1\n",
        DamagedSignal,
        "vertex -1, expected 0 to 2",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_ply_that_is_wrong_is_refused_by_name(name: str) -> None:
    data, error, words = WRONG[name]
    with pytest.raises(error, match=words) as caught:
        read_surface(data)
    assert type(caught.value) is error


@tried(15)
@given(plys().filter(lambda case: b"format ascii" not in case[0]), st.integers(1, 60))
def test_a_binary_ply_that_was_cut_is_refused(case: tuple[bytes, NDArray[Any], bool], missing: int) -> None:
    with pytest.raises(DamagedSignal, match="truncated"):
        read_surface(case[0][:-missing])


def stl(head: bytes, behind: bytes = b"") -> bytes:
    mesh = octahedron()
    return (
        head.ljust(80)[:80]
        + struct.pack("<I", len(mesh.faces))
        + b"".join(bytes(12) + one.astype("<f4").tobytes() + b"\0\0" for one in mesh.triangles)
        + behind
    )


def stl_text(word: Any = str, name: str = "", ending: str = "\n", indent: str = "  ") -> bytes:
    lines = [f"solid {name}"]
    for one in octahedron().triangles:
        lines += [
            "facet normal 0 0 0",
            "outer loop",
            *(f"vertex {x} {y} {z}" for x, y, z in one),
            "endloop",
            "endfacet",
        ]
    lines.append(f"endsolid {name}")
    return ending.join(word(indent + line if number else line) for number, line in enumerate(lines)).encode()


STLS: Final = {
    "binary": stl(b"made by a test"),
    "binary that begins with solid": stl(b"solid made by a program"),
    "binary that speaks of facets": stl(b"solid facet normal endsolid"),
    "binary with something behind": stl(b"", b"\0\0more"),
    "binary without a word": stl(b""),
    "text": stl_text(),
    "text in capitals": stl_text(str.upper),
    "text with tabs": stl_text(indent="\t"),
    "text of another system": stl_text(ending="\r\n"),
    "text with a long name": stl_text(name="x" * 3000),
    "text behind empty lines": b"\n\n" + stl_text(),
    "text behind a byte order mark": b"\xef\xbb\xbf" + stl_text(),
    "text with powers": stl_text(lambda line: line.replace(".0", ".0e+00")),
}


@pytest.mark.parametrize("name", STLS)
def test_an_stl_is_its_triangles_however_it_is_written(name: str) -> None:
    surface = read_surface(STLS[name])
    np.testing.assert_allclose(surface.triangles, octahedron().triangles, atol=1e-6)
    assert len(surface.vertices) == 6


def test_two_solids_of_one_file_are_one_surface() -> None:
    assert len(read_surface(stl_text() + b"\n" + stl_text(name="b")).faces) == 16


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (stl_text()[:-20], DamagedSignal, "endsolid"),
        (stl_text().replace(b"endloop", b"", 1), DamagedSignal, "24 vertices and 7 loops"),
        (stl_text().replace(b"vertex 1", b"vertex one", 1), DamagedSignal, "no number"),
        (b"solid nothing\nendsolid nothing\n", InvalidSignal, "no faces"),
    ],
    ids=["cut", "a loop that does not end", "a word", "empty"],
)
def test_an_stl_that_is_wrong_is_refused_by_name(data: bytes, error: type[SignalError], words: str) -> None:
    with pytest.raises(error, match=words):
        read_surface(data)


@pytest.mark.parametrize("data", [stl(b""), stl_text(), STLS["binary that begins with solid"]])
def test_limits_hold(data: bytes) -> None:
    with pytest.raises(SignalTooLarge):
        read_surface(data, SignalLimits(faces=7))
