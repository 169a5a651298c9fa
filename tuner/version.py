"""Which release of the library this is, as its installation says; a module of its own, since asking takes a while."""

from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "tuner-neural"  # its name for pip; `tuner` is another project's there

try:
    __version__ = version(DISTRIBUTION)
except PackageNotFoundError:
    __version__ = "0+not.installed"  # a checkout that is only on the import path
