"""A fit may ask for a class of workers: the row says so, and the client is told if there is none."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from store.classes import EVERY_CLASS
from store.models import Fit
from store.repositories.workers import Workers
from tests.integration.api.conftest import Server
from tests.integration.api.world import World


@pytest.fixture
def client(server: Server, world: World) -> Iterator[httpx.Client]:
    """With one worker, which takes fits of any class and of GPUs."""
    with world.database.unit_of_work() as session:
        session.execute(text("DELETE FROM workers"))
        Workers(session).describe("one", process="one", facts={"classes": ["any", "gpu"]})
    with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client:
        yield client


def ask(client: httpx.Client, world: World, **asked: object) -> dict[str, Any]:
    answer = client.post("/fits", json={"signal_id": world.add_signal(), **asked})
    fit: dict[str, Any] = answer.raise_for_status().json()
    return fit


def row(world: World, fit_id: str) -> Fit:
    with world.database.unit_of_work() as session:
        return session.get_one(Fit, fit_id)


@pytest.mark.parametrize("worker_class", EVERY_CLASS)
def test_the_class_is_the_fits_and_no_part_of_what_it_comes_to(
    client: httpx.Client, world: World, worker_class: str
) -> None:
    fit = ask(client, world, worker_class=worker_class)
    assert fit["worker_class"] == client.get(f"/fits/{fit['id']}").json()["worker_class"] == worker_class
    assert row(world, fit["id"]).worker_class == worker_class
    assert "worker_class" not in fit["spec"]


def test_without_a_word_any_worker_may_take_it(client: httpx.Client, world: World) -> None:
    assert ask(client, world)["worker_class"] == "any"


@pytest.mark.parametrize("worker_class", ["tpu", "GPU", "", 1, None, ["gpu"]])
def test_another_word_is_refused(client: httpx.Client, world: World, worker_class: object) -> None:
    answer = client.post("/fits", json={"signal_id": world.add_signal(), "worker_class": worker_class})
    assert answer.status_code == 422
    assert "worker_class" in answer.text


def test_who_waits_for_a_class_that_nobody_serves_is_told(client: httpx.Client, world: World) -> None:
    for worker_class, is_served in (("any", True), ("gpu", True), ("cpu", False), ("gpu-large", False)):
        fit = ask(client, world, worker_class=worker_class)
        for told in (fit, client.get(f"/fits/{fit['id']}").json()):
            assert (told["waits_because"] is None) is is_served
            if not is_served:
                assert repr(worker_class) in told["waits_because"]
    client.post(f"/fits/{fit['id']}/cancel").raise_for_status()
    assert client.get(f"/fits/{fit['id']}").json()["waits_because"] is None


def test_without_any_worker_every_fit_is_told(client: httpx.Client, world: World) -> None:
    with world.database.unit_of_work() as session:
        session.execute(text("DELETE FROM workers"))
    assert "'any'" in ask(client, world)["waits_because"]


def test_clones_retries_and_batches_keep_it_unless_they_say_otherwise(client: httpx.Client, world: World) -> None:
    fit = ask(client, world, worker_class="gpu")
    clone = client.post(f"/fits/{fit['id']}/clone", json={"seed": 1}).raise_for_status().json()
    other = client.post(f"/fits/{fit['id']}/clone", json={"worker_class": "cpu"}).raise_for_status().json()
    client.post(f"/fits/{fit['id']}/cancel").raise_for_status()
    again = client.post(f"/fits/{fit['id']}/retry").raise_for_status().json()
    assert [each["worker_class"] for each in (clone, other, again)] == ["gpu", "cpu", "gpu"]
    asked = [{"signal_id": fit["signal_id"], "worker_class": each} for each in ("gpu-large", "any")]
    batch = client.post("/fits/batch", json={"fits": asked}).raise_for_status().json()
    assert [each["worker_class"] for each in batch["data"]] == ["gpu-large", "any"]


def test_a_clone_does_not_lose_the_class_of_a_newer_release(client: httpx.Client, world: World) -> None:
    fit = ask(client, world, worker_class="gpu")
    with world.database.unit_of_work() as session:
        session.get_one(Fit, fit["id"]).worker_class = "tpu"
    refused = client.post(f"/fits/{fit['id']}/clone", json={"seed": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "spec_newer")
    assert "tpu" in refused.json()["detail"]
    other = client.post(f"/fits/{fit['id']}/clone", json={"worker_class": "cpu"}).raise_for_status().json()
    assert other["worker_class"] == "cpu"
    assert client.get(f"/fits/{fit['id']}").json()["worker_class"] == "tpu"


def test_the_same_key_with_another_class_is_another_request(client: httpx.Client, world: World) -> None:
    signal_id, key = world.add_signal(), {"Idempotency-Key": "one"}
    first, same, other = (
        client.post("/fits", json={"signal_id": signal_id, "worker_class": each}, headers=key)
        for each in ("gpu", "gpu", "cpu")
    )
    assert same.json()["id"] == first.json()["id"]
    assert other.status_code == 409


def test_workers_and_what_waits_for_them_are_told_by_class(client: httpx.Client, world: World) -> None:
    (worker,) = client.get("/workers").json()["data"]
    assert worker["classes"] == ["any", "gpu"]
    before = waiting(client)
    assert set(before) == set(EVERY_CLASS), "none is told, too, or who watches a class would take it for silence"
    ask(client, world, worker_class="gpu-large")
    assert waiting(client) == before | {"gpu-large": before["gpu-large"] + 1}


def waiting(client: httpx.Client) -> dict[str, int]:
    lines = client.get("/metrics").raise_for_status().text.splitlines()
    told = [line for line in lines if line.startswith("tuner_class_waiting{")]
    return {line.split('"')[1]: int(line.split()[-1]) for line in told}
