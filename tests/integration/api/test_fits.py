"""Ask for a fit, look at it, stop it."""

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import cast
from uuid import uuid4

import httpx
import pytest
import redis

from store.queues import FITS_QUEUE, RUN_FIT
from store.repositories.fits import Fits
from tests.integration.api.conftest import running_api
from tests.integration.api.waiting import eventually
from tests.integration.api.world import World

ABSENT_SIGNAL = "sig_" + "0" * 32
ABSENT_FIT = "fit_" + "0" * 32


def test_a_fit_is_accepted_and_described(client: httpx.Client, world: World) -> None:
    signal_id = world.add_signal()
    answer = client.post("/fits", json={"signal_id": signal_id, "preset": "fast", "network": {"hidden": [32]}})
    assert answer.status_code == 202
    assert answer.headers["retry-after"] == "1"
    fit = answer.json()
    assert answer.headers["location"] == f"/fits/{fit['id']}" == fit["links"]["self"]
    assert (fit["status"], fit["signal_id"], fit["attempts"]) == ("queued", signal_id, 0)
    assert (fit["spec"]["preset"], fit["spec"]["network"]["hidden"]) == ("fast", [32])
    assert isinstance(fit["queue_position"], int)
    assert client.get(answer.headers["location"]).json() == fit


def test_a_message_with_the_id_waits_in_the_broker(
    client: httpx.Client, environment: dict[str, str], world: World
) -> None:
    fit_id = client.post("/fits", json={"signal_id": world.add_signal()}).json()["id"]
    with closing(redis.Redis.from_url(environment["TUNER_BROKER_URL"])) as broker:

        def newest_is_ours() -> bool:
            newest = json.loads(cast("bytes | None", broker.lindex(FITS_QUEUE, 0)) or b"null")
            return (
                newest is not None
                and newest["headers"]["task"] == RUN_FIT
                and json.loads(base64.b64decode(newest["body"]))[0] == [fit_id]
            )

        eventually(newest_is_ours)


def test_without_a_broker_jobs_are_still_accepted(environment: dict[str, str], world: World, tmp_path: Path) -> None:
    with (
        running_api(environment, tmp_path, TUNER_BROKER_URL="redis://127.0.0.1:1/0") as server,
        httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client,
    ):
        answer = client.post("/fits", json={"signal_id": world.add_signal()})
        assert answer.status_code == 202
        with world.database.unit_of_work() as session:
            assert answer.json()["id"] in Fits(session).take_unpublished(older_than_seconds=0, limit=1000)
        ready = client.get("/readyz")
        assert ready.status_code == 200
        assert ready.json()["checks"]["broker"] != "ok"


