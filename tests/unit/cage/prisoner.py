"""What a file might make of the process that reads it: each content is one attempt, the answer is what came of it.

`python -m tests.unit.cage.prisoner USER` makes all attempts as a user of that number and prints what came of them as
JSON. Who may not even read the interpreter gets it by a fork.
"""

import ctypes
import json
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cage.keeper import Keeper
from cage.limits import CageError, Limits
from cage.nursery import Nursery

LIMITS = Limits(memory_bytes=1 << 28, cpu_seconds=2, wall_seconds=20.0, answer_bytes=1 << 12)
_LIBC = ctypes.CDLL(None, use_errno=True)


def _call(function: str, *arguments: Any) -> Any:
    result = getattr(_LIBC, function)(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), function)
    return result


def _parent() -> Path:
    return Path(f"/proc/{os.getppid()}")


ATTEMPTS: dict[str, Callable[[], object]] = {
    "read passwords": lambda: Path("/etc/shadow").read_bytes(),
    "read what all may read": lambda: Path("/etc/passwd").read_bytes(),
    "read itself": lambda: Path("/proc/self/environ").read_bytes(),
    "read the parent's environment": lambda: (_parent() / "environ").read_bytes(),
    "read the parent's memory": lambda: (_parent() / "mem").open("rb"),
    "read the parent's files": lambda: (_parent() / "fd" / "0").readlink(),
    "list a folder": lambda: os.listdir("/"),  # noqa: PTH208
    "ask whether a file exists": lambda: Path("/etc/shadow").stat(),
    "write a file": lambda: Path("/tmp/escaped").write_bytes(b"x"),
    "remove a file": lambda: Path("/etc/hostname").unlink(),
    "make a folder": lambda: Path("/tmp/escaped").mkdir(),
    "change a mode": lambda: Path("/etc/passwd").chmod(0o777),
    "make memory that is a file": lambda: os.memfd_create("x"),
    "connect": lambda: socket.socket().connect(("127.0.0.1", 80)),
    "listen": lambda: socket.socket().bind(("127.0.0.1", 0)),
    "send a datagram": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9)),
    "speak to local sockets": lambda: socket.socket(socket.AF_UNIX),
    "speak to the kernel": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "a pair of sockets": socket.socketpair,
    "a pipe": os.pipe,
    "fork": os.fork,
    "execute": lambda: os.execv("/bin/true", ["true"]),
    "signal the parent": lambda: os.kill(os.getppid(), signal.SIGTERM),
    "signal everybody": lambda: os.kill(-1, 0),
    "trace the parent": lambda: _call("ptrace", 16, os.getppid(), None, None),
    "read another's memory": lambda: _call("process_vm_readv", os.getppid(), None, 0, None, 0, 0),
    "be root again": lambda: os.setuid(0),
    "new namespaces": lambda: _call("unshare", 0x10000000),
    "mount": lambda: _call("mount", b"none", b"/", b"tmpfs", 0, None),
    "load a program into the kernel": lambda: _call("syscall", 321, 0, None, 0),
    "ring of calls": lambda: _call("syscall", 425, 8, ctypes.create_string_buffer(256)),
    "raise a limit": lambda: resource.setrlimit(resource.RLIMIT_CPU, (1000, 1000)),
    "lower a limit": lambda: resource.setrlimit(resource.RLIMIT_CPU, (1, 1)),
    "ask for the parent's limits": lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CPU),
    "load a library": lambda: ctypes.CDLL("libcrypt.so.1"),
    "import": lambda: __import__("turtle"),
}
# The same means, in a way that is wanted: what shows that the attempts above fail for the right reason.
ALLOWED: dict[str, Callable[[], object]] = {
    "think": lambda: sum(range(100_000)),
    "take memory": lambda: len(bytearray(1 << 26)),
    "another thread": lambda: _in_a_thread(),
    "ask for its own limits": lambda: resource.getrlimit(resource.RLIMIT_CPU),
    "chance": lambda: os.urandom(8),
}


def _in_a_thread() -> bool:
    done = threading.Event()
    thread = threading.Thread(target=done.set)
    thread.start()
    thread.join()
    return done.is_set()


def prepare() -> None:
    """Everything is loaded with the module."""


def run(data: bytes, request: dict[str, Any]) -> Iterator[bytes]:
    name = data.decode()
    if name == "who":
        yield json.dumps([os.getuid(), os.getgid(), os.getgroups() if request.get("groups") else []]).encode()
        return
    try:
        ({**ATTEMPTS, **ALLOWED})[name]()
    except (OSError, ImportError, ValueError) as error:
        yield f"refused: {type(error).__name__}".encode()
    else:
        yield b"done"


def attempt_all(keeper: Keeper | None = None) -> dict[str, str]:
    """What came of every attempt; `who` is the user and the group that made them."""
    keeper = keeper or Keeper("tests.unit.cage.prisoner", LIMITS)
    outcomes: dict[str, str] = {}
    try:
        for name in ["who", *ATTEMPTS, *ALLOWED]:
            try:
                outcomes[name] = bytes(keeper.ask_bytes(name.encode(), {})).decode()
            except CageError as error:
                outcomes[name] = repr(error)
    finally:
        keeper.close()
    return outcomes


class Forked(Keeper):
    """Has a nursery that was forked instead of started."""

    def _started(self) -> socket.socket:
        if self._control is None:
            self._control, theirs = socket.socketpair()
            if os.fork() == 0:
                self._control.close()
                Nursery(sys.modules[__name__], theirs).serve()
                os._exit(0)
            theirs.close()
            self._prepared.hear(self._control.dup(), __name__)
        return self._control


if __name__ == "__main__":
    number = int(sys.argv[1])
    os.setgroups([])
    os.setgid(number)
    os.setuid(number)
    keeper = Forked(__name__, LIMITS)
    keeper.start()
    json.dump(attempt_all(keeper), sys.stdout)
