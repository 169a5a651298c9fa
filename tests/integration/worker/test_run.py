"""One fit from claim to result, on real engines, with the trainer that users get."""

import resource
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from io import BytesIO
from itertools import groupby
from threading import Event, Thread
from threading import enumerate as running_threads
from types import SimpleNamespace
from urllib.parse import urlsplit

import numpy as np
import pytest
import redis
from pydantic import SecretStr
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from store.blobs import BlobStore, sha256_hex
from store.database import Database
from store.errors import LeaseLost
from store.keys import PROBES, checkpoint_key, representation_key, signal_key
from store.models import Fit, FitAttempt, FitEvent
from store.queue import FitQueue
from store.render_spec import RenderFormat, RenderSpec, View
from store.repositories.deletions import Deletions
from store.repositories.fits import Claim, Fits
from store.repositories.speeds import measured_speed
from store.settings import StoreSettings
from store.spec import FitSpec
from store.status import FitStatus
from tests.chaos.proxy import Proxy, Weather
from tests.factories import picture_png, upload_signal
from tuner.codec.decode import decode
from tuner.fit.progress import Progress, Verdict
from tuner.memory import data_bytes
from tuner.metrics import gradient_psnr_db, picture_psnr_db
from tuner.network.tiles.parameters import TiledParameters
from tuner.network.wavelets.parameters import WaveletParameters
from tuner.signal.grid import Grid
from tuner.signal.image import read_image
from tuner.signal.signal import Signal
from tuner.targets.search import fit_to_target
from worker.checkpoints import load_checkpoints, save_checkpoint
from worker.drain import draining
from worker.draw_caged import draw_caged
from worker.lease import Lease
from worker.memory import MARGIN_BYTES
from worker.resolved import resolved_settings
from worker.resources import Resources
from worker.run import run_next_fit
from worker.settings import WorkerSettings
from worker.sweep import sweep
from worker.translate import ask_from_spec
from worker.upkeep import upkeep_round

CONTENT = picture_png()
SIGNAL = read_image(CONTENT)
SMALL = FitSpec.model_validate({"max_steps": 12, "network": {"frequencies": 24, "hidden": [16]}})
MEDIUM = SMALL.model_copy(update={"max_steps": 40})
LONG = SMALL.model_copy(update={"max_steps": 100_000})


@pytest.fixture
def resources(database: Database, blobs: BlobStore, store_settings: StoreSettings) -> Iterator[Resources]:
    """A worker's process, with everything happening at every step."""
    queue = FitQueue(store_settings)
    settings = WorkerSettings(
        device="cpu",
        lease_seconds=3,
        heartbeat_seconds=0.2,
        progress_every_seconds=1e-9,
        checkpoint_every_seconds=0.001,
        republish_after_seconds=0.001,
    )
    yield Resources(settings=settings, database=database, blobs=blobs, queue=queue)
    queue.close()
    draining.clear()


def submit(resources: Resources, spec: FitSpec = SMALL) -> str:
    """Upload the picture and queue a fit of it, as the api does."""
    signal_id = upload_signal(resources.database, resources.blobs, CONTENT)
    with resources.database.unit_of_work() as session:
        fit, _ = Fits(session).submit(tenant="local", signal_id=signal_id, spec=spec)
        return fit.id


@contextmanager
def proxied(settings: StoreSettings) -> Iterator[tuple[Proxy, StoreSettings]]:
    """A proxy before storage, and settings that lead through it."""
    port = urlsplit(settings.s3_endpoint_url or "").port
    assert port is not None
    with Proxy(port) as proxy:
        yield proxy, settings.model_copy(update={"s3_endpoint_url": f"http://127.0.0.1:{proxy.port}"})


def look(resources: Resources, fit_id: str) -> Fit:
    with resources.database.unit_of_work() as session:
        return Fits(session).get("local", fit_id)


def kinds(resources: Resources, fit_id: str) -> list[str]:
    with resources.database.unit_of_work() as session:
        return [event.kind for event in Fits(session).events(fit_id)]


def events(resources: Resources, fit_id: str) -> list[FitEvent]:
    with resources.database.unit_of_work() as session:
        return Fits(session).events(fit_id)


def representation(resources: Resources, fit_id: str) -> bytes:
    row = look(resources, fit_id).representation
    assert row is not None
    return resources.blobs.read(row.object_key, sha256=row.sha256, max_bytes=row.byte_count)


