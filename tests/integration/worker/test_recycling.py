"""A worker whose process is replaced every few fits, as Celery runs it, loses none of them."""

import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from store.blobs import BlobStore
from store.database import Database
from store.hints import Hint
from store.models import FitAttempt
from store.models_workers import Worker
from store.queue import FitQueue
from store.settings import StoreSettings
from store.spec import FitSpec
from tests.factories import add_fit, picture_png, upload_signal
from tests.integration.worker.celery_worker import running_worker

TINY = FitSpec.model_validate({"max_steps": 3, "network": {"frequencies": 16, "hidden": [8]}})
SMALL = FitSpec.model_validate({"target": {"psnr_db": 25}})
FITS, FITS_PER_PROCESS = 6, 4  # the second process is not used up, or a third would begin while the worker ends


@pytest.mark.long
@pytest.mark.parametrize(("spec", "fits_of_a_message"), [(TINY, 1), (SMALL, 2)])
def test_no_fit_is_lost_when_its_process_is_replaced(
    spec: FitSpec,
    fits_of_a_message: int,
    database: Database,
    blobs: BlobStore,
    store_environment: dict[str, str],
    store_settings: StoreSettings,
    tmp_path: Path,
) -> None:
    signal_id = upload_signal(database, blobs, picture_png(), facts={"shape": [24, 40], "channels": 3})
    log = tmp_path / "worker.log"
    settings = {"TUNER_WORKER_FITS_PER_PROCESS": str(FITS_PER_PROCESS), "TUNER_WORKER_DEVICE": "cpu"}
    with closing(FitQueue(store_settings)) as queue, running_worker(store_environment, log, **settings):
        fit_ids = [add_fit(database, signal_id=signal_id, spec=spec) for _ in range(FITS)]
        queue.publish_all([Hint(each, fits=fits_of_a_message) for each in fit_ids[::fits_of_a_message]])
        deadline = time.monotonic() + 150
        while len(found := ended_attempts(database)) < FITS:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        # The process that took over is the one that holds fits, under the same name.
        while [one.process for one in described(database)] != [found[-1].worker]:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
    assert described(database) == [], "it has left"
    assert [(attempt.attempt, attempt.ended_as) for attempt in found] == [(1, "succeeded")] * FITS
    assert len({attempt.worker for attempt in found}) == -(-FITS // FITS_PER_PROCESS)


def ended_attempts(database: Database) -> list[FitAttempt]:
    with database.unit_of_work() as session:
        ended = select(FitAttempt).where(FitAttempt.ended_at.is_not(None)).order_by(FitAttempt.ended_at)
        return list(session.scalars(ended))


def described(database: Database) -> list[Worker]:
    with database.unit_of_work() as session:
        return list(session.scalars(select(Worker)))
