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
# Unrolled loops make the coder a tenth faster, and everything else only larger.
_UNROLLED = ("logistic.c", "mixer.c", "contexts.c", "subbands.c")
_OTHERS = (
    "core.c", "memory.c", "layout.c", "wavelets.c", "sine.c", "network.c", "sums.c", "pixels.c", "splines.c", "grid.c",
    "points.c", "ranges.c", "chunks.c",
)  # fmt: skip
# No library and no entry; -s drops names and paths; wrapping arithmetic, so that no integer is undefined; one memory
# that grows, of which the stack takes the first 64 KiB.
_FLAGS = (
    "--target=wasm32-freestanding", "-std=c11", "-O3", "-msimd128", "-mbulk-memory", "-fwrapv", "-ffreestanding",
    "-nostdlib", "-flto", "-Wall", "-Wextra", "-Werror",
)  # fmt: skip
_LINK = ("-Wl,--no-entry", "-Wl,-z,stack-size=65536", "-s")


def build(target: Path) -> None:
    """Compile all sources into one module.

    Args:
        target: the file to write.

    Raises:
        RuntimeError: if the compiler is missing or refuses the sources; its output is the message.
    """
    with tempfile.TemporaryDirectory() as cache:
        objects = {source: str(Path(cache, source).with_suffix(".o")) for source in _OTHERS + _UNROLLED}
        for source, made in objects.items():
            _compile(cache, *(() if source in _UNROLLED else ("-fno-unroll-loops",)), "-c", source, "-o", made)
        _compile(cache, *_LINK, *objects.values(), "-o", str(target.resolve()))


def _compile(cache: str, *arguments: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "ziglang", "cc", *_FLAGS, *arguments],
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
