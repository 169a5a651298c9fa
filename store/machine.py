"""What the machine under a process has."""

import os
from typing import Final

_LEAST_MEMORY_BYTES: Final = 1 << 30


def most_of_the_memory() -> int:
    """Three quarters of the memory that this machine has, in bytes."""
    return max(_LEAST_MEMORY_BYTES, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 3 // 4)
