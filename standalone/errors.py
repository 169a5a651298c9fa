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


def log_tail(log: Path, begins: int, lines: int = 15) -> str:
    """The last lines that one process wrote to its log, indented, for the end of an error message.

    Args:
        log: file in which earlier processes of that name have written, too.
        begins: byte of the file at which this process began to write.
        lines: most lines to show.
    """
    try:
        with log.open("rb") as file:
            file.seek(begins)
            tail = [line.decode(errors="replace").rstrip() for line in deque(file, maxlen=lines)]
    except OSError as error:
        return f"  (no log: {error})"
    if not tail:
        return f"  It wrote nothing to {log}."
    return f"  The end of {log}:\n" + "".join(f"    {line}\n" for line in tail)
