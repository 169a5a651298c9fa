"""What reading a small picture in the cage takes a worker: `make bench-reading`, results in build/bench/reading.json.

The same picture is read many times, by a process for each file and by processes that read several of one tenant, by
turns. Counted is the processor time of all processes in the cage, those included that have ended, and of the worker.
"""

import argparse
import json
import os
import sys
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from benchmarks.crops import made_up
from tuner.files import write_whole
from tuner.signal import inspect
from worker.reading import read_caged
from worker.settings import WorkerSettings

_ENDED_SECONDS = 0.3  # until a process that has been ended is counted with its parent


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading")
    parser.add_argument("--readings", type=int, default=300)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("build/bench/reading.json"))
    options = parser.parse_args()
    picture = BytesIO()
    Image.fromarray(made_up(np.random.default_rng(0))).save(picture, "PNG")
    content = picture.getvalue()
    facts = json.loads(b"".join(inspect.run(content, {})))["facts"]
    ways: dict[str, dict[str, Any]] = {
        "a process for each file": {},
        "a process for several": {"tenant": "somebody", "decoded_sha256": facts["decoded_sha256"]},
    }
    report = [
        {"way": name, **_measure(content, options.readings, words)}
        for _ in range(options.turns)
        for name, words in ways.items()
    ]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(options.out, json.dumps(report, indent=1).encode())
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


def _measure(content: bytes, readings: int, words: dict[str, Any]) -> dict[str, float]:
    """Milliseconds of one reading, and the load of the machine."""
    settings = WorkerSettings()
    read_caged(content, settings, **words)  # what reads it is loaded, and begun
    caged, here, wall = _caged_seconds(), time.process_time(), time.monotonic()
    for _ in range(readings):
        read_caged(content, settings, **words)
    here, wall = time.process_time() - here, time.monotonic() - wall
    time.sleep(_ENDED_SECONDS)
    seconds = {"in_the_cage": _caged_seconds() - caged, "in_the_worker": here, "on_the_wall": wall}
    milliseconds = {f"{name}_ms": round(1000 * spent / readings, 2) for name, spent in seconds.items()}
    return milliseconds | {"load": round(os.getloadavg()[0], 1)}


def _caged_seconds() -> float:
    """Processor time of what forks and of all that it has forked."""
    seconds = 0.0
    for nursery in psutil.Process().children():
        times = nursery.cpu_times()
        seconds += times.user + times.system + times.children_user + times.children_system
        for child in nursery.children():
            spent = child.cpu_times()
            seconds += spent.user + spent.system
    return seconds


if __name__ == "__main__":
    main()
