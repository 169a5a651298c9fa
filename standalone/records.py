"""Processes as they are written down: how to recognise one that is not our child, and how to stop a set in order.

A pid alone proves nothing, since the kernel gives it to somebody else later; a pid with the time of its creation names
one process. The parent, the guard and the next start all stop processes through `stop_in_order`.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import psutil

_POLL_SECONDS = 0.05
_CLOCK_TOLERANCE_SECONDS = 1.0  # the creation time is derived from a clock that may be corrected


Say = Callable[[str], None]  # told each line of progress


def quiet(line: str) -> None:
    """The `Say` of those who do not want to hear."""


@dataclass(frozen=True, kw_only=True)
class ProcessRecord:
    """One process, and how it wants to be stopped.

    Attributes:
        stage: processes of a higher stage lean on those of a lower one and stop first.
        stop_signal: what asks it to finish.
        patience_seconds: how long it may take until it is killed.
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
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
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
        return [process for process in psutil.process_iter() if _group(process.pid) == self.pid]


def stop_in_order(records: Iterable[ProcessRecord], say: Say = quiet) -> None:
    """Stop processes stage by stage, the highest first, side by side within a stage; kill what outlasts its patience.

    Returns when none of them lives any more, nor anything in their process groups.
    """
    waiting = list(records)
    for stage in sorted({record.stage for record in waiting}, reverse=True):
        _stop_together([record for record in waiting if record.stage == stage], say)


def _stop_together(records: list[ProcessRecord], say: Say) -> None:
    for record in records:
        if process := record.process():
            say(f"{record.name}: stopping")
            _send(process, record.stop_signal)
    started = time.monotonic()
    waiting = records
    while waiting:
        late = time.monotonic() - started
        for record in waiting:
            if record.is_alive() and late > record.patience_seconds:
                say(f"{record.name}: still there after {record.patience_seconds:.0f} s, killing it")
                _kill_group(record)
                waiting = [other for other in waiting if other is not record]
        for record in [record for record in waiting if not record.is_alive()]:
            _kill_group(record)
            waiting = [other for other in waiting if other is not record]
        time.sleep(_POLL_SECONDS if waiting else 0.0)


def _kill_group(record: ProcessRecord) -> None:
    for process in record.members():
        _send(process, signal.SIGKILL)


def _send(process: psutil.Process, number: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):  # it ended by itself in the meantime
        process.send_signal(number)


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _created(pid: int) -> float | None:
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None
