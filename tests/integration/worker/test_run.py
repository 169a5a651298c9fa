"""One fit from claim to result, on real engines, with the trainer that users get."""

import time
from collections.abc import Iterator
from dataclasses import replace
from threading import Thread

import pytest

from store.blobs import BlobStore, sha256_hex
from store.database import Database
from store.keys import signal_key
from store.models import Fit
from store.queue import FitQueue
from store.repositories.fits import Fits
from store.repositories.signals import Signals
from store.settings import StoreSettings
from store.spec import FitSpec
from store.status import FitStatus
from tests.factories import picture_png
from tuner.codec.decode import decode
from tuner.metrics import picture_psnr_db
from tuner.signal.image import read_image
from worker.drain import draining
from worker.resources import Resources
from worker.run import run_next_fit
from worker.settings import WorkerSettings
from worker.upkeep import upkeep_round

CONTENT = picture_png()
SIGNAL = read_image(CONTENT)
SMALL = FitSpec.model_validate({"max_steps": 12, "network": {"frequencies": 24, "hidden": [16]}})
LONG = SMALL.model_copy(update={"max_steps": 100_000})


@pytest.fixture
def resources(database: Database, blobs: BlobStore, store_settings: StoreSettings) -> Iterator[Resources]:
    """A worker's process, with everything happening at every step."""
    queue = FitQueue(store_settings)
    settings = WorkerSettings(
        device="cpu",
        lease_seconds=3,
        heartbeat_seconds=0.2,
        progress_every_seconds=0.001,
        checkpoint_every_seconds=0.001,
        republish_after_seconds=0.001,
    )
    yield Resources(settings=settings, database=database, blobs=blobs, queue=queue)
    queue.close()
    draining.clear()


def submit(resources: Resources, spec: FitSpec = SMALL) -> str:
    """Upload the picture and queue a fit of it, as the api does."""
    sha256 = sha256_hex(CONTENT)
    key = signal_key("local", sha256)
    resources.blobs.put(key, CONTENT)
    with resources.database.unit_of_work() as session:
        signal, _ = Signals(session).add(
            tenant="local",
            sha256=sha256,
            byte_count=len(CONTENT),
            media_type="image/png",
            filename=None,
            facts={},
            object_key=key,
        )
        fit, _ = Fits(session).submit(tenant="local", signal_id=signal.id, spec=spec)
        return fit.id


def look(resources: Resources, fit_id: str) -> Fit:
    with resources.database.unit_of_work() as session:
        return Fits(session).get("local", fit_id)


def kinds(resources: Resources, fit_id: str) -> list[str]:
    with resources.database.unit_of_work() as session:
        return [event.kind for event in Fits(session).events(fit_id)]


def representation(resources: Resources, fit_id: str) -> bytes:
    row = look(resources, fit_id).representation
    assert row is not None
    return resources.blobs.read(row.object_key, sha256=row.sha256, max_bytes=row.byte_count)


