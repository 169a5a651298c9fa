"""`python -m worker.startable`: end with a message where workers would not start with this environment and device.

For whoever would start engines first; what the store is told is looked at by `api.startable`. Upkeep and what draws
views read the same settings as the worker of fits.
"""

import subprocess
import sys

from store.refusal import complaints, refuse
from worker.settings import WorkerSettings


def main() -> None:
    """Look at the environment.

    Raises:
        SystemExit: if a setting is malformed, or the device is none that fits can run on.
    """
    refuse("worker", complaints(WorkerSettings))
    if (code := device_refuses(WorkerSettings())) != 0:
        raise SystemExit(code)


def device_refuses(settings: WorkerSettings) -> int:
    """Status of a process that asks torch for the device, and says what is wrong with it; 0 where nothing is.

    Args:
        settings: settings of the worker; only a GPU that they ask for has to be looked for.
    """
    if not settings.device.startswith("cuda"):
        return 0
    return subprocess.run([sys.executable, "-m", "worker.device"], check=False).returncode


if __name__ == "__main__":
    main()
