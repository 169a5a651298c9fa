"""The same fit with and without the job protocol, side by side: what lease, progress and checkpoints cost.

Without it the library does alone what the worker does in between: decode the picture, fit, compress, check the result.
A machine's speed drifts by more than what is to be measured, and one process is not as fast as the next. So two
processes, each on a core of its own where the system can be told so, fit at the same time, one with the protocol and
one without, then the other way round; what is reported is the mean of both ratios.
"""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from math import sqrt
from multiprocessing import get_context
from statistics import median
from typing import Any, NamedTuple

import torch

from standalone import migrate
from standalone.stack import engines
from store.blobs import BlobStore
from store.database import Database
from store.queue import FitQueue
from store.repositories.fits import Fits
from store.settings import StoreSettings
from store.spec import FitSpec
from store.status import FitStatus
from tests.engines import fresh_corner, settings_of, throwaway_home
from tests.factories import upload_signal
from tuner.codec.decode import decode
from tuner.metrics import written_psnr_db
from tuner.signal.formats import read_signal
from tuner.targets.search import fit_to_target
from worker.facts import file_facts
from worker.resources import Resources
from worker.run import run_next_fit
from worker.settings import WorkerSettings
from worker.translate import ask_from_spec

SECONDS = 15.0  # of one fit, about
WARM_UP_STEPS = 40


class Cost(NamedTuple):
    """What one fit took, in seconds."""

    processor: float
    wall: float

    def share_over(self, other: "Cost") -> "Cost":
        """Ratios to another one."""
        return Cost(self.processor / other.processor, self.wall / other.wall)


def overhead(content: bytes, *, pairs: int) -> dict[str, Any]:
    """Returns the median ratios in per cent, and the ratios of all pairs."""
    with _engines() as settings, ExitStack() as stack:
        left, right = (
            stack.enter_context(
                ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_keep_to_core, initargs=(number,))
            )
            for number in range(2)
        )
        spec = FitSpec.model_validate({"max_steps": WARM_UP_STEPS, "network": {"frequencies": 128, "hidden": [64]}})
        for _ in range(2):
            warm = [pool.submit(cost_with_protocol, settings, content, spec) for pool in (left, right)]
            seconds = max(cost.result().wall for cost in warm)
        spec = spec.model_copy(update={"max_steps": round(WARM_UP_STEPS * SECONDS / seconds)})
        ratios: list[Cost] = []
        for _ in range(pairs):
            both: list[Cost] = []
            for one, other in ((left, right), (right, left)):
                protocol = one.submit(cost_with_protocol, settings, content, spec)
                alone = other.submit(cost_alone, content, spec)
                both.append(protocol.result().share_over(alone.result()))
            ratios.append(Cost(*(sqrt(first * second) for first, second in zip(*both, strict=True))))
    return {
        "overhead_percent": {name: _percent(median(getattr(r, name) for r in ratios)) for name in Cost._fields},
        "overhead_percent_of_pairs": {name: [_percent(getattr(r, name)) for r in ratios] for name in Cost._fields},
        "overhead_fit_seconds": SECONDS,
        "overhead_steps": spec.max_steps,
    }


def cost_with_protocol(settings: StoreSettings, content: bytes, spec: FitSpec) -> Cost:
    """What a worker takes in this process, with its default settings but for one thread."""
    with closing(Database(settings)) as database, closing(FitQueue(settings)) as queue:
        resources = Resources(
            settings=WorkerSettings(device="cpu", threads=1), database=database, blobs=BlobStore(settings), queue=queue
        )
        submit(resources, content, spec)

        def run() -> None:
            fit_id = run_next_fit(resources)
            with database.unit_of_work() as session:
                status = None if fit_id is None else Fits(session).get("local", fit_id).status
            if status is not FitStatus.SUCCEEDED:
                raise RuntimeError(f"the fit with the protocol is {status}")

        return _cost(run)


def submit(resources: Resources, content: bytes, spec: FitSpec) -> None:
    """As the api does."""
    signal_id = upload_signal(resources.database, resources.blobs, content)
    with resources.database.unit_of_work() as session:
        Fits(session).submit(tenant="local", signal_id=signal_id, spec=spec)


def cost_alone(content: bytes, spec: FitSpec) -> Cost:
    """What the library alone takes, in this process."""

    def alone() -> None:
        signal = read_signal(content)
        result = fit_to_target(signal, ask_from_spec(spec, signal))
        if result.content is None:
            raise RuntimeError("a fit that nobody stops leaves a file")
        decoded = decode(result.content)
        written_psnr_db(signal.values, decoded.render().values, signal.storage)
        file_facts(decoded, len(result.content))

    return _cost(alone)


@contextmanager
def _engines() -> Iterator[StoreSettings]:
    with throwaway_home() as home, engines(home, durable=False) as running, fresh_corner(running.environment) as corner:
        migrate.upgrade(home, corner)
        yield settings_of(corner)


def _keep_to_core(number: int) -> None:
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[number % len(cores)]})


def _cost(work: Callable[[], object]) -> Cost:
    processor, wall = time.process_time(), time.monotonic()
    work()
    return Cost(time.process_time() - processor, time.monotonic() - wall)


def _percent(ratio: float) -> float:
    return round(100.0 * (ratio - 1.0), 2)
