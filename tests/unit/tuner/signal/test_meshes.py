"""Meshes are read by the rules of their formats, and refused where nothing could be written back."""

import struct
from io import BytesIO
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.signals import obj, octahedron, octahedron_obj, torus
from tuner.errors import DamagedSignal, InvalidSignal, SignalError, SignalTooLarge, UnsupportedFormat
from tuner.signal.formats import encode_signal, format_of, read_signal, read_surface
from tuner.signal.limits import SignalLimits
from tuner.signal.mesh import write_mesh
from tuner.signal.triangles import Mesh

quick: Final = settings(derandomize=True, max_examples=40, deadline=None, database=None)
RANDOM = np.random.default_rng(4)


def exported(mesh: Mesh, file_type: str, **options: Any) -> bytes:
    written = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).export(file_type=file_type, **options)
    return written.encode() if isinstance(written, str) else bytes(written)


@quick
@given(
    st.sampled_from(["ply", "ply ascii", "stl", "stl ascii", "obj"]),
    st.integers(3, 9),
    st.integers(3, 9),
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
def test_surfaces_are_those_that_trimesh_wrote(kind: str, around: int, across: int, mark: bytes) -> None:
    mesh = torus(around, across)
    file_type, _, ascii_text = kind.partition(" ")
    if kind == "stl":
        mark = b""  # not a text
    if file_type == "ply":
        data = exported(mesh, "ply", encoding="ascii" if ascii_text else "binary")
        mark = mark if ascii_text else b""
    else:
        data = exported(mesh, "stl_ascii" if ascii_text else file_type)
    surface = read_surface(mark + data)
    np.testing.assert_allclose(surface.triangles, mesh.triangles, atol=1e-6)


@st.composite
def obj_texts(draw: st.DrawFn) -> tuple[bytes, list[list[list[float]]]]:
    """Vertices and faces in turn, with every freedom that the format has, and the triangles meant."""
    lines: list[str] = ["# text", "mtllib x.mtl"]
    vertices: list[list[float]] = []
    triangles: list[list[list[float]]] = []
    space, ending = draw(st.sampled_from([" ", "\t", "   "])), draw(st.sampled_from(["\n", "\r\n"]))
    indent = draw(st.sampled_from(["", "  "]))
    for _ in range(draw(st.integers(1, 4))):
        for _ in range(draw(st.integers(3, 5))):
            vertices.append(RANDOM.integers(-99, 99, 3).astype(float).tolist())
            colour = draw(st.sampled_from(["", " 1.0", " 0.1 0.2 0.3"]))
            lines.append(f"{indent}v{space}{space.join(map(str, vertices[-1]))}{colour}")
        corners = draw(st.lists(st.integers(0, len(vertices) - 1), min_size=3, max_size=6))
        backwards = draw(st.booleans())
        tail = draw(st.sampled_from(["", "/1", "//1", "/1/1"]))
        words = [f"{index - len(vertices) if backwards else index + 1}{tail}" for index in corners]
        broken = f" \\{ending}" if draw(st.booleans()) else space
        lines.append(f"{indent}f{space}{space.join(words[:2])}{broken}{space.join(words[2:])} # said")
        for second, third in pairwise(corners[1:]):
            triangles.append([vertices[corners[0]], vertices[second], vertices[third]])
    return ending.join([*lines, ""]).encode(), triangles


@quick
@given(obj_texts())
def test_an_obj_means_what_its_rules_say(case: tuple[bytes, list[list[list[float]]]]) -> None:
    data, triangles = case
    corners = np.array(triangles).reshape(-1, 3)
    if np.linalg.matrix_rank(corners - corners.mean(0), tol=1e-6) < 3:
        with pytest.raises(InvalidSignal, match="flat"):
            read_surface(data)
        return
    np.testing.assert_array_equal(read_surface(data).triangles, np.array(triangles))


@pytest.mark.parametrize("file_type", ["ply", "obj"])
def test_coordinates_of_maps_come_back_as_fine_as_the_field(file_type: str) -> None:
    mesh = octahedron()
    shift = np.array([500_000.0, 4_649_776.0, 120.0])
    away = Mesh(mesh.vertices + shift, mesh.faces)
    signal = read_signal(obj(away), resolution=24)
    near = read_surface(encode_signal(read_signal(obj(mesh), resolution=24), f"x.{file_type}"))
    back = read_surface(encode_signal(signal, f"x.{file_type}"))
    # Single precision has steps of half a metre there.
    np.testing.assert_allclose(back.vertices - shift, near.vertices, atol=1e-3)
    with pytest.raises(InvalidSignal, match="STL"):
        write_mesh(signal, "stl")


def sheet(bump: float = 0.0) -> bytes:
    x, y = np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 1, 5), indexing="ij")
    z = bump * np.sin(3 * x) * np.sin(2 * y) + 0.3 * x
    index = np.arange(25).reshape(5, 5)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    return obj(Mesh(np.stack([x, y, z], -1).reshape(-1, 3), faces))


