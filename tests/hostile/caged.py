"""What runs in the cage for the corpus: the readers of the service, and a report of what the reading took and could do.

The nursery loads this once for all kinds of files. After the file has been read, by the same process, a file and a
socket are asked for: both must be refused.
"""

import json
import resource
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tuner.signal import inspect
from worker import drawing

SIGNAL, REPRESENTATION = "signal", "representation"
_VIEW = {"view": "reconstruction", "format": "npy"}
_HUGE = 1 << 20  # bytes of an answer that are looked at
_TRIED: dict[str, Callable[[], object]] = {
    "file": lambda: Path("/etc/passwd").read_bytes(),
    "socket": lambda: socket.socket().close(),
}


def prepare() -> None:
    """Load everything that any file may need."""
    inspect.prepare()
    drawing.prepare()


def run(data: bytes, request: dict[str, Any]) -> Iterator[bytes]:
    """Read a file as the service does.

    Args:
        data: content of the file.
        request: `reader`, which is "signal" for an upload and "representation" for a compressed file.
    """
    begun, held = time.process_time(), _most_bytes()
    code = _signal(data) if request["reader"] == SIGNAL else _representation(data)
    seconds, taken = time.process_time() - begun, _most_bytes() - held
    opened = []
    for name, attempt in _TRIED.items():
        try:
            attempt()
        except OSError:
            continue
        opened.append(name)
    yield json.dumps({"code": code, "seconds": round(seconds, 4), "bytes": taken, "opened": opened}).encode()


def _signal(data: bytes) -> str | None:
    said = json.loads(b"".join(inspect.run(data, {})))
    return None if said["ok"] else str(said["code"])


def _representation(data: bytes) -> str | None:
    said = b"".join(bytes(piece) for piece in drawing.run(data, dict(_VIEW)))
    return None if said.startswith(drawing.DRAWN) else str(json.loads(said[1:_HUGE])["code"])


def _most_bytes() -> int:
    """The largest memory that this process has held at a time, what it shares with the nursery included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << (0 if sys.platform == "darwin" else 10)
