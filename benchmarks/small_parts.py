"""Where the time of a small fit goes in a worker: `python -m benchmarks.small_parts`, build/bench/small_parts.json.

The fits are made by `worker.run.run_next_fits` in this process on engines alone, with a clock around each part.
"""

import argparse
import io
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from alembic import command
from alembic.config import Config
from PIL import Image
from sqlalchemy import event

import worker.attempt as attempt
import worker.run as run
import worker.together as together
from benchmarks.crops import Picture, small_pictures
from benchmarks.load import machine
from benchmarks.serve import SETTINGS
from store.blobs import BlobStore
from store.database import Database
from store.queue import FitQueue
from store.repositories.fits import Fits
from store.spec import FitSpec
from tests.engines import fresh_corner, settings_of, throwaway_engines
from tests.factories import upload_signal
from tuner.files import write_whole
from worker.lease import Lease
from worker.memory import MemoryBudget
from worker.progress import Reporter
from worker.resources import Resources
from worker.settings import WorkerSettings


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.small_parts")
    parser.add_argument("--fits", type=int, default=40)
    parser.add_argument("--psnr-db", type=float, default=30.0)
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--images", type=Path, help="folder of photographs to cut from; made-up pictures if left out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at-once", type=int, default=1, help="fits that the worker takes up at once")
    parser.add_argument("--out", type=Path, default=Path("build/bench/small_parts.json"))
    options = parser.parse_args()
    os.environ.update(SETTINGS)
    ask = {"target": {"psnr_db": options.psnr_db}, "preset": options.preset}
    parts = where(small_pictures(options.fits, options.images, options.seed), ask, options.at_once)
    told = {"machine": machine(), "fits": options.fits, "at_once": options.at_once, "ask": ask}
    report = json.dumps(told | parts, indent=2)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(options.out, report.encode())
    sys.stdout.write(report + "\n")


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


def where(pictures: list[Picture], ask: dict[str, Any], at_once: int) -> dict[str, Any]:
    """One worker's work in this process, on real engines, part by part.

    Args:
        pictures: what is fitted.
        ask: fields of the fit request besides the signal.
        at_once: number of fits that the worker takes up at once.
    """
    clocks, spec = _Clocks(), FitSpec.model_validate(ask)
    with throwaway_engines() as environment, fresh_corner(environment) as corner:
        settings = settings_of(corner)
        with patch.dict(os.environ, corner):
            command.upgrade(Config(Path(__file__).parents[1] / "alembic.ini"), "head")
        database, blobs, queue = Database(settings), BlobStore(settings), FitQueue(settings)
        resources = Resources(settings=WorkerSettings(), database=database, blobs=blobs, queue=queue)
        run.warm_up(resources)

        def submit(picture: Picture) -> None:
            file = io.BytesIO()
            Image.fromarray(picture).save(file, "PNG")
            facts = {"shape": list(picture.shape[:2]), "channels": picture.shape[2]}
            signal_id = upload_signal(database, blobs, file.getvalue(), facts)
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
                (attempt, "read_caged", "reading in the cage"),
                (blobs, "read", "fetching the signal"),
                (blobs, "put", "storing the file"),
                (attempt, "fit_to_target", "fit, with the reports of its phases"),
                (attempt, "_store", "checking and storing, with both"),
                (attempt, "slope_quality_db", "slopes of the decoded file"),
                (together, "_write_ends", "the ends of attempts"),
                (Lease, "__exit__", "end of the lease's thread"),
                (MemoryBudget, "__exit__", "end of the budget's thread"),
                (MemoryBudget, "_watch", "watching the memory"),
            ):
                if hasattr(owner, name):
                    around.enter_context(clocks.around(owner, name, label))
            began, wall = time.process_time(), time.monotonic()
            while run.run_next_fits(resources, most=at_once):
                pass
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


if __name__ == "__main__":
    main()
