"""Everything that can go wrong with the embedded service, as one tree.

StandaloneError
├── HomeUnusable       the data folder cannot be created, written, entered, or belongs to another version
├── AlreadyRunning     another process runs on this data folder
├── NotRunning         nothing runs on this data folder
├── NoFreePort         no port left on 127.0.0.1, or the one asked for is taken
├── StartFailed        a process did not become ready; its last log lines are in the message
├── CrashLoop          a process was restarted again and again, and ended each time
├── MigrationFailed    the tables could not be brought up to date
└── BackupUnusable     a backup is incomplete, damaged, or has nowhere to go

A message says what came, what was expected and what to do: `tunerd` prints it as it is, without a traceback.
"""

from collections import deque
from pathlib import Path


class StandaloneError(Exception):
    """Base of every error that the embedded service raises on purpose."""


class HomeUnusable(StandaloneError):
    """The data folder cannot be used."""


class AlreadyRunning(StandaloneError):
    """Another process runs on this data folder."""


class NotRunning(StandaloneError):
    """Nothing runs on this data folder."""


class NoFreePort(StandaloneError):
    """No port is left on 127.0.0.1, or the one asked for is taken."""


class StartFailed(StandaloneError):
    """A process did not become ready."""


class CrashLoop(StandaloneError):
    """A process ended again and again, however often it was restarted."""


class MigrationFailed(StandaloneError):
    """The tables could not be brought up to date."""


class BackupUnusable(StandaloneError):
    """A backup is incomplete or damaged, or its folder or the one it is for is not empty."""


def log_tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, indented, for the end of an error message."""
    try:
        with log.open(encoding="utf-8", errors="replace") as file:
            tail = deque(file, maxlen=lines)
    except OSError as error:
        return f"  (no log: {error})"
    return f"  The end of {log}:\n" + "".join(f"    {line.rstrip()}\n" for line in tail)
