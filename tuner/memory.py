"""How much memory there is: what the machine has to give, and what this process may still take of it."""

import os
import sys
from contextlib import suppress
from pathlib import Path

_OF_THE_MACHINE, _OF_THIS_PROCESS = Path("/proc/meminfo"), Path("/proc/self/status")


def free_bytes() -> int:
    """Memory in bytes that this process may take now, beyond what it holds.

    A process that is held to a budget by the system (`RLIMIT_DATA`, as a worker is) must not plan with what the rest of
    the machine has free: it would be ended for memory that it could have done without.
    """
    room = _room_bytes()
    return _available_bytes() if room is None else min(_available_bytes(), room)


def data_bytes() -> int | None:
    """Private writable memory of this process in bytes, as the system counts it against the limit; None if unknown."""
    return _entry(_OF_THIS_PROCESS, "VmData") if sys.platform == "linux" else None


def _available_bytes() -> int:
    """What the machine can give: what is free, and what holds copies of files and is given up when it is asked for."""
    if (available := _entry(_OF_THE_MACHINE, "MemAvailable")) is not None:
        return available
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):  # not every system says
        return 2**32


def _entry(path: Path, name: str) -> int | None:
    """A number of bytes out of a file of Linux with a name and kibibytes in each line; None if it does not say."""
    with suppress(OSError):
        for line in path.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) << 10
    return None


def _room_bytes() -> int | None:
    """What is left under the system's limit for this process; None if there is none."""
    held = data_bytes()
    if held is None:
        return None
    import resource  # not on Windows, where nothing gets here

    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return None if limit == resource.RLIM_INFINITY else max(0, limit - held)