def wait_for(resources: Resources, fit_id: str, kind: str, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while kind not in kinds(resources, fit_id):
        assert time.monotonic() < deadline, f"no {kind} event within {seconds} s"
        time.sleep(0.02)


TILES = FitSpec.model_validate({"preset": "fast", "max_steps": 1, "network": {"tiles": 24}})


def test_a_fit_in_tiles_goes_on_from_its_checkpoint_and_its_result_can_be_drawn(resources: Resources) -> None:
    """By one worker: stopped after a few tiles, and finished by the next attempt with the same bytes."""
    fit_id = submit(resources, TILES)

    def stop() -> None:
        wait_for(resources, fit_id, "checkpoint")
        draining.set()

    stopper = Thread(target=stop)
    stopper.start()
    assert run_next_fit(resources) == fit_id
    stopper.join()
    assert look(resources, fit_id).status is FitStatus.QUEUED
    draining.clear()
    assert run_next_fit(resources) == fit_id
    fit = look(resources, fit_id)
    assert fit.status is FitStatus.SUCCEEDED, fit.error_message
    content = representation(resources, fit_id)
    assert content == fit_to_target(SIGNAL, ask_from_spec(TILES, SIGNAL)).content
    decoded = decode(content)
    assert isinstance(decoded.parameters, TiledParameters)
    assert fit.representation is not None
    assert fit.representation.psnr_db == pytest.approx(
        picture_psnr_db(SIGNAL.values, decoded.render().values, SIGNAL.sample_format), abs=1e-3
    )
    assert (fit.resolved or {})["network"]["tiles"] == 24
    assert (fit.progress or {})["step"] == (fit.progress or {})["total_steps"]
    region = RenderSpec(view=View.RECONSTRUCTION, format=RenderFormat.NPY, region=(20.0, 3.0, 8.0, 5.0))
    drawn = np.load(BytesIO(draw_caged(content, region, resources.settings).content))
    np.testing.assert_allclose(drawn, decoded.render().values[3:8, 20:28], atol=1e-6)


def test_a_fit_in_tiles_is_cancelled(resources: Resources) -> None:
    fit_id = submit(resources, TILES.model_copy(update={"max_steps": 100_000}))
    worker = Thread(target=run_next_fit, args=(resources,))
    worker.start()
    wait_for(resources, fit_id, "checkpoint")
    with resources.database.unit_of_work() as session:
        Fits(session).request_cancel("local", fit_id)
    worker.join()
    assert look(resources, fit_id).status is FitStatus.CANCELLED


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
    slope_db = fit.representation.facts["gradient_psnr_db"]
    grid = Grid(SIGNAL.grid_shape, decode(representation(resources, fit_id)).parameters.period)
    gradients = decode(representation(resources, fit_id)).gradient(grid.coords())
    expected_db = gradient_psnr_db(SIGNAL.values, gradients.reshape(*SIGNAL.values.shape, 2))
    assert slope_db == pytest.approx(expected_db, abs=0.05)
    assert fit.progress is not None
    assert fit.progress["step"] >= 1
    seen = kinds(resources, fit_id)
    assert seen[:2] == ["queued", "running"]
    assert {"progress", "checkpoint"} <= set(seen)
    assert seen[-1] == "succeeded"


def test_no_message_finds_work_that_is_not_there(resources: Resources) -> None:
    assert run_next_fit(resources) is None


def test_a_target_is_met_and_said(resources: Resources) -> None:
    spec = FitSpec.model_validate({"target": {"bytes": 600}, "max_steps": 8})
    fit_id = submit(resources, spec)
    run_next_fit(resources)
    fit = look(resources, fit_id)
    assert fit.status is FitStatus.SUCCEEDED, fit.error_message
    assert fit.representation is not None
    assert 0 < len(representation(resources, fit_id)) == fit.representation.byte_count <= 600
    assert "600 bytes was met" in (fit.outcome or "")
    facts = fit.representation.facts
    assert (facts["outcome"], facts["networks"] >= 1) == ("met", True)
    with resources.database.unit_of_work() as session:
        assert measured_speed(session) == pytest.approx(facts["work"] / facts["fit_seconds"], rel=0.01)


def test_a_network_with_wavelets_is_taken_over_and_ends_with_the_same_bytes(resources: Resources) -> None:
    spec = FitSpec.model_validate({"target": {"bytes": 1200}, "max_steps": 20, "network": {"kind": "wavelets"}})
    alone = submit(resources, spec)
    run_next_fit(resources)
    row = look(resources, alone).representation
    assert row is not None, look(resources, alone).error_message
    assert 0.9 * 1200 <= row.byte_count <= 1200
    assert isinstance(decode(representation(resources, alone)).parameters, WaveletParameters)
    assert row.facts["products_per_sample"] < row.facts["weights"]

    taken_over = submit(resources, spec)
    with resources.database.unit_of_work() as session:
        claimed = Fits(session).claim_next("doomed", lease_seconds=60)
    assert claimed is not None

    def die(progress: Progress) -> Verdict:
        if progress.step == 11:
            save_checkpoint(resources, claimed.claim, progress.capture())
        return Verdict.STOP if progress.step == 13 else Verdict.CONTINUE

    fit_to_target(SIGNAL, ask_from_spec(spec, SIGNAL), on_step=die)
    with resources.database.unit_of_work() as session:
        Fits(session).beat(claimed.claim, lease_seconds=0.001)
    time.sleep(0.01)
    upkeep_round(resources)
    assert run_next_fit(resources) == taken_over
    assert representation(resources, taken_over) == representation(resources, alone)
    steps = [event.data["step"] for event in events(resources, taken_over) if event.kind == "progress"]
    assert steps[0] == 12


def test_a_target_that_no_network_meets_fails_with_advice(resources: Resources) -> None:
    fit_id = submit(resources, FitSpec.model_validate({"target": {"bytes": 20}, "max_steps": 2}))
    run_next_fit(resources)
    fit = look(resources, fit_id)
    assert (fit.status, "ask for more" in (fit.error_message or "")) == (FitStatus.FAILED, True)


def test_a_search_is_taken_over_in_its_second_network(resources: Resources) -> None:
    """As after a kill -9: the next attempt goes on from the last checkpoint, and ends with the same bytes."""
    spec = FitSpec.model_validate({"target": {"psnr_db": 80.0}, "max_steps": 10})
    alone = submit(resources, spec)
    run_next_fit(resources)
    networks = look(resources, alone).representation
    assert networks is not None
    assert networks.facts["networks"] > 1

    taken_over = submit(resources, spec)
    with resources.database.unit_of_work() as session:
        claimed = Fits(session).claim_next("doomed", lease_seconds=0.001)
    assert claimed is not None
    saved: list[int] = []

    def die_in_the_second_network(progress: Progress) -> Verdict:
        save_checkpoint(resources, claimed.claim, progress.capture())
        saved.append(progress.step)
        return Verdict.STOP if progress.step == 3 else Verdict.CONTINUE

    with resources.database.unit_of_work() as session:
        Fits(session).beat(claimed.claim, lease_seconds=60)
    fit_to_target(SIGNAL, ask_from_spec(spec, SIGNAL), on_step=die_in_the_second_network)
    assert saved[-1] == 3
    with resources.database.unit_of_work() as session:
        Fits(session).beat(claimed.claim, lease_seconds=0.001)
    time.sleep(0.01)
    upkeep_round(resources)
    assert run_next_fit(resources) == taken_over
    assert representation(resources, taken_over) == representation(resources, alone)
    first_steps = [
        event.data["step"] for event in events(resources, taken_over) if event.kind == "progress" and event.attempt == 2
    ]
    assert first_steps[0] == 4


@pytest.mark.parametrize(
    "spec",
    [SMALL, FitSpec.model_validate({"target": {"psnr_db": 34.0}, "max_steps": 6}), FitSpec(max_seconds=0.5)],
    ids=["one network", "several", "out of time"],
)
def test_a_fit_tells_its_phase_from_the_first_second_to_the_last(resources: Resources, spec: FitSpec) -> None:
    fit_id = submit(resources, spec)
    run_next_fit(resources)
    fit = look(resources, fit_id)
    assert (fit.status, fit.representation is not None) == (FitStatus.SUCCEEDED, True), fit.error_message
    history = events(resources, fit_id)
    told = [event for event in history if event.kind in {"phase", "progress"}]
    assert [event.kind for event in history][-2:] == ["phase", "succeeded"]
    phases = [phase for phase, _ in groupby(event.data["phase"] for event in told)]
    networks = fit.representation.facts["networks"] if fit.representation else 0
    assert phases == ["reading", *["training", "compressing"] * networks, "storing"]
    steps = [event.data["step"] for event in told if "step" in event.data]
    assert steps == sorted(steps)
    assert all(event.data["step"] <= event.data["total_steps"] for event in told if "step" in event.data)
    assert all(event.data["eta_seconds"] >= 0.0 for event in told if event.data["phase"] != "reading")
    chosen = resolved_settings(ask_from_spec(spec, SIGNAL))
    assert ((fit.resolved or {})["network_kind"], fit.resolved) == (chosen["network_kind"], chosen)
    last = fit.progress or {}
    assert (last["phase"], last["step"], last["eta_seconds"]) == ("storing", last["total_steps"], 0.0)
    assert last["step"] == fit.representation.facts["steps"] if fit.representation else 0
    assert last["step"] == told[-1].data["step"] == told[-1].data["total_steps"]


def test_a_brief_fit_tells_of_its_beginning_and_its_end(resources: Resources) -> None:
    """With all that it would have told on the way: the settings that were chosen, and the last of its progress."""
    rare = {"progress_every_seconds": 600.0, "checkpoint_every_seconds": 600.0}
    brief = replace(resources, settings=resources.settings.model_copy(update=rare))
    fit_id = submit(resources)
    run_next_fit(brief)
    assert kinds(resources, fit_id) == ["queued", "running", "succeeded"]
    fit = look(resources, fit_id)
    assert fit.resolved == resolved_settings(ask_from_spec(SMALL, SIGNAL))
    assert (fit.progress or {})["phase"] == "storing"


def test_a_phase_in_which_nothing_ends_is_told_of_all_the_same(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the thread of the lease: reading, a long step, files and storing tell nothing themselves while they last."""
    told = Event()

    def read(content: bytes, *_: object, **__: object) -> Signal:
        fit_id = submitted[0]
        deadline = time.monotonic() + 20
        while kinds(resources, fit_id).count("phase") < 4:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        told.set()
        return read_image(content)

    monkeypatch.setattr("worker.attempt.read_caged", read)
    submitted = [submit(resources)]
    run_next_fit(resources)
    assert told.is_set()
    assert look(resources, submitted[0]).status is FitStatus.SUCCEEDED
    reading = [event.data for event in events(resources, submitted[0]) if event.data.get("phase") == "reading"]
    assert len(reading) >= 4


def test_the_same_request_gives_the_same_bytes(resources: Resources) -> None:
    fits = [submit(resources) for _ in range(2)]
    for _ in fits:
        run_next_fit(resources)
    first, second = (representation(resources, fit_id) for fit_id in fits)
    assert first == second


def begin(resources: Resources, fit_id: str) -> Thread:
    """A worker that is in the middle of the fit."""
    worker = Thread(target=run_next_fit, args=(resources,))
    worker.start()
    wait_for(resources, fit_id, "progress")
    return worker


def drain(worker: Thread) -> None:
    """What SIGTERM comes to."""
    draining.set()
    worker.join(timeout=20)
    draining.clear()
    assert not worker.is_alive()


def test_a_drained_fit_goes_on_elsewhere_and_ends_with_the_same_bytes(resources: Resources) -> None:
    fit_id = submit(resources, MEDIUM)
    drain(begin(resources, fit_id))
    fit = look(resources, fit_id)
    assert (fit.status, fit.tries, fit.attempt) == (FitStatus.QUEUED, 0, 1)
    run_next_fit(resources)
    uninterrupted = submit(resources, MEDIUM)
    run_next_fit(resources)
    assert look(resources, fit_id).attempt == 2
    assert representation(resources, fit_id) == representation(resources, uninterrupted)


def test_a_worker_that_leaves_takes_no_work(resources: Resources) -> None:
    fit_id = submit(resources)
    draining.set()
    assert run_next_fit(resources) is None
    assert look(resources, fit_id).attempt == 0


def test_a_paused_fit_goes_on_where_it_was(resources: Resources) -> None:
    fit_id = submit(resources, MEDIUM)
    worker = begin(resources, fit_id)
    with resources.database.unit_of_work() as session:
        Fits(session).request_pause("local", fit_id)
    worker.join(timeout=20)
    assert look(resources, fit_id).status is FitStatus.PAUSED
    assert run_next_fit(resources) is None
    with resources.database.unit_of_work() as session:
        kept = Fits(session).checkpoints(fit_id)[0].step
        Fits(session).request_resume("local", fit_id)
    run_next_fit(resources)
    with resources.database.unit_of_work() as session:
        steps = [event.data["step"] for event in Fits(session).events(fit_id) if event.kind == "progress"]
    assert look(resources, fit_id).status is FitStatus.SUCCEEDED
    assert kept + 1 in steps
    assert len(steps) == len(set(steps))


@pytest.mark.parametrize("still_readable", [False, True])
def test_a_damaged_checkpoint_is_passed_over(resources: Resources, *, still_readable: bool) -> None:
    fit_id = submit(resources, MEDIUM)
    drain(begin(resources, fit_id))
    with resources.database.unit_of_work() as session:
        newest, older = Fits(session).checkpoints(fit_id)[:2]
    whole = resources.blobs.read(newest.object_key)
    one_bit_of_a_weight = whole[:-1] + bytes([whole[-1] ^ 1])
    resources.blobs.put(newest.object_key, one_bit_of_a_weight if still_readable else b"not what it was")
    assert next(load_checkpoints(resources, fit_id)).step == older.step
    run_next_fit(resources)
    assert look(resources, fit_id).status is FitStatus.SUCCEEDED


def test_a_checkpoint_of_another_network_is_passed_over_for_an_older_one(resources: Resources) -> None:
    other_id = submit(resources, SMALL.model_copy(update={"max_steps": 100_000, "seed": 7}))
    drain(begin(resources, other_id))
    with resources.database.unit_of_work() as session:
        other = resources.blobs.read(Fits(session).checkpoints(other_id)[0].object_key)
        Fits(session).request_cancel("local", other_id)
    fit_id = submit(resources, MEDIUM)
    drain(begin(resources, fit_id))
    with resources.database.unit_of_work() as session:
        newest, older = Fits(session).checkpoints(fit_id)[:2]
        newest.sha256, newest.byte_count = sha256_hex(other), len(other)
        ended = Fits(session).get("local", fit_id).event_seq
    resources.blobs.put(newest.object_key, other)
    run_next_fit(resources)
    assert look(resources, fit_id).status is FitStatus.SUCCEEDED
    steps = [
        event.data["step"] for event in events(resources, fit_id) if event.seq > ended and event.kind == "progress"
    ]
    assert steps[0] > older.step


def test_a_running_fit_is_cancelled(resources: Resources) -> None:
    fit_id = submit(resources, LONG)
    worker = begin(resources, fit_id)
    with resources.database.unit_of_work() as session:
        Fits(session).request_cancel("local", fit_id)
    worker.join(timeout=20)
    assert not worker.is_alive()
    fit = look(resources, fit_id)
    assert fit.status is FitStatus.CANCELLED
    assert fit.representation is None


def test_a_worker_that_lost_its_lease_writes_nothing(resources: Resources) -> None:
    fit_id = submit(resources, LONG)
    worker = begin(resources, fit_id)
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
    assert key not in fit.error_message


def test_storage_trouble_is_tried_again_and_then_named(resources: Resources, store_settings: StoreSettings) -> None:
    fit_id = submit(resources)
    settings = resources.settings.model_copy(update={"max_storage_failures": 3, "storage_retry_seconds": 0})
    with proxied(store_settings) as (proxy, through), proxy.under(Weather(http_status=507, verbs=(b"GET ",))):
        full = replace(resources, settings=settings, blobs=BlobStore(through))
        for _ in range(2):
            run_next_fit(full)
            assert look(resources, fit_id).status is FitStatus.QUEUED
        run_next_fit(full)
    fit = look(resources, fit_id)
    assert (fit.status, fit.error_code) == (FitStatus.FAILED, "storage_unavailable")
    assert fit.tries == 0


def test_after_storage_trouble_a_fit_waits(resources: Resources, store_settings: StoreSettings) -> None:
    fit_id = submit(resources)
    with proxied(store_settings) as (proxy, through), proxy.under(Weather(http_status=507, verbs=(b"GET ",))):
        run_next_fit(replace(resources, blobs=BlobStore(through)))
    assert look(resources, fit_id).not_before is not None
    assert run_next_fit(resources) is None


def test_no_work_is_taken_while_storage_is_away(resources: Resources, store_settings: StoreSettings) -> None:
    fit_id = submit(resources)
    with proxied(store_settings) as (proxy, through):
        with proxy.under(Weather(refuses=True)):
            worker = Thread(target=run_next_fit, args=(replace(resources, blobs=BlobStore(through)),))
            worker.start()
            worker.join(timeout=1)
            assert look(resources, fit_id).attempt == 0
        worker.join(timeout=30)
    assert look(resources, fit_id).status is FitStatus.SUCCEEDED


def test_upkeep_brings_a_lost_fit_back_and_announces_it(resources: Resources) -> None:
    fit_id = submit(resources)
    with resources.database.unit_of_work() as session:
        Fits(session).claim_next("a worker that dies", lease_seconds=-1)
    upkeep_round(resources)
    fit = look(resources, fit_id)
    assert fit.status is FitStatus.QUEUED
    assert (resources.queue.length() or 0) >= 1


def test_the_length_of_the_queue_is_asked_over_a_connection_that_is_kept(
    resources: Resources, store_settings: StoreSettings
) -> None:
    resources.queue.publish("fit_x")
    with redis.Redis.from_url(store_settings.broker_url.get_secret_value()) as broker:
        assert resources.queue.length()
        before = broker.info("stats")["total_connections_received"]
        assert resources.queue.length()
        assert broker.info("stats")["total_connections_received"] == before


def test_the_length_of_the_queue_is_known_again_once_the_broker_is_back(store_settings: StoreSettings) -> None:
    address = urlsplit(store_settings.broker_url.get_secret_value())
    assert address.port is not None
    with Proxy(address.port) as proxy:
        through = store_settings.broker_url.get_secret_value().replace(str(address.port), str(proxy.port))
        queue = FitQueue(store_settings.model_copy(update={"broker_url": SecretStr(through)}))
        assert queue.length() is not None
        with proxy.under(Weather(resets=True, refuses=True)):
            assert queue.length() is None
        assert queue.length() is not None
        queue.close()


def test_the_broker_never_holds_more_hints_than_there_are_fits(resources: Resources) -> None:
    submit(resources)
    before = resources.queue.length()
    for _ in range(5):
        time.sleep(0.01)
        upkeep_round(resources)
    assert resources.queue.length() == max(before or 0, 1)


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


def test_a_computation_that_hangs_lets_its_fit_go(resources: Resources) -> None:
    fit_id = submit(resources)
    with resources.database.unit_of_work() as session:
        claimed = Fits(session).claim_next("a worker that hangs", lease_seconds=0.5)
    assert claimed is not None
    settings = resources.settings.model_copy(update={"stall_seconds": 0.3, "lease_seconds": 0.5})
    stalled = Event()
    with Lease(replace(resources, settings=settings), claimed.claim, on_stall=stalled.set) as lease:
        assert stalled.wait(10)
        assert lease.is_lost()
        time.sleep(0.6)
        upkeep_round(resources)
    fit = look(resources, fit_id)
    assert (fit.status, fit.tries, ends(resources, fit_id)) == (FitStatus.QUEUED, 0, ["hung"])


@pytest.mark.parametrize("why", ["failed", "deleted", "cut off"])
def test_a_computation_that_hangs_ends_its_process_although_its_lease_is_lost(resources: Resources, why: str) -> None:
    """Or the process would take no other fit, and nobody would say so."""
    fit_id = submit(resources)
    with resources.database.unit_of_work() as session:
        claimed = Fits(session).claim_next("a worker that hangs", lease_seconds=30.0)
    assert claimed is not None
    settings = resources.settings.model_copy(update={"stall_seconds": 1.5, "lease_seconds": 0.6})
    stalled = Event()
    with Lease(replace(resources, settings=settings), claimed.claim, on_stall=stalled.set) as lease:
        if why == "cut off":
            lease._waits_since = 0.0
        else:
            with resources.database.unit_of_work() as session:
                Fits(session).fail(claimed.claim, code="deadline_exceeded", message="it took too long")
                if why == "deleted":
                    Deletions(session).delete_fit(claimed.tenant, fit_id)
        assert lease.is_lost(within_seconds=5.0)
        assert not stalled.is_set()
        assert stalled.wait(10)


def ends(resources: Resources, fit_id: str) -> list[str | None]:
    with resources.database.unit_of_work() as session:
        query = select(FitAttempt.ended_as).where(FitAttempt.fit_id == fit_id).order_by(FitAttempt.attempt)
        return list(session.scalars(query))


def test_a_worker_that_is_overtaken_says_so(resources: Resources) -> None:
    """As one that was frozen: its lease runs out, upkeep misses it, and it comes back."""
    fit_id = submit(resources, LONG)
    worker = begin(resources, fit_id)
    with resources.database.unit_of_work() as session:
        fit = session.get_one(Fit, fit_id, with_for_update={"of": Fit})
        fit.lease_until = fit.created_at
        session.flush()
        assert Fits(session).reap_expired_leases(max_tries=3) == [fit_id]
    worker.join(timeout=20)
    assert not worker.is_alive()
    fit = look(resources, fit_id)
    assert (fit.status, fit.tries, ends(resources, fit_id)) == (FitStatus.QUEUED, 0, ["overtaken"])
    with resources.database.unit_of_work() as session:
        Fits(session).request_cancel("local", fit_id)


def test_what_the_database_refuses_for_good_fails_once(resources: Resources) -> None:
    fit_id = submit(resources)
    with resources.database.unit_of_work() as session:
        session.execute(text("ALTER TABLE representations ADD CONSTRAINT refused CHECK (false) NOT VALID"))
    try:
        assert run_next_fit(resources) == fit_id
    finally:
        with resources.database.unit_of_work() as session:
            session.execute(text("ALTER TABLE representations DROP CONSTRAINT refused"))
    fit = look(resources, fit_id)
    assert (fit.status, fit.error_code, fit.attempt) == (FitStatus.FAILED, "internal", 1)
    assert not list(resources.blobs.keys(f"fits/{fit_id}/attempts/1/representation"))


def claimed_by(resources: Resources, worker: str, *, lease_seconds: float) -> tuple[Resources, Claim]:
    """A claim on the next fit, and what a worker needs that beats ten times a second for it."""
    settings = resources.settings.model_copy(update={"lease_seconds": lease_seconds, "heartbeat_seconds": 0.1})
    with resources.database.unit_of_work() as session:
        claimed = Fits(session).claim_next(worker, lease_seconds=lease_seconds)
    assert claimed is not None
    return replace(resources, settings=settings), claimed.claim


def test_a_fit_whose_thread_waits_for_an_engine_is_let_go(resources: Resources) -> None:
    """The heartbeat's own line is fine all the time."""
    fit_id = submit(resources)
    beating, claim = claimed_by(resources, "a worker on a silent line", lease_seconds=1.0)
    with Lease(beating, claim) as lease, lease.waiting():
        deadline = time.monotonic() + 30
        while look(resources, fit_id).status is not FitStatus.QUEUED:
            assert time.monotonic() < deadline
            upkeep_round(resources)
            time.sleep(0.1)
        assert lease.is_lost()


def test_a_lease_that_was_taken_is_known_from_the_first_beat_that_is_refused(resources: Resources) -> None:
    """Long before the claim ends by the worker's own clock: who computes for nobody stops."""
    fit_id = submit(resources)
    beating, claim = claimed_by(resources, "a worker that is overtaken", lease_seconds=300.0)
    with Lease(beating, claim) as lease:
        assert not lease.is_lost()
        with resources.database.unit_of_work() as session:
            fit = session.get_one(Fit, fit_id, with_for_update={"of": Fit})
            fit.lease_until = fit.created_at
            session.flush()
            assert Fits(session).reap_expired_leases(max_tries=3) == [fit_id]
        assert lease.is_lost(within_seconds=20)
        assert lease.excuse == "overtaken"


def test_a_lease_counts_from_before_a_beat_that_waited(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database counts from the beginning of the beat, and the answer comes later."""
    fit_id = submit(resources)
    beating, claim = claimed_by(resources, "a worker whose answer is late", lease_seconds=600.0)
    ahead = 0.0
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + ahead)
    monkeypatch.setattr("worker.lease.time", clock)
    lock = text("SELECT 1 FROM fits WHERE id = :id FOR UPDATE")
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")

    def wait_for_waiting(many: int) -> None:
        deadline = time.monotonic() + 20
        with resources.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while connection.scalar(waiting) < many:
                assert time.monotonic() < deadline
                time.sleep(0.01)

    with resources.database.engine.connect() as first, resources.database.engine.connect() as second:
        first.execute(lock, {"id": fit_id})
        with Lease(beating, claim) as lease:
            wait_for_waiting(1)
            latest_start = time.monotonic()
            following = Thread(target=second.execute, args=(lock, {"id": fit_id}))  # no further beat comes through
            following.start()
            wait_for_waiting(2)
            time.sleep(1.0)
            first.rollback()
            following.join()
            ahead = latest_start + beating.settings.lease_seconds - time.monotonic()
            assert lease.is_lost()
            ahead -= 5.0
            assert not lease.is_lost()
            second.rollback()


@pytest.mark.parametrize(("service", "own"), [(0.001, None), (3600.0, 0.001)])
def test_work_without_end_is_ended(resources: Resources, service: float, own: float | None) -> None:
    fit_id = submit(resources, LONG.model_copy(update={"max_run_seconds": own}))
    worker = begin(resources, fit_id)
    strict = replace(resources, settings=resources.settings.model_copy(update={"max_run_seconds": service}))
    deadline = time.monotonic() + 20
    while worker.is_alive():  # a round passes over a row that the worker is writing to, and the next one does not
        assert time.monotonic() < deadline
        upkeep_round(strict)
        worker.join(timeout=0.1)
    fit = look(resources, fit_id)
    assert (fit.status, fit.error_code) == (FitStatus.FAILED, "deadline_exceeded")


def test_a_cancel_that_no_worker_answers_is_ended(resources: Resources) -> None:
    fit_id = submit(resources)
    with resources.database.unit_of_work() as session:
        Fits(session).claim_next("a worker that does not listen", lease_seconds=3600)
    with resources.database.unit_of_work() as session:
        Fits(session).request_cancel("local", fit_id)
    upkeep_round(resources)
    assert look(resources, fit_id).status is FitStatus.CANCELLING
    upkeep_round(replace(resources, settings=resources.settings.model_copy(update={"max_cancel_seconds": 0.001})))
    assert look(resources, fit_id).status is FitStatus.CANCELLED


def test_a_worker_frozen_in_a_transaction_does_not_hold_its_fit(
    resources: Resources, store_settings: StoreSettings
) -> None:
    fit_id = submit(resources)
    with closing(Database(store_settings.model_copy(update={"database_timeout_seconds": 1.0}))) as frozen:
        work = frozen.unit_of_work()
        session = work.__enter__()
        Fits(session).claim_next("a worker that freezes", lease_seconds=3600)
        session.flush()
        time.sleep(2)
        with resources.database.unit_of_work() as other:
            assert Fits(other).request_cancel("local", fit_id).status is FitStatus.CANCELLED
        with pytest.raises(DBAPIError):
            work.__exit__(None, None, None)


def test_objects_that_no_row_knows_are_swept(resources: Resources) -> None:
    fit_id = submit(resources)
    run_next_fit(resources)
    at_once = resources.settings.model_copy(update={"orphan_seconds": 0})
    upkeep_round(resources)
    sweep(replace(resources, settings=at_once))  # of what other tests left
    orphans = [
        signal_key("local", "0" * 64),
        checkpoint_key(fit_id, 1, 7),
        representation_key(fit_id, 9),
        f"{PROBES}left",
    ]
    wanted = set(resources.blobs.keys())
    for key in orphans:
        resources.blobs.put(key, b"orphan")
    sweep(resources)
    assert set(resources.blobs.keys()) == wanted | set(orphans), "young objects are left alone"
    assert sweep(replace(resources, settings=at_once)) == len(orphans)
    assert set(resources.blobs.keys()) == wanted


@pytest.mark.parametrize("pause_seconds", [0.02, 0.0])
@pytest.mark.parametrize("piece_bytes", [8 << 20, 4 << 30])
def test_a_fit_over_its_budget_of_memory_fails_once_and_says_so(
    resources: Resources, monkeypatch: pytest.MonkeyPatch, piece_bytes: int, pause_seconds: float
) -> None:
    hoard = []
    ended = Event()

    held = [0]  # memory of this process as the system counts it, at the beginning and after each piece

    def hungry(*_: object, **__: object) -> None:
        held[0] = data_bytes() or 0
        while True:
            hoard.append(np.ones(piece_bytes, np.uint8))
            held.append(data_bytes() or 0)
            time.sleep(pause_seconds)

    monkeypatch.setattr("worker.attempt.fit_to_target", hungry)
    monkeypatch.setattr("worker.attempt.end_process", ended.set)
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    settings = resources.settings.model_copy(update={"fit_memory_bytes": 64 << 20})
    fit_id = submit(resources)
    run_next_fit(replace(resources, settings=settings))
    hoard.clear()
    fit = look(resources, fit_id)
    assert (fit.status, fit.error_code, fit.attempt) == (FitStatus.FAILED, "out_of_memory", 1)
    assert "64 MiB" in (fit.error_message or "")
    assert 0 < held[0] <= max(held) <= held[0] + (64 << 20) + MARGIN_BYTES
    assert ended.is_set() or piece_bytes > MARGIN_BYTES or not pause_seconds
    assert resource.getrlimit(resource.RLIMIT_DATA) == limits
    assert [kind for kind in kinds(resources, fit_id) if kind != "phase"] == ["queued", "running", "failed"]


def test_a_fit_that_takes_too_long_fails_once_and_ends_its_process(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of a step that nothing can interrupt: the failure is written by then."""
    ended = Event()

    def endless(*_: object, **__: object) -> None:
        assert ended.wait(60)  # in earnest the process ends here
        raise LeaseLost("the fit has failed by now")

    monkeypatch.setattr("worker.attempt.fit_to_target", endless)
    monkeypatch.setattr("worker.attempt.end_process", ended.set)
    settings = resources.settings.model_copy(update={"fit_seconds": 0.5})
    fit_id = submit(resources)
    run_next_fit(replace(resources, settings=settings))
    fit = look(resources, fit_id)
    assert ended.is_set()
    assert (fit.status, fit.error_code, fit.attempt) == (FitStatus.FAILED, "out_of_time", 1)
    assert "0.5 s (TUNER_WORKER_FIT_SECONDS)" in (fit.error_message or "")
    assert [kind for kind in kinds(resources, fit_id) if kind != "phase"] == ["queued", "running", "failed"]


def test_a_gpu_that_broke_ends_the_process_and_the_fit_is_tried_again(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every later call of the process would fail, and with it every fit; another process may do better."""
    ended = Event()

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr("worker.attempt.fit_to_target", broken)
    monkeypatch.setattr("worker.attempt.end_process", ended.set)
    fit_id = submit(resources)
    run_next_fit(resources)
    assert ended.is_set()
    fit = look(resources, fit_id)
    assert (fit.status, fit.tries, ends(resources, fit_id)) == (FitStatus.QUEUED, 0, ["failed"])


def test_a_fit_in_time_is_left_alone(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = Event()
    monkeypatch.setattr("worker.attempt.end_process", ended.set)
    fit_id = submit(resources)
    run_next_fit(resources)
    assert look(resources, fit_id).status is FitStatus.SUCCEEDED
    assert not ended.is_set()
    for thread in running_threads():
        if thread.name == "deadline":  # told to end, it may need a moment
            thread.join(10)
            assert not thread.is_alive()
