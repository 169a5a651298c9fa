"""Whose turn it is: tenants share the workers, and nobody waits behind what another one submits."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from store.classes import EVERY_CLASS
from store.database import Database
from store.models import Fit
from store.repositories import turns
from store.repositories.fits import ClaimedFit, Fits
from tests.factories import add_fit, add_signal, claim, claim_next

EXAMPLES = settings(
    max_examples=12,
    phases=[Phase.generate],  # shrinking against a real engine takes minutes
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def test_neither_a_thousand_fits_nor_priority_100_keep_another_tenant_waiting_for_more_than_one(
    database: Database,
) -> None:
    queue(database, {"crowd": [100] * 1000})
    assert claim(database).tenant == "crowd"
    quiet = add_fit(database, "quiet", priority=-100)
    assert place(database, quiet) == 0
    assert claim(database).claim.fit_id == quiet


def test_with_one_worker_tenants_take_turns_too(database: Database) -> None:
    queue(database, {"crowd": [100] * 20, "quiet": [0] * 3, "third": [-5] * 3})
    served = []
    for _ in range(9):
        held = claim(database)
        served.append(held.tenant)
        finish(database, held)
    assert served == ["crowd", "quiet", "third"] * 3


def test_priority_and_age_order_the_fits_of_one_tenant(database: Database) -> None:
    first, second = add_fit(database), add_fit(database)
    urgent = add_fit(database, priority=5)
    assert [claim(database).claim.fit_id for _ in range(3)] == [urgent, first, second]


def test_deleting_what_ended_does_not_bring_a_tenant_to_the_front(database: Database) -> None:
    queue(database, {"deleter": [0] * 3, "quiet": [0] * 3})
    for tenant in ("deleter", "quiet", "deleter"):
        held = claim(database)
        assert held.tenant == tenant
        finish(database, held)
        with database.unit_of_work() as session:
            session.execute(text("DELETE FROM fits WHERE id = :id"), {"id": held.claim.fit_id})


@EXAMPLES
@given(seed=st.integers(0, 2**32 - 1))
def test_a_tenant_that_waits_with_nothing_running_sees_each_other_served_at_most_once_of_n_tenants_n_minus_1(
    database: Database, seed: int
) -> None:
    draw = Random(seed)
    empty(database)  # not by TRUNCATE, which takes a quarter of a second
    names = [f"tenant-{number}" for number in range(draw.randint(2, 5))]
    waiting: Counter[str] = Counter()
    held: list[ClaimedFit] = []
    passed: dict[str, list[str]] = {name: [] for name in names}  # served while the tenant waited and held nothing
    for _ in range(30):
        act = draw.random()
        if act < 0.3 or not waiting.total():
            name, count = draw.choice(names), draw.choice([1, 1, 5])
            queue(database, {name: [draw.choice([-100, 0, 100]) for _ in range(count)]})
            waiting[name] += count
        elif act < 0.5 and held:
            finish(database, held.pop(draw.randrange(len(held))))
        elif len(held) < 4:  # workers
            running = Counter(one.tenant for one in held)
            one = claim(database)
            fewest = min(running[name] for name in names if waiting[name])
            assert running[one.tenant] == fewest
            for name in names:
                if name != one.tenant and waiting[name] and not running[name]:
                    passed[name].append(one.tenant)
                    assert len(passed[name]) == len(set(passed[name])) <= len(names) - 1
            passed[one.tenant] = []
            waiting[one.tenant] -= 1
            held.append(one)


def test_claims_at_the_same_moment_take_turns_as_those_after_each_other_do(database: Database) -> None:
    queue(database, {name: [0] * 20 for name in ("ada", "bob", "cyd")} | {"dan": [100]})
    with ThreadPoolExecutor(8) as pool:
        held = list(pool.map(lambda number: claim_next(database, f"worker-{number}"), range(31)))
    assert Counter(one.tenant for one in held if one is not None) == {"ada": 10, "bob": 10, "cyd": 10, "dan": 1}


@EXAMPLES
@given(seed=st.integers(0, 2**32 - 1))
def test_the_queue_position_is_the_number_of_claims_until_ones_own(database: Database, seed: int) -> None:
    draw = Random(seed)
    empty(database)
    names = [f"tenant-{number}" for number in range(draw.randint(1, 4))]
    queue(database, {name: [draw.choice([0, 0, 7]) for _ in range(draw.randint(1, 6))] for name in names})
    for _ in range(draw.randint(0, 6)):
        held = claim_next(database)
        if held is not None and draw.random() < 0.5:
            finish(database, held)
    with database.unit_of_work() as session:
        ids = list(session.scalars(text("SELECT id FROM fits WHERE status = 'queued'")))
    promised = {fit_id: place(database, fit_id) for fit_id in ids}
    claimed = [claim(database).claim.fit_id for _ in ids]
    assert promised == {fit_id: number for number, fit_id in enumerate(claimed)}


def test_a_claim_locks_the_fit_that_it_takes_and_no_other(database: Database) -> None:
    queue(database, {name: [0] * 2 for name in ("ada", "bob", "cyd")})
    free = text("SELECT id FROM fits WHERE status = 'queued' FOR UPDATE SKIP LOCKED")
    with database.unit_of_work() as session:
        assert turns.next_in_turn(session) is not None
        with database.unit_of_work() as other:
            assert len(other.scalars(free).all()) == 5


def test_a_fit_that_somebody_writes_to_is_passed_over(database: Database) -> None:
    first, second = add_fit(database), add_fit(database)
    with database.unit_of_work() as session:
        session.execute(text("SELECT id FROM fits WHERE id = :id FOR UPDATE"), {"id": first})
        assert claim(database).claim.fit_id == second


PIECE = 5000  # rows that are written in one transaction


def test_a_claim_and_a_position_look_at_few_of_a_hundred_thousand_rows(database: Database) -> None:
    tenants, each = 200, 500
    signal_id = add_signal(database)
    insert = text(
        "INSERT INTO fits (tenant, signal_id, spec, priority) SELECT 'tenant-' || n % :tenants, :signal_id, '{}', "
        "n % 7 FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS n"
    )
    # In pieces: a busy machine writes all of them in more time than a transaction has.
    for first in range(1, tenants * each, PIECE):
        with database.unit_of_work() as session:
            rows = {"first": first, "last": first + PIECE - 1}
            session.execute(insert, {"tenants": tenants, "signal_id": signal_id, **rows})
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE fits"))  # as PostgreSQL does by itself, within a minute
    with database.unit_of_work() as session:
        last = session.scalar(text("SELECT max(id) FROM fits WHERE tenant = 'tenant-7'"))
        for classes in (["any"], [*EVERY_CLASS], ["gpu"]):
            assert rows_read(session, str(turns._TAKE), max_running=None, passed_over=[], classes=classes) < 10_000
        position = str(turns._POSITION).replace(":fit_id", f"'{last}'")
        assert rows_read(session, position, every_class=[*EVERY_CLASS]) < 10_000
        assert turns.place_in_line(session, str(last)) == turns.MAX_POSITION


def rows_read(session: Session, query: str, **values: Any) -> int:
    """Rows that the nodes of a plan gave out, in all, when the query ran."""
    explained = session.scalar(text(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}"), values)

    def rows(node: dict[str, Any]) -> int:
        of_this: int = round((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
        return of_this + sum(rows(below) for below in node.get("Plans", []))

    return rows(explained[0]["Plan"])


def queue(database: Database, priorities: dict[str, list[int]]) -> None:
    """Queue fits of several tenants, in this order, each with its priority."""
    signal_id = add_signal(database)
    with database.unit_of_work() as session:
        rows = [
            {"tenant": tenant, "signal_id": signal_id, "spec": {}, "priority": priority}
            for tenant, several in priorities.items()
            for priority in several
        ]
        session.execute(insert(Fit), rows)


def finish(database: Database, held: ClaimedFit) -> None:
    with database.unit_of_work() as session:
        Fits(session).fail(held.claim, code="x", message="y")


def place(database: Database, fit_id: str) -> int | None:
    with database.reading() as session:
        return turns.place_in_line(session, fit_id)


def empty(database: Database) -> None:
    with database.unit_of_work() as session:
        for table in ("fits", "signals", "turns"):
            session.execute(text(f"DELETE FROM {table}"))