def test_twenty_retries_with_one_key_are_one_fit(client: httpx.Client, world: World) -> None:
    body = {"signal_id": world.add_signal(), "seed": 7}
    headers = {"Idempotency-Key": uuid4().hex}
    before = world.counts()
    start = threading.Barrier(20)

    def retry(_: int) -> httpx.Response:
        start.wait()
        return client.post("/fits", json=body, headers=headers)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(retry, range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    after = world.counts()
    assert (after[1] - before[1], after[2] - before[2]) == (1, 1)


def test_a_key_is_good_for_one_request(client: httpx.Client, world: World) -> None:
    signal_id, headers = world.add_signal(), {"Idempotency-Key": uuid4().hex}
    first = client.post("/fits", json={"signal_id": signal_id}, headers=headers)
    same = client.post("/fits", json={"seed": 0, "signal_id": signal_id}, headers=headers)
    other = client.post("/fits", json={"signal_id": signal_id, "seed": 1}, headers=headers)
    assert first.json()["id"] == same.json()["id"]
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        ({"signal_id": ABSENT_SIGNAL}, {}, 404, "signal_not_found"),
        ({"signal_id": "sig_\x00"}, {}, 422, "invalid_request"),
        ({}, {}, 422, "invalid_request"),
        ({"signal_id": ABSENT_SIGNAL, "width": 3}, {}, 422, "invalid_request"),
        ({"signal_id": ABSENT_SIGNAL, "max_steps": 0}, {}, 422, "invalid_request"),
        ({"signal_id": ABSENT_SIGNAL}, {"Idempotency-Key": "a b"}, 422, "invalid_request"),
        ({"signal_id": ABSENT_SIGNAL}, {"Idempotency-Key": "x" * 256}, 422, "invalid_request"),
        ({"signal_id": ABSENT_SIGNAL}, {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
    ],
)
def test_a_refused_request_leaves_nothing(
    client: httpx.Client, world: World, body: dict[str, object], headers: dict[str, str], status: int, code: str
) -> None:
    before = world.counts()
    answer = client.post("/fits", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert world.counts() == before


def test_a_body_without_end_is_cut_off(client: httpx.Client) -> None:
    answer = client.post(
        "/fits", content=(b" " * 4096 for _ in range(100)), headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "content_too_large")


@pytest.mark.parametrize("fit_id", [ABSENT_FIT, "fit_x", "%00", "sig_" + "0" * 32, "x" * 3000])
@pytest.mark.parametrize("path", ["", "/events", "/representation"])
def test_what_does_not_exist_is_not_found(client: httpx.Client, fit_id: str, path: str) -> None:
    answer = client.get(f"/fits/{fit_id}{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "fit_not_found")


def test_another_tenants_rows_do_not_exist(client: httpx.Client, world: World) -> None:
    signal_id = world.add_signal(tenant="stranger")
    fit_id = world.add_fit(signal_id, tenant="stranger")
    urls = [f"/signals/{signal_id}", f"/signals/{signal_id}/content", f"/fits/{fit_id}", f"/fits/{fit_id}/events"]
    assert [client.get(url).status_code for url in urls] == [404] * 4
    assert client.post(f"/fits/{fit_id}/cancel").status_code == 404
    assert client.post("/fits", json={"signal_id": signal_id}).status_code == 404
    assert fit_id not in client.get("/fits?limit=100").text
    assert signal_id not in client.get("/signals?limit=100").text


def test_the_status_has_a_version(client: httpx.Client, world: World) -> None:
    fit_id = world.add_fit(world.add_signal())
    first = client.get(f"/fits/{fit_id}")
    again = client.get(f"/fits/{fit_id}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    world.report(world.start(fit_id), 5)
    changed = client.get(f"/fits/{fit_id}", headers={"If-None-Match": first.headers["etag"]})
    assert (changed.status_code, changed.json()["status"], changed.json()["progress"]["step"]) == (200, "running", 5)


def test_the_queue_counts_who_is_before(client: httpx.Client, world: World) -> None:
    signal_id = world.add_signal()
    fit_ids = [world.add_fit(signal_id, priority=50), world.add_fit(signal_id, priority=50)]
    urgent = world.add_fit(signal_id, priority=60)
    positions = [client.get(f"/fits/{fit_id}").json()["queue_position"] for fit_id in [urgent, *fit_ids]]
    assert positions == [0, 1, 2]
    for fit_id in [urgent, *fit_ids]:
        client.post(f"/fits/{fit_id}/cancel")


def test_cancelling_is_idempotent(client: httpx.Client, world: World) -> None:
    queued = world.add_fit(world.add_signal())
    answers = [client.post(f"/fits/{queued}/cancel") for _ in range(2)]
    assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [(200, "cancelled")] * 2
    assert answers[0].json()["finished_at"] is not None

    running = world.add_fit(world.add_signal())
    claim = world.start(running)
    answers = [client.post(f"/fits/{running}/cancel") for _ in range(2)]
    assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [(200, "cancelling")] * 2
    with world.database.unit_of_work() as session:
        Fits(session).confirm_cancel(claim)
    assert client.post(f"/fits/{running}/cancel").json()["status"] == "cancelled"


def test_what_has_ended_cannot_be_cancelled(client: httpx.Client, world: World) -> None:
    fit_id = world.add_fit(world.add_signal())
    claim = world.start(fit_id)
    with world.database.unit_of_work() as session:
        Fits(session).fail(claim, code="fit_diverged", message="The loss is no longer a number.")
    answer = client.post(f"/fits/{fit_id}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "illegal_move")
    fit = client.get(f"/fits/{fit_id}").json()
    assert fit["error"] == {"code": "fit_diverged", "message": "The loss is no longer a number."}


def test_lists_are_paged_newest_first(client: httpx.Client, world: World) -> None:
    signal_id = world.add_signal()
    fit_ids = [world.add_fit(signal_id) for _ in range(5)]
    found: list[str] = []
    cursor: str | None = None
    while len(found) < 5:
        page = client.get("/fits", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        assert len(page["data"]) == 2
        found += [fit["id"] for fit in page["data"]]
        cursor = page["next_cursor"]
    assert found[:5] == fit_ids[::-1]


def test_the_last_page_has_no_cursor(client: httpx.Client, world: World) -> None:
    client.post(f"/fits/{world.add_fit(world.add_signal())}/cancel")
    page = client.get("/fits", params={"status": "cancelled", "limit": 100}).json()
    assert {fit["status"] for fit in page["data"]} == {"cancelled"}
    assert page["next_cursor"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=x", "cursor=%00", "status=done"])
def test_a_senseless_query_is_named(client: httpx.Client, query: str) -> None:
    answer = client.get(f"/fits?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"][0]["parameter"] == query.partition("=")[0]


def post(client: httpx.Client, fit_id: str, verb: str) -> tuple[int, str]:
    answer = client.post(f"/fits/{fit_id}/{verb}")
    told = answer.json()
    return answer.status_code, told["code"] if "code" in told else told["status"]


def test_a_queued_fit_is_paused_resumed_and_paused_again(client: httpx.Client, world: World) -> None:
    fit_id = world.add_fit(world.add_signal())
    for _ in range(2):
        assert post(client, fit_id, "pause") == (200, "paused")
    for _ in range(2):
        assert post(client, fit_id, "resume") == (200, "queued")
    assert post(client, fit_id, "pause") == (200, "paused")
    assert post(client, fit_id, "cancel") == (200, "cancelled")
    kinds = [event["kind"] for event in client.get(f"/fits/{fit_id}/events").json()["data"]]
    assert kinds == ["queued", "paused", "queued", "paused", "cancelled"]


def test_a_running_fit_is_paused_once_its_worker_hands_it_over(client: httpx.Client, world: World) -> None:
    fit_id = world.add_fit(world.add_signal(), priority=90)
    claim = world.start(fit_id)
    assert client.post(f"/fits/{fit_id}/pause").json()["pause_requested"] is True
    assert client.post(f"/fits/{fit_id}/resume").json()["pause_requested"] is False
    assert post(client, fit_id, "pause") == (200, "running")
    with world.database.unit_of_work() as session:
        Fits(session).release(claim)
    paused = client.get(f"/fits/{fit_id}").json()
    assert (paused["status"], paused["pause_requested"]) == ("paused", False)


def test_a_finished_fit_can_be_neither_paused_nor_resumed(client: httpx.Client, world: World) -> None:
    fit_id = world.add_fit(world.add_signal())
    client.post(f"/fits/{fit_id}/cancel")
    assert post(client, fit_id, "pause") == (409, "illegal_move")
    assert post(client, fit_id, "resume") == (409, "illegal_move")


def test_a_retry_is_one_new_fit_like_the_old_one(client: httpx.Client, world: World) -> None:
    body = {"signal_id": world.add_signal(), "seed": 5, "priority": 3}
    old = client.post("/fits", json=body).json()
    assert post(client, old["id"], "retry")[0] == 409
    client.post(f"/fits/{old['id']}/cancel")
    first, second = (client.post(f"/fits/{old['id']}/retry") for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"] != old["id"]
    assert second.headers["idempotent-replayed"] == "true"
    assert (first.json()["spec"], first.json()["priority"]) == (old["spec"], 3)
    assert first.headers["location"] == f"/fits/{first.json()['id']}"
    assert client.get(f"/fits/{old['id']}").json()["status"] == "cancelled"
