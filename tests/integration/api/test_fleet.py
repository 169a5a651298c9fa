"""What a client is told of workers and of what waits for them is what the rows say."""

from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from store.repositories.fits import Fits
from store.repositories.workers import Workers
from tests.integration.api.conftest import Server
from tests.integration.api.world import World


@pytest.fixture
def client(server: Server, world: World) -> Iterator[httpx.Client]:
    """Without the workers of other tests."""
    with world.database.unit_of_work() as session:
        session.execute(text("DELETE FROM workers"))
    with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client:
        yield client


def describe(world: World, name: str, process: str = "", **facts: object) -> None:
    with world.database.unit_of_work() as session:
        Workers(session).describe(name, process=process or name, facts=facts)


def test_without_workers_there_are_none(client: httpx.Client) -> None:
    assert client.get("/workers").json() == {"data": [], "next_cursor": None}
    assert client.get("/fleet").json()["workers"] == {"heard": 0, "busy": 0, "silent": 0}


def test_a_worker_is_told_with_its_device_its_memory_and_its_fit(client: httpx.Client, world: World) -> None:
    process = uuid4().hex
    facts: dict[str, object] = {
        "device": "cuda:0",
        "device_name": "A GPU",
        "memory_bytes": 8 << 30,
        "used_bytes": 3,
        "release": "1.0",
    }
    facts["classes"] = ["any", "gpu"]
    describe(world, "gpu:1", process, **facts, of_a_newer_release=1)
    world.start(world.add_fit(world.add_signal(), priority=100))  # and all that other tests left before it
    fit_id = world.add_fit(world.add_signal(), priority=100)
    before = client.get("/fleet").json()
    assert before["fits"]["waiting"] >= 1
    assert before["fits"]["oldest_waiting_seconds"] >= 0
    claim = world.start(fit_id, worker=process)
    (told,) = client.get("/workers").json()["data"]
    assert 0 <= told.pop("age_seconds") < 30
    assert told.pop("id").startswith("wrk_")
    assert told == facts | {"name": "gpu:1", "threads": None, "silent": False, "busy": True, "fit_id": fit_id}
    fleet = client.get("/fleet").json()
    assert fleet["workers"] == {"heard": 1, "busy": 1, "silent": 0}
    assert fleet["fits"]["running"] >= before["fits"]["running"] + 1
    with world.database.unit_of_work() as session:
        Fits(session).fail(claim, code="out_of_memory", message="")
    after = client.get("/fleet").json()
    assert after["workers"]["busy"] == 0
    assert after["last_hour"]["attempts"]["failed"] == before["last_hour"]["attempts"].get("failed", 0) + 1
    assert after["last_hour"]["worker_seconds"] >= before["last_hour"]["worker_seconds"]
    assert after["failures"]["out_of_memory"] == before["failures"].get("out_of_memory", 0) + 1


def test_pages_of_workers_follow_each_other(client: httpx.Client, world: World) -> None:
    for number in range(3):
        describe(world, f"host:{number}")
    first = client.get("/workers", params={"limit": 2}).json()
    rest = client.get("/workers", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [one["name"] for one in first["data"] + rest["data"]] == ["host:2", "host:1", "host:0"]
    assert rest["next_cursor"] is None
    refused = client.get("/workers", params={"cursor": "host:1"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
