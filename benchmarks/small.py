"""What many small fits cost: `make bench-small`, results in build/bench/small.json.

A real stack with two workers of one thread each gets pictures of 64 x 64 over HTTP, all to be fitted to a quality. All
processes of the stack are asked how much processor time they took, and the same pictures are fitted once more in this
process, without any service: what the service takes beyond that is its overhead, told twice. Once beyond the fit, which
ends with the bytes, and once beyond `tuner.represent`, which does for its caller what the service does for its clients:
it reads the file of a picture, fits it, decodes the bytes and says how good they are. Seconds on the wall mean nothing
on a machine that has other work; seconds of processors change less, so that "a second of two free cores" is said by
them.

`--where` fits the same pictures by `worker.run.run_next_fit` in this process on engines alone, with a clock around each
part, so that it can be seen where a fit's time goes.
"""

import argparse
import io
import itertools
import json
import os
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import httpx
import numpy as np
import psutil
from PIL import Image

from benchmarks.load import machine
from standalone import processes
from standalone.home import Home
from standalone.program import Service
from standalone.stack import stack
from standalone.supervise import Supervisor
from tests.engines import throwaway_home

SIDE, WORKERS = 64, 2
AT_ONCE = 100  # fits that one request may ask for
FINAL = {"succeeded", "failed", "cancelled", "expired"}
SETTINGS = {"TUNER_WORKER_DEVICE": "cpu", "TUNER_WORKER_THREADS": "1", "OMP_NUM_THREADS": "1"}

Picture = np.ndarray


def main() -> None:
    """Measure, and write the report."""
    options = _options()
    os.environ.update(SETTINGS)
    pictures = small_pictures(options.fits, options.images, options.seed)
    ask = {"target": {"psnr_db": options.psnr_db}, "preset": options.preset}
    report: dict[str, Any] = {"machine": machine(), "fits": options.fits, "ask": ask}
    if options.where:
        report["where"] = _where(pictures, ask)
    if not options.only_where:
        with throwaway_home() as home:
            report["service"] = _service(home, pictures, ask)
        report["alone"] = _alone(pictures, ask)
        report |= _verdict(report["service"], report["alone"])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))  # noqa: T201


def _verdict(service: dict[str, Any], alone: dict[str, Any]) -> dict[str, Any]:
    total = service["processor_seconds_per_fit"]
    return {
        "fits_per_second_of_two_free_cores": round(WORKERS / total, 2),
        "overhead_share": round(1.0 - alone["processor_seconds_per_fit"] / total, 3),
        "overhead_share_beyond_represent": round(1.0 - alone["processor_seconds_per_represent"] / total, 3),
    }


def _service(home: Home, pictures: list[Picture], ask: dict[str, Any]) -> dict[str, Any]:
    """All pictures through HTTP."""
    with (
        stack(home, with_worker=False) as running,
        httpx.Client(base_url=running.api_url, timeout=60, trust_env=False) as http,
    ):
        running.start(*(worker_number(running, home, number) for number in range(WORKERS)))
        # Imports, pools and caches are paid for before the clock starts; both workers get some.
        warm = [upload(http, picture) for picture in small_pictures(8, None, 1000)]
        wait_for(http, submit(http, warm, ask))
        before, began = processor_seconds(running), time.monotonic()
        signals = [upload(http, picture) for picture in pictures]
        uploaded, posted = processor_seconds(running), time.monotonic()
        fit_ids = submit(http, signals, ask)
        wait_for(http, fit_ids)
        wall, after = time.monotonic() - posted, processor_seconds(running)
        fits = [http.get(f"/fits/{fit_id}").raise_for_status().json() for fit_id in fit_ids]
        events = [http.get(f"/fits/{fit_id}/events").raise_for_status().json()["data"] for fit_id in fit_ids]
    count = len(fits)
    spent = {name: round((after[name] - uploaded[name]) / count, 5) for name in sorted(after)}
    uploads = sum(uploaded[name] - before[name] for name in after)
    bad = [fit for fit in fits if fit["status"] != "succeeded"]
    good = [fit for fit in fits if fit["status"] == "succeeded"]
    return {
        "succeeded": len(good),
        "errors": sorted({str(fit["error"]) for fit in bad}),
        "seconds_of_uploads": round(posted - began, 2),
        "processor_seconds_of_an_upload": round(uploads / count, 4),
        "seconds": round(wall, 2),
        "fits_per_second_on_the_wall": round(count / wall, 2),
        "processor_seconds_per_fit": round(sum(spent.values()), 4),
        "processor_seconds_by_process": spent,
        "bytes": round(statistics.mean(fit["result"]["bytes"] for fit in good), 1),
        "psnr_db": round(statistics.mean(fit["result"]["psnr_db"] for fit in good), 3),
        "least_psnr_db": round(min(fit["result"]["psnr_db"] for fit in good), 3),
        "events_per_fit": round(statistics.mean(len(each) for each in events), 1),
        "seconds_on_the_wall_by_phase": seconds_by_phase(events),
        "seconds_between_two_fits_of_a_worker": seconds_between(fits, events),
    }


