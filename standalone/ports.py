"""Free ports on 127.0.0.1, remembered in the data folder so that a restart prefers the same.

The range lies below the one from which systems draw the ports of outgoing connections (32768 on Linux, 49152 on macOS),
so that nobody takes a remembered port by accident while its owner is down. SeaweedFS wants ports in pairs, its gRPC
port being its HTTP port plus 10000: `twin` keeps both free. It also opens a socket file per gRPC port in /tmp, where
another user of the machine could have put one of that name before.
"""

import json
import os
import random
import socket
import threading
from collections.abc import Callable, Sequence
from functools import partial
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

    def claim(
        self, service: str, purposes: Sequence[str], *, twin: int = 0, socket_files: Sequence[str] = ()
    ) -> dict[str, int]:
        """A free port for each purpose: the one used last if it is still free, else another.

        Args:
            service: name of the process that will listen.
            purposes: a name for each port that is needed.
            twin: distance of a second port that each port brings along; 0 for none.
            socket_files: paths of files that each (second) port brings along, with `{port}` for its number.

        Raises:
            NoFreePort: two hundred random ports were taken.
        """
        with self._lock:
            usable = partial(self._usable, twin=twin, socket_files=socket_files)
            for purpose in purposes:
                key = f"{service}.{purpose}"
                last = self._ports.pop(key, None)
                self._ports[key] = last if last and usable(last) else self._another(usable)
            write_privately(self._file, json.dumps(self._ports, indent=2))
            return {purpose: self._ports[f"{service}.{purpose}"] for purpose in purposes}

    def _another(self, usable: Callable[[int], bool]) -> int:
        for port in random.choices(range(_FIRST, _LAST + 1), k=_TRIES):  # noqa: S311 (not a secret)
            if usable(port):
                return port
        raise NoFreePort(f"None of {_TRIES} ports tried on 127.0.0.1 between {_FIRST} and {_LAST} is free.")

    def _usable(self, port: int, *, twin: int, socket_files: Sequence[str]) -> bool:
        files = (Path(path.format(port=port + twin)) for path in socket_files)
        free = all(port_is_free(number) for number in {port, port + twin})
        return port not in self._ports.values() and free and not any(map(_is_anothers, files))


def _is_anothers(file: Path) -> bool:
    """Whether a file belongs to another user, so that we could not replace it; root could."""
    try:
        return os.geteuid() not in {0, file.lstat().st_uid}
    except FileNotFoundError:
        return False


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that linger are no obstacle
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
