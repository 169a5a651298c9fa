"""Rows are compared with objects: all that is damaged or lost is found, and what can be made again is."""

import os
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from sqlalchemy import func, select, text

import store.locks
from store.blobs import BlobStore, sha256_hex
from store.database import Database
from store.errors import BlobsUnavailable
from store.keys import checkpoint_key, render_key, representation_key, signal_key
from store.locks import Lock
from store.models import Checkpoint, Fit, Representation, Signal
from store.models_renders import Render
from store.models_scrub import Scrub
from store.queue import FitQueue
from store.repositories.scrubs import Scrubs
from store.repositories.webhooks import Webhooks
from store.settings import StoreSettings
from store.spec import FitSpec
from store.status import FitStatus
from tests.chaos.proxy import Proxy, Weather
from tests.damage import damage
from worker.resources import Resources
from worker.scrub import BATCH, scrub
from worker.settings import WorkerSettings

WAYS = ("deleted", "truncated", "swapped", "rotten", "longer")
Row = Signal | Representation | Checkpoint | Render


@pytest.fixture
def resources(database: Database, blobs: BlobStore, store_settings: StoreSettings) -> Iterator[Resources]:
    queue = FitQueue(store_settings)
    yield Resources(
        settings=WorkerSettings(scrub_refits=True, scrub_objects_per_second=1e6, scrub_bytes_per_second=1e9),
        database=database,
        blobs=blobs,
        queue=queue,
    )
    queue.close()