def worker_number(running: Supervisor, home: Home, number: int) -> Service:
    """A worker of one thread beside others.

    Args:
        running: stack that the worker belongs to.
        home: folder of its data.
        number: number of the worker, counted from 0.
    """
    made = processes.worker(home, {**running.environment, **SETTINGS}, running.account)
    name = f"worker-{number + 1}"
    return replace(made, program=replace(made.program, name=name, log=made.program.log.with_name(f"{name}.log")))


def processor_seconds(running: Supervisor) -> dict[str, float]:
    """Seconds that each process and all below it have taken so far, those that have ended included."""
    found: dict[str, float] = {}
    for record in running.records():
        first = psutil.Process(record.pid)
        name = re.sub(r"-\d+$", "", record.name)
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
    """Until the last one has ended; asked seldom, so that the asking costs nothing."""
    deadline, left = time.monotonic() + seconds, list(fit_ids)
    while left:
        status = ""
        with suppress(httpx.TransportError):  # on a machine with much else to do the api may be started again
            status = http.get(f"/fits/{left[-1]}").raise_for_status().json()["status"]
        if status in FINAL:
            left.pop()
        elif time.monotonic() > deadline:
            raise TimeoutError(f"{len(left)} of {len(fit_ids)} fits had not ended after {seconds:g} s")
        else:
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
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def _alone(pictures: list[Picture], ask: dict[str, Any]) -> dict[str, Any]:
    """The same fits by the library alone, in this process with one thread."""
    import torch

    from store.spec import FitSpec
    from tuner.signal.given import signal_of
    from tuner.targets.search import fit_to_target
    from worker.translate import ask_from_spec

    torch.set_num_threads(1)
    signals, spec = [signal_of(picture) for picture in pictures], FitSpec.model_validate(ask)
    fit_to_target(signals[0], ask_from_spec(spec, signals[0]))
    began = time.process_time()
    results = [fit_to_target(signal, ask_from_spec(spec, signal)) for signal in signals]
    seconds = time.process_time() - began
    return {
        "processor_seconds_per_fit": round(seconds / len(results), 4),
        "processor_seconds_per_represent": round(_represented(pictures, ask) / len(pictures), 4),
        "bytes": round(statistics.mean(len(result.content or b"") for result in results), 1),
        "networks_per_fit": round(statistics.mean(len(result.trials) for result in results), 2),
        "steps_per_fit": round(statistics.mean(result.steps for result in results), 1),
        "met": sum(result.outcome.value == "met" for result in results),
    }


def _represented(pictures: list[Picture], ask: dict[str, Any]) -> float:
    """Processor seconds of the library's own front door, from files of pictures to measured bytes."""
    from tuner import represent

    with TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.png" for number in range(len(pictures))]
        for path, picture in zip(paths, pictures, strict=True):
            Image.fromarray(picture).save(path)

        def call(path: Path) -> None:
            represent(path, psnr_db=ask["target"]["psnr_db"], effort=ask["preset"], progress=False)

        call(paths[0])
        began = time.process_time()
        for path in paths:
            call(path)
        return time.process_time() - began


