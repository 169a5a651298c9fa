"""Time and memory of a fit against the size of its signal, each size in a process of its own, which does nothing else.

    python -m benchmarks.scale_sizes --here picture:0.25

Pictures are mosaics of squares whose spectrum falls as that of photographs does, sounds are plucked strings and noise;
both are files that are memory-mapped, so that a large signal is not held before anybody asks for it. Memory is counted
as a worker's budget counts it (`worker.memory`): private and writable, beyond what the process holds before the fit.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np

from benchmarks.cells import Cells
from benchmarks.crops import made_up

SQUARE = 1024  # side of a square of the mosaic
RATE = 44_100  # samples of sound a second
PSNR_DB = {"picture": 30.0, "sound": 40.0}
PICTURES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)  # megapixels
SOUNDS = (1.0, 3.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)  # seconds


def cases(most_megapixels: float, most_seconds: float) -> list[str]:
    """Names of what is to be measured, the quickest of each kind first."""
    pictures = [f"picture:{size:g}" for size in PICTURES if size <= most_megapixels]
    return pictures + [f"sound:{size:g}" for size in SOUNDS if size <= most_seconds]


def measure_all(folder: Path, wanted: list[str]) -> list[dict[str, Any]]:
    """Measure what has not been measured yet, and return all that has.

    Args:
        folder: folder in which the results are kept.
        wanted: names of cases.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cells = Cells(folder)
    there = {row["case"] for row in cells.rows()}
    for case in wanted:
        if case not in there:
            command = [sys.executable, "-m", "benchmarks.scale_sizes", "--here", case]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
            if done.returncode:
                # Most likely killed for memory: what is larger would be, too; the next run tries it again.
                print(f"{case} ended with {done.returncode}", flush=True)  # noqa: T201
                continue
            cells.add(json.loads(done.stdout))
    return cells.rows()


def _write(case: str, path: Path) -> None:
    kind, size = case.split(":")
    random = np.random.default_rng(7)
    if kind == "sound":
        _write_sound(path, round(float(size) * RATE), random)
        return
    side = round((float(size) * 2**20) ** 0.5)
    picture = np.lib.format.open_memmap(path, "w+", np.uint8, (side, side, 3))
    for top in range(0, side, SQUARE):
        for left in range(0, side, SQUARE):
            height, width = min(SQUARE, side - top), min(SQUARE, side - left)
            picture[top : top + height, left : left + width] = made_up(random, SQUARE)[:height, :width]
    picture.flush()


def _write_sound(path: Path, length: int, random: np.random.Generator) -> None:
    sound = np.lib.format.open_memmap(path, "w+", np.int16, (length,))
    for first in range(0, length, RATE // 4):
        count = min(RATE // 4, length - first)
        t = np.arange(count) / RATE
        pitch = 110.0 * 2.0 ** (random.integers(0, 36) / 12.0)
        string = sum(np.sin(2 * np.pi * n * pitch * t) / n**2 for n in (1, 2, 3, 4))
        noise = random.normal(size=count)
        values = 0.5 * np.exp(-6.0 * t) * string + 0.002 * noise
        sound[first : first + count] = np.clip(32767 * values, -32768, 32767).astype(np.int16)
    sound.flush()


def measure(case: str) -> dict[str, Any]:
    """One size, in this process, with one thread.

    Args:
        case: kind and size of the signal, as `cases` names them.
    """
    import torch

    from tuner import represent
    from worker.memory import data_bytes

    torch.set_num_threads(1)
    kind, size = case.split(":")
    # What a first fit loads and keeps is held by every worker that has run one.
    represent(made_up(np.random.default_rng(0), 64), psnr_db=30.0, effort="fast", progress=False)
    with _signal(case) as values:
        held = peak = data_bytes() or 0
        done = Event()

        def watch() -> None:
            nonlocal peak
            while not done.wait(0.01):
                peak = max(peak, data_bytes() or 0)

        watcher = Thread(target=watch, daemon=True)
        watcher.start()
        wall, processor = time.monotonic(), time.process_time()
        result = represent(
            values,
            psnr_db=PSNR_DB[kind],
            effort="fast",
            progress=False,
            sample_rate=RATE if kind == "sound" else None,
        )
        wall, processor = time.monotonic() - wall, time.process_time() - processor
        done.set()
        watcher.join()
    return {
        "case": case,
        "kind": kind,
        "size": float(size),
        "values": int(values.size),
        "processor_seconds": round(processor, 2),
        "wall_seconds": round(wall, 2),
        "peak_mebibytes": round((peak - held) / 2**20, 1),
        "most_resident_mebibytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10, 1),
        "bytes": len(result.content),
        "psnr_db": round(float(result.psnr_db), 3),
    }


@contextmanager
def _signal(case: str) -> Iterator[np.ndarray[Any, Any]]:
    """A file with the signal, written by another process, so that its memory is not this one's."""
    with tempfile.TemporaryDirectory(prefix="tuner-scale-") as folder:
        path = Path(folder) / "signal.npy"
        subprocess.run([sys.executable, "-m", "benchmarks.scale_sizes", "--write", case, str(path)], check=True)
        yield np.load(path, mmap_mode="r")


def main() -> None:
    """One case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--here", help="case to measure in this process")
    parser.add_argument("--write", nargs=2, metavar=("CASE", "FILE"), help="write the signal of a case")
    options = parser.parse_args()
    if options.write:
        _write(options.write[0], Path(options.write[1]))
    else:
        print(json.dumps(measure(options.here)))  # noqa: T201


if __name__ == "__main__":
    main()
