"""What the promises cost and how soon they are kept, in numbers: `make bench-jobs` writes build/bench/jobs.json.

The whole service runs with its default settings and two workers, undisturbed but for what is measured:

- `cancel_seconds`: from the request to the row that says cancelled, which the worker writes when it has let go;
- `kill_to_running_seconds`: from the kill -9 of a worker, all its processes, to the next attempt, and what is repeated;
- `flat`: memory and file handles of api and worker before and after many fits and requests;
- `overhead`: the same fit with and without the protocol at the same time, as the median of their ratios.
"""

import argparse
import json
import os
import platform
import sys
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from signal import SIGKILL
from typing import Any

import httpx
import numpy as np

from store.blobs import sha256_hex
from store.database import Database
from store.models import FitAttempt, FitEvent
from store.repositories.fits import Fits
from tests.chaos.clients import FINAL, Clients, History
from tests.chaos.overhead import overhead
from tests.chaos.stack import WORKERS, Stack, running_stack
from tests.engines import settings_of, throwaway_home
from tuner.signal.image import write_image
from tuner.signal.signal import SampleFormat, Signal

# Nothing but what makes runs comparable: one thread each, and no worker that is replaced while its memory is watched.
SETTINGS = {
    "TUNER_WORKER_DEVICE": "cpu",
    "TUNER_WORKER_THREADS": "1",
    "TUNER_WORKER_FITS_PER_PROCESS": "100000",
}
NETWORK = {"frequencies": 128, "hidden": [64]}
TINY = {"max_steps": 5, "network": {"frequencies": 16, "hidden": [8]}}
ENDLESS = 1_000_000  # steps


def measure(*, cancels: int, kills: int, fits: int, requests: int, pairs: int) -> dict[str, Any]:
    """Returns the report."""
    report: dict[str, Any] = {"machine": machine()}
    with (
        throwaway_home() as home,
        running_stack(home, SETTINGS) as stack,
        closing(Clients(stack.api_url, History())) as clients,
        closing(Database(settings_of(stack.environment))) as database,
    ):
        signal_id = clients.upload(picture())
        report["cancel_seconds"] = [_cancel(clients, signal_id) for _ in range(cancels)]
        report |= _kill(stack, clients, database, signal_id, kills)
        report["flat"] = _flat(stack, clients, fits, requests)
    if pairs:
        report |= overhead(picture(), pairs=pairs)
    return report


def picture() -> bytes:
    """An upload of 96 x 128 in which there is always more to learn."""
    y, x = np.meshgrid(np.linspace(-1, 1, 96), np.linspace(-1, 1, 128), indexing="ij")
    waves = [0.5 + 0.2 * np.sin(9 * k * x + 4 * y) + 0.1 * np.cos(14 * y * k) for k in (1, 2, 3)]
    noise = np.random.default_rng(0).normal(0.0, 0.05, (96, 128, 3))
    values = np.clip(np.stack(waves, axis=-1) + noise, 0.0, 1.0).astype(np.float32)
    return write_image(Signal(values=values, sample_format=SampleFormat.U8))