def cube(thickness: float) -> bytes:
    return exported(
        Mesh(*(lambda box: (np.array(box.vertices), np.array(box.faces)))(trimesh.creation.box((1, 1, thickness)))),
        "obj",
    )


STL = exported(torus(), "stl")
STL_TEXT = exported(torus(6, 5), "stl_ascii")
PLY_TEXT = exported(torus(6, 5), "ply", encoding="ascii")
REFUSED: dict[str, tuple[bytes, type[SignalError], str]] = {
    "faces from 0": (b"v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 0 1 2\nf 0 1 3\n", DamagedSignal, "vertex 0"),
    "a face before its vertices, backwards": (b"v 0 0 0\nf -1 -2 -3\n", DamagedSignal, "before it"),
    "a vertex that is none": (b"v 0 0\nv 1 0 0\n", DamagedSignal, "line 1"),
    "weights": (b"v 0 0 0 0.5\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", UnsupportedFormat, "weight"),
    "free-form surfaces": (b"v 0 0 0\nv 1 0 0\ncstype bspline\n", UnsupportedFormat, "free-form"),
    "free-form surfaces from the first line on": (b"vp 0.1 0.2\nv 0 0 0\n", UnsupportedFormat, "free-form"),
    "a face of nothing": (b"v 0 0 0\nf\n", DamagedSignal, "no corners"),
    "a flat sheet": (sheet(), InvalidSignal, "flat"),
    "an open sheet, hardly bent": (sheet(0.02), InvalidSignal, "next to none"),
    "a plate thinner than a sample": (cube(1e-3), InvalidSignal, "resolution"),
    "a binary stl cut by a bit": (STL[:-20], DamagedSignal, "576 faces, and 575 are there"),
    "a binary stl cut by far": (STL[:300], DamagedSignal, "576 faces, and 4 are there"),
    "a text stl cut": (STL_TEXT[:-300], DamagedSignal, "endsolid"),
    "a text ply cut": (PLY_TEXT[:-30], DamagedSignal, "56 of 60 rows of its face"),
    "an obj in 16 bits a letter": (octahedron_obj().decode().encode("utf-16"), UnsupportedFormat, "16 bits a letter"),
    "a glTF": (b"glTF\x02\0\0\0" + bytes(50), UnsupportedFormat, "glTF"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_not_come_back_is_refused_by_name(name: str) -> None:
    data, error, words = REFUSED[name]
    with pytest.raises(error, match=words) as caught:
        read_signal(data, resolution=16)
    assert type(caught.value) is error


def test_a_thin_plate_is_read_at_a_resolution_that_sees_it() -> None:
    signal = read_signal(cube(0.15), resolution=24)
    assert read_surface(encode_signal(signal, "x.ply")).faces.size


def test_noise_is_no_binary_stl() -> None:
    for seed in range(50):
        noise = np.random.default_rng(seed).bytes(4000)
        with pytest.raises(UnsupportedFormat):
            format_of(b"\x00" + noise)
    text = b"the quick brown fox jumps over the lazy dog. " * 40
    with pytest.raises(UnsupportedFormat):
        format_of(text)


def test_limits_of_an_obj_are_held_while_it_is_read() -> None:
    with pytest.raises(SignalTooLarge):
        read_surface(obj(torus()), SignalLimits(faces=100))
    assert struct.calcsize("<12fH") == 50
    assert BytesIO(STL).read()[80:84] == (576).to_bytes(4, "little")
