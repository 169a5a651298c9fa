"""What one process in the cage may use, and how its end is told."""

from dataclasses import dataclass
from typing import Final

_MEBIBYTE: Final = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """A budget of memory, time and output for one file.

    Attributes:
        memory_bytes: address space that the process may take beyond what it begins with.
        cpu_seconds: processor time.
        wall_seconds: time until the answer is complete, waiting for a processor included.
        answer_bytes: size of the largest answer.
    """

    memory_bytes: int
    cpu_seconds: int
    wall_seconds: float
    answer_bytes: int

    def __str__(self) -> str:
        """Memory and times, in words for whoever sent the file."""
        return (
            f"{self.memory_bytes // _MEBIBYTE} MiB, {self.cpu_seconds} s of a processor and "
            f"{self.wall_seconds:g} s in all"
        )


class CageError(Exception):
    """A process in the cage ended without an answer."""


class OverBudget(CageError):
    """The file took more than the limits allow, or broke what decodes it: it is to blame, or its size."""


class OverMemory(OverBudget):
    """The file took more memory than the limits allow, and the process could still say so."""


class JobBroken(CageError):
    """The process could not do its work at all: the installation is to blame, not the file."""