def machine() -> dict[str, Any]:
    """What it ran on, and how busy that was."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "load_at_start": [round(load, 2) for load in os.getloadavg()],
    }


def _cancel(clients: Clients, signal_id: str) -> float:
    fit_id = clients.ask(signal_id, max_steps=ENDLESS, network=NETWORK)
    _wait_for_step(clients, fit_id, 3)
    began = time.monotonic()
    clients.cancel(fit_id)
    clients.wait_for(fit_id, lambda fit: fit["status"] in FINAL)
    seconds = time.monotonic() - began
    following = clients.wait_for(clients.ask(signal_id, **TINY), lambda fit: fit["status"] in FINAL)
    fit = clients.look(fit_id)
    if (fit["status"], following["status"]) != ("cancelled", "succeeded"):
        raise RuntimeError(f"after a cancel {fit_id} is {fit['status']} and the next fit {following['status']}")
    return round(seconds, 3)


def _kill(stack: Stack, clients: Clients, database: Database, signal_id: str, count: int) -> dict[str, Any]:
    """Of two fits with the same result, side by side, one loses its worker a moment after its first checkpoint."""
    steps = _steps_in(clients, signal_id, seconds=75.0)
    again: list[float] = []
    repeated: list[int] = []
    repeated_seconds: list[float] = []
    equal: list[bool] = []
    for _ in range(count):
        struck, spared = (clients.ask(signal_id, max_steps=steps, network=NETWORK) for _ in range(2))
        kept = _wait_for_event(database, struck, "checkpoint", attempt=1)
        time.sleep(4)
        killed_at = time.time()
        _strike(stack, _attempts(database, struck)[0].worker)
        clients.wait_for(struck, lambda fit: fit["status"] in FINAL, seconds=600)
        clients.wait_for(spared, lambda fit: fit["status"] in FINAL, seconds=600)
        first, second = _attempts(database, struck)[:2]
        last = [event for event in _events(database, struck) if (event.kind, event.attempt) == ("progress", 1)][-1]
        again.append(round(_after(killed_at, second.started_at), 2))
        repeated.append(max(0, last.data["step"] - kept.data["step"]))
        repeated_seconds.append(round((last.created_at - kept.created_at).total_seconds(), 2))
        equal.append(first.ended_as == "lost" and _hash(clients, struck) == _hash(clients, spared))
    return {
        "kill_to_running_seconds": again,
        "steps_of_the_fit": steps,
        "steps_repeated": repeated,
        "seconds_repeated": repeated_seconds,
        "bytes_equal": equal,
    }


def _flat(stack: Stack, clients: Clients, fits: int, requests: int) -> dict[str, Any]:
    """Memory and handles before and after, once everything has been used a few times."""
    signal_id = clients.upload()
    _tiny_fits(clients, signal_id, 10)
    _requests(stack, clients, signal_id, 100)
    before = stack.usage()
    _tiny_fits(clients, signal_id, fits)
    between = stack.usage()
    _requests(stack, clients, signal_id, requests)
    stages = {"before": before, "after_fits": between, "after_requests": stack.usage()}
    return {"fits": fits, "requests": requests} | {
        stage: {name: used._asdict() for name, used in usage.items()} for stage, usage in stages.items()
    }


def _tiny_fits(clients: Clients, signal_id: str, count: int) -> None:
    late = clients.wait_for_all([clients.ask(signal_id, seed=seed, **TINY) for seed in range(count)], 120)
    if late:
        raise RuntimeError(f"{len(late)} of {count} tiny fits did not end")


def _requests(stack: Stack, clients: Clients, signal_id: str, count: int) -> None:
    """A mix of what clients ask for, each on a connection of its own now and then."""
    fit_id = clients.wait_for(clients.ask(signal_id, **TINY), lambda fit: fit["status"] in FINAL)["id"]
    paths = [f"/fits/{fit_id}", "/fits", f"/fits/{fit_id}/events", f"/fits/{fit_id}/representation", "/readyz"]
    for start in range(0, count, 50):
        with httpx.Client(base_url=stack.api_url, timeout=30, trust_env=False) as client:
            for number in range(start, min(start + 50, count)):
                client.get(paths[number % len(paths)]).raise_for_status()


def _steps_in(clients: Clients, signal_id: str, *, seconds: float) -> int:
    """How many steps two fits side by side make in a while."""
    both = [clients.ask(signal_id, max_steps=200, network=NETWORK) for _ in range(2)]
    ended = [clients.wait_for(fit_id, lambda fit: fit["status"] in FINAL) for fit_id in both]
    slowest = max(float(fit["result"]["facts"]["fit_seconds"]) for fit in ended)
    return round(200 * seconds / slowest)


def _strike(stack: Stack, worker: str) -> None:
    """Kill -9 all processes of the worker with this name, host:pid of the one that fits."""
    pid = int(worker.rpartition(":")[2])
    (tree,) = [tree for tree in map(stack.tree, WORKERS) if any(process.pid == pid for process in tree)]
    for process in tree:
        process.send_signal(SIGKILL)


def _wait_for_step(clients: Clients, fit_id: str, step: int) -> None:
    clients.wait_for(fit_id, lambda fit: ((fit["progress"] or {}).get("step") or 0) >= step)


def _wait_for_event(database: Database, fit_id: str, kind: str, *, attempt: int, seconds: float = 300.0) -> FitEvent:
    deadline = time.monotonic() + seconds
    while True:
        for event in _events(database, fit_id):
            if (event.kind, event.attempt) == (kind, attempt):
                return event
        if time.monotonic() > deadline:
            raise TimeoutError(f"{fit_id} had no {kind} within {seconds:g} s")
        time.sleep(0.2)


def _events(database: Database, fit_id: str) -> list[FitEvent]:
    with database.unit_of_work() as session:
        return Fits(session).events(fit_id, limit=100_000)


def _attempts(database: Database, fit_id: str) -> list[FitAttempt]:
    with database.unit_of_work() as session:
        rows = session.query(FitAttempt).filter_by(fit_id=fit_id).order_by(FitAttempt.attempt)
        return list(rows)


def _after(moment: float, later: datetime) -> float:
    return later.timestamp() - moment  # one machine, one clock


def _hash(clients: Clients, fit_id: str) -> str:
    return sha256_hex(clients.download(fit_id))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.measure", description=__doc__)
    parser.add_argument("--cancels", type=int, default=10)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--fits", type=int, default=200)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("build/bench/jobs.json"))
    asked = vars(parser.parse_args())
    out: Path = asked.pop("out")
    text = json.dumps(measure(**asked), indent=2) + "\n"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
