"""What reads pictures in the cage, and has loaded nothing else.

Most fits are of pictures, and what reads them is forked, which takes the longer the more its parent has mapped: with
the libraries for sounds, volumes, videos and meshes that is 16 ms of a processor, without them 10
(docs/decisions/0045-many-small-fits.md).
"""

from collections.abc import Iterator
from io import BytesIO
from typing import Any, Final

from PIL import Image

from tuner.errors import SignalError
from tuner.notes import pass_over_notes
from tuner.signal import handover
from tuner.signal.formats import format_of, read_signal
from tuner.signal.kind import SignalKind

_NAMES: Final = ("PNG", "JPEG", "WEBP")


def may_be_picture(content: bytes) -> bool:
    """Whether a file begins like one that is read here: a PNG, JPEG or WebP."""
    return content.startswith((b"\x89PNG", b"\xff\xd8\xff")) or (
        content.startswith(b"RIFF") and content[8:12] == b"WEBP"
    )


def prepare() -> None:
    """Load everything that any picture may need."""
    Image.init()
    for name in _NAMES:
        file = BytesIO()
        Image.new("RGB", (8, 8)).save(file, name)
        for _ in handover.signal_pieces(read_signal(file.getvalue())):
            pass
    pass_over_notes()


def run(data: bytes, request: dict[str, Any]) -> Iterator[bytes | memoryview]:
    """Read a picture as `tuner.signal.handover.run` does; nothing is said of a file that turns out to be another.

    Args:
        data: content of the file.
        request: what is asked of the reader of all files.
    """
    if _is_picture(data):
        yield from handover.run(data, request)


def _is_picture(data: bytes) -> bool:
    try:
        return format_of(data).kind is SignalKind.IMAGE
    except SignalError:
        return False
