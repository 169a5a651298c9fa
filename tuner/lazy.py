"""Public names of a package that are imported when they are first used (PEP 562).

Reading a representation must not import torch, yet the packages offer every public name in one place.
"""

from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """A module-level `__getattr__` that finds public names in their modules.

    Args:
        package: `__name__` of the package.
        homes: module of each public name.

    Returns:
        A function from a name to what it names; raises AttributeError for any other name.
    """

    def find(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return find
