"""What many small fits cost: `make bench-small`, results in build/bench/small.json.

A real service with two workers of one thread each gets pictures of 64 x 64 over HTTP, all to be fitted to a quality.
All its processes are asked how much processor time they took, and the same pictures are fitted by as many processes
without any service: what the service takes beyond that is its overhead, told twice. Once beyond the fit,
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
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from benchmarks.crops import Picture, small_pictures
from benchmarks.load import machine
from benchmarks.serve import SETTINGS, WORKERS
from benchmarks.served import (
    Elsewhere,
    processor_seconds,
    seconds_between,
    seconds_by_phase,
    served_from,
    submit,
    upload,
    wait_for,
)
from benchmarks.small_alone import Alone, alone
from tuner.files import write_whole

TURN = 50  # fits of one turn, which one request asks for
HERE = Path(__file__).parents[1]

Turn = dict[str, float]  # processor seconds of a fit, by side


def main() -> None:
    """Measure, and write the report."""
    options = _options()
    os.environ.update(SETTINGS)
    pictures = small_pictures(options.fits, options.images, options.seed)
    ask = {"target": {"psnr_db": options.psnr_db}, "preset": options.preset}
    checkouts = {"service": HERE} | ({"before": options.before.resolve()} if options.before else {})
    report: dict[str, Any] = {"machine": machine(), "fits": len(pictures), "ask": ask}
    with ExitStack() as around:
        library = around.enter_context(alone(WORKERS, ask))
        services = {
            name: around.enter_context(_Service(around.enter_context(served_from(checkout)), ask, pictures))
            for name, checkout in checkouts.items()
        }
        facts: list[dict[str, float]] = []
        turns = [
            _turn(number, services, library, pictures[first : first + TURN], facts)
            for number, first in enumerate(range(0, len(pictures), TURN))
        ]
        report |= _verdict(turns)
        report["turns_processor_ms_per_fit"] = [
            {name: round(1000 * seconds, 1) for name, seconds in turn.items()} for turn in turns
        ]
        report |= {name: service.told() for name, service in services.items()}
        report["alone"] = {
            **{
                name: round(statistics.mean(each[name] for each in facts), 2) for name in ("bytes", "networks", "steps")
            },
            "met": sum(each["met"] for each in facts),
        }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(options.out, json.dumps(report, indent=2).encode())
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


class _Service:
    """One service's side, turn after turn; use as a context manager.

    Args:
        running: service that is measured.
        ask: fields of the fit request besides the signal.
        pictures: what is uploaded before the first turn.
    """

    def __init__(self, running: Elsewhere, ask: dict[str, Any], pictures: list[Picture]) -> None:
        self._running, self._ask = running, ask
        self._http = httpx.Client(base_url=running.api_url, timeout=60, trust_env=False)
        self._fit_ids: list[str] = []
        self._seconds = 0.0  # on the wall
        self._spent: dict[str, float] = defaultdict(float)  # processor seconds, by process
        # Imports, pools and caches are paid for before the clock starts; both workers get some.
        warm = [upload(self._http, picture) for picture in small_pictures(8, None, 1000)]
        wait_for(self._http, submit(self._http, warm, ask))
        before = sum(processor_seconds(running).values())
        self._signals = [upload(self._http, picture) for picture in pictures]
        self._of_an_upload = (sum(processor_seconds(running).values()) - before) / len(pictures)

    def __enter__(self) -> "_Service":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def fit(self, count: int) -> float:
        """The next fits, from the request to the end of the last; returns processor seconds of all processes."""
        first = len(self._fit_ids)
        before, began = processor_seconds(self._running), time.monotonic()
        fit_ids = submit(self._http, self._signals[first : first + count], self._ask)
        wait_for(self._http, fit_ids)
        self._seconds += time.monotonic() - began
        after = processor_seconds(self._running)
        self._fit_ids += fit_ids
        for name, seconds in after.items():
            self._spent[name] += seconds - before.get(name, 0.0)
        return sum(after.values()) - sum(before.values())

    def told(self) -> dict[str, Any]:
        """What the service says of all its fits, and what its processes took."""
        http, count = self._http, len(self._fit_ids)
        fits = [http.get(f"/fits/{fit_id}").raise_for_status().json() for fit_id in self._fit_ids]
        events = [http.get(f"/fits/{fit_id}/events").raise_for_status().json()["data"] for fit_id in self._fit_ids]
        good = [fit for fit in fits if fit["status"] == "succeeded"]
        return {
            "succeeded": len(good),
            "errors": sorted({str(fit["error"]) for fit in fits if fit not in good}),
            "seconds": round(self._seconds, 2),
            "fits_per_second_on_the_wall": round(count / self._seconds, 2),
            "processor_seconds_by_process": {
                name: round(seconds / count, 5) for name, seconds in sorted(self._spent.items())
            },
            "processor_seconds_of_an_upload": round(self._of_an_upload, 4),
            "bytes": round(statistics.mean(fit["result"]["bytes"] for fit in good), 1),
            "psnr_db": round(statistics.mean(fit["result"]["psnr_db"] for fit in good), 3),
            "least_psnr_db": round(min(fit["result"]["psnr_db"] for fit in good), 3),
            "events_per_fit": round(statistics.mean(len(each) for each in events), 1),
            "seconds_on_the_wall_by_phase": seconds_by_phase(events),
            "seconds_between_two_fits_of_a_worker": seconds_between(fits, events),
        }


def _turn(
    number: int, services: dict[str, _Service], library: Alone, mine: list[Picture], facts: list[dict[str, float]]
) -> Turn:
    """All sides, one after the other, in an order that changes; what the library says of its fits is added to facts."""

    def by_library() -> float:
        facts.append(library.fit(mine))
        return facts[-1]["processor_seconds"]

    sides: dict[str, Callable[[], float]] = {"fit": by_library, "represent": lambda: library.represent(mine)}
    for name, service in services.items():
        sides[name] = lambda service=service: service.fit(len(mine))  # type: ignore[misc]
    order = sorted(sides, reverse=number % 2 == 1)
    return {name: sides[name]() / len(mine) for name in order}


def _verdict(turns: list[Turn]) -> dict[str, Any]:
    """Shares of all turns together, and the quartiles of single ones, so that a reader sees how far they are known."""
    found: dict[str, Any] = {}
    all_of = {name: sum(turn[name] for turn in turns) for name in turns[0]}
    for service, words in (("service", ""), ("before", "before_")):
        if service not in all_of:
            continue
        found[f"{words}fits_per_second_of_two_free_cores"] = round(WORKERS * len(turns) / all_of[service], 2)
        for name, side in (("overhead_share", "fit"), ("overhead_share_beyond_represent", "represent")):
            found[f"{words}{name}"] = round(1.0 - all_of[side] / all_of[service], 3)
            if len(turns) > 1:
                shares = statistics.quantiles([1.0 - turn[side] / turn[service] for turn in turns], method="inclusive")
                found[f"{words}{name}_quartiles"] = [round(share, 3) for share in shares]
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fits", type=int, default=100)
    parser.add_argument("--psnr-db", type=float, default=30.0)
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--images", type=Path, help="folder of photographs to cut from; made-up pictures if left out")
    parser.add_argument("--before", type=Path, help="an earlier checkout, whose service takes turns, too")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("build/bench/small.json"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