def wait_for(resources: Resources, fit_id: str, kind: str, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while kind not in kinds(resources, fit_id):
        assert time.monotonic() < deadline, f"no {kind} event within {seconds} s"
        time.sleep(0.02)


def test_a_fit_succeeds_and_its_numbers_can_be_reproduced(resources: Resources) -> None:
    fit_id = submit(resources)
    assert run_next_fit(resources) == fit_id
    fit = look(resources, fit_id)
    assert fit.status is FitStatus.SUCCEEDED, fit.error_message
    assert fit.representation is not None
    rendered = decode(representation(resources, fit_id)).render()
    assert fit.representation.psnr_db == pytest.approx(
        picture_psnr_db(SIGNAL.values, rendered.values, SIGNAL.sample_format), abs=1e-3
    )
    assert fit.progress is not None
    assert fit.progress["step"] >= 1
    seen = kinds(resources, fit_id)
    assert seen[:2] == ["queued", "running"]
    assert {"progress", "checkpoint"} <= set(seen)
    assert seen[-1] == "succeeded"


def test_no_message_finds_work_that_is_not_there(resources: Resources) -> None:
    assert run_next_fit(resources) is None


def test_the_same_request_gives_the_same_bytes(resources: Resources) -> None:
    fits = [submit(resources) for _ in range(2)]
    for _ in fits:
        run_next_fit(resources)
    first, second = (representation(resources, fit_id) for fit_id in fits)
    assert first == second


def test_a_drained_fit_goes_on_elsewhere_and_ends_with_the_same_bytes(resources: Resources) -> None:
    fit_id = submit(resources)
    draining.set()
    run_next_fit(resources)
    draining.clear()
    fit = look(resources, fit_id)
    assert (fit.status, fit.tries, fit.attempt) == (FitStatus.QUEUED, 0, 1)
    run_next_fit(resources)
    uninterrupted = submit(resources)
    run_next_fit(resources)
    assert look(resources, fit_id).attempt == 2
    assert representation(resources, fit_id) == representation(resources, uninterrupted)


def test_a_damaged_checkpoint_is_passed_over(resources: Resources) -> None:
    fit_id = submit(resources)
    draining.set()
    run_next_fit(resources)
    draining.clear()
    with resources.database.unit_of_work() as session:
        (checkpoint,) = Fits(session).checkpoints(fit_id)
    resources.blobs.put(checkpoint.object_key, b"not what it was")
    run_next_fit(resources)
    assert look(resources, fit_id).status is FitStatus.SUCCEEDED


def test_a_running_fit_is_cancelled(resources: Resources) -> None:
    fit_id = submit(resources, LONG)
    worker = Thread(target=run_next_fit, args=(resources,))
    worker.start()
    wait_for(resources, fit_id, "progress")
    with resources.database.unit_of_work() as session:
        Fits(session).request_cancel("local", fit_id)
    worker.join(timeout=20)
    assert not worker.is_alive()
    fit = look(resources, fit_id)
    assert fit.status is FitStatus.CANCELLED
    assert fit.representation is None


def test_a_worker_that_lost_its_lease_writes_nothing(resources: Resources) -> None:
    fit_id = submit(resources, LONG)
    worker = Thread(target=run_next_fit, args=(resources,))
    worker.start()
    wait_for(resources, fit_id, "progress")
    with resources.database.unit_of_work() as session:
        fit = session.get_one(Fit, fit_id, with_for_update={"of": Fit})
        fit.attempt += 1  # as if another worker had claimed it
        events = fit.event_seq
    worker.join(timeout=20)
    assert not worker.is_alive()
    fit = look(resources, fit_id)
    assert (fit.status, fit.event_seq) == (FitStatus.RUNNING, events)


def test_bytes_that_changed_in_the_bucket_fail_with_advice(resources: Resources) -> None:
    fit_id = submit(resources)
    with resources.database.unit_of_work() as session:
        key = Fits(session).get("local", fit_id).signal.object_key
    resources.blobs.put(key, CONTENT[:-1] + b"!")
    run_next_fit(resources)
    fit = look(resources, fit_id)
    assert (fit.status, fit.error_code) == (FitStatus.FAILED, "blob_damaged")
    assert fit.error_message is not None
    assert "upload" in fit.error_message


def test_storage_trouble_is_tried_again_and_then_named(resources: Resources, store_settings: StoreSettings) -> None:
    nobody = store_settings.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:9", "s3_timeout_seconds": 0.2})
    fit_id = submit(resources)
    settings = resources.settings.model_copy(update={"max_storage_failures": 3, "storage_retry_seconds": 0})
    cut_off = replace(resources, settings=settings, blobs=BlobStore(nobody))
    for _ in range(2):
        run_next_fit(cut_off)
        assert look(resources, fit_id).status is FitStatus.QUEUED
    run_next_fit(cut_off)
    fit = look(resources, fit_id)
    assert (fit.status, fit.error_code) == (FitStatus.FAILED, "storage_unavailable")


def test_upkeep_brings_a_lost_fit_back_and_announces_it(resources: Resources) -> None:
    fit_id = submit(resources)
    with resources.database.unit_of_work() as session:
        Fits(session).claim_next("a worker that dies", lease_seconds=-1)
    upkeep_round(resources)
    fit = look(resources, fit_id)
    assert fit.status is FitStatus.QUEUED
    assert fit.published_at is not None


def test_upkeep_leaves_no_checkpoints_of_a_finished_fit(resources: Resources) -> None:
    fit_id = submit(resources)
    run_next_fit(resources)
    prefix = f"fits/{fit_id}/"
    before = set(resources.blobs.keys(prefix))
    kept = [key for key in before if "checkpoints" in key]
    assert len(kept) == resources.settings.checkpoints_kept
    upkeep_round(resources)
    (left,) = resources.blobs.keys(prefix)
    assert left.endswith(".tnr")
