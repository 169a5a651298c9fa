"""`python -m cage.nursery MODULE`: a process that has everything imported, and forks caged children, each for one file.

A Python that starts for each file spends nearly all of its time on imports. This one makes them once, is the only
thread of its process, never sees a file's bytes, and forks; the child locks itself in (`enter.py`), reads the one file
that it inherited, answers and ends. Orders come over the socket at standard input, each with three descriptors: the
file, where the answer goes, and where the child's end is told. Whoever closes the last one ends the child; when the
socket itself closes, everything ends.

A child that is shared (`shared.py`) inherits a pipe instead of a file, and reads one file after the other that comes
from it; in front of each file and of each answer is its length.

The module has `prepare()`, called once, which must leave nothing to be imported later: in the cage no file can be
opened. And `run(data, request)`, which yields the pieces of the answer.
"""

import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Protocol, cast

from cage import seccomp
from cage.enter import enter, hide_process, leave_network
from cage.identity import nameless_number
from cage.limits import Limits

FRAME_BYTES = 4096  # of each message on the socket, so that none has to be searched for its end
# How an answer begins, as long as samples behind it need to lie well in memory; and what a fault begins with.
ANSWERED, FAULT = b"+".ljust(64), b"-"
LENGTH_BYTES = 8  # in front of what comes and goes in a shared child, little-endian
_PROBE = Limits(memory_bytes=1 << 28, cpu_seconds=5, wall_seconds=5.0, answer_bytes=1 << 12)
_READ_BYTES = 1 << 20


class Job(Protocol):
    """What such a module has."""

    def prepare(self) -> None:
        """Import everything, and use it once."""

    def run(self, data: bytes, request: dict[str, Any]) -> Iterable[bytes | memoryview]:
        """Read a file and answer."""


@dataclass(frozen=True, slots=True)
class _Child:
    """A process in the cage.

    Attributes:
        pid: number of the process.
        told: socket on which its end is told.
    """

    pid: int
    told: socket.socket


