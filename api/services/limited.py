"""Run a Python module in this process after giving up most of what a process may use.

    python -m api.services.limited MEMORY_BYTES CPU_SECONDS OUTPUT_BYTES MODULE [ARGUMENT ...]

Files that strangers upload are decoded in here (see `inspection.py`). The limits are set before the module, and the
decoders it brings, are imported. Done by the child itself, because code between fork and exec is not safe in a parent
with threads.
"""

import runpy
import sys


def main() -> None:
    memory, cpu, output = map(int, sys.argv[1:4])
    if sys.platform not in {"darwin", "win32"}:  # macOS refuses RLIMIT_AS, Windows has no such limits
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (output, output))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.argv = sys.argv[4:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
