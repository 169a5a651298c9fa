"""From the end of a fit to a signed message at a real receiver."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from store.errors import IllegalMove
from store.queue import FitQueue
from store.repositories.fits import Fits
from store.repositories.webhooks import ENDPOINTS_PER_TENANT, Webhooks
from tests.engines import settings_of
from tests.integration.api.conftest import Server, running_api
from tests.integration.api.world import World
from tests.receiver import Receiver, receiver
from tests.sending import send_next
from worker.outbound import Sender
from worker.resources import Resources
from worker.settings import WorkerSettings
from worker.webhooks import forget_old_messages, signature

LOOPBACK = "127.0.0.0/8"
SENDER = Sender(timeout_seconds=10, private_networks=(ip_network(LOOPBACK),))


@pytest.fixture(scope="module")
def open_api(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An api that lets webhooks lead to this machine."""
    with running_api(
        environment, tmp_path_factory.mktemp("hooks"), TUNER_WEBHOOK_PRIVATE_NETWORKS=f'["{LOOPBACK}"]'
    ) as server:
        yield server


@pytest.fixture
def hooks(open_api: Server, world: World) -> Iterator[httpx.Client]:
    with world.database.unit_of_work() as session:
        session.execute(text("DELETE FROM webhook_endpoints"))
    with httpx.Client(base_url=open_api.url, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def worker(world: World, environment: dict[str, str]) -> Iterator[Resources]:
    queue = FitQueue(settings_of(environment))
    settings = WorkerSettings(webhook_pauses_seconds=(3600, 3600), webhook_disable_after_seconds=7200)
    yield Resources(settings=settings, database=world.database, blobs=world.blobs, queue=queue)
    queue.close()


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


def register(hooks: httpx.Client, hook: Receiver, **more: Any) -> dict[str, Any]:
    answer = hooks.post("/webhooks", json={"url": hook.url, **more})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/webhooks/{answer.json()['id']}"
    endpoint: dict[str, Any] = answer.json()
    return endpoint


def cancelled_fit(world: World) -> str:
    fit_id = world.add_fit(world.add_signal())
    with world.database.unit_of_work() as session:
        Fits(session).request_cancel("local", fit_id)
    return fit_id


def only_delivery(hooks: httpx.Client, endpoint: dict[str, Any]) -> dict[str, Any]:
    (delivery,) = hooks.get(f"/webhooks/{endpoint['id']}/deliveries").json()["data"]
    log: dict[str, Any] = hooks.get(f"/webhooks/{endpoint['id']}/deliveries/{delivery['id']}").json()
    return log


def make_due(world: World) -> None:
    with world.database.unit_of_work() as session:
        session.execute(text("UPDATE webhook_deliveries SET next_try_at = now() WHERE status = 'pending'"))


def is_signed(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Checked as the specification says, not as the sender does it."""
    key = base64.b64decode(secret.split("_")[1])
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return expected in headers["webhook-signature"].split(" ")


def test_the_signature_of_the_specification() -> None:
    """The example of standardwebhooks.com's reference libraries."""
    signed = signature(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_every_end_is_told_once_and_thinly(
    hooks: httpx.Client, hook: Receiver, world: World, worker: Resources
) -> None:
    endpoint = register(hooks, hook)
    fit_id = world.add_fit(world.add_signal(), priority=90)
    world.succeed(world.start(fit_id), b"done")
    assert send_next(worker, SENDER) is not None
    got = hook.next()
    assert is_signed(endpoint["secret"], got.headers, got.body)
    message = json.loads(got.body)
    assert message["type"] == "fit.succeeded"
    assert message["data"]["fit_id"] == fit_id
    assert message["data"]["status"] == "succeeded"
    assert set(message["data"]) == {"fit_id", "signal_id", "status", "labels", "fit", "events"}
    assert send_next(worker, SENDER) is None
    delivery = only_delivery(hooks, endpoint)
    assert (delivery["status"], delivery["attempts"], delivery["id"]) == ("delivered", 1, got.headers["webhook-id"])
    assert [(entry["status_code"], entry["error"]) for entry in delivery["log"]] == [(204, None)]


def test_only_what_was_asked_for_and_only_ones_own(
    hooks: httpx.Client, hook: Receiver, world: World, worker: Resources
) -> None:
    register(hooks, hook, events=["fit.succeeded", "fit.failed"])
    with world.database.unit_of_work() as session:
        Webhooks(session).add(
            "other", url=hook.url, event_types=["fit.cancelled"], secret="whsec_AAAA", description=None
        )
    cancelled_fit(world)
    assert send_next(worker, SENDER) is None


def test_no_message_without_its_move_and_no_move_without_its_message(
    hooks: httpx.Client, hook: Receiver, world: World, worker: Resources
) -> None:
    endpoint = register(hooks, hook)
    fit_id = world.add_fit(world.add_signal())
    with suppress(IllegalMove), world.database.unit_of_work() as session:
        Fits(session).request_cancel("local", fit_id)
        raise IllegalMove("the transaction fails after the move")
    assert hooks.get(f"/webhooks/{endpoint['id']}/deliveries").json()["data"] == []
    with world.database.unit_of_work() as session:
        Fits(session).request_cancel("local", fit_id)
    assert only_delivery(hooks, endpoint)["event"] == "fit.cancelled"


def test_a_failure_is_tried_again_later_and_then_given_up(
    hooks: httpx.Client, hook: Receiver, world: World, worker: Resources
) -> None:
    endpoint = register(hooks, hook)
    cancelled_fit(world)
    hook.answer = 500
    for tries in (1, 2, 3):
        assert send_next(worker, SENDER) is not None
        assert send_next(worker, SENDER) is None  # not due again yet
        delivery = only_delivery(hooks, endpoint)
        assert (delivery["attempts"], delivery["status"]) == (tries, "pending" if tries < 3 else "failed")
        make_due(world)
    assert send_next(worker, SENDER) is None
    assert len({hook.next().headers["webhook-id"] for _ in range(3)}) == 1
    hook.answer = 200
    again = hooks.post(f"/webhooks/{endpoint['id']}/deliveries/{delivery['id']}/redeliver")
    assert (again.status_code, again.json()["status"]) == (202, "pending")
    assert send_next(worker, SENDER) == delivery["id"]
    log = only_delivery(hooks, endpoint)
    assert (log["status"], [entry["status_code"] for entry in log["log"]]) == ("delivered", [500, 500, 500, 200])
    assert hooks.get(f"/webhooks/{endpoint['id']}").json()["failing_since"] is None


def test_pauses_have_jitter(hooks: httpx.Client, hook: Receiver, world: World, worker: Resources) -> None:
    register(hooks, hook)
    hook.answer = 503
    for _ in range(6):
        cancelled_fit(world)
        send_next(worker, SENDER)
    with world.database.unit_of_work() as session:
        query = "SELECT extract(epoch FROM next_try_at - now()) FROM webhook_deliveries"
        pauses = [float(row[0]) for row in session.execute(text(query))]
    assert all(3600 * 0.79 < pause < 3600 * 1.21 for pause in pauses)
    assert max(pauses) - min(pauses) > 10


def test_a_sender_that_is_killed_loses_no_message(
    hooks: httpx.Client, hook: Receiver, world: World, worker: Resources
) -> None:
    endpoint = register(hooks, hook)
    cancelled_fit(world)
    with world.database.unit_of_work() as session:
        claim = Webhooks(session).claim_next(patience_seconds=30)
    assert claim is not None
    assert send_next(worker, SENDER) is None
    make_due(world)  # its time is over
    assert send_next(worker, SENDER) == claim.id
    assert only_delivery(hooks, endpoint)["status"] == "delivered"


def test_long_failure_switches_an_endpoint_off_and_its_owner_on_again(
    hooks: httpx.Client, hook: Receiver, world: World, worker: Resources
) -> None:
    endpoint = register(hooks, hook)
    here = f"/webhooks/{endpoint['id']}"
    hook.answer = 500
    cancelled_fit(world)
    send_next(worker, SENDER)
    with world.database.unit_of_work() as session:
        session.execute(text("UPDATE webhook_endpoints SET failing_since = now() - interval '3 hours'"))
    make_due(world)
    send_next(worker, SENDER)
    seen = hooks.get(here).json()
    assert (seen["enabled"], "2 h" in seen["disabled_reason"]) == (False, True)
    make_due(world)
    assert send_next(worker, SENDER) is None
    cancelled_fit(world)
    assert len(hooks.get(f"{here}/deliveries").json()["data"]) == 1
    hook.answer = 200
    assert hooks.patch(here, json={"enabled": True}).json()["enabled"] is True
    assert send_next(worker, SENDER) is not None


def test_410_means_never_again(hooks: httpx.Client, hook: Receiver, world: World, worker: Resources) -> None:
    endpoint = register(hooks, hook)
    hook.answer = 410
    cancelled_fit(world)
    send_next(worker, SENDER)
    assert hooks.get(f"/webhooks/{endpoint['id']}").json()["disabled_reason"] == "the receiver answered 410 Gone"


def test_a_redirect_is_a_failure_that_says_so(
    hooks: httpx.Client, hook: Receiver, world: World, worker: Resources
) -> None:
    endpoint = register(hooks, hook)
    hook.answer, hook.headers = 307, {"Location": hook.url}
    cancelled_fit(world)
    send_next(worker, SENDER)
    (entry,) = only_delivery(hooks, endpoint)["log"]
    assert (entry["status_code"], "redirects are not followed" in entry["error"]) == (307, True)


def test_what_is_not_public_is_not_reached(
    hooks: httpx.Client, hook: Receiver, world: World, worker: Resources
) -> None:
    endpoint = register(hooks, hook)
    cancelled_fit(world)
    send_next(worker, replace(SENDER, private_networks=()))
    (entry,) = only_delivery(hooks, endpoint)["log"]
    assert (entry["status_code"], "not public" in entry["error"]) == (None, True)
    assert hook.is_empty


def test_secrets_rotate_without_a_gap(hooks: httpx.Client, hook: Receiver, world: World, worker: Resources) -> None:
    endpoint = register(hooks, hook)
    here = f"/webhooks/{endpoint['id']}"
    new = hooks.post(f"{here}/rotate-secret").json()["secret"]
    assert new != endpoint["secret"]
    hooks.post(f"{here}/test")
    send_next(worker, SENDER)
    got = hook.next()
    assert is_signed(new, got.headers, got.body)
    assert is_signed(endpoint["secret"], got.headers, got.body)
    with world.database.unit_of_work() as session:
        session.execute(text("UPDATE webhook_endpoints SET previous_secret_until = now()"))
    hooks.post(f"{here}/test")
    send_next(worker, SENDER)
    got = hook.next()
    assert is_signed(new, got.headers, got.body)
    assert not is_signed(endpoint["secret"], got.headers, got.body)


def test_endpoints_are_listed_changed_and_removed(hooks: httpx.Client, hook: Receiver) -> None:
    endpoint = register(hooks, hook, description="first")
    here = f"/webhooks/{endpoint['id']}"
    (listed,) = hooks.get("/webhooks").json()["data"]
    assert listed == hooks.get(here).json()
    assert "secret" not in listed
    changed = hooks.patch(here, json={"events": ["fit.failed"], "description": None}).json()
    assert (changed["events"], changed["description"], changed["url"]) == (["fit.failed"], None, hook.url)
    assert hooks.patch(here, json={"enabled": False}).json()["enabled"] is False
    assert hooks.delete(here).status_code == 204
    for method in ("GET", "DELETE"):
        gone = hooks.request(method, here)
        assert (gone.status_code, gone.json()["code"]) == (404, "webhook_not_found")


def test_another_tenants_endpoint_is_not_there(hooks: httpx.Client, world: World, hook: Receiver) -> None:
    with world.database.unit_of_work() as session:
        theirs = Webhooks(session).add(
            "other", url=hook.url, event_types=["fit.failed"], secret="whsec_AAAA", description=None
        )
        message = Webhooks(session).send_test("other", theirs.id)
    here = f"/webhooks/{theirs.id}"
    for method, path in [
        ("GET", here),
        ("PATCH", here),
        ("DELETE", here),
        ("POST", f"{here}/rotate-secret"),
        ("POST", f"{here}/test"),
        ("GET", f"{here}/deliveries"),
        ("GET", f"{here}/deliveries/{message.id}"),
        ("POST", f"{here}/deliveries/{message.id}/redeliver"),
    ]:
        answer = hooks.request(method, path, json={} if method == "PATCH" else None)
        assert (answer.status_code, answer.json()["code"]) == (404, "webhook_not_found"), (method, path)
    assert hooks.get("/webhooks").json()["data"] == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost:8000/",
        "http://printer.local/",
        "https://user:secret@example.com/",
        "https://example.com/#part",
        "https://example.com:99999/",
        "https:///path",
        "ftp://example.com/",
        "file:///etc/passwd",
        "https://exa mple.com/",
        "x",
    ],
)
def test_addresses_that_are_refused_at_once(client: httpx.Client, url: str) -> None:
    answer = client.post("/webhooks", json={"url": url})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"][0]["pointer"] == "#/url"
    assert "secret" not in answer.text.replace("user:secret", "")


def test_there_is_an_end_to_endpoints(hooks: httpx.Client, hook: Receiver) -> None:
    for _ in range(ENDPOINTS_PER_TENANT):
        register(hooks, hook)
    refused = hooks.post("/webhooks", json={"url": hook.url})
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_webhooks")


def test_settled_messages_are_forgotten_after_a_while(
    hooks: httpx.Client, hook: Receiver, world: World, worker: Resources
) -> None:
    endpoint = register(hooks, hook)
    cancelled_fit(world)
    send_next(worker, SENDER)
    forget_old_messages(worker)
    assert only_delivery(hooks, endpoint)["status"] == "delivered"
    with world.database.unit_of_work() as session:
        session.execute(text("UPDATE webhook_deliveries SET created_at = now() - interval '40 days'"))
    forget_old_messages(worker)
    assert hooks.get(f"/webhooks/{endpoint['id']}/deliveries").json()["data"] == []


def test_secrets_are_not_in_the_log(open_api: Server, hooks: httpx.Client, hook: Receiver) -> None:
    assert register(hooks, hook)["secret"] not in open_api.log.read_text()
