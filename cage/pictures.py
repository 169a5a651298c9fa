"""Which files are worth asking a process that has loaded nothing but what reads pictures.

It is forked in half of the time that one with all libraries takes (`tuner.signal.pictures`). A file that turns out to
be something else gets no answer there, and whoever asked goes on to the reader of all formats.
"""

from typing import Final

BEGINNING_BYTES: Final = 12  # of a file, which tell


def may_be_picture(beginning: bytes) -> bool:
    """Whether a file begins as a PNG, JPEG or WebP does.

    Args:
        beginning: the first `BEGINNING_BYTES` of the file, or more.
    """
    return beginning.startswith((b"\x89PNG", b"\xff\xd8\xff")) or (
        beginning.startswith(b"RIFF") and beginning[8:12] == b"WEBP"
    )