class _Clocks:
    """Processor time of this process and seconds on the wall, by the part that takes them; parts may be nested."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])

    @contextmanager
    def around(self, owner: Any, name: str, label: str) -> Iterator[None]:
        """Count each call of a function, or each block of a context manager that it makes."""
        original: Callable[..., Any] = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            began, wall = time.process_time(), time.monotonic()
            try:
                return original(*args, **kwargs)
            finally:
                entry = self.spent[label]
                entry[0] += 1
                entry[1] += time.process_time() - began
                entry[2] += time.monotonic() - wall

        with patch.object(owner, name, timed):
            yield


def _where(pictures: list[Picture], ask: dict[str, Any]) -> dict[str, Any]:
    """One worker's work in this process, on real engines, part by part."""
    from contextlib import ExitStack

    from sqlalchemy import event

    import worker.run as run
    from store.blobs import BlobStore
    from store.database import Database
    from store.queue import FitQueue
    from store.repositories.fits import Fits
    from store.spec import FitSpec
    from tests.engines import fresh_corner, settings_of, throwaway_engines
    from tests.factories import upload_signal
    from worker.lease import Lease
    from worker.memory import MemoryBudget
    from worker.progress import Reporter
    from worker.resources import Resources
    from worker.settings import WorkerSettings

    clocks, spec = _Clocks(), FitSpec.model_validate(ask)
    with throwaway_engines() as environment, fresh_corner(environment) as corner:
        from alembic import command
        from alembic.config import Config

        settings = settings_of(corner)
        with patch.dict(os.environ, corner):
            command.upgrade(Config(Path(__file__).parents[1] / "alembic.ini"), "head")
        database, blobs, queue = Database(settings), BlobStore(settings), FitQueue(settings)
        resources = Resources(settings=WorkerSettings(), database=database, blobs=blobs, queue=queue)
        run.warm_up(resources)

        def submit(picture: Picture) -> None:
            file = io.BytesIO()
            Image.fromarray(picture).save(file, "PNG")
            signal_id = upload_signal(database, blobs, file.getvalue())
            with database.unit_of_work() as session:
                Fits(session).submit(tenant="local", signal_id=signal_id, spec=spec)

        for picture in small_pictures(3, None, 1000):
            submit(picture)
            run.run_next_fit(resources)
        for picture in pictures:
            submit(picture)
        statements = [0]
        event.listen(database.engine, "before_cursor_execute", lambda *_: statements.__setitem__(0, statements[0] + 1))
        with ExitStack() as around:
            for owner, name, label in (
                (run, "_engines_answer", "asking the engines before a claim"),
                (Fits, "claim_next", "claim"),
                (Reporter, "_report", "reports of progress"),
                (run, "read_caged", "reading in the cage"),
                (blobs, "read", "fetching the signal"),
                (blobs, "put", "storing the file"),
                (run, "fit_to_target", "fit, with the reports of its phases"),
                (run, "_store", "checking and storing, with both"),
                (run, "slope_quality_db", "slopes of the decoded file"),
                (run, "_persist", "all of an attempt, its end included"),
                (Lease, "__exit__", "end of the lease's thread"),
                (MemoryBudget, "__exit__", "end of the budget's thread"),
                (MemoryBudget, "_watch", "watching the memory"),
            ):
                if hasattr(owner, name):
                    around.enter_context(clocks.around(owner, name, label))
            began, wall, done = time.process_time(), time.monotonic(), 0
            while run.run_next_fit(resources) is not None:
                done += 1
            seconds, wall = time.process_time() - began, time.monotonic() - wall
        queue.close()
        database.close()
    count = len(pictures)
    return {
        "processor_milliseconds_per_fit": round(1000 * seconds / count, 1),
        "milliseconds_on_the_wall_per_fit": round(1000 * wall / count, 1),
        "statements_per_fit": round(statements[0] / count, 1),
        "parts": {
            label: {
                "calls": round(calls / count, 2),
                "processor_ms": round(1000 * processor / count, 2),
                "wall_ms": round(1000 * on_the_wall / count, 1),
            }
            for label, (calls, processor, on_the_wall) in clocks.spent.items()
        },
    }


def small_pictures(count: int, folder: Path | None, seed: int) -> list[Picture]:
    """Crops of photographs, or pictures whose spectrum falls as that of photographs does."""
    random = np.random.default_rng(seed)
    if folder is None:
        return [made_up(random) for _ in range(count)]
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".png", ".jpg", ".webp"})
    found: list[Picture] = []
    for number in range(count):
        with Image.open(files[number % len(files)]) as photograph:
            values = np.asarray(photograph.convert("RGB"))
        y, x = (int(random.integers(0, length - SIDE + 1)) for length in values.shape[:2])
        found.append(np.ascontiguousarray(values[y : y + SIDE, x : x + SIDE]))
    return found


def made_up(random: np.random.Generator, side: int = SIDE) -> Picture:
    """A picture whose spectrum falls as that of photographs does.

    Args:
        random: source of random numbers.
        side: number of pixels of a side.
    """
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]) + 1.0 / side
    colours = random.normal(size=(3, 3)) * [1.0, 0.3, 0.15]
    planes = [
        np.fft.irfft2(np.fft.rfft2(random.normal(size=(side, side))) / frequency**1.4, (side, side)) for _ in range(3)
    ]
    planes = [plane / plane.std() for plane in planes]
    values = np.stack(planes, axis=-1) @ colours.T
    return np.clip(127.5 + 40.0 * values / values.std(), 0, 255).astype(np.uint8)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fits", type=int, default=40)
    parser.add_argument("--psnr-db", type=float, default=30.0)
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--images", type=Path, help="folder of photographs to cut from; made-up pictures if left out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--where", action="store_true", help="also by part, in this process")
    parser.add_argument("--only-where", action="store_true", help="nothing else")
    parser.add_argument("--out", type=Path, default=Path("build/bench/small.json"))
    options = parser.parse_args()
    options.where |= options.only_where
    return options


if __name__ == "__main__":
    main()
