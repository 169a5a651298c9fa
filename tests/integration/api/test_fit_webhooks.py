"""A fit that was asked for with a webhook of its own tells it of its start, of its progress, and of its end."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from store.api_keys import Scope
from store.repositories.fits import Claim, Fits
from store.repositories.keys import Keys
from store.repositories.webhooks import ENDPOINTS_PER_TENANT
from tests.integration.api.conftest import Server
from tests.integration.api.test_webhooks import (  # noqa: F401  (fixtures)
    SENDER,
    hook,
    hooks,
    is_signed,
    open_api,
    worker,
)
from tests.integration.api.world import World
from tests.receiver import Receiver
from tests.sending import send_next
from worker.resources import Resources

SECRET = "whsec_" + "A" * 32
ALL = ["fit.started", "fit.progress", "fit.succeeded", "fit.failed", "fit.cancelled", "fit.expired"]


def ask(client: httpx.Client, world: World, hook: Receiver, **more: Any) -> dict[str, Any]:  # noqa: F811
    body = {
        "signal_id": world.add_signal(),
        "priority": 100,
        "labels": {"album": "sea"},
        "webhook": {"url": hook.url, "events": ALL, "secret": SECRET},
    }
    answer = client.post("/fits", json=body | more)
    assert answer.status_code == 202, answer.text
    fit: dict[str, Any] = answer.json()
    return fit


def report(world: World, claim: Claim, step: int) -> None:
    with world.database.unit_of_work() as session:
        Fits(session).report_progress(claim, {"phase": "training", "step": step}, announce=True)


def told(hook: Receiver, worker: Resources) -> Iterator[dict[str, Any]]:  # noqa: F811
    """Messages that arrive now."""
    while send_next(worker, SENDER) is not None:
        got = hook.next()
        assert is_signed(SECRET, got.headers, got.body)
        yield json.loads(got.body)


def test_it_is_told_of_start_progress_and_end(
    hooks: httpx.Client,  # noqa: F811
    hook: Receiver,  # noqa: F811
    world: World,
    worker: Resources,  # noqa: F811
) -> None:
    fit = ask(hooks, world, hook)
    world.cancel(world.add_fit(world.add_signal()))  # of another fit nothing is told
    assert list(told(hook, worker)) == []
    claim = world.start(fit["id"])
    (started,) = told(hook, worker)
    assert (started["type"], started["data"]["labels"]) == ("fit.started", {"album": "sea"})
    for step in (1, 2):
        report(world, claim, step)
    (progress,) = told(hook, worker)  # the second waits for nobody: whoever is slow hears of fewer
    assert (progress["type"], progress["data"]["progress"]["step"]) == ("fit.progress", 1)
    report(world, claim, 3)
    assert [message["data"]["progress"]["step"] for message in told(hook, worker)] == [3]
    world.succeed(claim, b"done by hook")
    (end,) = told(hook, worker)
    assert (end["type"], end["data"]["fit_id"], end["data"]["status"]) == ("fit.succeeded", fit["id"], "succeeded")


def test_progress_is_told_once_whatever_the_answer(
    hooks: httpx.Client,  # noqa: F811
    hook: Receiver,  # noqa: F811
    world: World,
    worker: Resources,  # noqa: F811
) -> None:
    fit = ask(hooks, world, hook, webhook={"url": hook.url, "events": ["fit.progress"]})
    hook.answer = 500
    report(world, world.start(fit["id"]), 1)
    assert send_next(worker, SENDER) is not None
    (message,) = hooks.get(f"{fit['links']['webhook']}/deliveries").json()["data"]
    assert (message["status"], message["attempts"]) == ("failed", 1)


def test_only_the_first_of_several_workers_is_a_start(
    hooks: httpx.Client,  # noqa: F811
    hook: Receiver,  # noqa: F811
    world: World,
    worker: Resources,  # noqa: F811
) -> None:
    fit = ask(hooks, world, hook)
    with world.database.unit_of_work() as session:
        Fits(session).release(world.start(fit["id"]))
    world.start(fit["id"])
    assert [message["type"] for message in told(hook, worker)] == ["fit.started"]


def test_it_is_looked_after_like_any_other_and_goes_with_its_fit(
    hooks: httpx.Client,  # noqa: F811
    hook: Receiver,  # noqa: F811
    world: World,
    worker: Resources,  # noqa: F811
) -> None:
    fit = ask(hooks, world, hook)
    here = fit["links"]["webhook"]
    seen = hooks.get(here).json()
    assert (seen["fit_id"], seen["url"], seen["events"]) == (fit["id"], hook.url, ALL)
    assert hooks.get("/webhooks").json()["data"] == [], "there may be thousands"
    assert hooks.post(f"{here}/rotate-secret").json()["secret"] != SECRET
    assert hooks.patch(here, json={"events": ["fit.cancelled"]}).json()["events"] == ["fit.cancelled"]
    world.cancel(fit["id"])
    assert [message["type"] for message in told(hook, worker)] == ["fit.cancelled"]
    assert hooks.delete(f"/fits/{fit['id']}").status_code == 204
    assert hooks.get(here).status_code == 404


def test_a_clone_and_a_retry_have_one_like_it_unless_told_otherwise(
    hooks: httpx.Client,  # noqa: F811
    hook: Receiver,  # noqa: F811
    world: World,
) -> None:
    fit = ask(hooks, world, hook)
    world.cancel(fit["id"])
    again = [hooks.post(f"/fits/{fit['id']}/clone", json={}), hooks.post(f"/fits/{fit['id']}/retry")]
    for answer in again:
        assert hooks.get(answer.json()["links"]["webhook"]).json()["url"] == hook.url
    other = hooks.post(f"/fits/{fit['id']}/clone", json={"webhook": {"url": f"{hook.url}other"}}).json()
    assert hooks.get(other["links"]["webhook"]).json()["url"] == f"{hook.url}other"
    assert hooks.post(f"/fits/{fit['id']}/clone", json={"webhook": None}).json()["links"]["webhook"] is None


def test_a_batch_has_one_for_each_that_wants_it_and_as_many_as_it_likes(
    hooks: httpx.Client,  # noqa: F811
    hook: Receiver,  # noqa: F811
    world: World,
) -> None:
    signal_id = world.add_signal()
    wants = [{"signal_id": signal_id, "webhook": {"url": hook.url}} for _ in range(ENDPOINTS_PER_TENANT + 1)]
    fits = hooks.post("/fits/batch", json={"fits": [{"signal_id": signal_id}, *wants]}).json()["data"]
    assert [fit["links"]["webhook"] is not None for fit in fits] == [False, *[True] * len(wants)]
    assert hooks.get(fits[-1]["links"]["webhook"]).json()["events"] == ALL[2:]
    assert hooks.post("/webhooks", json={"url": hook.url}).status_code == 201, "they take no place of others"


@pytest.mark.parametrize("where", ["/fits", "/fits/batch", "/fits/{}/clone"])
def test_its_address_is_looked_at_and_so_is_the_key(
    hooks: httpx.Client,  # noqa: F811
    server: Server,
    world: World,
    where: str,
) -> None:
    with world.database.unit_of_work() as session:
        _, token = Keys(session).create("local", scopes=[Scope.FITS_READ, Scope.FITS_WRITE])
    signal_id = world.add_signal()
    url = where.format(world.add_fit(signal_id))
    before = world.fingerprint()

    def body(address: str) -> dict[str, Any]:
        fit: dict[str, Any] = {"webhook": {"url": address}}
        if "clone" not in where:
            fit["signal_id"] = signal_id
        return {"fits": [fit]} if "batch" in where else fit

    refused = hooks.post(url, json=body("http://169.254.169.254/latest/"))
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    assert refused.json()["errors"][0]["pointer"].endswith("/webhook/url")
    answer = httpx.post(
        f"{server.url}{url}",
        json=body("https://example.com/hook"),
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=30,
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    after = world.fingerprint()
    assert {name for name in before if before[name] != after[name]} <= {"api_keys"}, "that a key was used is noted"
