"""A worker describes itself while it lives, through an outage of the database, and takes its row away as it leaves."""

import time
from collections.abc import Callable, Iterator
from threading import Event

import pytest
from sqlalchemy import select, text

from store.blobs import BlobStore
from store.database import Database
from store.models_workers import Worker
from store.queue import FitQueue
from store.settings import StoreSettings
from worker.device import Description
from worker.presence import Presence
from worker.resources import Resources
from worker.run import worker_name
from worker.settings import WorkerSettings

VERY_LONG = 30.0
SETTINGS = WorkerSettings(device="cpu", fit_memory_bytes=1 << 30)


@pytest.fixture
def resources(database: Database, blobs: BlobStore, store_settings: StoreSettings) -> Iterator[Resources]:
    queue = FitQueue(store_settings)
    yield Resources(settings=SETTINGS, database=database, blobs=blobs, queue=queue)
    queue.close()


@pytest.fixture
def leaves(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Set when the worker is told to leave; descriptions come in quick succession meanwhile."""
    told = Event()
    monkeypatch.setattr("worker.presence.draining", told)
    monkeypatch.setattr("worker.presence.DESCRIBED_EVERY_SECONDS", 0.02)
    yield told
    told.set()


def described(database: Database) -> list[Worker]:
    with database.unit_of_work() as session:
        return list(session.scalars(select(Worker)))


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + VERY_LONG
    while not true():
        assert time.monotonic() < deadline, "never came true"
        time.sleep(0.02)


def test_a_worker_is_described_until_it_leaves(resources: Resources, leaves: Event) -> None:
    presence = Presence(resources).start()
    until(lambda: len(described(resources.database)) == 1)
    (row,) = described(resources.database)
    assert row.process == worker_name()
    assert row.name != row.process
    assert row.facts.keys() == {"device", "device_name", "threads", "memory_bytes", "used_bytes", "release", "classes"}
    assert (row.facts["device"], row.facts["memory_bytes"]) == ("cpu", 1 << 30)
    until(lambda: described(resources.database)[0].seen_at > row.seen_at)
    leaves.set()
    presence.end()
    assert described(resources.database) == []


def test_what_cannot_be_written_is_written_later(resources: Resources, leaves: Event) -> None:
    with resources.database.unit_of_work() as session:
        session.execute(text("ALTER TABLE workers RENAME TO away"))
    presence = Presence(resources).start()
    time.sleep(0.2)
    with resources.database.unit_of_work() as session:
        session.execute(text("ALTER TABLE away RENAME TO workers"))
    until(lambda: len(described(resources.database)) == 1)
    leaves.set()
    presence.end()


def test_memory_that_is_taken_for_fits_is_told_from_the_workers_own() -> None:
    description = Description(SETTINGS)
    before = description.now()["used_bytes"]
    if before is None:
        pytest.skip("not run: this system does not say how much memory a process holds")
    held = bytearray(256 << 20)
    after = description.now()["used_bytes"]
    assert isinstance(before, int)
    assert isinstance(after, int)
    assert after - before > len(held) // 2
