"""Libraries that only some kinds of signals need: imported when such a file is met, named when they are missing."""

from importlib import import_module
from typing import Any

from tuner.errors import UnsupportedFormat


def require(module: str, extra: str) -> Any:
    """Import a library of an extra.

    Args:
        module: name of the module to import.
        extra: name of the extra of this project that installs the library.

    Returns:
        The module.

    Raises:
        UnsupportedFormat: if it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise UnsupportedFormat(
            f"this kind of file needs {module.partition('.')[0]}, which is not installed: "
            f"pip install 'tuner-neural[{extra}]'"
        ) from error
