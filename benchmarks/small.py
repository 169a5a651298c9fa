"""What many small fits cost: `make bench-small`, results in build/bench/small.json.

A real stack with two workers of one thread each gets pictures of 64 x 64 over HTTP, all to be fitted to a quality. All
processes of the stack are asked how much processor time they took, and the same pictures are fitted by as many
processes without any service: what the service takes beyond that is its overhead, told twice. Once beyond the fit,
which ends with the bytes, and once beyond `tuner.represent`, which does for its caller what the service does for its
clients: it reads the file of a picture, fits it, decodes the bytes and says how good they are.

Service and library take turns of a few seconds, and which of them begins a turn changes, since a machine gives a
second a tenth more or less from one minute to the next, and sometimes a third. Seconds on the wall mean nothing on a
machine that has other work; seconds of processors change less, so that "a second of two free cores" is said by them.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from benchmarks.crops import Picture, small_pictures
from benchmarks.load import machine
from benchmarks.served import (
    SETTINGS,
    processor_seconds,
    seconds_between,
    seconds_by_phase,
    submit,
    upload,
    wait_for,
    worker_number,
)
from benchmarks.small_alone import Alone, alone
from standalone.stack import stack
from standalone.supervise import Supervisor
from tests.engines import throwaway_home
from tuner.files import write_whole

WORKERS = 2
TURN = 50  # fits of one turn, which one request asks for


def main() -> None:
    """Measure, and write the report."""
    options = _options()
    os.environ.update(SETTINGS)
    pictures = small_pictures(options.fits, options.images, options.seed)
    ask = {"target": {"psnr_db": options.psnr_db}, "preset": options.preset}
    with (
        throwaway_home() as home,
        stack(home, with_worker=False) as running,
        httpx.Client(base_url=running.api_url, timeout=60, trust_env=False) as http,
        alone(WORKERS, ask) as library,
    ):
        running.start(*(worker_number(running, home, number) for number in range(WORKERS)))
        report = {
            "machine": machine(),
            "fits": len(pictures),
            "ask": ask,
            **_measure(running, http, library, ask, pictures),
        }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(options.out, json.dumps(report, indent=2).encode())
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


class _Served:
    """The service's side, turn after turn.

    Args:
        running: stack that is measured.
        http: client of its api.
        ask: fields of the fit request besides the signal.
    """

    def __init__(self, running: Supervisor, http: httpx.Client, ask: dict[str, Any]) -> None:
        self._running, self._http, self._ask = running, http, ask
        self.fit_ids: list[str] = []
        self.seconds = 0.0  # on the wall
        self.spent: dict[str, float] = defaultdict(float)  # processor seconds, by process

    def fit(self, signals: list[str]) -> float:
        """From the request to the end of the last fit; returns the processor seconds of all processes."""
        before, began = processor_seconds(self._running), time.monotonic()
        fit_ids = submit(self._http, signals, self._ask)
        wait_for(self._http, fit_ids)
        self.seconds += time.monotonic() - began
        after = processor_seconds(self._running)
        self.fit_ids += fit_ids
        for name, seconds in after.items():
            self.spent[name] += seconds - before.get(name, 0.0)
        return sum(after.values()) - sum(before.values())


def _measure(
    running: Supervisor, http: httpx.Client, library: Alone, ask: dict[str, Any], pictures: list[Picture]
) -> dict[str, Any]:
    # Imports, pools and caches are paid for before the clock starts; both workers get some.
    warm = [upload(http, picture) for picture in small_pictures(8, None, 1000)]
    wait_for(http, submit(http, warm, ask))
    before, began = processor_seconds(running), time.monotonic()
    signals = [upload(http, picture) for picture in pictures]
    uploads = sum(processor_seconds(running).values()) - sum(before.values())
    uploads_wall = time.monotonic() - began

    served, facts = _Served(running, http, ask), []
    turns: list[dict[str, float]] = []
    for first in range(0, len(pictures), TURN):
        mine = pictures[first : first + TURN]

        def by_library(mine: list[Picture] = mine) -> float:
            facts.append(library.fit(mine))
            return facts[-1]["processor_seconds"]

        sides: dict[str, Callable[[], float]] = {
            "service": lambda first=first: served.fit(signals[first : first + TURN]),
            "fit": by_library,
            "represent": lambda mine=mine: library.represent(mine),
        }
        order = list(sides) if len(turns) % 2 == 0 else list(sides)[::-1]
        turns.append({name: sides[name]() / len(mine) for name in order})
    return {
        **_verdict(turns),
        "turns_processor_ms_per_fit": [{name: round(1000 * turn[name], 1) for name in sides} for turn in turns],
        "uploads": {
            "seconds": round(uploads_wall, 2),
            "processor_seconds_of_an_upload": round(uploads / len(pictures), 4),
        },
        "service": _told_by_service(served, http),
        "alone": {
            "bytes": round(statistics.mean(each["bytes"] for each in facts), 1),
            "networks_per_fit": round(statistics.mean(each["networks"] for each in facts), 2),
            "steps_per_fit": round(statistics.mean(each["steps"] for each in facts), 1),
            "met": sum(each["met"] for each in facts),
        },
    }


def _verdict(turns: list[dict[str, float]]) -> dict[str, Any]:
    """Shares of all turns together, and the quartiles of single ones, so that a reader sees how far they are known."""
    found: dict[str, Any] = {}
    all_of = {name: sum(turn[name] for turn in turns) for name in turns[0]}
    for name, side in (("overhead_share", "fit"), ("overhead_share_beyond_represent", "represent")):
        found[name] = round(1.0 - all_of[side] / all_of["service"], 3)
        if len(turns) > 1:
            shares = statistics.quantiles([1.0 - turn[side] / turn["service"] for turn in turns], method="inclusive")
            found[f"{name}_quartiles"] = [round(share, 3) for share in shares]
    return {"fits_per_second_of_two_free_cores": round(WORKERS * len(turns) / all_of["service"], 2), **found}


def _told_by_service(served: _Served, http: httpx.Client) -> dict[str, Any]:
    count = len(served.fit_ids)
    fits = [http.get(f"/fits/{fit_id}").raise_for_status().json() for fit_id in served.fit_ids]
    events = [http.get(f"/fits/{fit_id}/events").raise_for_status().json()["data"] for fit_id in served.fit_ids]
    bad = [fit for fit in fits if fit["status"] != "succeeded"]
    good = [fit for fit in fits if fit["status"] == "succeeded"]
    return {
        "succeeded": len(good),
        "errors": sorted({str(fit["error"]) for fit in bad}),
        "seconds": round(served.seconds, 2),
        "fits_per_second_on_the_wall": round(count / served.seconds, 2),
        "processor_seconds_by_process": {
            name: round(seconds / count, 5) for name, seconds in sorted(served.spent.items())
        },
        "bytes": round(statistics.mean(fit["result"]["bytes"] for fit in good), 1),
        "psnr_db": round(statistics.mean(fit["result"]["psnr_db"] for fit in good), 3),
        "least_psnr_db": round(min(fit["result"]["psnr_db"] for fit in good), 3),
        "events_per_fit": round(statistics.mean(len(each) for each in events), 1),
        "seconds_on_the_wall_by_phase": seconds_by_phase(events),
        "seconds_between_two_fits_of_a_worker": seconds_between(fits, events),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fits", type=int, default=100)
    parser.add_argument("--psnr-db", type=float, default=30.0)
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--images", type=Path, help="folder of photographs to cut from; made-up pictures if left out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("build/bench/small.json"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
