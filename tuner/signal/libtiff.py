"""What libtiff, inside Pillow, would print on standard error: nothing, since every error is raised as well."""

import ctypes
from contextlib import suppress
from functools import cache
from importlib import import_module


@cache
def quiet_libtiff() -> None:
    """Take the printing handlers from the libtiff that Pillow has loaded; where it cannot be found, let it print."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(import_module("PIL._imaging").__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            handler = getattr(library, name)
            handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            handler(None)
