"""A worker that serves some classes of fits: what it takes, and that nobody else's message is lost with it."""

import json
import time
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest
import redis
from sqlalchemy import select

from store.blobs import BlobStore
from store.classes import EVERY_CLASS, WorkerClass
from store.database import Database
from store.hints import Hint
from store.models import Fit
from store.models_workers import Worker
from store.queue import FitQueue
from store.queues import FITS_QUEUES, queue_of
from store.settings import StoreSettings
from store.spec import FitSpec
from store.status import FitStatus
from tests.factories import add_fit, picture_png, upload_signal
from tests.integration.worker.celery_worker import running_worker
from worker import upkeep
from worker.hinted import run_hinted_fits
from worker.resources import Resources
from worker.run import run_next_fit
from worker.settings import WorkerSettings
from worker.upkeep import drop_useless_hints, upkeep_round

ANY, CPU, GPU = WorkerClass.ANY, WorkerClass.CPU, WorkerClass.GPU
TINY = FitSpec.model_validate({"max_steps": 3, "network": {"frequencies": 16, "hidden": [8]}})


def resources(database: Database, blobs: BlobStore, queue: FitQueue, *classes: WorkerClass) -> Resources:
    settings = WorkerSettings(device="cpu", classes=classes or None, republish_after_seconds=0.001)
    return Resources(settings=settings, database=database, blobs=blobs, queue=queue)


def status(database: Database, fit_id: str) -> FitStatus:
    with database.unit_of_work() as session:
        return session.get_one(Fit, fit_id).status


def hints(queue: FitQueue) -> dict[WorkerClass, int]:
    return {each: queue.length(each) or 0 for each in EVERY_CLASS}


def test_a_worker_runs_what_is_of_its_classes_and_leaves_the_rest(
    database: Database, blobs: BlobStore, store_settings: StoreSettings
) -> None:
    signal_id = upload_signal(database, blobs, picture_png())
    with closing(FitQueue(store_settings)) as queue:
        worker = resources(database, blobs, queue, GPU)
        other = add_fit(database, signal_id=signal_id, spec=TINY)
        mine = add_fit(database, signal_id=signal_id, spec=TINY, worker_class=GPU)
        assert run_next_fit(worker) == mine
        assert run_next_fit(worker) is None
    assert (status(database, mine), status(database, other)) == (FitStatus.SUCCEEDED, FitStatus.QUEUED)


def test_a_hint_that_led_to_a_fit_of_another_class_is_sent_again(
    database: Database, blobs: BlobStore, store_settings: StoreSettings
) -> None:
    """Woken for any, it takes the more urgent one of its own class: somebody else may take the other one meanwhile."""
    signal_id = upload_signal(database, blobs, picture_png())
    with closing(FitQueue(store_settings)) as queue:
        worker = resources(database, blobs, queue, ANY, CPU)
        before = hints(queue)
        other = add_fit(database, signal_id=signal_id, spec=TINY)
        urgent = add_fit(database, signal_id=signal_id, spec=TINY, worker_class=CPU, priority=1)
        run_hinted_fits(worker, Hint(urgent, ANY))
        assert status(database, urgent) is FitStatus.SUCCEEDED
        assert hints(queue) == before | {ANY: before[ANY] + 1}
        run_hinted_fits(worker, Hint(other, ANY))
        assert status(database, other) is FitStatus.SUCCEEDED
        run_hinted_fits(worker, Hint(urgent, CPU))
        assert hints(queue) == before | {ANY: before[ANY] + 1}


def test_whoever_had_to_wait_for_a_place_is_woken_whatever_its_class(
    database: Database, blobs: BlobStore, store_settings: StoreSettings
) -> None:
    """Its hint was used up while its tenant had no place left."""
    signal_id = upload_signal(database, blobs, picture_png())
    with closing(FitQueue(store_settings)) as queue:
        settings = WorkerSettings(device="cpu", classes=(CPU,), max_running_per_tenant=1)
        worker = Resources(settings=settings, database=database, blobs=blobs, queue=queue)
        before = hints(queue)
        add_fit(database, signal_id=signal_id, spec=TINY, worker_class=CPU)
        add_fit(database, signal_id=signal_id, spec=TINY, worker_class=GPU)
        add_fit(database, "another", worker_class=ANY)
        assert run_next_fit(worker) is not None
        assert hints(queue) == before | {GPU: before[GPU] + 1}


