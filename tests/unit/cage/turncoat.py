"""A stand-in for a reader that counts its files, and misbehaves in one way each; the way is the content of the file."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

_SECONDS, _BYTES = 0.4, 48 << 20  # that some files take
_held: list[bytes] = []
_files = 0
_lies = False


def prepare() -> None:
    """There is nothing to load."""


def run(data: bytes, request: dict[str, Any]) -> Iterator[bytes]:
    """What a file says back: itself, after a process that has been turned a lie, for `count` its number."""
    global _files, _lies
    _files += 1
    way = data.decode()
    match way:
        case "crash":
            os.abort()
        case "leave":
            os._exit(0)
        case "fault":
            raise ValueError("a fault of the reader")
        case "hang":
            time.sleep(3600)
        case "busy":
            while True:
                pass
        case "greedy":
            _held.append(bytes(1 << 40))
        case "chatty":
            yield bytes(2 << 20)
        case "promise":
            _say((1 << 62).to_bytes(8, "little"))
        case "ahead":
            _say((5).to_bytes(8, "little") + b"ahead" + (3).to_bytes(8, "little") + b"lie")
            time.sleep(3600)
        case "work":
            until = time.process_time() + _SECONDS
            while time.process_time() < until:
                pass
        case "keep":
            _held.append(bytes(_BYTES))
        case "turn":
            _lies = True
            yield data
            return
        case "count":
            data = str(_files).encode()
    yield b"lie" if _lies else data


def _say(words: bytes) -> None:
    """Write where answers go, past what it should go through."""
    for descriptor in range(3, 64):
        with suppress(OSError):
            os.write(descriptor, words)
            return
    sys.exit("nothing can be written to")
