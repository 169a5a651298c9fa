"""Asking by target, estimates, waiting, labels, clones: what a client may say beside the signal."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from api.describe import document
from store.models import Fit
from store.repositories.fits import Fits
from store.status import FitStatus
from tests.factories import picture_png
from tests.integration.api.world import World

ABSENT_FIT = "fit_" + "0" * 32
ABSENT_SIGNAL = "sig_" + "0" * 32


def estimate(client: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post("/fits", params={"validate_only": "true"}, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_targets_are_kept_as_they_were_asked(client: httpx.Client, world: World) -> None:
    signal_id = world.add_signal()
    for target in (
        {"psnr_db": 35.0},
        {"max_error": 0.1},
        {"bytes": 4000},
        {"bits_per_sample": 500.5},
        {"seconds": 9.0},
    ):
        answer = client.post("/fits", json={"signal_id": signal_id, "preset": "best", "target": target})
        assert answer.status_code == 202, answer.text
        spec = answer.json()["spec"]
        assert {name: value for name, value in spec["target"].items() if value is not None} == target
        assert (spec["preset"], spec["version"]) == ("best", 2)


def test_two_targets_at_once_are_refused_by_name(client: httpx.Client, world: World) -> None:
    body = {"signal_id": world.add_signal(), "target": {"psnr_db": 30, "bytes": 5000}}
    answer = client.post("/fits", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"][0]["pointer"] == "#/target"


def test_validate_only_estimates_and_stores_nothing(client: httpx.Client, world: World) -> None:
    signal = client.post("/signals", files={"file": ("p.png", picture_png(), "image/png")}).json()
    assert len(signal["facts"]["compaction_db"]) > 5
    assert signal["facts"]["shape"] == [24, 40]
    before = world.counts()
    small, large = (estimate(client, {"signal_id": signal["id"], "target": {"bytes": size}}) for size in (150, 300))
    assert world.counts() == before
    assert (small["bytes"], large["bytes"]) <= (150, 300)
    assert small["weights"] <= large["weights"]
    assert small["psnr_db"] < large["psnr_db"]
    assert 0 < small["seconds"] < 100
    assert small["bits_per_sample"] == pytest.approx(8 * small["bytes"] / (24 * 40), abs=1e-3)


@pytest.mark.parametrize("target", [{"bytes": 60}, {"psnr_db": 119.0}], ids=str)
def test_an_estimate_of_what_cannot_be_had_names_no_number(
    client: httpx.Client, world: World, target: dict[str, float]
) -> None:
    found = estimate(client, {"signal_id": world.add_signal(), "target": target})
    assert (found["bytes"], found["bits_per_sample"], found["psnr_db"]) == (None, None, None)
    assert "file" in found["unforeseen"]
    assert found["seconds"] > 0


def test_a_size_below_any_file_is_refused_before_anything_waits(client: httpx.Client, world: World) -> None:
    body = {"signal_id": world.add_signal(), "target": {"bytes": 10}}
    for query in ({}, {"validate_only": "true"}):
        refused = client.post("/fits", json=body, params=query)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
        assert refused.json()["detail"] == "no file has at most 10 bytes: ask for more, about 100 at least"


def test_estimates_go_by_the_speed_of_the_workers(client: httpx.Client, world: World) -> None:
    signal_id = world.add_signal()
    body = {"signal_id": signal_id, "target": {"bytes": 300}}
    claim = world.start(world.add_fit(signal_id, priority=99))
    world.succeed(claim, b"x", {"work": 500.0, "fit_seconds": 1.0})
    fast = estimate(client, body)
    assert fast["speed_is_measured"]
    claim = world.start(world.add_fit(signal_id, priority=99))
    world.succeed(claim, b"x", {"work": 1.0, "fit_seconds": 5000.0})
    assert estimate(client, body)["seconds"] > 5 * fast["seconds"]


def test_an_estimate_needs_a_signal_and_a_sound_request(client: httpx.Client, world: World) -> None:
    ask = {"params": {"validate_only": "true"}}
    absent = client.post("/fits", json={"signal_id": ABSENT_SIGNAL}, **ask)  # type: ignore[arg-type]
    assert (absent.status_code, absent.json()["code"]) == (404, "signal_not_found")
    senseless = client.post("/fits", json={"signal_id": world.add_signal(), "target": {}}, **ask)  # type: ignore[arg-type]
    assert senseless.status_code == 422


def test_prefer_wait_answers_when_the_fit_ends(client: httpx.Client, world: World) -> None:
    signal_id, known = world.add_signal(), threading.Event()

    def work() -> None:
        while not known.wait(0.05):
            newest = client.get("/fits", params={"signal_id": signal_id}).json()["data"]
            if newest:
                time.sleep(0.3)
                client.post(f"/fits/{newest[0]['id']}/cancel")
                return

    worker = threading.Thread(target=work)
    worker.start()
    started = time.monotonic()
    answer = client.post("/fits", json={"signal_id": signal_id}, headers={"Prefer": "respond-async, wait=25"})
    known.set()
    worker.join()
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert answer.headers["preference-applied"] == "wait=25"
    assert time.monotonic() - started < 20


def test_prefer_wait_answers_at_the_latest_in_time(client: httpx.Client, world: World) -> None:
    answer = client.post("/fits", json={"signal_id": world.add_signal()}, headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert answer.headers["preference-applied"] == "wait=1"
    for senseless in ("wait=x", "wait", "handling=lenient", "wait=-1"):
        answer = client.post("/fits", json={"signal_id": world.add_signal()}, headers={"Prefer": senseless})
        assert answer.status_code == 202
        assert "preference-applied" not in answer.headers


def test_many_waiters_hold_no_thread(client: httpx.Client, world: World) -> None:
    signal_id = world.add_signal()

    def wait() -> None:
        with httpx.Client(base_url=client.base_url, timeout=30, trust_env=False) as own:
            own.post("/fits", json={"signal_id": signal_id}, headers={"Prefer": "wait=4"})

    waiters = [threading.Thread(target=wait) for _ in range(60)]
    for waiter in waiters:
        waiter.start()
    time.sleep(1.0)
    # The server has 40 threads for requests; with 60 of them waiting, none would be left.
    assert client.get("/fits", params={"limit": 1}, timeout=20).status_code == 200
    for waiter in waiters:
        waiter.join()


def test_lists_are_filtered_by_label_signal_and_time(client: httpx.Client, world: World) -> None:
    first, second = world.add_signal(), world.add_signal()
    labels = [{"album": "sea", "by": "ann"}, {"album": "sea", "by": "bob"}, {"album": "alps"}]
    ids = [client.post("/fits", json={"signal_id": first, "labels": words}).json()["id"] for words in labels]
    other = client.post("/fits", json={"signal_id": second, "labels": labels[0]}).json()

    def found(**query: Any) -> list[str]:
        answer = client.get("/fits", params={"signal_id": first} | query)
        assert answer.status_code == 200, answer.text
        return [fit["id"] for fit in answer.json()["data"]]

    assert found() == ids[::-1]
    assert found(label="album=sea") == [ids[1], ids[0]]
    assert found(label=["album=sea", "by=ann"]) == [ids[0]]
    assert found(label="album=s") == found(label="by=") == []
    page = client.get("/fits", params={"signal_id": first, "label": "album=sea", "limit": 1}).json()
    assert found(label="album=sea", cursor=page["next_cursor"]) == [ids[0]]
    assert other["id"] in [fit["id"] for fit in client.get("/fits", params={"label": "by=ann"}).json()["data"]]
    hour = timedelta(hours=1)
    now = datetime.now(UTC)
    assert found(created_after=(now - hour).isoformat(), created_before=(now + hour).isoformat()) == ids[::-1]
    assert found(created_after=(now + hour).isoformat()) == found(created_before=(now - hour).isoformat()) == []


@pytest.mark.parametrize("query", ["label=x", "label=A=b", "signal_id=x", "created_after=yesterday", "label=a%00=b"])
def test_senseless_filters_are_named(client: httpx.Client, query: str) -> None:
    answer = client.get(f"/fits?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_a_clone_is_like_its_original_but_for_what_is_said(client: httpx.Client, world: World) -> None:
    body = {"signal_id": world.add_signal(), "target": {"bytes": 900}, "seed": 3, "priority": 2, "labels": {"a": "b"}}
    original = client.post("/fits", json=body).json()
    same = client.post(f"{original['links']['clone']}", json={})
    assert same.status_code == 202
    assert same.json()["id"] != original["id"]
    assert all(same.json()[name] == original[name] for name in ("spec", "priority", "labels", "signal_id"))
    other = client.post(f"/fits/{original['id']}/clone", json={"target": {"psnr_db": 31}, "labels": {}}).json()
    assert (other["spec"]["target"]["psnr_db"], other["spec"]["target"]["bytes"]) == (31, None)
    assert (other["spec"]["seed"], other["labels"], other["priority"]) == (3, {}, 2)
    key = {"Idempotency-Key": f"clone-{original['id']}"}
    twice = [client.post(f"/fits/{original['id']}/clone", json={"seed": 9}, headers=key) for _ in range(2)]
    assert twice[0].json()["id"] == twice[1].json()["id"]
    assert twice[1].headers["idempotent-replayed"] == "true"
    assert client.post(f"/fits/{ABSENT_FIT}/clone", json={}).status_code == 404
    assert client.post(f"/fits/{original['id']}/clone", json={"signal_id": body["signal_id"]}).status_code == 422


def test_rows_of_version_1_are_still_shown_cloned_and_retried(client: httpx.Client, world: World) -> None:
    fit_id = world.add_fit(world.add_signal())
    old = {"version": 1, "effort": "fast", "target_psnr_db": 30.0, "max_seconds": None, "max_steps": None, "seed": 2}
    with world.database.unit_of_work() as session:
        fit = session.get(Fit, fit_id)
        assert fit is not None
        fit.spec = old
    shown = client.get(f"/fits/{fit_id}").json()["spec"]
    assert (shown["preset"], shown["target"]["psnr_db"], shown["seed"], shown["version"]) == ("fast", 30.0, 2, 2)
    assert client.post(f"/fits/{fit_id}/clone", json={"seed": 1}).json()["spec"] == shown | {"seed": 1}
    client.post(f"/fits/{fit_id}/cancel")
    assert client.post(f"/fits/{fit_id}/retry").json()["spec"] == shown


def test_a_signal_is_deleted_once_its_fits_have_ended(client: httpx.Client, world: World) -> None:
    content = picture_png() + b"trailing"
    signal = client.post("/signals", files={"file": ("p.png", content, "image/png")}).json()
    fit_id = world.add_fit(signal["id"], priority=99)
    refused = client.delete(f"/signals/{signal['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "signal_in_use")
    assert fit_id in refused.json()["detail"]
    stored = world.succeed(world.start(fit_id), b"representation")
    objects = world.counts()[3]
    for _ in range(2):
        assert client.delete(f"/signals/{signal['id']}").status_code == 204
    assert world.counts()[3] == objects - 1
    assert client.get(f"/signals/{signal['id']}").status_code == 404
    assert client.get(f"/signals/{signal['id']}/content").status_code == 404
    assert signal["id"] not in [found["id"] for found in client.get("/signals").json()["data"]]
    assert client.get(f"/fits/{fit_id}/representation").content == b"representation"
    assert world.blobs.size(stored.key) == stored.byte_count
    assert client.post("/fits", json={"signal_id": signal["id"]}).json()["code"] == "signal_not_found"
    assert client.post(f"/fits/{fit_id}/clone", json={}).json()["code"] == "signal_not_found"
    again = client.post("/signals", files={"file": ("p.png", content, "image/png")})
    assert again.status_code == 201
    assert again.json()["id"] != signal["id"]
    assert client.get(again.json()["links"]["content"]).content == content
    # Asking once more for the old one leaves the new one's bytes alone.
    assert client.delete(f"/signals/{signal['id']}").status_code == 204
    assert client.get(again.json()["links"]["content"]).content == content


def test_deleting_and_asking_at_once_never_leaves_an_open_fit_without_its_signal(
    client: httpx.Client, world: World
) -> None:
    for _ in range(8):
        signal_id, start = world.add_signal(), threading.Barrier(2)
        answers: dict[str, int] = {}

        def act(name: str, method: str, url: str, body: Any, *, start: Any = start, answers: Any = answers) -> None:
            with httpx.Client(base_url=client.base_url, timeout=30, trust_env=False) as own:
                start.wait()
                answers[name] = own.request(method, url, json=body).status_code

        threads = [
            threading.Thread(target=act, args=("delete", "DELETE", f"/signals/{signal_id}", None)),
            threading.Thread(target=act, args=("ask", "POST", "/fits", {"signal_id": signal_id})),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (answers["delete"], answers["ask"]) in {(204, 404), (409, 202)}


def test_a_deleted_signal_that_never_was_is_not_found(client: httpx.Client) -> None:
    answer = client.delete(f"/signals/{ABSENT_SIGNAL}")
    assert (answer.status_code, answer.json()["code"]) == (404, "signal_not_found")


def test_a_retry_keeps_labels(client: httpx.Client, world: World) -> None:
    body = {"signal_id": world.add_signal(), "labels": {"a": "b"}}
    fit_id = client.post("/fits", json=body).json()["id"]
    client.post(f"/fits/{fit_id}/cancel")
    retried = client.post(f"/fits/{fit_id}/retry").json()
    assert (retried["labels"], retried["status"]) == ({"a": "b"}, FitStatus.QUEUED)
    with world.database.unit_of_work() as session:
        assert Fits(session).get("local", retried["id"]).labels == {"a": "b"}


def test_a_key_is_remembered_whatever_has_become_of_the_things(client: httpx.Client, world: World) -> None:
    """Create, clone and retry: sent again after the input was deleted, each is answered as it was."""
    signal_id = world.add_signal()
    original = client.post("/fits", json={"signal_id": signal_id}, headers={"Idempotency-Key": "k" + signal_id})
    world.cancel(original.json()["id"])
    asked: dict[str, tuple[dict[str, Any] | None, dict[str, str]]] = {
        "/fits": ({"signal_id": signal_id}, {"Idempotency-Key": "k" + signal_id}),
        f"/fits/{original.json()['id']}/clone": ({"seed": 3}, {"Idempotency-Key": "c" + signal_id}),
        f"/fits/{original.json()['id']}/retry": (None, {}),
    }
    first = {path: client.post(path, json=body, headers=key).json()["id"] for path, (body, key) in asked.items()}
    for fit_id in first.values():
        world.cancel(fit_id)
    assert client.delete(f"/signals/{signal_id}").status_code == 204
    for path, (body, key) in asked.items():
        again = client.post(path, json=body, headers=key)
        assert (again.status_code, again.json().get("id")) == (202, first[path]), path
        assert again.headers["idempotent-replayed"] == "true"
        other = client.post(path, json=(body or {}) | {"seed": 4}, headers=key)
        if body is not None:
            assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


def test_a_key_is_of_one_operation(client: httpx.Client, world: World) -> None:
    """What comes out the same, a fit and its clone, is not the same request."""
    signal_id = world.add_signal()
    fits = [client.post("/fits", json={"signal_id": signal_id}).json()["id"] for _ in range(2)]
    asked: list[tuple[str, dict[str, Any]]] = [
        ("/fits", {"signal_id": signal_id}),
        *((f"/fits/{fit_id}/clone", {}) for fit_id in fits),
    ]
    asked.append((f"/fits/{fits[0]}/clone", {"seed": 0}))
    for path, body in asked:
        key = {"Idempotency-Key": uuid4().hex}
        assert client.post(path, json=body, headers=key).status_code == 202
        for other, its_body in asked:
            answer = client.post(other, json=its_body, headers=key)
            assert answer.status_code == (202 if (other, its_body) == (path, body) else 409), (path, other)


@pytest.mark.parametrize("name", ["FitOverrides", "WebhookChange"])
def test_what_is_left_out_of_a_change_has_no_default(name: str) -> None:
    """Or generated clients would send it, and reset what their users did not mention."""
    members = document()["components"]["schemas"][name]["properties"]
    assert members
    assert not [member for member, schema in members.items() if "default" in schema]
