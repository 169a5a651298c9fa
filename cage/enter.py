"""Give up everything but thinking and answering: the steps, in the order in which the kernel takes them.

They are taken by the process itself, after it has imported what it needs and before it reads the first byte of the
file: code between fork and exec is not safe in a parent with threads, and a wrapper would have to leave open what the
imports need. Each step that a system does not have is left out and named, and the others are still taken.
"""

import ctypes
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from cage import landlock, libc, seccomp
from cage.limits import Limits

if sys.platform != "win32":
    import resource

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38  # linux/prctl.h
_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000  # linux/sched.h
_CAPABILITY_VERSION = 0x20080522  # linux/capability.h, version 3
_SIGKILL = 9
_MOST_THREADS = 256  # of all processes in cages together


def enter(limits: Limits, keep: tuple[int, ...], number: int, *, has_network: bool = True) -> list[str]:
    """Lock this process in, for good. It must have one thread.

    Args:
        limits: what it may use from now on.
        keep: descriptors that stay open, above 2.
        number: of the user that it becomes, if it is root.
        has_network: whether it is still to leave the network of whoever started it.

    Returns:
        What this system does not have, in words; empty where the cage is whole.
    """
    _close_all_but(keep)
    begun_with = _address_space()
    missing: list[str] = []
    steps: list[tuple[str, Callable[[], None]]] = [
        ("another user", lambda: _become(number)),
        # Behind it, since in a namespace of users root could not become anybody else.
        *([("a network of its own without any interface", leave_network)] if has_network else []),
        ("a process that no other may look into", lambda: hide_process(die_with_parent=True)),
        ("no new privileges", lambda: _prctl(_PR_SET_NO_NEW_PRIVS, 1)),
        ("files and ports closed by Landlock", landlock.restrict),
        # After the last step that opens a descriptor, as none may be opened from here on.
        ("limits of memory and time", lambda: _limit(limits, begun_with)),
        ("system calls filtered by seccomp", _filter),
    ]
    for name, step in steps:
        try:
            step()
        except (OSError, ValueError) as error:
            missing.append(f"{name} ({error})")
    return missing


def hide_process(*, die_with_parent: bool = False) -> None:
    """Close memory and environment of this process to others of the same user, and leave no core file.

    Args:
        die_with_parent: end when the thread ends that started this process.

    Raises:
        OSError: the system has no such thing.
    """
    _prctl(_PR_SET_DUMPABLE, 0)
    if die_with_parent:
        _prctl(_PR_SET_PDEATHSIG, _SIGKILL)


def leave_network() -> None:
    """Have a network without any interface from now on, and nothing in common with others in memory or messages.

    Raises:
        OSError: the system has no such thing, or does not let this process have it.
    """
    if sys.platform != "linux":
        raise OSError("Linux only")
    try:
        libc.call("unshare", _CLONE_NEWNET | _CLONE_NEWIPC)
    except OSError:
        if os.geteuid() == 0:
            raise  # whoever it becomes may have a namespace of users, in which nobody can become anybody
        libc.call("unshare", _CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC)
        # Whoever makes a namespace of users is its administrator: not this one.
        header, nothing = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
        libc.call("capset", header, nothing)


def _close_all_but(keep: tuple[int, ...]) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    last = 2
    for descriptor in (*sorted(keep), 1 << 20):
        os.closerange(last + 1, descriptor)
        last = descriptor


def _limit(limits: Limits, begun_with: int) -> None:
    for what, most in (
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        # Nobody may raise a limit again, so one that is already lower stays.
        with suppress(ValueError):
            resource.setrlimit(what, (most, most))
    if sys.platform != "linux":
        raise OSError("no limit of memory here")
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes + begun_with,) * 2)


def _address_space() -> int:
    """Bytes that this process has mapped, most of them shared with the one that it was forked from."""
    try:
        told = os.open("/proc/self/statm", os.O_RDONLY)
    except OSError:
        return 0
    pages = os.read(told, 256).split()[0]
    os.close(told)
    return int(pages) * resource.getpagesize()


def _become(number: int) -> None:
    if os.geteuid() != 0:
        return
    # For anybody else the limit would count what the user runs elsewhere.
    resource.setrlimit(resource.RLIMIT_NPROC, (_MOST_THREADS, _MOST_THREADS))
    os.setgroups([])
    os.setgid(number)
    os.setuid(number)  # for root the real, the effective and the saved one; all capabilities go with them


def _filter() -> None:
    program = seccomp.thinking_only()
    if program is None:
        raise OSError("no list of calls for this machine")
    seccomp.install(program)


def _prctl(option: int, value: int) -> None:
    if sys.platform != "linux":
        raise OSError("Linux only")
    libc.call("prctl", option, ctypes.c_ulong(value), 0, 0, 0)
