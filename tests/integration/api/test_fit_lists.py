"""Lists of fits: what is asked for, in which order, page by page, against the rows themselves."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from psycopg.types.json import Jsonb
from sqlalchemy import Select, delete, text, update
from sqlalchemy.orm import Session

from store.models import Fit
from store.repositories import listing
from store.repositories.batches import Batches, WantedFit
from store.repositories.keys import Keys
from store.repositories.listing import MOST_COUNTED, FitFilter, FitOrder, count_fits, list_fits
from store.spec import FitSpec
from store.status import HELD, FitStatus
from tests.integration.api.conftest import Server
from tests.integration.api.world import World

START = datetime(2026, 3, 1, tzinfo=UTC)
COUNT = 120


@pytest.fixture(scope="module")
def tenant() -> str:
    return f"lists-{uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def rows(world: World, tenant: str) -> Iterator[list[dict[str, Any]]]:
    """Fits in all statuses, changed in another order than they were made in, some at the same moment."""
    chance = random.Random(5)
    signals = [world.add_signal(tenant=tenant) for _ in range(2)]
    wanted = [
        WantedFit(signal_id=chance.choice(signals), spec=FitSpec(), labels={"n": str(chance.randrange(3))})
        for _ in range(COUNT)
    ]
    made: list[dict[str, Any]] = []
    with world.database.unit_of_work() as session:
        for fit, one in zip(Batches(session).submit(tenant=tenant, wanted=wanted), wanted, strict=True):
            status, changed = chance.choice(list(FitStatus)), START + timedelta(seconds=chance.randrange(40))
            lease = datetime(2100, 1, 1, tzinfo=UTC) if status in HELD else None
            session.execute(
                update(Fit).where(Fit.id == fit.id).values(status=status, updated_at=changed, lease_until=lease)
            )
            made.append(
                {"id": fit.id, "status": str(status), "updated_at": changed, "signal_id": one.signal_id} | one.labels
            )
    yield made
    forget(world, tenant)


def forget(world: World, tenant: str) -> None:
    """Other tests count what is queued."""
    with world.database.unit_of_work() as session:
        session.execute(delete(Fit).where(Fit.tenant == tenant))


@pytest.fixture(scope="module")
def asking(server: Server, world: World, tenant: str) -> Iterator[httpx.Client]:
    with world.database.unit_of_work() as session:
        _, token = Keys(session).create(tenant)
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=server.url, timeout=30, trust_env=False, headers=headers) as client:
        yield client


def pages(client: httpx.Client, limit: int, params: list[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    cursor: list[tuple[str, str]] = []
    while True:
        answer = client.get("/fits", params=[*params, *cursor, ("limit", str(limit))])
        assert answer.status_code == 200, answer.text
        yield answer.json()
        if answer.json()["next_cursor"] is None:
            return
        cursor = [("cursor", answer.json()["next_cursor"])]


KEYS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "newest": lambda row: [-int(row["id"][4:], 16)],
    "oldest": lambda row: [row["id"]],
    "updated": lambda row: [row["updated_at"], row["id"]],
}


@pytest.mark.parametrize("order", KEYS)
@pytest.mark.parametrize("statuses", [[], ["failed"], ["queued", "running", "paused"], [str(one) for one in FitStatus]])
def test_every_order_of_every_choice_page_by_page(
    asking: httpx.Client, rows: list[dict[str, Any]], order: str, statuses: list[str]
) -> None:
    since = START + timedelta(seconds=10)
    for label, after in (("", None), ("1", None), ("", since), ("2", since)):
        expected = [
            row["id"]
            for row in sorted(rows, key=KEYS[order])
            if (not statuses or row["status"] in statuses)
            and (not label or row["n"] == label)
            and (after is None or row["updated_at"] >= after)
        ]
        params = [("order", order), ("total", "true"), *(("status", one) for one in statuses)]
        params += [("label", f"n={label}")] if label else []
        params += [("updated_after", after.isoformat())] if after else []
        found = list(pages(asking, 7, params))
        assert [fit["id"] for page in found for fit in page["data"]] == expected
        assert {page["total"]["fits"] for page in found} == {len(expected)}
        assert all(page["total"]["is_exact"] for page in found)


def test_nothing_is_counted_unless_asked_for(asking: httpx.Client, rows: list[dict[str, Any]]) -> None:
    assert asking.get("/fits").json()["total"] is None


def test_a_status_that_is_said_twice_is_one(asking: httpx.Client, rows: list[dict[str, Any]]) -> None:
    (page,) = pages(asking, 100, [("status", "failed"), ("status", "failed")])
    assert len(page["data"]) == len([row for row in rows if row["status"] == "failed"])


@pytest.mark.parametrize(
    ("order", "cursor"),
    [
        ("newest", f"5-fit_{'0' * 32}"),
        ("oldest", f"5-fit_{'0' * 32}"),
        ("updated", f"fit_{'0' * 32}"),
        ("updated", f"{'9' * 17}-fit_{'0' * 32}"),
        ("updated", "5-fit_1"),
    ],
)
def test_a_cursor_belongs_to_its_order(asking: httpx.Client, order: str, cursor: str) -> None:
    answer = asking.get("/fits", params={"order": order, "cursor": cursor})
    if cursor.startswith("9"):
        assert answer.status_code in {200, 422}
        return
    assert answer.status_code == 422
    assert [fault["parameter"] for fault in answer.json()["errors"]] == ["cursor"]


def test_times_of_creation_at_their_limits(world: World, asking: httpx.Client, tenant: str) -> None:
    """The place of a time among ids is only where the search begins: the time itself decides."""
    fit_id = world.add_fit(world.add_signal(tenant=tenant), tenant=tenant)
    made = asking.get(f"/fits/{fit_id}").json()["created_at"]
    moment = datetime.fromisoformat(made)
    for name, offset, is_there in (
        ("created_after", 0, True),
        ("created_after", 1, False),
        ("created_before", 0, False),
        ("created_before", 1, True),
    ):
        when = (moment + timedelta(microseconds=offset)).isoformat()
        listed = [fit["id"] for page in pages(asking, 100, [(name, when)]) for fit in page["data"]]
        assert (fit_id in listed) is is_there, (name, offset)
    for name in ("created_after", "created_before"):
        for edge in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
            assert asking.get("/fits", params={name: edge}).status_code == 200


@pytest.fixture(scope="module")
def many(world: World) -> Iterator[str]:
    """A tenant with 20 000 fits, of which nearly all succeeded, and a few that failed are spread among them."""
    tenant = f"many-{uuid4().hex[:8]}"
    signal_id = world.add_signal(tenant=tenant)
    rows = """
        INSERT INTO fits (id, tenant, signal_id, spec, status, labels, created_at, updated_at)
        SELECT 'fit_' || replace(uuidv7(n * interval '1 minute' - interval '20000 minutes')::text, '-', ''),
            :tenant, :signal_id, '{}',
            CASE WHEN n % 4000 = 9 THEN 'failed' WHEN n % 5000 = 0 THEN 'cancelled' ELSE 'succeeded' END,
            jsonb_build_object('album', (n / 50)::text),
            now() + n * interval '1 minute' - interval '20000 minutes', now() - n * interval '1 second'
        FROM generate_series(1, 20000) n"""
    with world.database.unit_of_work() as session:
        session.execute(text(rows), {"tenant": tenant, "signal_id": signal_id})
        session.execute(text("ANALYZE fits"))
    yield tenant
    forget(world, tenant)


FEW: dict[str, FitFilter] = {
    "all": FitFilter(),
    "two that are rare": FitFilter(statuses=(FitStatus.FAILED, FitStatus.CANCELLED)),
    "one that there is not": FitFilter(statuses=(FitStatus.EXPIRED,)),
    "rare and common": FitFilter(statuses=(FitStatus.FAILED, FitStatus.SUCCEEDED)),
    "made lately": FitFilter(created_after=datetime.now(UTC) - timedelta(minutes=3)),
    "made long ago": FitFilter(created_before=datetime.now(UTC) - timedelta(minutes=19_990)),
}


def scanned(session: Session, query: Select[Any]) -> int:
    """Rows that a query looks at, by PostgreSQL's own account."""
    compiled = query.compile(dialect=session.connection().dialect)
    given = {
        name: Jsonb(value) if isinstance(value, dict) else str(value) if isinstance(value, FitStatus) else value
        for name, value in compiled.params.items()
    }
    explain = "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON)"
    plan = session.connection().exec_driver_sql(f"{explain} {compiled}", given).scalar_one()

    def rows_of(node: dict[str, Any]) -> int:
        seen = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) if "Scan" in node["Node Type"] else 0
        return round(seen * float(node["Actual Loops"])) + sum(rows_of(child) for child in node.get("Plans", []))

    return rows_of(plan[0]["Plan"])


@pytest.mark.parametrize("name", FEW)
def test_a_page_looks_at_few_rows_of_many(world: World, many: str, name: str) -> None:
    """What a page costs depends on the page, and not on how many fits there are."""
    with world.database.unit_of_work() as session:
        for order in (FitOrder.NEWEST, FitOrder.OLDEST):
            assert scanned(session, listing._ids(many, FEW[name], limit=21, after=None, order=order)) <= 1000
        lately = FitFilter(updated_after=datetime.now(UTC) - timedelta(seconds=30))
        assert scanned(session, listing._ids(many, lately, limit=21, after=None, order=FitOrder.UPDATED)) <= 60


def test_counting_ends(world: World, many: str) -> None:
    with world.database.unit_of_work() as session:
        assert count_fits(session, many, FitFilter()) == (MOST_COUNTED, False)
        assert count_fits(session, many, FEW["two that are rare"]) == (9, True)
        assert len(list_fits(session, many, FitFilter(), limit=5)) == 5