@pytest.mark.parametrize("worker_class", EVERY_CLASS)
def test_a_message_tells_the_worker_for_which_class_it_was_woken(
    store_settings: StoreSettings, worker_class: WorkerClass
) -> None:
    address = store_settings.broker_url.get_secret_value()
    with closing(FitQueue(store_settings)) as queue, closing(redis.Redis.from_url(address)) as broker:
        queue.publish("fit_x", worker_class)
        message = json.loads(cast("bytes | None", broker.lpop(queue_of(worker_class))) or b"null")
    assert FITS_QUEUES[message["properties"]["delivery_info"]["routing_key"]] is worker_class


def test_upkeep_sends_what_hints_are_missing_to_the_queue_of_their_class(
    database: Database, blobs: BlobStore, store_settings: StoreSettings
) -> None:
    with closing(FitQueue(store_settings)) as queue:
        upkeep = resources(database, blobs, queue)
        queue.clear(GPU)
        before = hints(queue)
        for _ in range(2):
            add_fit(database, worker_class=GPU)
        time.sleep(0.01)
        upkeep_round(upkeep)
        assert hints(queue) == before | {GPU: 2}


def test_upkeep_sends_nothing_while_a_hint_waits_that_may_stand_for_all(
    database: Database, blobs: BlobStore, store_settings: StoreSettings
) -> None:
    with closing(FitQueue(store_settings)) as queue:
        upkeep = resources(database, blobs, queue)
        queue.clear(GPU)
        fit_ids = [add_fit(database, worker_class=GPU) for _ in range(3)]
        queue.publish(fit_ids[0], GPU, fits=3)
        for _ in range(2):
            time.sleep(0.01)
            upkeep_round(upkeep)
            assert queue.length(GPU) == 1


def test_hints_that_lead_to_no_fit_do_not_fill_the_broker(
    database: Database, blobs: BlobStore, store_settings: StoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many a client leaves behind who asks for a class that nobody serves, and cancels."""
    monkeypatch.setattr(upkeep, "MOST_USELESS_HINTS", 20)
    with closing(FitQueue(store_settings)) as queue:
        mine = resources(database, blobs, queue)
        add_fit(database, worker_class=GPU)
        queue.clear(GPU)
        for _ in range(21):
            queue.publish("fit_of_before", GPU)
        drop_useless_hints(mine)
        assert queue.length(GPU) == 21, "one more than fits and 20 would be too many"
        before = hints(queue)
        queue.publish("fit_of_before", GPU)
        drop_useless_hints(mine)
        assert hints(queue) == before | {GPU: 0}
        time.sleep(0.01)
        upkeep_round(mine)
        assert queue.length(GPU) == 1, "the fit that waits is announced again"


@pytest.mark.long
def test_workers_listen_for_their_classes_and_say_which_they_are(
    database: Database,
    blobs: BlobStore,
    store_environment: dict[str, str],
    store_settings: StoreSettings,
    tmp_path: Path,
) -> None:
    signal_id = upload_signal(database, blobs, picture_png())
    log = tmp_path / "worker.log"
    settings = {"TUNER_WORKER_DEVICE": "cpu", "TUNER_WORKER_CLASSES": '["gpu", "gpu-large"]'}
    command = ("--queues", "fits")  # as earlier releases were started
    with closing(FitQueue(store_settings)) as queue, running_worker(store_environment, log, *command, **settings):
        other = add_fit(database, signal_id=signal_id, spec=TINY)
        mine = [add_fit(database, signal_id=signal_id, spec=TINY, worker_class=each) for each in EVERY_CLASS[2:]]
        queue.publish(other)
        for fit_id, worker_class in zip(mine, EVERY_CLASS[2:], strict=True):
            queue.publish(fit_id, worker_class)
        deadline = time.monotonic() + 120
        while any(status(database, fit_id) is not FitStatus.SUCCEEDED for fit_id in mine):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        assert status(database, other) is FitStatus.QUEUED
        with database.unit_of_work() as session:
            (described,) = session.scalars(select(Worker)).all()
        assert described.facts["classes"] == ["gpu", "gpu-large"]
