"""Which classes of fits a worker serves: those that it was told to, or what its device suggests.

Asked in the main process of a worker, which listens to a queue for each class, and never imports torch.
"""

import subprocess
import sys
from functools import cache
from pathlib import Path

from store.classes import WorkerClass
from worker.settings import WorkerSettings

# What there is of a GPU that torch can use: NVIDIA's driver, that of Windows' Linux, AMD's. Where nothing is, torch,
# whose import takes seconds, need not be asked.
_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"), Path("/dev/kfd"))
_ASKING = "import sys, torch; sys.exit(not torch.cuda.is_available())"


def classes_served(settings: WorkerSettings) -> tuple[WorkerClass, ...]:
    """Classes of fits that a worker with these settings may take."""
    if settings.classes is not None:
        return settings.classes
    has_gpu = finds_gpu() if settings.device == "auto" else settings.device != "cpu"
    return (WorkerClass.ANY, WorkerClass.GPU if has_gpu else WorkerClass.CPU)


@cache
def finds_gpu() -> bool:
    """Whether torch finds a GPU, without importing it here."""
    if not any(driver.exists() for driver in _DRIVERS):
        return False
    return subprocess.run([sys.executable, "-c", _ASKING], check=False).returncode == 0
