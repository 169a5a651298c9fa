"""Hostile files: what is of no format that is read."""

from tests.hostile.files.kinds import BOMB, CUT, DAMAGED, MANY, MIX, NESTING, REFERENCE, UNSUPPORTED, add
from tests.hostile.files.pieces import LAUGHS, deflated_zeros
from tests.hostile.lies import HONEST

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
