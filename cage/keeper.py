"""The side that has files read: it keeps a nursery alive and waits for answers, never longer than it said."""

import fcntl
import json
import logging
import mmap
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cage.limits import JobBroken, Limits, OverBudget, OverMemory
from cage.nursery import ANSWERED, FAULT, order_frame, receive
from cage.patience import HEED_SECONDS, Patience

_PIPE_BYTES, _F_SETPIPE_SZ = 1 << 20, 1031
_PREPARE_SECONDS, _END_SECONDS = 120.0, 10.0
_MEBIBYTE = 1 << 20
_HELD_BYTES = 32 * _MEBIBYTE  # of an answer, in memory

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Child:
    """A process in the cage, as the side that asks knows it.

    Attributes:
        answer: what it says.
        told: where its end is told.
    """

    answer: IO[bytes]
    told: socket.socket

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it, if it has not ended."""
        self.answer.close()
        self.told.close()


class Keeper:
    """Has files read in the cage, any number at the same time, each in a process of its own.

    Attributes:
        limits: budget of each process.
    """

    def __init__(self, module: str, limits: Limits) -> None:
        """Nothing is started before `start` or `ask`.

        Args:
            module: name of the module that reads; see `cage.nursery`.
            limits: budget of each process.
        """
        self.limits = limits
        self._module = module
        self._lock = threading.Lock()
        self._nursery: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._prepared = _Prepared()

    def start(self) -> None:
        """Let the nursery begin to prepare, and do not wait for it."""
        with self._lock:
            self._started()

    def close(self) -> None:
        """End the nursery and all its children."""
        with self._lock:
            self._end()

    def ask(self, file: int, request: dict[str, Any], heed: Callable[[], None] = lambda: None) -> memoryview:
        """Have a file read.

        Args:
            file: descriptor of the file, readable from its beginning; it stays open here.
            request: whatever the module wants to know, as JSON of at most some 4000 bytes.
            heed: called several times a second; what it raises ends the reading.

        Returns:
            The answer. It was made in the presence of a file from a stranger, and is to be checked like one.

        Raises:
            OverBudget: if the file took more than its limits allow, or crashed what reads it.
            JobBroken: if the reader itself cannot work.
        """
        with self.fork(file, request, heed) as child:
            said = self._listen(child.answer.fileno(), heed)
            return self._judge(said, child.told)

    def ask_bytes(self, content: bytes, request: dict[str, Any], heed: Callable[[], None] = lambda: None) -> memoryview:
        """Have bytes read that are in memory here; like `ask`."""
        with _nameless_file() as file:
            file.write(content)
            file.flush()
            return self.ask(file.fileno(), request, heed)

    def fork(self, file: int, request: dict[str, Any], heed: Callable[[], None], *, is_shared: bool = False) -> Child:
        """Have a child begin, which ends with its answer, or when it is closed.

        Args:
            file: descriptor of the file; it stays open here.
            request: whatever the module wants to know.
            heed: called several times a second; what it raises ends the child.
            is_shared: whether the file is a pipe from which one file after the other comes; see `cage.shared`.

        Raises:
            JobBroken: if the reader itself cannot work.
        """
        reading, writing = os.pipe()
        told, telling = socket.socketpair()
        child = Child(os.fdopen(reading, "rb", buffering=0), told)
        try:
            try:
                _widen(writing)
                order = order_frame(self.limits, request, is_shared=is_shared)
                self._order(order, [file, writing, telling.fileno()])
            finally:
                os.close(writing)
                telling.close()
            self._await_nursery(heed)
        except BaseException:
            child.close()
            raise
        return child

    def _order(self, message: bytes, descriptors: list[int]) -> None:
        with self._lock:
            control = self._started()
            try:
                # The descriptors travel with the first byte; a message as short as this is never sent in part.
                socket.send_fds(control, [message], descriptors)
            except OSError as error:
                self._end()
                raise JobBroken(f"the process that forks for {self._module} is gone: {error}") from error

    def _started(self) -> socket.socket:
        if self._nursery is not None and self._nursery.poll() is not None:
            logger.error("the process that forks for %s ended with %s", self._module, self._nursery.returncode)
            self._end()
        if self._control is None:
            ours, theirs = socket.socketpair()
            with theirs:
                self._nursery = subprocess.Popen(
                    [sys.executable, "-m", "cage.nursery", self._module],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    cwd="/",
                    env=bare_environment(),
                    process_group=0,
                )
            self._control = ours
            self._prepared = _Prepared()
            threading.Thread(target=self._prepared.hear, args=(ours.dup(), self._module), daemon=True).start()
        return self._control

    def _end(self) -> None:
        if self._control is not None:
            with suppress(OSError):
                self._control.shutdown(socket.SHUT_RDWR)
            self._control.close()
        if self._nursery is not None:
            try:
                self._nursery.wait(2.0)
            except subprocess.TimeoutExpired:  # still importing
                self._nursery.kill()
                self._nursery.wait()
        self._control = self._nursery = None

    def _await_nursery(self, heed: Callable[[], None]) -> None:
        """Wait until it has prepared, which is not the file's time."""
        prepared, deadline = self._prepared, time.monotonic() + _PREPARE_SECONDS
        while not prepared.done.wait(HEED_SECONDS):
            heed()
            if time.monotonic() > deadline:
                raise JobBroken(f"{self._module} was not ready after {_PREPARE_SECONDS:.0f} s")
        if prepared.fault is not None:
            raise JobBroken(f"{self._module} cannot work: {prepared.fault}")

    def _listen(self, answer: int, heed: Callable[[], None]) -> bytearray | mmap.mmap:
        """All that the child says, until it or somebody's patience ends."""
        with _Answer() as said:
            self._hear(answer, said, heed)
            return said.whole()

    def _hear(self, answer: int, said: "_Answer", heed: Callable[[], None]) -> None:
        patience = Patience(self.limits.wall_seconds, heed)
        while True:
            patience.wait(answer, select.POLLIN)
            piece = os.read(answer, _PIPE_BYTES)
            if not piece:
                return
            said.add(piece)
            if len(said) > self.limits.answer_bytes + len(ANSWERED):
                raise OverBudget(f"its answer has more than {self.limits.answer_bytes} bytes")

    def _judge(self, said: bytearray | mmap.mmap, told: socket.socket) -> memoryview:
        told.settimeout(_END_SECONDS)
        try:
            status = told.recv(32).strip()
        except TimeoutError:
            raise OverBudget("it does not end after its answer") from None
        if status == b"0" and bytes(said[: len(ANSWERED)]) == ANSWERED:
            return memoryview(said)[len(ANSWERED) :]
        if not status:
            raise JobBroken(f"the process that forks for {self._module} is gone")
        code = int(status)
        if code < 0:
            raise OverBudget(f"it was ended by {signal.Signals(-code).name}: time, memory, or a fault of a decoder")
        return self._faulty(said, code)

    def _faulty(self, said: bytearray | mmap.mmap, code: int) -> memoryview:
        _, _, fault = bytes(said[-4096:]).rpartition(b"\n" + FAULT)
        try:
            told = json.loads(fault)
            kind, message = str(told["fault"]), str(told["message"])
        except (ValueError, KeyError, TypeError):
            raise OverBudget(f"what reads it ended with {code}") from None
        if kind == "memory":
            raise OverMemory(f"it took more than {self.limits.memory_bytes // _MEBIBYTE} MiB")
        raise JobBroken(f"{self._module} cannot work: {message}")


