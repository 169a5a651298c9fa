"""What reads pictures in the cage for a fit, and has loaded nothing else; `tuner.signal.pictures` says why."""

from collections.abc import Iterator
from typing import Any

from tuner.notes import pass_over_notes
from tuner.signal import handover
from tuner.signal.pictures import is_picture, samples


def prepare() -> None:
    """Load everything that any picture may need."""
    for sample in samples():
        for _ in handover.run(sample, {}):
            pass
    pass_over_notes()


def run(data: bytes, request: dict[str, Any]) -> Iterator[bytes | memoryview]:
    """Read a picture as `tuner.signal.handover.run` does; nothing is said of a file that turns out to be another.

    Args:
        data: content of the file.
        request: what is asked of the reader of all files.
    """
    if is_picture(data):
        yield from handover.run(data, request)
