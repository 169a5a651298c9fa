"""What looks into uploaded pictures in the cage, and has loaded nothing else; `tuner.signal.pictures` says why."""

from collections.abc import Iterator
from typing import Any

from tuner.notes import pass_over_notes
from tuner.signal import inspect
from tuner.signal.pictures import is_picture, samples


def prepare() -> None:
    """Load everything that any picture may need."""
    for sample in samples():
        for _ in inspect.run(sample, {}):
            pass
    pass_over_notes()


def run(data: bytes, request: dict[str, Any]) -> Iterator[bytes]:
    """Inspect a picture as `tuner.signal.inspect.run` does; nothing is said of a file that turns out to be another.

    Args:
        data: content of the file.
        request: what is asked of the inspection of all files.
    """
    if is_picture(data):
        yield from inspect.run(data, request)
