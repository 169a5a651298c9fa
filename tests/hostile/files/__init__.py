"""Files of every format that is read, each of which attacks whoever reads it, with the answer that it must get.

All of them are made here, from small honest files or from nothing. Sizes are chosen so that a reader without limits
would take far more than two seconds or 512 MiB. A code of None stands for files that are only odd, and are read.
"""

from importlib import import_module

from tests.hostile.files.kinds import FILES, OVER_BUDGET, HostileFile

_MODULES = "cut png jpeg tiff arrays nifti sounds videos meshes strangers compressed"
for _module in _MODULES.split():
    import_module(f"{__name__}.{_module}")  # which adds its files

NAMES = [file.name for file in FILES]

__all__ = ["FILES", "NAMES", "OVER_BUDGET", "HostileFile"]
