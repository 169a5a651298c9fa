"""Calls of the C library that Python has no name for.

They are looked up when this is imported: a look-up by `ctypes` makes a new type, and a process that was forked pays for
each page that it writes on.
"""

import ctypes
import errno
import os
from typing import Any, Final

_NAMES: Final = ("prctl", "unshare", "capset", "syscall")
_LIBRARY: Final = ctypes.CDLL(None, use_errno=True)
_FUNCTIONS: Final = {name: getattr(_LIBRARY, name) for name in _NAMES if hasattr(_LIBRARY, name)}


def call(name: str, *arguments: Any) -> int:
    """Call one of the functions, whose answer below 0 means that it failed.

    Args:
        name: name of the function.
        arguments: what it is given; integers have 32 bits unless they say otherwise.

    Raises:
        OSError: it failed, or this system has no such function.
    """
    function = _FUNCTIONS.get(name)
    if function is None:
        raise OSError(errno.ENOSYS, f"{name}: {os.strerror(errno.ENOSYS)}")
    result: int = function(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result
