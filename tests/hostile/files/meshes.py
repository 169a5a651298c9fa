"""Hostile files: meshes, as OBJ, PLY and STL."""

import struct

from tests.hostile.files.kinds import (
    CUT,
    DAMAGED,
    INVALID,
    MANY,
    NUMBER,
    REFERENCE,
    SHAPE,
    TOO_LARGE,
    UNSUPPORTED,
    WORK,
    add,
)
from tests.hostile.files.pieces import MESH, binary_ply, patched, ply, stl

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
add("stl of 2^28 faces", SHAPE, TOO_LARGE, lambda: stl(2**28 - 1))
add("stl of 2^32-1 faces", SHAPE, UNSUPPORTED, lambda: stl(2**32 - 1))
add("stl of NaN", NUMBER, INVALID, lambda: patched(stl(4), 96, struct.pack("<f", float("nan"))))
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
add("ply of 10^9 faces", SHAPE, TOO_LARGE, lambda: ply(faces=10**9))
add("ply of 10^9 vertices", SHAPE, TOO_LARGE, lambda: ply(vertices=10**9))
add("ply of 4,000,000 vertices that are not there", CUT, DAMAGED, lambda: ply(vertices=4_000_000))
add("ply of -1 faces", SHAPE, DAMAGED, lambda: ply(faces=-1))
add("ply of 10^30 other things", SHAPE, TOO_LARGE, lambda: ply(b"element other 1" + b"0" * 30 + b"\nproperty int a\n"))
add("ply of 4,000,000 other things without bytes", MANY, None, lambda: ply(b"element other 4000000\n"))
add("ply of 50,000 elements", MANY, DAMAGED, lambda: ply(b"element other 0\nproperty int a\n" * 50_000))
add(
    "ply of 100,000 properties",
    MANY,
    DAMAGED,
    lambda: ply(b"".join(b"property float a%d\n" % n for n in range(100_000))),
)
add(
    "ply of lists in place of numbers",
    SHAPE,
    DAMAGED,
    lambda: ply().replace(b"property float x", b"property list uchar float x"),
)
add("ply of a type that is none", SHAPE, DAMAGED, lambda: ply().replace(b"property float x", b"property huge x"))
add(
    "ply of a face of 2^32-1 corners",
    SHAPE,
    DAMAGED,
    lambda: binary_ply(4, 4, bytes(48) + b"\xff\xff\xff\xff" + bytes(64), b"uint"),
)
add(
    "ply of a face of -1 corners",
    SHAPE,
    DAMAGED,
    lambda: binary_ply(4, 4, bytes(48) + b"\xff\xff\xff\xff" + bytes(64), b"int"),
)
add(
    "ply that names a texture elsewhere",
    REFERENCE,
    None,
    lambda: ply().replace(b"element vertex", b"comment TextureFile /etc/passwd\nelement vertex", 1),
)
add("ply without the end of its head", CUT, DAMAGED, lambda: ply().replace(b"end_header", b"end"))
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
