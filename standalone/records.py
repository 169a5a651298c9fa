"""Processes as they are written down: how to recognise one that is not our child, and how to stop a set in order.

A pid alone proves nothing, since the kernel gives it to somebody else later; a pid with the time of its creation names
one process. The parent, the guard and the next start all stop processes through `stop_in_order`.
"""

import contextlib
import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

_POLL_SECONDS = 0.05
_CLOCK_TOLERANCE_SECONDS = 1.0  # the creation time is derived from a clock that may be corrected
_DYING_SECONDS = 10.0  # what the kernel may take to end a killed process
_FINISH_QUICKLY = signal.SIGINT  # each of the engines understands it so


Say = Callable[[str], None]  # told each line of progress


def quiet(line: str) -> None:
    """The `Say` of those who do not want to hear."""


@dataclass(frozen=True, kw_only=True)
class ProcessRecord:
    """One process, and how it wants to be stopped.

    Attributes:
        stage: processes of a higher stage lean on those of a lower one and stop first.
        stop_signal: signal that asks the process to finish.
        patience_seconds: seconds that the process may take to finish until it is killed.
    """

    name: str
    pid: int
    created: float
    stage: int = 0
    stop_signal: int = signal.SIGTERM
    patience_seconds: float = 10.0

    @classmethod
    def from_json(cls, values: object) -> "ProcessRecord":
        """From what `dataclasses.asdict` made of it."""
        if not isinstance(values, dict):
            raise TypeError(f"a process record is {values!r}")
        return cls(**values)

    def process(self) -> psutil.Process | None:
        """The live process that this record names, if it still runs; a zombie has ended."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < _CLOCK_TOLERANCE_SECONDS
            return process if same and not _is_zombie(process) else None
        except psutil.NoSuchProcess:
            return None

    def is_alive(self) -> bool:
        """Whether exactly this process still runs."""
        return self.process() is not None

    def members(self) -> list[psutil.Process]:
        """What lives in the process group that this process leads, or led: its children outlive a kill -9."""
        leader = _created(self.pid)
        if leader is not None and abs(leader - self.created) >= _CLOCK_TOLERANCE_SECONDS:
            return []  # the number went to somebody else, so our group is gone
        group = [process for process in psutil.process_iter() if _group(process.pid) == self.pid]
        return [process for process in group if not _is_zombie(process)]


def find_by_folder(name: str, binary: str, folder: Path) -> list[ProcessRecord]:
    """Processes that run an engine in a folder, whoever started them; not those that another of them started.

    The last resort when nobody wrote a process down: its parent was killed between starting and recording it.
    """
    found = {
        process.pid: process.info
        for process in psutil.process_iter(["name", "cwd", "create_time", "ppid"])
        if process.info["name"] == binary and process.info["cwd"] == str(folder.resolve())
    }
    return [
        ProcessRecord(name=name, pid=pid, created=info["create_time"], stop_signal=_FINISH_QUICKLY)
        for pid, info in found.items()
        if info["ppid"] not in found
    ]


def stop_in_order(records: Iterable[ProcessRecord], say: Say = quiet) -> None:
    """Stop processes stage by stage, the highest first, side by side within a stage; kill what outlasts its patience.

    Returns when none of them lives any more, nor anything in their process groups.
    """
    together: dict[int, list[ProcessRecord]] = defaultdict(list)
    for record in records:
        together[record.stage].append(record)
    for stage in sorted(together, reverse=True):
        _stop_together(together[stage], say)


def _stop_together(records: list[ProcessRecord], say: Say) -> None:
    for record in records:
        if process := record.process():
            say(f"{record.name}: stopping")
            _send(process, record.stop_signal)
    started = time.monotonic()
    while waiting := [record for record in records if record.is_alive()]:
        for record in waiting:
            if time.monotonic() - started > record.patience_seconds:
                say(f"{record.name}: still there after {record.patience_seconds:.0f} s, killing it")
                _kill_group(record)
        time.sleep(_POLL_SECONDS)
    for record in records:
        _kill_group(record)


def _kill_group(record: ProcessRecord) -> None:
    deadline = time.monotonic() + _DYING_SECONDS
    while (members := record.members()) and time.monotonic() < deadline:
        for process in members:
            _send(process, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)


def _send(process: psutil.Process, number: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):  # it ended by itself in the meantime
        process.send_signal(number)


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _created(pid: int) -> float | None:
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None