def add_rows(resources: Resources, count: int) -> list[Row]:
    """Rows of all four kinds, and their objects: a good third are signals, most of the rest results of them."""
    spec = FitSpec().model_dump(mode="json")
    contents: dict[str, bytes] = {}

    def stored(key: Callable[[str], str] | str) -> dict[str, str | int]:
        content = os.urandom(100)
        sha256 = sha256_hex(content)
        name = key if isinstance(key, str) else key(sha256)
        contents[name] = content
        return {"object_key": name, "sha256": sha256, "byte_count": len(content)}

    with resources.database.unit_of_work() as session:
        signals = [
            Signal(tenant="local", media_type="image/png", facts={}, **stored(partial(signal_key, "local")))
            for _ in range(count * 2 // 5)
        ]
        session.add_all(signals)
        session.flush()
        fits = [
            Fit(tenant="local", signal_id=signal.id, spec=spec, status=FitStatus.SUCCEEDED, event_seq=1)
            for signal in signals[: count * 3 // 10]
        ]
        open_fit = Fit(
            tenant="local",
            signal_id=signals[0].id,
            spec=spec,
            status=FitStatus.RUNNING,
            lease_until=func.now() + text("interval '1 hour'"),
            attempt=1,
        )
        session.add_all([*fits, open_fit])
        session.flush()
        results: list[Row] = [
            Representation(fit_id=fit.id, attempt=1, facts={}, **stored(representation_key(fit.id, 1))) for fit in fits
        ]
        checkpoints: list[Row] = [
            Checkpoint(
                fit_id=open_fit.id,
                attempt=1,
                step=step,
                **stored(checkpoint_key(open_fit.id, 1, step)),
            )
            for step in range(count * 3 // 20)
        ]
        views: list[Row] = [
            Render(
                tenant="local",
                fit_id=fits[0].id,
                recipe={},
                recipe_sha256=str(number),
                status="ready",
                tries=1,
                **stored(partial(render_key, "local", str(number))),
            )
            for number in range(count * 3 // 20)
        ]
        session.add_all([*results, *checkpoints, *views])
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(resources.blobs.put, contents, contents.values()))
    return [*signals, *results, *checkpoints, *views]


def ids(resources: Resources, table: type[Row]) -> set[str]:
    with resources.database.unit_of_work() as session:
        return set(session.scalars(select(table.id)))


def marked(resources: Resources, table: type[Signal | Representation]) -> dict[str, str | None]:
    with resources.database.unit_of_work() as session:
        found = session.execute(select(table.id, table.damage).where(table.damage.is_not(None)))
        return {row[0]: row[1] for row in found}


def last(resources: Resources) -> Scrub:
    with resources.database.unit_of_work() as session:
        found = Scrubs(session).last()
    assert found is not None
    return found


def start_over(resources: Resources) -> None:
    with resources.database.unit_of_work() as session:
        Scrubs(session).begin(is_urgent=False)


def test_fifty_of_a_thousand_objects_are_found_and_made_again(
    resources: Resources, store_settings: StoreSettings
) -> None:
    rows = add_rows(resources, 1000)
    assert len(rows) == 1000
    spoilt = {row: WAYS[number % len(WAYS)] for number, row in enumerate(rows[7::20])}
    assert len(spoilt) == 50
    before = {row: damage(resources.blobs, row.object_key or "", how) for row, how in spoilt.items()}
    rotten = [row.object_key.encode() for row, how in spoilt.items() if how == "rotten" and row.object_key]
    port = urlsplit(store_settings.s3_endpoint_url or "").port
    assert port is not None
    with Proxy(port) as proxy:
        # What a server does that refuses an object is told in tests/integration/store; here nobody waits for it.
        changes = {"s3_endpoint_url": f"http://127.0.0.1:{proxy.port}", "s3_refused_seconds": 0}
        through = store_settings.model_copy(update=changes)
        weather = Weather(http_status=500, verbs=(b"GET ",), names=tuple(rotten), s3_code="InternalError")
        with proxy.under(weather):
            assert scrub(replace(resources, blobs=BlobStore(through)), Event())
    ended = last(resources)
    assert (ended.objects, ended.byte_count, ended.damaged) == (1000, 100_000, 50)

    def code(how: str) -> str:
        return "blob_missing" if how == "deleted" else "blob_damaged"

    for table in (Signal, Representation):
        assert marked(resources, table) == {row.id: code(how) for row, how in spoilt.items() if type(row) is table}
    for gone in (Checkpoint, Render):
        assert ids(resources, gone) == {row.id for row in rows if type(row) is gone and row not in spoilt}
    keys = set(resources.blobs.keys())
    assert not {row.object_key for row in spoilt if type(row) in (Checkpoint, Render)} & keys
    # Lost results are queued again, unless their signal is lost, too.
    lost_signals = {row.id for row in spoilt if type(row) is Signal}
    with resources.database.unit_of_work() as session:
        again = set(session.scalars(select(Fit.signal_id).where(Fit.status == FitStatus.QUEUED)))
        lost = session.scalars(select(Representation).where(Representation.damage.is_not(None))).all()
        assert lost
        assert again == {row.fit.signal_id for row in lost} - lost_signals
    # What has come back is marked no longer.
    for row, content in before.items():
        assert row.object_key is not None
        if type(row) in (Signal, Representation):
            resources.blobs.put(row.object_key, content)
    start_over(resources)
    assert scrub(resources, Event())
    assert last(resources).damaged == 0
    assert not marked(resources, Signal) | marked(resources, Representation)


def test_one_pass_follows_another_only_when_it_is_time(resources: Resources) -> None:
    assert scrub(resources, Event())
    began_at = last(resources).began_at
    with resources.database.unit_of_work() as session:
        session.execute(text("UPDATE scrubs SET ended_at = ended_at - interval '1 day' WHERE name <> 'objects'"))
    assert scrub(resources, Event())
    assert last(resources).began_at == began_at


def test_each_lock_is_held_without_the_others(resources: Resources) -> None:
    """A pass takes hours; webhooks, upkeep and migrations go on meanwhile."""
    for held in Lock:
        with resources.database.lock(held):
            for other in Lock:
                with resources.database.lock(other) as is_free:
                    assert is_free == (other is not held)
    with resources.database.lock(Lock.SCRUB), resources.database.unit_of_work() as session:
        session.execute(text("SET LOCAL lock_timeout = 500"))
        assert Webhooks(session).claim_next(patience_seconds=1) is None


def test_every_advisory_lock_has_its_number_from_one_place() -> None:
    root = Path(store.locks.__file__).parents[1]
    for folder in ("api", "store", "worker", "migrations"):
        for source in (root / folder).rglob("*.py"):
            for line in source.read_text().splitlines():
                if re.search(r"pg_(try_)?advisory\w*lock\(", line):
                    assert re.search(r"Lock\.|hashtextextended|%s", line), f"{source}: {line}"


def test_a_lock_is_free_although_the_server_has_not_seen_its_connection_go(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server with much to do notices a closed connection some moment after it was closed."""
    unseen: list[psycopg.Connection[Any]] = []
    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Connection, "close", lambda connection: unseen.append(connection))
        with resources.database.lock(Lock.SCRUB) as is_first:
            pass
        with resources.database.lock(Lock.SCRUB) as is_second:
            pass
    for connection in unseen:
        connection.close()
    assert (is_first, is_second) == (True, True)


def test_a_pass_goes_on_where_it_was(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = add_rows(resources, 3 * BATCH)
    seen: list[str] = []
    stop = Event()
    verify = resources.blobs.verify

    def watched(key: str, **how: object) -> None:
        seen.append(key)
        if len(seen) == BATCH + 7:
            stop.set()
        verify(key, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(resources.blobs, "verify", watched)
    assert not scrub(resources, stop)
    assert (len(seen), last(resources).objects) == (BATCH + 7, BATCH + 7)
    assert scrub(resources, Event())
    assert sorted(seen) == sorted(str(row.object_key) for row in rows)
    # The newest of a kind come first: they are what a power failure takes.
    signals = [str(row.object_key) for row in rows if type(row) is Signal]
    assert seen[: len(signals)] == signals[::-1]
    assert scrub(resources, Event())
    assert len(seen) == len(rows)  # nothing is due


def test_after_an_unclean_end_of_the_database_all_is_compared_at_once(resources: Resources) -> None:
    add_rows(resources, 20)
    assert scrub(resources, Event())
    assert last(resources).is_urgent  # never compared before
    start_over(resources)
    assert scrub(resources, Event())
    first = last(resources)
    assert not first.is_urgent
    with resources.database.unit_of_work() as session:
        assert session.scalar(text("SELECT relpersistence FROM pg_class WHERE relname = 'clean_marks'")) == "u"
        session.execute(text("TRUNCATE clean_marks"))  # what PostgreSQL does to it when it starts after a crash
    assert scrub(resources, Event())
    again = last(resources)
    assert again.is_urgent
    assert again.began_at > first.began_at
    assert again.objects == 20


def test_an_outage_is_no_damage_and_the_pass_goes_on_after_it(
    resources: Resources, store_settings: StoreSettings
) -> None:
    add_rows(resources, 20)
    nobody = store_settings.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:9", "s3_timeout_seconds": 0.5})
    with pytest.raises(BlobsUnavailable):
        scrub(replace(resources, blobs=BlobStore(nobody)), Event())
    assert scrub(resources, Event())
    assert (last(resources).objects, last(resources).damaged) == (20, 0)


def test_a_pass_may_take_longer_than_any_unit_of_work_and_stays_the_only_one(
    resources: Resources, store_settings: StoreSettings
) -> None:
    """Its lock lies on a connection that says nothing for as long as objects are compared."""
    add_rows(resources, 20)
    hurried = store_settings.model_copy(update={"database_timeout_seconds": 0.5, "database_unit_seconds": 0.5})
    slow = resources.settings.model_copy(update={"scrub_objects_per_second": 5.0})
    assert scrub(resources, Event())  # the urgent one, which is the first
    with resources.database.unit_of_work() as session:
        Scrubs(session).begin(is_urgent=False)
    mine = replace(resources, database=Database(hurried), settings=slow)
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(scrub, mine, Event())
        while not ended.done():
            time.sleep(0.2)
            assert not scrub(resources, Event()) or ended.done()
        assert ended.result()
    mine.database.close()
