"""Pictures by themselves, for processes that read nothing else and have loaded nothing else.

Most files are pictures, and what reads a stranger's is forked, which takes the longer the more its parent has mapped:
of a PNG of 64 x 64, 23 to 28 ms of a processor with the libraries for sounds, volumes, videos and meshes, 15 without
(docs/decisions/0045-many-small-fits.md).
"""

from collections.abc import Iterator
from io import BytesIO
from typing import Final

from PIL import Image

from tuner.errors import SignalError
from tuner.signal.formats import format_of
from tuner.signal.kind import SignalKind

_NAMES: Final = ("PNG", "JPEG", "WEBP")


def is_picture(data: bytes) -> bool:
    """Whether a file is a picture, and not one of another kind that begins like one.

    Args:
        data: content of the file.
    """
    try:
        return format_of(data).kind is SignalKind.IMAGE
    except SignalError:
        return False


def samples() -> Iterator[bytes]:
    """A small file of each format: whoever has read them all has loaded all that a picture may need."""
    Image.init()
    for name in _NAMES:
        file = BytesIO()
        Image.new("RGB", (8, 8)).save(file, name)
        yield file.getvalue()
