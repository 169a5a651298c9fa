"""What the machine under a process has."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

_LEAST_MEMORY_BYTES: Final = 1 << 30
_CONTROL_GROUPS: Final = Path("/sys/fs/cgroup")


def most_of_the_memory(control_groups: Path = _CONTROL_GROUPS, own: Path = Path("/proc/self/cgroup")) -> int:
    """Three quarters of the memory that this machine has, or that a container leaves to this process, in bytes.

    Args:
        control_groups: folder in which the system shows its control groups (version 2).
        own: file in which the system names the group of this process.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(_LEAST_MEMORY_BYTES, min([memory, *_limits(control_groups, own)]) * 3 // 4)


def _limits(control_groups: Path, own: Path) -> list[int]:
    """Limits of the process's group and of all above it."""
    found = []
    with suppress(OSError, StopIteration):
        named = next(line for line in own.read_text().splitlines() if line.startswith("0::"))
        group = control_groups / named.removeprefix("0::").lstrip("/")
        for folder in (group, *group.parents):
            with suppress(OSError, ValueError):
                found.append(int((folder / "memory.max").read_text()))  # a number, or "max"
            if folder == control_groups:
                break
    return found
