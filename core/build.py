"""Compile the core: the same sources and the same compiler give the same bytes on every machine.

Run as `python -m core.build`; needs the extra `build`, which pins the compiler.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent
MODULE = FOLDER.parent / "tuner/core/core.wasm"
_SOURCES = (
    "core.c", "memory.c", "logistic.c", "mixer.c", "layout.c", "contexts.c", "subbands.c", "wavelets.c", "sine.c",
    "network.c", "sums.c", "pixels.c", "splines.c", "grid.c", "points.c", "ranges.c",
    "chunks.c",
)  # fmt: skip
# No library and no entry; -s drops names and paths; wrapping arithmetic, so that no integer is undefined; one memory
# that grows, of which the stack takes the first 64 KiB.
_FLAGS = (
    "--target=wasm32-freestanding", "-std=c11", "-O3", "-msimd128", "-mbulk-memory", "-fwrapv", "-ffreestanding",
    "-nostdlib", "-flto", "-Wall", "-Wextra", "-Werror", "-Wl,--no-entry", "-Wl,-z,stack-size=65536", "-s",
)  # fmt: skip


def build(target: Path) -> None:
    """Compile all sources into one module.

    Args:
        target: the file to write.

    Raises:
        RuntimeError: if the compiler is missing or refuses the sources; its output is the message.
    """
    with tempfile.TemporaryDirectory() as cache:
        result = subprocess.run(
            [sys.executable, "-m", "ziglang", "cc", *_FLAGS, *_SOURCES, "-o", str(target.resolve())],
            cwd=FOLDER,
            env={**os.environ, "ZIG_LOCAL_CACHE_DIR": cache, "SOURCE_DATE_EPOCH": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
    if result.returncode:
        raise RuntimeError(f"the core does not compile; is the extra `build` installed?\n{result.stderr}")


if __name__ == "__main__":
    build(MODULE)
    sys.stdout.write(f"{MODULE}: {MODULE.stat().st_size} bytes\n")
