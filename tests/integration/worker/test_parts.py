"""One large fit by many workers, on real engines: the same bytes as by one, whoever is lost on the way."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from threading import Thread

import pytest
from sqlalchemy import select

from store.blobs import BlobStore
from store.database import Database
from store.errors import LeaseLost
from store.keys import part_key
from store.models import Fit
from store.models_parts import FitPart
from store.queue import FitQueue
from store.repositories.fits import Fits, StoredObject
from store.repositories.parts import PartClaim, Parts
from store.settings import StoreSettings
from store.spec import FitSpec
from store.status import FitStatus
from tests.cases import colours
from tests.factories import upload_signal
from tuner.signal.image import read_image, write_image
from tuner.signal.signal import SampleFormat, Signal
from tuner.targets.search import fit_to_target
from tuner.targets.tiles.crew import Part
from worker.crew import Colleagues
from worker.drain import draining
from worker.parts import help_out
from worker.resources import Resources
from worker.run import run_next_fit
from worker.settings import WorkerSettings
from worker.sweep import sweep
from worker.translate import ask_from_spec
from worker.upkeep import upkeep_round

SPEC = FitSpec.model_validate({"preset": "fast", "max_steps": 1, "network": {"tiles": 12}})
CONTENT = write_image(Signal(values=colours()[:12], sample_format=SampleFormat.U8))  # four tiles
SETTINGS = {"device": "cpu", "lease_seconds": 8.0, "heartbeat_seconds": 0.2, "fit_memory_bytes": 4 << 30}
# Until its standard input ends: a worker that is idle but for parts of others' fits.
HELPER = """
import select, sys, time
from worker.parts import Helper
from worker.resources import resources
from worker.run import warm_up
warm_up(resources())
helper = Helper(resources())
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0.05)[0]:
    helper.run_next()
"""


@pytest.fixture
def resources(database: Database, blobs: BlobStore, store_settings: StoreSettings) -> Iterator[Resources]:
    queue = FitQueue(store_settings)
    settings = WorkerSettings(**SETTINGS, progress_every_seconds=0.05, orphan_seconds=0.0)  # type: ignore[arg-type]
    yield Resources(settings=settings, database=database, blobs=blobs, queue=queue)
    queue.close()
    draining.clear()


@cache
def by_one() -> bytes:
    picture = read_image(CONTENT)
    content = fit_to_target(picture, ask_from_spec(SPEC, picture)).content
    assert content is not None
    return content


def submit(resources: Resources) -> str:
    signal_id = upload_signal(resources.database, resources.blobs, CONTENT)
    with resources.database.unit_of_work() as session:
        fit, _ = Fits(session).submit(tenant="local", signal_id=signal_id, spec=SPEC)
        return fit.id


def look(resources: Resources, fit_id: str) -> Fit:
    with resources.database.unit_of_work() as session:
        return Fits(session).get("local", fit_id)


def rows(resources: Resources, fit_id: str) -> list[FitPart]:
    with resources.database.unit_of_work() as session:
        return list(session.scalars(select(FitPart).filter_by(fit_id=fit_id).order_by(FitPart.number)))


def content_of(resources: Resources, fit_id: str) -> bytes:
    row = look(resources, fit_id).representation
    assert row is not None
    return resources.blobs.read(row.object_key, sha256=row.sha256, max_bytes=row.byte_count)


def test_a_fit_by_two_workers_is_that_by_one_and_a_killed_one_costs_its_part(
    resources: Resources, store_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {f"TUNER_WORKER_{name.upper()}": str(value) for name, value in SETTINGS.items()}
    with subprocess.Popen(
        [sys.executable, "-c", HELPER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | store_environment | words,
    ) as helper:
        try:
            assert helper.stdout is not None
            assert helper.stdout.readline() == b"ready\n"
            fit_id = submit(resources)
            take = Colleagues.take

            def once_it_was_killed(self: Colleagues) -> Part | None:
                """Let the other one finish a part, and kill it in the next."""
                deadline = time.monotonic() + 60.0
                while helper.poll() is None:
                    assert time.monotonic() < deadline
                    parts = rows(resources, fit_id)
                    if any(part.done_at for part in parts) and any(part.lease_until for part in parts):
                        helper.send_signal(signal.SIGKILL)
                        helper.wait()
                    time.sleep(0.005)
                return take(self)

            monkeypatch.setattr(Colleagues, "take", once_it_was_killed)
            assert run_next_fit(resources) == fit_id
        finally:
            helper.kill()
    fit, parts = look(resources, fit_id), rows(resources, fit_id)
    assert fit.status is FitStatus.SUCCEEDED, fit.error_message
    assert content_of(resources, fit_id) == by_one()
    assert len(parts) == 4
    assert all(part.done_at for part in parts)
    assert sorted(part.attempt for part in parts) == [1, 1, 1, 2]
    assert any(part.worker for part in parts)
    assert fit.tries == 1  # the one that holds the fit was never in doubt
    # What parts left behind goes with the fit's end, and what the killed one had stored without a row with the sweep.
    upkeep_round(resources)
    assert rows(resources, fit_id) == []
    sweep(resources)
    assert [key for key in resources.blobs.keys(f"fits/{fit_id}/") if "parts" in key] == []


def test_the_next_attempt_goes_on_with_the_parts_that_are_done(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that holds the fit leaves after two parts; one object of the two is lost."""
    fit_id = submit(resources)
    finish, finished = Colleagues.finish, list[int]()

    def leave(self: Colleagues, state: object) -> None:
        finish(self, state)  # type: ignore[arg-type]
        finished.append(1)
        if len(finished) == 2:
            draining.set()

    monkeypatch.setattr(Colleagues, "finish", leave)
    run_next_fit(resources)
    assert look(resources, fit_id).status is FitStatus.QUEUED
    draining.clear()
    assert [bool(part.done_at) for part in rows(resources, fit_id)] == [True, True, False, False]
    sweep(resources)
    resources.blobs.delete(part_key(fit_id, 1, 1))
    assert run_next_fit(resources) == fit_id
    assert content_of(resources, fit_id) == by_one()
    # The third was taken by the one that left, too.
    assert [part.attempt for part in rows(resources, fit_id)] == [1, 1, 2, 1]


def test_a_cancel_ends_the_fit_while_others_are_at_work(resources: Resources) -> None:
    fit_id, held = submit(resources), list[PartClaim]()

    def hold() -> None:
        """Take a part like a worker that is slow."""
        while not held:
            with resources.database.unit_of_work() as session:
                found = Parts(session).claim_next("slow", lease_seconds=600.0, max_tries=3)
            held.extend([found.claim] if found else [])
            time.sleep(0.002)
        with resources.database.unit_of_work() as session:
            Fits(session).request_cancel("local", fit_id)

    slow = Thread(target=hold)
    slow.start()
    assert run_next_fit(resources) == fit_id
    slow.join()
    assert look(resources, fit_id).status is FitStatus.CANCELLED
    with pytest.raises(LeaseLost), resources.database.unit_of_work() as session:
        Parts(session).finish(held[0], StoredObject(key="k", sha256="0", byte_count=1))
    assert help_out(resources) == 0
