"""Free ports on 127.0.0.1, remembered in the data folder so that a restart prefers the same.

The range lies below the one from which systems draw the ports of outgoing connections (32768 on Linux, 49152 on macOS),
so that nobody takes a remembered port by accident while its owner is down. SeaweedFS wants ports in pairs, its gRPC
port being its HTTP port plus 10000: `twin` keeps both free.
"""

import json
import random
import socket
import threading
from collections.abc import Sequence
from pathlib import Path

from standalone.errors import NoFreePort
from standalone.home import write_privately

_FIRST, _LAST = 10_000, 22_767
_TRIES = 200


class Ports:
    """The ports of one data folder, by service and purpose."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()  # engines start side by side
        try:
            self._ports: dict[str, int] = json.loads(file.read_text())
        except (FileNotFoundError, ValueError):
            self._ports = {}

    def claim(self, service: str, purposes: Sequence[str], *, twin: int = 0) -> dict[str, int]:
        """A free port for each purpose: the one used last if it is still free, else another.

        Raises:
            NoFreePort: two hundred random ports were taken.
        """
        with self._lock:
            for purpose in purposes:
                key = f"{service}.{purpose}"
                last = self._ports.pop(key, None)
                self._ports[key] = last if last and self._usable(last, twin) else self._another(twin)
            write_privately(self._file, json.dumps(self._ports, indent=2))
            return {purpose: self._ports[f"{service}.{purpose}"] for purpose in purposes}

    def _another(self, twin: int) -> int:
        for port in random.choices(range(_FIRST, _LAST + 1), k=_TRIES):  # noqa: S311 (not a secret)
            if self._usable(port, twin):
                return port
        raise NoFreePort(f"None of {_TRIES} ports tried on 127.0.0.1 between {_FIRST} and {_LAST} is free.")

    def _usable(self, port: int, twin: int) -> bool:
        return port not in self._ports.values() and all(port_is_free(number) for number in {port, port + twin})


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that linger are no obstacle
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
