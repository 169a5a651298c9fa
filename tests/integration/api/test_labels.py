"""Labels of a fit are changed by a merge patch, whatever the fit is doing."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.integration.api.world import World


def labelled(client: httpx.Client, world: World, **labels: str) -> str:
    return str(client.post("/fits", json={"signal_id": world.add_signal(), "labels": labels}).json()["id"])


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({}, {"a": "1", "b": "2"}),
        ({"labels": {}}, {"a": "1", "b": "2"}),
        ({"labels": {"a": "1"}}, {"a": "1", "b": "2"}),
        ({"labels": {"a": "3", "c": ""}}, {"a": "3", "b": "2", "c": ""}),
        ({"labels": {"a": None, "z": None}}, {"b": "2"}),
        ({"labels": None}, {}),
    ],
)
def test_a_patch_is_merged(client: httpx.Client, world: World, patch: dict[str, Any], expected: dict[str, str]) -> None:
    fit_id = labelled(client, world, a="1", b="2")
    before = client.get(f"/fits/{fit_id}").json()
    for _ in range(2):
        answer = client.patch(f"/fits/{fit_id}", json=patch)
        assert (answer.status_code, answer.json()["labels"]) == (200, expected)
    after = client.get(f"/fits/{fit_id}").json()
    assert after["labels"] == expected
    times = [datetime.fromisoformat(one["updated_at"]) for one in (before, after)]
    assert (times[1] > times[0]) is (expected != before["labels"])
    assert [one["kind"] for one in client.get(f"/fits/{fit_id}/events").json()["data"]] == ["queued"]
    for name, word in {**expected, "b": expected.get("b", "2")}.items():
        found = client.get("/fits", params={"label": f"{name}={word}", "limit": 100}).json()["data"]
        assert (fit_id in {one["id"] for one in found}) is (expected.get(name) == word)
    client.post(f"/fits/{fit_id}/cancel")


@pytest.mark.parametrize(
    "patch",
    [
        {"labels": {"A b": "1"}},
        {"labels": {"a": 1}},
        {"labels": {"a": "x" * 101}},
        {"labels": {f"n{number}": "1" for number in range(16)}},
        {"labels": []},
        {"status": "cancelled"},
        {"priority": 3},
    ],
)
def test_what_cannot_be_is_refused_and_nothing_changes(client: httpx.Client, world: World, patch: Any) -> None:
    fit_id = labelled(client, world, a="1")
    before = world.fingerprint()
    assert client.patch(f"/fits/{fit_id}", json=patch).status_code == 422
    assert world.fingerprint() == before
    client.post(f"/fits/{fit_id}/cancel")


def test_one_that_runs_and_one_that_has_ended(client: httpx.Client, world: World) -> None:
    """The worker's writes and the client's do not undo each other, and the last event stays the last."""
    fit_id = world.add_fit(world.add_signal(), priority=100)
    claim = world.start(fit_id)
    with ThreadPoolExecutor(1) as pool:
        reports = [pool.submit(world.report, claim, step) for step in range(10)]
        for number in range(10):
            client.patch(f"/fits/{fit_id}", json={"labels": {f"n{number}": "1"}})
        for report in reports:
            report.result()
    fit = client.get(f"/fits/{fit_id}").json()
    assert (fit["progress"]["step"], len(fit["labels"])) == (9, 10)
    world.succeed(claim, b"done")
    answer = client.patch(f"/fits/{fit_id}", json={"labels": {"kept": "yes"}}).json()
    assert (answer["status"], answer["labels"]["kept"]) == ("succeeded", "yes")
    assert client.get(f"/fits/{fit_id}/events").json()["data"][-1]["kind"] == "succeeded"
