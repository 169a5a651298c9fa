"""Many fits in one request: a batch is queued wholly or not at all, fits are cancelled each by itself."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import delete, event, select

from api.schemas.batches import MOST_CANCELLED
from api.services.access import LOCAL_TENANT
from store.models import Fit, FitEvent
from store.repositories.batches import MOST_FITS, Batches, WantedFit
from store.spec import FitSpec
from tests.integration.api.conftest import running_api
from tests.integration.api.world import World

ABSENT = f"sig_{'0' * 32}"


@pytest.fixture(autouse=True)
def tidy(world: World) -> Iterator[None]:
    """Other tests count what is queued, and what is on a page."""
    before = world.fits()
    yield
    with world.database.unit_of_work() as session:
        session.execute(delete(Fit).where(Fit.id.not_in(before)))


def batch(signal_id: str, *seeds: int, **more: Any) -> dict[str, Any]:
    return {"fits": [{"signal_id": signal_id, "seed": seed} | more for seed in seeds]}


def test_all_are_queued_in_the_order_of_the_requests(client: httpx.Client, world: World) -> None:
    first, second = world.add_signal(), world.add_signal()
    asked = [
        {"signal_id": signal_id, "seed": seed, "priority": seed, "labels": {"n": str(seed)}}
        for seed, signal_id in enumerate([first, second, first])
    ]
    answer = client.post("/fits/batch", json={"fits": asked})
    assert answer.status_code == 202
    fits = answer.json()["data"]
    assert [fit["signal_id"] for fit in fits] == [first, second, first]
    assert [(fit["status"], fit["priority"], fit["labels"]) for fit in fits] == [
        ("queued", seed, {"n": str(seed)}) for seed in range(3)
    ]
    assert [client.get(fit["links"]["self"]).json()["spec"]["seed"] for fit in fits] == [0, 1, 2]
    for fit in fits:
        (queued,) = client.get(fit["links"]["events"]).json()["data"]
        assert (queued["seq"], queued["kind"], queued["attempt"], queued["data"]) == (1, "queued", 0, {})
    claim = world.start(fits[1]["id"])
    assert [one["kind"] for one in client.get(f"/fits/{claim.fit_id}/events").json()["data"]] == ["queued", "running"]


def test_a_batch_makes_what_single_requests_make(client: httpx.Client, world: World) -> None:
    """Column by column: what a later column of the table has by default, a batch has, too."""
    signal_id = world.add_signal()
    single = client.post("/fits", json=batch(signal_id, 7)["fits"][0]).json()["id"]
    (double,) = client.post("/fits/batch", json=batch(signal_id, 7)).json()["data"]
    with world.database.unit_of_work() as session:
        rows = [session.get_one(Fit, fit_id) for fit_id in (single, double["id"])]
        one, other = ({column.name: getattr(row, column.name) for column in Fit.__table__.columns} for row in rows)
        times = {name for name in one if name.endswith("_at")}
        assert {name for name in one if one[name] != other[name]} <= times | {"id", "origin"}
        assert one["origin"].keys() == other["origin"].keys() == {"request_id"}
        assert {name for name in times if one[name]} == {name for name in times if other[name]}
        events = [session.scalars(select(FitEvent).filter_by(fit_id=row.id)).all() for row in rows]
        assert [(one.seq, one.kind, one.attempt, one.data) for one in events[0]] == [
            (one.seq, one.kind, one.attempt, one.data) for one in events[1]
        ]


def test_one_fault_and_none_is_queued(client: httpx.Client, world: World) -> None:
    signal_id = world.add_signal()
    before = world.counts()
    asked = batch(signal_id, 1, 2, 3)
    asked["fits"][1]["signal_id"] = asked["fits"][2]["signal_id"] = ABSENT
    absent = client.post("/fits/batch", json=asked, headers={"Idempotency-Key": uuid4().hex})
    assert (absent.status_code, absent.json()["code"]) == (404, "signal_not_found")
    assert "fits/1 and 1 more" in absent.json()["detail"]
    wrong = client.post("/fits/batch", json={"fits": [{"signal_id": signal_id}, {"signal_id": signal_id, "seed": -1}]})
    assert wrong.status_code == 422
    assert [fault["pointer"] for fault in wrong.json()["errors"]] == ["#/fits/1/seed"]
    assert world.counts() == before


@pytest.mark.parametrize("count", [0, MOST_FITS + 1])
def test_a_batch_has_a_size(client: httpx.Client, world: World, count: int) -> None:
    signal_id = world.add_signal()
    assert client.post("/fits/batch", json=batch(signal_id, *range(count))).status_code == 422


def test_the_largest_one_fits_into_a_body(client: httpx.Client, world: World) -> None:
    labels = {f"name-{number}": "some words" for number in range(8)}
    asked = batch(world.add_signal(), *range(MOST_FITS), target={"psnr_db": 35.5}, preset="best", labels=labels)
    answer = client.post("/fits/batch", json=asked)
    assert (answer.status_code, len(answer.json()["data"])) == (202, MOST_FITS)
    client.post("/fits/cancel", json={"ids": [fit["id"] for fit in answer.json()["data"]]})


def test_the_same_key_is_the_same_batch(client: httpx.Client, world: World) -> None:
    asked, named = batch(world.add_signal(), 1, 2), {"Idempotency-Key": uuid4().hex}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.post("/fits/batch", json=asked, headers=named), range(8)))
    assert [answer.status_code for answer in answers] == [202] * 8
    assert len({tuple(fit["id"] for fit in answer.json()["data"]) for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    # Another batch, a part of it, the same in another order, and a single fit: another request each.
    fits = asked["fits"]
    for other in (fits[:1], fits[::-1], [*fits, fits[0]]):
        refused = client.post("/fits/batch", json={"fits": other}, headers=named)
        assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_conflict")
    assert client.post("/fits", json=fits[0], headers=named).status_code == 409
    single = {"Idempotency-Key": uuid4().hex}
    assert client.post("/fits", json=fits[0], headers=single).status_code == 202
    assert client.post("/fits/batch", json=asked, headers=single).status_code == 409


def test_a_batch_is_known_as_long_as_there_is_any_of_its_fits(client: httpx.Client, world: World) -> None:
    asked, named = batch(world.add_signal(), 1, 2), {"Idempotency-Key": uuid4().hex}
    first, second = (fit["id"] for fit in client.post("/fits/batch", json=asked, headers=named).json()["data"])
    client.post("/fits/cancel", json={"ids": [first, second]})
    assert client.delete(f"/fits/{first}").status_code == 204
    again = client.post("/fits/batch", json=asked, headers=named)
    assert [fit["id"] for fit in again.json()["data"]] == [second]
    assert again.headers["idempotent-replayed"] == "true"
    client.delete(f"/fits/{second}")
    assert len(client.post("/fits/batch", json=asked, headers=named).json()["data"]) == 2


def test_a_batch_counts_as_many_as_it_is(
    client: httpx.Client, environment: dict[str, str], world: World, tmp_path: Path
) -> None:
    """Limits hold for the batch as a whole: too many waiting, no room left, one too large for a worker."""
    signal_id = world.add_signal()
    world_before = world.counts()
    waiting = httpx.QueryParams([("status", "queued"), ("status", "paused"), ("total", "true")])
    present = client.get("/fits", params=waiting).json()["total"]["fits"]
    changes = {"TUNER_MAX_WAITING_FITS": str(present + 2)}
    with (
        running_api(environment, tmp_path / "few", **changes) as server,
        httpx.Client(base_url=server.url, trust_env=False) as other,
    ):
        refused = other.post("/fits/batch", json=batch(signal_id, 1, 2, 3))
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_fits")
        assert world.counts() == world_before
        taken = other.post("/fits/batch", json=batch(signal_id, 1, 2))
        assert taken.status_code == 202
        other.post("/fits/cancel", json={"ids": [fit["id"] for fit in taken.json()["data"]]})
    with (
        running_api(environment, tmp_path / "full", TUNER_MAX_STORED_BYTES="1") as server,
        httpx.Client(base_url=server.url, trust_env=False) as other,
    ):
        refused = other.post("/fits/batch", json=batch(signal_id, 1))
        assert (refused.status_code, refused.json()["code"]) == (403, "storage_full")


def test_a_batch_costs_as_many_statements_as_one_fit(world: World) -> None:
    """One transaction is held for a few round trips, however many fits it queues."""
    signal_id, statements = world.add_signal(), []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        statements.append(statement)

    event.listen(world.database.engine, "before_cursor_execute", note)
    counts: list[int] = []
    adding: set[str] = set()
    try:
        for size in (1, MOST_FITS):
            statements.clear()
            with world.database.unit_of_work() as session:
                wanted = [WantedFit(signal_id=signal_id, spec=FitSpec())] * size
                fits = Batches(session).submit(tenant=LOCAL_TENANT, wanted=wanted, idempotency=(uuid4().hex, "hash"))
                assert [fit.id for fit in fits] == sorted(fit.id for fit in fits)
                counts.append(len(statements))
                adding.update(one for one in statements if "INSERT INTO fits" in one)
                session.rollback()
    finally:
        event.remove(world.database.engine, "before_cursor_execute", note)
    assert counts[0] == counts[1] <= 6
    assert len(adding) == 1  # nor is it put together anew for each number of rows


def test_cancel_by_ids(client: httpx.Client, world: World) -> None:
    signal_id = world.add_signal()
    queued, running, done = (world.add_fit(signal_id, priority=90 - place) for place in range(3))
    claim = world.start(done)  # and whatever is before it
    world.succeed(claim, uuid4().bytes)
    queued = world.add_fit(signal_id)
    absent = f"fit_{'0' * 32}"
    asked = {"ids": [done, absent, running, queued, queued]}
    for _ in range(2):
        answer = client.post("/fits/cancel", json=asked)
        assert answer.status_code == 200
        assert answer.json() == {
            "data": [
                {"id": done, "status": "succeeded"},
                {"id": running, "status": "cancelling"},
                {"id": queued, "status": "cancelled"},
            ],
            "absent": [absent],
            "more": False,
        }


def test_cancel_by_condition(client: httpx.Client, world: World) -> None:
    signal_id, other, word = world.add_signal(), world.add_signal(), uuid4().hex
    made = client.post("/fits/batch", json=batch(signal_id, 1, 2, labels={"run": word})).json()["data"]
    mine = [fit["id"] for fit in made]
    (of_other,) = client.post("/fits/batch", json=batch(other, 1, labels={"run": word})).json()["data"]
    client.post(f"/fits/{mine[1]}/pause")

    def cancel(**where: Any) -> dict[str, str]:
        answer = client.post("/fits/cancel", json={"where": where})
        assert answer.status_code == 200, answer.text
        assert not answer.json()["more"]
        return {fit["id"]: fit["status"] for fit in answer.json()["data"]}

    assert cancel(labels={"run": word, "x": "y"}) == {}
    assert cancel(labels={"run": word}, created_before="2026-01-01T00:00:00Z") == {}
    assert cancel(labels={"run": word}, status=["paused"]) == {mine[1]: "cancelled"}
    assert cancel(labels={"run": word}, signal_id=signal_id) == {mine[0]: "cancelled"}
    assert cancel(labels={"run": word}) == {of_other["id"]: "cancelled"}
    assert cancel(labels={"run": word}) == {}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"where": {}},
        {"where": {"labels": {}}},
        {"where": {"status": []}},
        {"where": {"status": ["succeeded"]}},
        {"where": {"status": ["queued"]}, "ids": [f"fit_{'0' * 32}"]},
        {"where": {"state": "queued"}},
        {"ids": []},
        {"ids": ["fit_1"]},
        {"ids": [f"fit_{'0' * 32}"] * (MOST_FITS + 1)},
    ],
)
def test_nobody_cancels_everything_by_mistake(client: httpx.Client, world: World, body: dict[str, Any]) -> None:
    world.add_fit(world.add_signal())
    before = world.fingerprint()
    assert client.post("/fits/cancel", json=body).status_code == 422
    assert world.fingerprint() == before


def test_more_than_one_request_cancels(client: httpx.Client, world: World) -> None:
    """The largest number and one: the rest is said to be there, and a second request cancels it."""
    signal_id, labels = world.add_signal(), {"run": uuid4().hex}
    with world.database.unit_of_work() as session:
        wanted = [WantedFit(signal_id=signal_id, spec=FitSpec(), labels=labels)] * (MOST_CANCELLED + 1)
        Batches(session).submit(tenant=LOCAL_TENANT, wanted=wanted)
    answers = [client.post("/fits/cancel", json={"where": {"labels": labels}}).json() for _ in range(3)]
    found = [(len(answer["data"]), answer["more"]) for answer in answers]
    assert found == [(MOST_CANCELLED, True), (1, False), (0, False)]
