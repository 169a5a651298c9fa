"""No file and no port, by the kernel's Landlock (Linux 5.13 and later): a second lock behind the filter of calls.

Constants are from `linux/landlock.h`; the three calls have the same numbers on all architectures. A rule set without
any rule refuses everything that it handles, and a process under it cannot look into processes outside.
"""

import ctypes
import os
import struct
import sys
from typing import Final

from cage import libc

_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_VERSION_FLAG = 1
# How many rights on files each version knows, in bits from the lowest; networks since 4, scopes since 6.
_FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_NETWORK_RIGHTS, _NETWORK_SINCE = 0b11, 4
_SCOPES, _SCOPES_SINCE = 0b11, 6


def restrict() -> None:
    """Take every right that the kernel's version knows from this process, for good; it needs `no_new_privs`.

    Raises:
        OSError: the kernel has no Landlock, or it is switched off.
    """
    if sys.platform != "linux":
        raise OSError("Linux only")
    version = libc.call("syscall", _CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)
    attributes = struct.pack("Q", (1 << _FILE_RIGHTS[min(version, max(_FILE_RIGHTS))]) - 1)
    if version >= _NETWORK_SINCE:
        attributes += struct.pack("Q", _NETWORK_RIGHTS)
    if version >= _SCOPES_SINCE:
        attributes += struct.pack("Q", _SCOPES)
    rules = libc.call("syscall", _CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    try:
        libc.call("syscall", _RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)