def main() -> None:
    """Prepare, say what the cage lacks on this system, and serve until the socket closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started this, and closes the socket
    control = socket.socket(fileno=0)
    with suppress(OSError):
        hide_process()
    try:
        job = cast("Job", importlib.import_module(sys.argv[1]))
        job.prepare()
    except Exception:
        control.sendall(frame({"broken": traceback.format_exc()[-2000:]}))
        raise
    # What is there stays, and is shared with every child as long as nobody writes on it.
    gc.collect()
    gc.freeze()
    with suppress(BrokenPipeError, ConnectionResetError):  # whoever asks here has ended, so nothing is left to do
        Nursery(job, control).serve()


class Nursery:
    """Forks children for orders, and tells how each ended."""

    def __init__(self, job: Job, control: socket.socket) -> None:
        self._job = job
        self._control = control
        self._number = nameless_number()
        self._has_network = True
        self._children: dict[int, _Child] = {}
        self._waits = selectors.DefaultSelector()

    def serve(self) -> None:
        """Until nobody can order any more."""
        ended, wake = socket.socketpair()
        for end in (ended, wake):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        self._leave_network()
        seccomp.thinking_halves()  # which all children have in common
        self._control.sendall(frame({"missing": self._probe()}))
        self._waits.register(self._control, selectors.EVENT_READ, self._accept)
        self._waits.register(ended, selectors.EVENT_READ, lambda: self._reap(ended))
        with suppress(EOFError):
            while True:
                for key, _ in self._waits.select():
                    key.data()
        for child in self._children.values():
            os.kill(child.pid, signal.SIGKILL)

    def _leave_network(self) -> None:
        """Once for all children: it needs none itself, and to make an empty one takes long, and longer to end it."""
        try:
            leave_network()
        except OSError:
            return  # then each child tries, and says what it lacks
        self._has_network = False

    def _accept(self) -> None:
        order, (file, answer, told) = receive(self._control, 3)
        pid = os.fork()
        if pid == 0:
            self._live(file, answer, order)
        os.close(file)
        os.close(answer)
        child = self._children[pid] = _Child(pid, socket.socket(fileno=told))
        # Nothing is ever sent on it: what can be read is its end, and then nobody waits for the child.
        self._waits.register(child.told, selectors.EVENT_READ, lambda: self._abandon(child))

    def _abandon(self, child: _Child) -> None:
        if child.pid in self._children:
            self._waits.unregister(child.told)
            os.kill(child.pid, signal.SIGKILL)

    def _reap(self, woken: socket.socket) -> None:
        woken.recv(FRAME_BYTES)
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            child = self._children.pop(pid)
            with suppress(KeyError):
                self._waits.unregister(child.told)
            with suppress(OSError):
                child.told.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
            child.told.close()

    def _live(self, file: int, answer: int, order: dict[str, Any]) -> None:
        """All of a child's life."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _be_first_to_go()
            enter(Limits(**order["limits"]), (file, answer), self._number, has_network=self._has_network)
            work = _work_in_turn if order["is_shared"] else _work
            work(self._job, file, answer, order["request"])
            status = 0
        finally:
            os._exit(status)

    def _probe(self) -> list[str]:
        """What the cage lacks, as a child finds it that is given nothing to do."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                missing = enter(_PROBE, (writing,), self._number, has_network=self._has_network)
                os.write(writing, json.dumps(missing).encode())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as told:
            said = told.read()
        os.waitpid(pid, 0)
        return cast("list[str]", json.loads(said)) if said else ["all of it: a process that enters it dies"]


def _work(job: Job, file: int, answer: int, request: dict[str, Any]) -> None:
    try:
        _write(answer, ANSWERED)
        for piece in job.run(_read(file), request):
            _write(answer, piece)
    except BrokenPipeError:
        return
    except MemoryError:
        _fault(answer, "memory", "the memory that it may use is not enough")
    except BaseException:
        _fault(answer, "broken", traceback.format_exc()[-2000:])


def _work_in_turn(job: Job, files: int, answer: int, request: dict[str, Any]) -> None:
    """Read one file after the other. Any fault ends it: then the file is read by another child, which can tell why."""
    while length := _take(files, LENGTH_BYTES):
        file = _take(files, int.from_bytes(length, "little"))
        pieces = [memoryview(piece).cast("B") for piece in job.run(file, request)]
        _write(answer, sum(map(len, pieces)).to_bytes(LENGTH_BYTES, "little"))
        for piece in pieces:
            _write(answer, piece)


def _fault(answer: int, kind: str, message: str) -> None:
    with suppress(OSError, MemoryError):
        _write(answer, b"\n" + FAULT + json.dumps({"fault": kind, "message": message}).encode())
    os._exit(3)


def _read(file: int) -> bytes:
    pieces: list[bytes] = []
    place = 0
    # From its beginning, wherever the descriptor stands: the one who sent it may have written it.
    while piece := os.pread(file, _READ_BYTES, place):
        pieces.append(piece)
        place += len(piece)
    return b"".join(pieces)


def _take(files: int, length: int) -> bytes:
    """That many bytes from a pipe, or fewer if no more will come."""
    pieces: list[bytes] = []
    while length and (piece := os.read(files, length)):
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def _write(answer: int, piece: bytes | memoryview) -> None:
    rest = memoryview(piece).cast("B")
    while rest:
        rest = rest[os.write(answer, rest) :]


def _be_first_to_go() -> None:
    """If the machine runs out of memory, the kernel ends the child, and not who serves everybody."""
    with suppress(OSError):
        score = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(score, b"1000")
        os.close(score)


def frame(message: dict[str, Any]) -> bytes:
    """A message of the length that all have.

    Raises:
        ValueError: if it is longer.
    """
    text = json.dumps(message).encode()
    if len(text) > FRAME_BYTES:
        raise ValueError(f"the message has {len(text)} bytes, expected at most {FRAME_BYTES}")
    return text.ljust(FRAME_BYTES)


def order_frame(limits: Limits, request: dict[str, Any], *, is_shared: bool) -> bytes:
    """An order, to which three descriptors belong."""
    return frame({"limits": asdict(limits), "request": request, "is_shared": is_shared})


def receive(channel: socket.socket, descriptors: int) -> tuple[dict[str, Any], list[int]]:
    """The next message and what came with it.

    Raises:
        EOFError: the other side is gone.
    """
    text, found = b"", list[int]()
    while len(text) < FRAME_BYTES:
        piece, more, _, _ = socket.recv_fds(channel, FRAME_BYTES - len(text), descriptors)
        if not piece:
            raise EOFError("the other side is gone")
        text, found = text + piece, found + more
    return json.loads(text), found


if __name__ == "__main__":
    main()
