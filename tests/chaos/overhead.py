"""The same fit with and without the job protocol, in turns in one process: what lease, progress and checkpoints cost.

Without it the library does alone what the worker does in between: decode the picture, fit, compress, check the result.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from statistics import median
from typing import Any

import torch

from standalone import migrate
from standalone.stack import engines
from store.blobs import BlobStore, sha256_hex
from store.database import Database
from store.keys import signal_key
from store.queue import FitQueue
from store.repositories.fits import Fits
from store.repositories.signals import Signals
from store.settings import StoreSettings
from store.spec import FitSpec
from store.status import FitStatus
from tests.engines import fresh_corner, settings_of, throwaway_home
from tuner.codec.compress import compress
from tuner.codec.decode import decode
from tuner.fit.loop import fit
from tuner.metrics import picture_psnr_db
from tuner.representation import Representation
from worker.resources import Resources
from worker.run import run_next_fit
from worker.settings import WorkerSettings
from worker.translate import config_from_spec, signal_from_bytes

SECONDS = 10.0  # of one fit, about
CHECKPOINT_EVERY_SECONDS = 4.0  # so that there are some; a third of the default would be rare in so short a fit

Cost = tuple[float, float]  # processor and wall seconds


def overhead(content: bytes, *, pairs: int) -> dict[str, Any]:
    """Returns the median ratios in per cent, and the ratios of all pairs."""
    torch.set_num_threads(1)
    with _engines() as settings, closing(Database(settings)) as database, closing(FitQueue(settings)) as queue:
        resources = Resources(
            settings=WorkerSettings(device="cpu", threads=1, checkpoint_every_seconds=CHECKPOINT_EVERY_SECONDS),
            database=database,
            blobs=BlobStore(settings),
            queue=queue,
        )
        spec = FitSpec.model_validate({"max_steps": 50, "network": {"frequencies": 128, "hidden": [64]}})
        seconds = _cost(lambda: _alone(content, spec))[0]
        spec = spec.model_copy(update={"max_steps": max(50, round(50 * SECONDS / seconds))})
        ratios: list[tuple[float, float]] = []
        for number in range(pairs):
            submit(resources, content, spec)

            def with_protocol() -> None:
                fit_id = run_next_fit(resources)
                assert fit_id is not None
                with database.unit_of_work() as session:
                    assert Fits(session).get("local", fit_id).status is FitStatus.SUCCEEDED

            works: list[Callable[[], object]] = [with_protocol, lambda: _alone(content, spec)]
            if number % 2:  # neither is always the first
                alone, protocol = (_cost(work) for work in reversed(works))
            else:
                protocol, alone = (_cost(work) for work in works)
            ratios.append((protocol[0] / alone[0] - 1.0, protocol[1] / alone[1] - 1.0))
    processor, wall = zip(*ratios, strict=True)
    return {
        "overhead_percent": {"processor": _percent(median(processor)), "wall": _percent(median(wall))},
        "overhead_percent_of_pairs": {"processor": list(map(_percent, processor)), "wall": list(map(_percent, wall))},
        "overhead_steps": spec.max_steps,
        "overhead_checkpoint_every_seconds": CHECKPOINT_EVERY_SECONDS,
    }


@contextmanager
def _engines() -> Iterator[StoreSettings]:
    with throwaway_home() as home, engines(home, durable=False) as running, fresh_corner(running.environment) as corner:
        migrate.upgrade(home, corner)
        yield settings_of(corner)


def submit(resources: Resources, content: bytes, spec: FitSpec) -> None:
    """As the api does."""
    sha256 = sha256_hex(content)
    key = signal_key("local", sha256)
    resources.blobs.put(key, content)
    with resources.database.unit_of_work() as session:
        signal, _ = Signals(session).add(
            tenant="local",
            sha256=sha256,
            byte_count=len(content),
            media_type="image/png",
            filename=None,
            facts={},
            object_key=key,
        )
        Fits(session).submit(tenant="local", signal_id=signal.id, spec=spec)


def _alone(content: bytes, spec: FitSpec) -> float:
    signal = signal_from_bytes(content)
    result = fit(signal, config_from_spec(spec, signal))
    compressed = compress(
        Representation.of(result.network.parameters_numpy(), signal), signal, max_loss_db=spec.codec.max_loss_db
    )
    return picture_psnr_db(signal.values, decode(compressed).render().values, signal.sample_format)


def _cost(work: Callable[[], object]) -> Cost:
    processor, wall = time.process_time(), time.monotonic()
    work()
    return time.process_time() - processor, time.monotonic() - wall


def _percent(share: float) -> float:
    return round(100.0 * share, 2)
