"""How quickly the service answers under load: `make load`, results in build/bench/load.json.

A real server on the real engines with their real settings, on loopback. The load comes from a process of its own
(`benchmarks.load_client`), which costs little. First a worker with nothing else to do shows how soon a fit starts;
then, without a worker, the api alone is put under load, in the phases that the report names.
"""

import argparse
import io
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from standalone.home import Home
from standalone.stack import stack
from tests.factories import picture_png

PHASES = ("post_fits", "post_signals", "get_status_200", "get_status_304", "downloads", "listeners", "mixed")


def main() -> None:
    """Run all phases and write the report."""
    options = _options()
    plan: dict[str, Any] = vars(options) | {"picture": picture_png().hex(), "pictures": _pictures(options.pictures)}
    out, wanted = plan.pop("out"), plan.pop("phase") or PHASES
    told = {name: plan[name] for name in plan if name not in {"picture", "pictures"}}
    report: dict[str, Any] = {"machine": machine(), "plan": told}
    with tempfile.TemporaryDirectory(prefix="tuner-load-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL may run under an account of its own
        home = Home(Path(folder) / "home")
        if options.fits:
            with stack(home) as running:
                report |= _client(running.api_url, plan | {"phases": ["first_step"]})
            plan["done"] = report["first_step"].pop("done")
        if options.starts:
            report |= _starts(home, options.starts)
        possible = [name for name in PHASES if options.fits or name in PHASES[:4]]
        with stack(home, with_worker=False) as running:
            report |= _client(running.api_url, plan | {"phases": [name for name in possible if name in wanted]})
    out.mkdir(parents=True, exist_ok=True)
    (out / "load.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))  # noqa: T201


def _starts(home: Home, count: int) -> dict[str, Any]:
    """Seconds from a command to a service that says that it is ready, and what each of its processes then holds."""
    seconds: list[float] = []
    held: dict[str, float] = {}
    for _ in range(count):
        started = time.monotonic()
        with stack(home) as running:
            while not _is_ready(running.api_url):
                time.sleep(0.1)
            seconds.append(round(time.monotonic() - started, 1))
            time.sleep(5)  # what imports at first, the worker and the nurseries, is there then
            for record in running.records():
                first = psutil.Process(record.pid)
                for process in [first, *first.children(recursive=True)]:
                    name = record.name if process == first else f"{record.name}, below it"
                    held[name] = held.get(name, 0.0) + process.memory_info().rss / 2**20 / count
    return {"seconds_to_ready": seconds, "resident_mebibytes": {name: round(held[name], 1) for name in sorted(held)}}


def _is_ready(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:  # noqa: S310
        return bool(answer.status == 200)
    return False


def _pictures(count: int) -> list[str]:
    """Different pictures of 64 x 64, as PNG in hexadecimal."""
    files: list[str] = []
    for seed in range(count):
        values = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(values).save(file, "PNG")
        files.append(file.getvalue().hex())
    return files


def _client(url: str | None, plan: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.load_client", str(url)]
    done = subprocess.run(command, input=json.dumps(plan).encode(), stdout=subprocess.PIPE, check=True)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def machine() -> dict[str, Any]:
    """What it ran on, and how busy that was."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--rate", type=int, default=50, help="requests per second of the open loops")
    parser.add_argument("--seconds", type=float, default=30.0, help="of POST /fits")
    parser.add_argument("--listeners", type=int, default=200, help="event streams at the same time")
    parser.add_argument("--mixed", type=int, default=10_000, help="requests of the mixture")
    parser.add_argument("--fits", type=int, default=20, help="fits for an idle worker; 0 for the first phases only")
    parser.add_argument("--pictures", type=int, default=30, help="pictures of 64 x 64 that are uploaded in turn")
    parser.add_argument("--starts", type=int, default=1, help="how often the whole service is started to be measured")
    parser.add_argument("--phase", action="append", choices=PHASES, help="a phase; all if left out")
    return parser.parse_args()


if __name__ == "__main__":
    main()