class _Answer:
    """What a child says: a long answer goes to a file without a name, which its reader maps instead of holding it."""

    def __init__(self) -> None:
        self._held, self._length, self._is_refused = bytearray(), 0, False
        self._file: IO[bytes] | None = None

    def __enter__(self) -> "_Answer":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()  # what is mapped stays

    def __len__(self) -> int:
        return self._length

    def add(self, piece: bytes) -> None:
        """The next piece."""
        self._held += piece
        self._length += len(piece)
        if len(self._held) >= _HELD_BYTES and not self._is_refused:
            self._move()

    def whole(self) -> bytearray | mmap.mmap:
        """All of it, read-only where it is mapped."""
        if self._file is not None:
            self._move()
        if self._file is None:
            return self._held
        return mmap.mmap(self._file.fileno(), self._length, access=mmap.ACCESS_READ)

    def _move(self) -> None:
        """To the file; where there is no room for it, what is there comes back into memory."""
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  closed with the answer
            written = 0
            while written < len(self._held):
                written += self._file.write(bytes(self._held[written:]))
            self._held = bytearray()
        except OSError as error:
            logger.warning("an answer is held in memory, since the folder for temporary files refuses it: %s", error)
            self._is_refused = True
            if self._file is not None:
                self._file.seek(0)
                before = bytearray(self._file.read())[: self._length - len(self._held)]
                self._held = before + self._held
                self._file.close()
                self._file = None


def bare_environment() -> dict[str, str]:
    """What a process that this one starts may know."""
    # Addresses and keys stay here; the child finds the same packages as we do and counts on one thread.
    return {
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path),
        "PYTHONSAFEPATH": "1",
        # A limit on the size of files would cut compiled modules short, and the next process would trip over them.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }


class _Prepared:
    """What a nursery says when it is ready, or cannot be."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.fault: str | None = None

    def hear(self, control: socket.socket, module: str) -> None:
        """Wait for it, and say once what the cage lacks on this system."""
        message: dict[str, Any] = {"broken": "the process that forks ended before it was ready"}
        with control, suppress(EOFError, OSError):
            message, _ = receive(control, 0)
        if message.get("missing"):
            logger.warning("the cage for %s is not whole, it lacks: %s", module, "; ".join(message["missing"]))
        self.fault = message.get("broken")
        self.done.set()


def _nameless_file() -> IO[bytes]:
    """A file that no path leads to; in memory where the system has such."""
    if sys.platform != "linux":
        return tempfile.TemporaryFile()
    return os.fdopen(os.memfd_create("tuner"), "wb")


def _widen(pipe: int) -> None:
    """Let more fit into a pipe than usual, so that long answers take fewer turns."""
    with suppress(OSError):
        fcntl.fcntl(pipe, _F_SETPIPE_SZ, _PIPE_BYTES)
