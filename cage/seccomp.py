"""A filter of system calls for a process that only computes (seccomp, Linux).

What is not listed is answered with EPERM: no file can be opened, no socket made, no process started, nothing executed,
traced or signalled. A list of what is allowed rather than of what is not: calls that a later kernel brings are refused,
too. Numbers are from the kernel's `asm/unistd_64.h` (x86-64) and `asm-generic/unistd.h` (arm64), the instructions from
`linux/bpf_common.h`, the rest from `linux/seccomp.h` and `linux/audit.h`. Written here because the bindings of
libseccomp need that library installed on the machine.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Mapping
from functools import cache
from typing import Final

from cage import libc

# Name: number on x86-64, number on arm64.
ALLOWED: Final[Mapping[str, tuple[int | None, int | None]]] = {
    # The file and the answer, which are open already.
    "read": (0, 63),
    "readv": (19, 65),
    "pread64": (17, 67),
    "write": (1, 64),
    "writev": (20, 66),
    "lseek": (8, 62),
    "fstat": (5, 80),
    "close": (3, 57),
    # Memory, executable too: the bindings of libsndfile make functions while they run.
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "brk": (12, 214),
    # One thread with itself.
    "futex": (202, 98),
    "set_robust_list": (273, 99),
    "rseq": (334, 293),
    "membarrier": (324, 283),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "exit": (60, 93),
    "exit_group": (231, 94),
    # What time it is, who one is, what one has used.
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "getrandom": (318, 278),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "getrusage": (98, 165),
    "times": (100, 153),
}
# Allowed if it makes a thread, and no process: the first argument has CLONE_THREAD. Decoders of videos insist on some.
ONLY_THREADS: Final[Mapping[str, tuple[int, int]]] = {"clone": (56, 220)}
# As if the kernel were too old, so that the C library makes its threads with the call above, whose flags can be seen.
UNKNOWN: Final[Mapping[str, tuple[int, int]]] = {"clone3": (435, 435)}
# Allowed on oneself, which is how `abort` ends: the first argument is the own process.
ON_ONESELF: Final[Mapping[str, tuple[int, int]]] = {"tgkill": (234, 131)}
# Allowed to ask for one's own limits, as the decoder of wavelets does, and not to set any, or anybody else's: the first
# argument (a process) and the third (new limits) are zero.
ONLY_ASKING: Final[Mapping[str, tuple[int, int]]] = {"prlimit64": (302, 261)}

_ARCHITECTURES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column above, AUDIT_ARCH_*

_LOAD, _EQUALS, _HAS_BITS, _RETURN = 0x20, 0x15, 0x45, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_JMP|JSET|K, BPF_RET|K
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data; arguments have 8 bytes each
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000  # SECCOMP_RET_*
_CLONE_THREAD = 0x10000  # linux/sched.h
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, operand
_INSTRUCTION_BYTES, _OPERAND_BYTES = 8, 4  # the operand comes last


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def thinking_only() -> bytes | None:
    """The filter for this process on this machine; None where the numbers are not known."""
    halves = thinking_halves()
    return None if halves is None else os.getpid().to_bytes(4, sys.byteorder).join(halves)


@cache
def thinking_halves() -> tuple[bytes, ...] | None:
    """That filter around the number of the process that it is for, made once for all processes that are forked."""
    if sys.platform != "linux" or platform.machine() not in _ARCHITECTURES:
        return None
    column, architecture = _ARCHITECTURES[platform.machine()]
    refused = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
    allowed = (_RETURN, 0, 0, _ALLOW)
    program: list[Instruction] = _begin(architecture)
    for numbers in ALLOWED.values():
        number = numbers[column]
        if number is not None:
            program += [(_EQUALS, 0, 1, number), allowed]
    first = (_LOAD, 0, 0, _ARGUMENTS)
    for pair in ONLY_THREADS.values():
        program += [(_EQUALS, 0, 4, pair[column]), first, (_HAS_BITS, 0, 1, _CLONE_THREAD), allowed, refused]
    for pair in UNKNOWN.values():
        program += [(_EQUALS, 0, 1, pair[column]), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    third, third_high = (_LOAD, 0, 0, _ARGUMENTS + 16), (_LOAD, 0, 0, _ARGUMENTS + 20)
    for pair in ONLY_ASKING.values():
        program += [(_EQUALS, 0, 8, pair[column]), first, (_EQUALS, 0, 5, 0), third, (_EQUALS, 0, 3, 0)]
        program += [third_high, (_EQUALS, 0, 1, 0), allowed, refused]
    halves = [_packed(program)]
    for pair in ON_ONESELF.values():
        oneself = _packed([(_EQUALS, 0, 4, pair[column]), first, (_EQUALS, 0, 1, 0)])
        halves[-1] += oneself[:-_OPERAND_BYTES]
        halves.append(_packed([allowed, refused]))
    halves[-1] += _packed([refused])
    return tuple(halves)


def without(numbers: Mapping[str, tuple[int, int]], answer: int = errno.ENOSYS) -> bytes:
    """A filter under which the kernel seems to lack some calls, and has all others: what an older one looks like.

    Args:
        numbers: of the calls, on x86-64 and on arm64.
        answer: the error that they are answered with.
    """
    column, architecture = _ARCHITECTURES[platform.machine()]
    program: list[Instruction] = _begin(architecture)
    for pair in numbers.values():
        program += [(_EQUALS, 0, 1, pair[column]), (_RETURN, 0, 0, _ERRNO | answer)]
    return _packed([*program, (_RETURN, 0, 0, _ALLOW)])


def install(program: bytes) -> None:
    """Put a filter on this thread, for good; it needs `no_new_privs` or an administrator.

    Raises:
        OSError: the kernel has no filters, or refuses this one.
    """
    held = ctypes.create_string_buffer(program, len(program))
    given = _Program(len(program) // _INSTRUCTION_BYTES, ctypes.addressof(held))
    libc.call("prctl", _PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), ctypes.byref(given), 0, 0)


def _packed(program: list[Instruction]) -> bytes:
    """Instructions as the kernel reads them, `struct sock_filter`."""
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _begin(architecture: int) -> list[Instruction]:
    """Load the number of the call; one by another convention (32 bits) would mean something else."""
    return [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUALS, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
