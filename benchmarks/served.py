"""A service that is measured through HTTP: its workers, its requests, and what its processes have taken so far."""

import io
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
from PIL import Image

from benchmarks.crops import Picture
from standalone.supervise import Supervisor

AT_ONCE = 100  # fits that one request may ask for
FINAL = {"succeeded", "failed", "cancelled", "expired"}


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A service that another program runs.

    Attributes:
        api_url: address of its api.
        processes: name and id of each of its processes.
    """

    api_url: str
    processes: list[tuple[str, int]]


@contextmanager
def served_from(checkout: Path) -> Iterator[Elsewhere]:
    """Run the service of a checkout, with two workers of one thread each.

    Args:
        checkout: folder of the checkout, this one or an earlier one that the installed packages suit.
    """
    program = subprocess.Popen(
        [sys.executable, "-P", str(Path(__file__).with_name("serve.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
    )
    assert program.stdout is not None  # noqa: S101  it was asked for
    with program:
        told = json.loads(program.stdout.readline())
        yield Elsewhere(told["api_url"], [(name, pid) for name, pid in told["processes"]])
        program.communicate()


def processor_seconds(running: Supervisor | Elsewhere) -> dict[str, float]:
    """Seconds that each process and all below it have taken so far, those that have ended included."""
    if isinstance(running, Elsewhere):
        named = running.processes
    else:
        named = [(record.name, record.pid) for record in running.records()]
    found: dict[str, float] = {}
    for number, pid in named:
        first = psutil.Process(pid)
        name = re.sub(r"-\d+$", "", number)
        for process in [first, *first.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                mine = times.user + times.system + times.children_user + times.children_system
                found[name] = found.get(name, 0.0) + mine
    return found


def upload(http: httpx.Client, picture: Picture) -> str:
    """Send a picture, and return the id of the signal."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    answer = http.post("/signals?filename=small.png", content=file.getvalue(), headers={"Content-Type": "image/png"})
    signal_id: str = answer.raise_for_status().json()["id"]
    return signal_id


def submit(http: httpx.Client, signals: list[str], ask: dict[str, Any]) -> list[str]:
    """Ask for a fit of each signal, many with one request, and return their ids."""
    found: list[str] = []
    for first in range(0, len(signals), AT_ONCE):
        fits = [{"signal_id": signal_id, **ask} for signal_id in signals[first : first + AT_ONCE]]
        answer = http.post("/fits/batch", json={"fits": fits}).raise_for_status()
        found += [fit["id"] for fit in answer.json()["data"]]
    return found


def wait_for(http: httpx.Client, fit_ids: list[str], seconds: float = 1800.0) -> None:
    """Until the last one has ended; asked seldom, and for all of them at once, so that the asking costs little.

    Args:
        http: client of the api.
        fit_ids: ids of the fits, of which the client has no others that wait or run.
        seconds: time in seconds after which it is given up.

    Raises:
        TimeoutError: if some have not ended by then.
    """
    deadline, going = time.monotonic() + seconds, {"status": ["queued", "running", "cancelling"], "limit": 1}
    while True:
        with suppress(httpx.TransportError):  # on a machine with much else to do the api may be started again
            if not http.get("/fits", params=going).raise_for_status().json()["data"]:
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f"some of {len(fit_ids)} fits had not ended after {seconds:g} s")
        time.sleep(0.5)


def seconds_by_phase(events: list[list[dict[str, Any]]]) -> dict[str, float]:
    """Mean seconds from each event to the next one, by what the first of them says."""
    sums: dict[str, float] = defaultdict(float)
    for each in events:
        for event, following in itertools.pairwise(each):
            name = event["kind"] if event["kind"] not in {"phase", "progress"} else str(event["data"].get("phase"))
            sums[name] += moment(following["created_at"]) - moment(event["created_at"])
    return {name: round(total / len(events), 3) for name, total in sums.items()}


def seconds_between(fits: list[dict[str, Any]], events: list[list[dict[str, Any]]]) -> dict[str, float]:
    """From the end of a fit to the beginning of the next one on the same worker."""
    spans = defaultdict(list)
    for fit, each in zip(fits, events, strict=True):
        times = {event["kind"]: moment(event["created_at"]) for event in each}
        begun = next(event for event in each if event["kind"] == "running")
        if fit["status"] == "succeeded":
            spans[begun["data"].get("worker")].append((times["running"], times["succeeded"]))
    gaps = [
        max(0.0, later[0] - max(end for _, end in spans_of[: index + 1]))
        for spans_of in map(sorted, spans.values())
        for index, later in enumerate(spans_of[1:])
    ]
    return {"median": round(statistics.median(gaps), 3), "largest": round(max(gaps), 3)} if gaps else {}


def moment(text: str) -> float:
    """Seconds since 1970 of a time as the api writes it."""
    return datetime.fromisoformat(text).timestamp()
