"""What grows for ever is forgotten in time, and nothing else is."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import func, select, text

from store.blobs import BlobStore
from store.database import Database
from store.models import FitAttempt, FitEvent, IdempotencyKey
from store.models_workers import Worker
from store.queue import FitQueue
from store.repositories.fits import Fits, StoredObject
from store.repositories.workers import Workers
from store.settings import StoreSettings
from store.spec import FitSpec
from tests.factories import add_signal, claim
from worker.resources import Resources
from worker.retention import forget_history
from worker.settings import WorkerSettings

DAY = 86_400.0


@pytest.fixture
def resources(database: Database, blobs: BlobStore, store_settings: StoreSettings) -> Iterator[Resources]:
    queue = FitQueue(store_settings)
    yield Resources(settings=WorkerSettings(), database=database, blobs=blobs, queue=queue)
    queue.close()


def trained_fit(database: Database, key: str, *, ends: bool = True) -> str:
    """A fit with every kind of event."""
    signal_id = add_signal(database)
    with database.unit_of_work() as session:
        submitted = Fits(session).submit(
            tenant="local", signal_id=signal_id, spec=FitSpec(), priority=9, idempotency=(key, "hash")
        )
    held = claim(database).claim
    stored = StoredObject(key=f"fits/{key}", sha256="0", byte_count=1)
    with database.unit_of_work() as session:
        fits = Fits(session)
        for step in range(3):
            fits.report_progress(held, {"step": step})
        fits.add_checkpoint(held, step=3, stored=stored)
        if ends:
            fits.succeed(held, stored=stored, psnr_db=1.0, facts={}, outcome="")
    return submitted[0].id


def left(database: Database) -> tuple[dict[str, list[str]], dict[str, int], set[str]]:
    """Kinds of events and number of attempts by fit, and the keys."""
    with database.unit_of_work() as session:
        events: dict[str, list[str]] = {}
        for fit_id, kind in session.execute(select(FitEvent.fit_id, FitEvent.kind).order_by(FitEvent.seq)):
            events.setdefault(fit_id, []).append(kind)
        counts = select(FitAttempt.fit_id, func.count()).group_by(FitAttempt.fit_id)
        attempts = {row[0]: row[1] for row in session.execute(counts)}
        return events, attempts, set(session.scalars(select(IdempotencyKey.key)))


def test_history_is_kept_as_long_as_it_is_said(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.retention.FITS_AT_A_TIME", 1)
    monkeypatch.setattr("worker.retention.KEYS_AT_A_TIME", 1)
    database = resources.database
    old = [trained_fit(database, f"old {number}") for number in range(2)]
    with database.unit_of_work() as session:
        session.execute(text("UPDATE fits SET finished_at = finished_at - interval '31 days'"))
        session.execute(text("UPDATE idempotency_keys SET created_at = created_at - interval '31 days'"))
    young = trained_fit(database, "young")
    running = trained_fit(database, "running", ends=False)
    everything = ["queued", "running", "progress", "progress", "progress", "checkpoint"]
    forget_history(resources)
    assert left(database) == (
        {fit_id: ["queued", "running", "succeeded"] for fit_id in old}
        | {young: [*everything, "succeeded"], running: everything},
        {young: 1, running: 1},
        {"young", "running"},
    )


def test_a_worker_that_is_gone_for_good_is_forgotten(resources: Resources) -> None:
    with resources.database.unit_of_work() as session:
        for name in ("here:1", "gone:1"):
            Workers(session).describe(name, process=name, facts={})
        session.execute(text("UPDATE workers SET seen_at = seen_at - interval '2 hours' WHERE name = 'gone:1'"))
    forget_history(resources)
    with resources.database.unit_of_work() as session:
        assert list(session.scalars(select(Worker.name))) == ["here:1"]


def test_for_ever_is_a_setting_too(resources: Resources) -> None:
    trained_fit(resources.database, "old")
    with resources.database.unit_of_work() as session:
        session.execute(text("UPDATE fits SET finished_at = finished_at - interval '10 years'"))
        session.execute(text("UPDATE idempotency_keys SET created_at = created_at - interval '10 years'"))
    before = left(resources.database)
    for name in ("events_kept_seconds", "attempts_kept_seconds", "idempotency_kept_seconds"):
        assert WorkerSettings.model_fields[name].default == 30 * DAY
    settings = WorkerSettings(events_kept_seconds=None, attempts_kept_seconds=None, idempotency_kept_seconds=None)
    forget_history(replace(resources, settings=settings))
    assert left(resources.database) == before
