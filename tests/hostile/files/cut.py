"""Files of every format, cut within their head and within their samples, and behind the beginning of another."""

from functools import partial

from tests.hostile.files.kinds import CUT, DAMAGED, INVALID, MAGIC, UNSUPPORTED, add
from tests.hostile.files.pieces import honest

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
