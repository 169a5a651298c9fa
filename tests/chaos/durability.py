"""What it costs that an object is on the disk before a row names it: `python -m tests.chaos.durability`.

Two apis on the same durable engines, one of which does not wait for the disk (`TUNER_S3_SYNC=false`), are asked in
turn, so that a machine that is busy with other things is so for both; then a worker takes fits in the same way. What is
reported are medians in milliseconds, and what hashing costs for each MiB.
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np

from standalone import migrate
from standalone.stack import engines
from store.blobs import BlobStore
from store.database import Database
from store.queue import FitQueue
from store.spec import FitSpec
from tests.chaos.overhead import submit
from tests.engines import settings_of, throwaway_home
from tests.factories import picture_png
from tests.integration.api.conftest import running_api
from tuner.signal.image import write_image
from tuner.signal.signal import SampleFormat, Signal
from worker.resources import Resources
from worker.run import run_next_fit
from worker.settings import WorkerSettings

WAYS = {"synced": True, "not_synced": False}
SIDES = {"upload_48_kib": 128, "upload_3_mib": 1024}  # pixels of a square of noise
FIT = FitSpec.model_validate({"max_steps": 150, "network": {"frequencies": 64, "hidden": [48]}})
CHECKPOINT_SECONDS = 0.5  # much oftener than by default, so that they are seen at all


def measure(*, uploads: int, fits: int) -> dict[str, Any]:
    """Returns the report, all times in milliseconds."""
    with throwaway_home() as home, engines(home) as running, TemporaryDirectory() as folder:
        environment = dict(running.environment)
        migrate.upgrade(home, environment)
        report = _requests(environment, Path(folder), uploads) | {"fit": _fits(environment, fits)}
    block = bytes(1 << 20)
    report["sha256_per_mib"] = _milliseconds(lambda: hashlib.sha256(block).digest())
    return report


def _requests(environment: Mapping[str, str], folder: Path, count: int) -> dict[str, Any]:
    wide = {"TUNER_MAX_UPLOAD_BYTES": str(1 << 26), "TUNER_MAX_PIXELS": str(1 << 24)}
    with (
        running_api(environment, folder / "yes", **wide) as yes,
        running_api(environment, folder / "no", **wide, TUNER_S3_SYNC="false") as no,
        httpx.Client(base_url=yes.url, timeout=60, trust_env=False) as synced,
        httpx.Client(base_url=no.url, timeout=60, trust_env=False) as plain,
    ):
        clients = {"synced": synced, "not_synced": plain}
        chance = np.random.default_rng(1)
        report: dict[str, Any] = {}

        def post(client: httpx.Client, content: bytes) -> Callable[[], object]:
            return lambda: client.post("/signals", files={"file": ("noise.png", content)}).raise_for_status()

        def upload(side: int, way: str) -> Callable[[], object]:
            return post(clients[way], _noise(chance, side))

        for name, side in SIDES.items():
            report[name] = _in_turn(max(5, count // (side // 128)), partial(upload, side))
        signal_id = synced.post("/signals", files={"file": ("a.png", picture_png())}).raise_for_status().json()["id"]
        body = {"signal_id": signal_id}
        report["post_fits"] = _in_turn(
            count, lambda way: lambda: clients[way].post("/fits", json=body).raise_for_status()
        )
    return report


def _fits(environment: Mapping[str, str], count: int) -> dict[str, Any]:
    """Fits of one picture by a worker in this process, from an otherwise empty queue."""
    content, settings = picture_png(), settings_of(environment)
    with closing(Database(settings)) as database, closing(FitQueue(settings)) as queue:
        with database.unit_of_work() as session:
            session.connection().exec_driver_sql("DELETE FROM fits")
        workers = {
            way: Resources(
                settings=WorkerSettings(device="cpu", threads=1, checkpoint_every_seconds=CHECKPOINT_SECONDS),
                database=database,
                blobs=BlobStore(settings.model_copy(update={"s3_sync": sync})),
                queue=queue,
            )
            for way, sync in WAYS.items()
        }

        def fit(way: str) -> Callable[[], object]:
            submit(workers[way], content, FIT)
            return lambda: run_next_fit(workers[way])

        fit("synced")()  # the reader starts, and the library warms up
        report = _in_turn(count, fit)
        with database.unit_of_work() as session:
            events = "SELECT count(*) FROM fit_events WHERE kind = 'checkpoint'"
            total = session.connection().exec_driver_sql(events).scalar_one()
    return report | {"checkpoints_of_each": round(total / (2 * count + 1), 1)}


def _in_turn(count: int, prepare: Callable[[str], Callable[[], object]]) -> dict[str, float]:
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(count):
        for way in list(WAYS) if number % 2 else list(WAYS)[::-1]:
            taken[way].append(_milliseconds(prepare(way)))
    # The medians of both, and the median of what one takes more than the other right beside it.
    more = [one - other for one, other in zip(*taken.values(), strict=True)]
    return {way: round(median(times), 1) for way, times in taken.items()} | {"more": round(median(more), 1)}


def _noise(chance: np.random.Generator, side: int) -> bytes:
    values = chance.uniform(-1.0, 1.0, (side, side, 3)).astype(np.float32)
    return write_image(Signal(values=values, sample_format=SampleFormat.U8))


def _milliseconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begun)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.durability", description=__doc__)
    parser.add_argument("--uploads", type=int, default=40, help="of 48 KiB, in each of the two ways")
    parser.add_argument("--fits", type=int, default=5, help="in each of the two ways")
    parser.add_argument("--out", type=Path, default=Path("build/bench/durability.json"))
    asked = parser.parse_args()
    report = measure(uploads=asked.uploads, fits=asked.fits)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(report, indent=2) + "\n")
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
