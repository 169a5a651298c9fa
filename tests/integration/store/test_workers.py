"""Workers that describe themselves: who is there, who is missed, and what each of them does, as each tenant sees it."""

from sqlalchemy import select, text

from store.database import Database
from store.models_workers import Worker
from store.repositories.activity import Activity
from store.repositories.fits import Fits
from store.repositories.parts import Parts
from store.repositories.workers import FORGOTTEN_SECONDS, SILENT_SECONDS, Seen, WorkerCounts, Workers
from tests.factories import add_fit, claim, claim_next


def describe(database: Database, name: str, process: str = "", **facts: object) -> None:
    with database.unit_of_work() as session:
        Workers(session).describe(name, process=process or name, facts=facts)


def age(database: Database, name: str, seconds: float) -> None:
    with database.unit_of_work() as session:
        aged = text("UPDATE workers SET seen_at = seen_at - make_interval(secs => :seconds) WHERE name = :name")
        session.execute(aged, {"name": name, "seconds": seconds})


def listed(database: Database, tenant: str = "local") -> dict[str, Seen]:
    with database.unit_of_work() as session:
        return {seen.name: seen for seen in Workers(session).page(tenant, limit=100, before=None)}


def counts(database: Database) -> WorkerCounts:
    with database.unit_of_work() as session:
        return Workers(session).count()


def test_a_worker_has_one_row_whichever_process_of_it_speaks(database: Database) -> None:
    describe(database, "host:1", "host:2", device="cpu", used_bytes=5)
    first = listed(database)["host:1"]
    describe(database, "host:1", "host:3", device="cpu", used_bytes=7)
    second = listed(database)["host:1"]
    assert first.id == second.id
    assert (first.facts["used_bytes"], second.facts["used_bytes"]) == (5, 7)
    assert (second.is_silent, second.is_busy, second.fit_id) == (False, False, None)
    claim_of_its_process = add_fit(database)
    assert claim_next(database, worker="host:3") is not None
    assert listed(database)["host:1"].fit_id == claim_of_its_process


def test_whoever_leaves_is_gone_and_whoever_falls_silent_is_missed_for_an_hour(database: Database) -> None:
    for name in ("here:1", "left:1", "late:1", "lost:1"):
        describe(database, name)
    age(database, "late:1", SILENT_SECONDS + 5)
    age(database, "lost:1", FORGOTTEN_SECONDS + 5)
    with database.unit_of_work() as session:
        Workers(session).leave("left:1")
    assert {name: seen.is_silent for name, seen in listed(database).items()} == {"here:1": False, "late:1": True}
    assert counts(database) == WorkerCounts(heard=1, busy=0, silent=1)
    with database.unit_of_work() as session:
        assert Workers(session).forget_gone() == 1
        assert set(session.scalars(select(Worker.name))) == {"here:1", "late:1"}
    describe(database, "late:1")
    assert counts(database) == WorkerCounts(heard=2, busy=0, silent=0)


def test_a_fit_is_told_to_its_owner_and_others_see_that_its_worker_is_busy(database: Database) -> None:
    describe(database, "host:1", "host:2")
    fit_id = add_fit(database, tenant="alice")
    claimed = claim_next(database, worker="host:2")
    assert claimed is not None
    own, foreign = (listed(database, tenant)["host:1"] for tenant in ("alice", "bob"))
    assert (own.is_busy, own.fit_id) == (True, fit_id)
    assert (foreign.is_busy, foreign.fit_id) == (True, None)
    assert counts(database).busy == 1
    age(database, "host:1", SILENT_SECONDS + 5)
    assert counts(database) == WorkerCounts(heard=0, busy=0, silent=1)
    with database.unit_of_work() as session:
        Fits(session).fail(claimed.claim, code="internal", message="")
    own = listed(database, "alice")["host:1"]
    assert (own.is_busy, own.fit_id) == (False, None)


def test_a_worker_that_helps_with_a_part_is_busy_with_its_fit(database: Database) -> None:
    describe(database, "host:1", "helper")
    fit_id = add_fit(database, tenant="alice")
    lead = claim(database).claim
    with database.unit_of_work() as session:
        Parts(session).offer(lead, [{"search": "abc", "latent_step": 0.1, "tiles": [0]}])
    assert not listed(database)["host:1"].is_busy
    with database.unit_of_work() as session:
        part = Parts(session).claim_next("helper", lease_seconds=30, max_tries=3)
    assert part is not None
    assert [listed(database, tenant)["host:1"].fit_id for tenant in ("alice", "bob")] == [fit_id, None]
    assert counts(database).busy == 1
    with database.unit_of_work() as session:
        Parts(session).release(part.claim)
    assert not listed(database)["host:1"].is_busy


def test_pages_hold_each_worker_once_the_newest_first(database: Database) -> None:
    names = [f"host:{number}" for number in range(5)]
    for name in names:
        describe(database, name)
    found: list[str] = []
    before = None
    while True:
        with database.unit_of_work() as session:
            page = Workers(session).page("local", limit=2, before=before)
        if not page:
            break
        found += [seen.name for seen in page]
        before = page[-1].id
    assert found == names[::-1]


def test_what_waits_and_what_came_of_the_last_hour_is_counted(database: Database) -> None:
    for tenant in ("alice", "alice", "bob", "bob"):
        add_fit(database, tenant=tenant)
    with database.unit_of_work() as session:
        Fits(session).fail(claim(database).claim, code="out_of_memory", message="")
    lost = claim_next(database, lease_seconds=-1.0)
    assert lost is not None
    with database.unit_of_work() as session:
        Fits(session).reap_expired_leases(max_tries=3)
    old = claim(database).claim
    with database.unit_of_work() as session:
        Fits(session).fail(old, code="internal", message="")
        earlier = "ended_at = ended_at - interval '2 hours', started_at = started_at - interval '3 hours'"
        session.execute(text(f"UPDATE fit_attempts SET {earlier} WHERE fit_id = :id"), {"id": old.fit_id})
    held = claim(database)
    with database.unit_of_work() as session:
        activity = Activity(session)
        line, ended, day = (activity.fits(), activity.ended(seconds=3600), activity.ended(seconds=86_400))
        assert (line.waiting, line.running) == (1, 1)
        assert line.oldest_waiting_seconds is not None
        assert ended.attempts == {"failed": 1, "lost": 1}
        assert day.attempts == {"failed": 2, "lost": 1}
        assert day.worker_seconds >= ended.worker_seconds + 3500
        assert (activity.views().waiting, activity.views().oldest_waiting_seconds) == (0, None)
        told = {tenant: activity.failures(tenant, seconds=86_400) for tenant in ("alice", "bob", "local")}
        assert told["local"] == {}
        assert sorted([*told["alice"], *told["bob"]]) == ["internal", "out_of_memory"]
        assert activity.failures(held.tenant, seconds=0) == {}
