"""How quickly the service answers under load: `make load`, results in build/bench/load.json.

A real server on the real engines with their real settings, on loopback. The load comes from a process of its own
(`benchmarks.load_client`), which costs little. First a worker with nothing else to do shows how soon a fit starts;
then, without a worker, the api alone is put under load, in the phases that the report names.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from standalone.home import Home
from standalone.stack import stack
from tests.factories import picture_png

PHASES = ("post_fits", "get_status_200", "get_status_304", "downloads", "listeners", "mixed")


def main() -> None:
    """Run all phases and write the report."""
    options = _options()
    plan: dict[str, Any] = vars(options) | {"picture": picture_png().hex()}
    out = plan.pop("out")
    report: dict[str, Any] = {"machine": _machine(), "plan": {name: plan[name] for name in plan if name != "picture"}}
    with tempfile.TemporaryDirectory(prefix="tuner-load-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL may run under an account of its own
        home = Home(Path(folder) / "home")
        if options.fits:
            with stack(home) as running:
                report |= _client(running.api_url, plan | {"phases": ["first_step"]})
            plan["done"] = report["first_step"].pop("done")
        with stack(home, with_worker=False) as running:
            report |= _client(
                running.api_url, plan | {"phases": [p for p in PHASES if options.fits or p in PHASES[:3]]}
            )
    out.mkdir(parents=True, exist_ok=True)
    (out / "load.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))  # noqa: T201


def _client(url: str | None, plan: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.load_client", str(url), json.dumps(plan)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _machine() -> dict[str, Any]:
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
    return parser.parse_args()


if __name__ == "__main__":
    main()
