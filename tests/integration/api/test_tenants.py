"""Every route, tried with the keys of two tenants: what is Alice's does not exist for Bob.

The routes come from the OpenAPI document. One with an id in its path is tried as it is: a new kind of id needs an entry
in `belongings`. One without needs a case of its own. Either way, a route that nobody thought of here fails.
"""

import importlib
import json
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from api import routes
from store.api_keys import Scope
from store.repositories.fits import Fits
from store.repositories.keys import Keys
from store.repositories.workers import Workers
from tests.integration.api.conftest import PLAIN, Server
from tests.integration.api.images import png
from tests.integration.api.operations import BODIES, OPERATIONS, UPLOAD_BYTES, WEBHOOK, Operation, belongings
from tests.integration.api.world import World


@dataclass(frozen=True)
class Tenant:
    """A client with a key, and something of everything."""

    name: str
    client: httpx.Client
    belongings: dict[str, str]

    def ask(self, operation: Operation, ids: dict[str, str], **request: Any) -> httpx.Response:
        return self.client.request(operation.method, operation.path.format(**ids), **request)


OPEN = {"welcome", "livez", "readyz", "metrics", "get_capabilities", "list_problems", "get_problem"}
WITH_ID = sorted(name for name, one in OPERATIONS.items() if one.parameters and name not in OPEN)


@pytest.fixture
def clients(server: Server, world: World) -> Iterator[dict[str, httpx.Client]]:
    """A client of each tenant, by its name; the names are new."""
    made = {}
    for name in ("alice", "bob"):
        tenant = f"{name}-{uuid4().hex[:8]}"
        with world.database.unit_of_work() as session:
            _, token = Keys(session).create(tenant, scopes=tuple(Scope))
        headers = {"Authorization": f"Bearer {token}"}
        made[tenant] = httpx.Client(base_url=server.url, timeout=30, trust_env=False, verify=PLAIN, headers=headers)
    yield made
    for client in made.values():
        client.close()


@pytest.fixture
def tenants(clients: dict[str, httpx.Client], world: World) -> tuple[Tenant, Tenant]:
    """Alice and Bob, each with new things of their own."""
    alice, bob = (Tenant(name, client, belongings(world, name, client)) for name, client in clients.items())
    return alice, bob


@pytest.mark.parametrize("name", WITH_ID)
def test_what_is_anothers_is_not_found(tenants: tuple[Tenant, Tenant], name: str) -> None:
    alice, bob = tenants
    operation, request = OPERATIONS[name], BODIES.get(name, {})
    missing = set(operation.parameters) - alice.belongings.keys()
    assert not missing, f"`belongings` has no {missing}: make one there"
    absent = bob.ask(operation, alice.belongings, **request)
    assert absent.status_code == 404, f"{name}: Bob got {absent.status_code}"
    if operation.method != "HEAD":
        assert absent.json()["code"].endswith("_not_found")
        assert absent.json()["code"] != "route_not_found"
    # Each id by itself, too: a foreign one among Bob's own.
    for parameter in operation.parameters:
        mixed = bob.belongings | {parameter: alice.belongings[parameter]}
        assert bob.ask(operation, mixed, **request).status_code == 404
    assert alice.ask(operation, alice.belongings, **request).status_code != 404


def test_anothers_events_are_not_streamed(tenants: tuple[Tenant, Tenant]) -> None:
    alice, bob = tenants
    path, stream = f"/fits/{alice.belongings['fit_id']}/events", {"Accept": "text/event-stream"}
    assert bob.client.get(path, headers=stream).status_code == 404
    own = alice.client.get(path, headers=stream)
    assert own.headers["content-type"].startswith("text/event-stream")
    assert "succeeded" in own.text


def lists_only_ones_own(alice: Tenant, bob: Tenant, operation: Operation) -> None:
    """Bob's list holds Bob's and nothing of Alice's, also where it begins at a place of hers."""
    for tenant, other in ((alice, bob), (bob, alice)):
        listed = tenant.ask(operation, {}, params={"limit": 100}).text
        assert any(identifier in listed for identifier in tenant.belongings.values())
        assert not any(identifier in listed for identifier in other.belongings.values())
    noun = {"/signals": "signal_id", "/webhooks": "webhook_id", "/keys": "key_id"}.get(operation.path, "fit_id")
    page = bob.ask(operation, {}, params={"limit": 100, "cursor": alice.belongings[noun]})
    assert not any(identifier in page.text for identifier in alice.belongings.values())


def the_same_bytes_are_two_signals(alice: Tenant, bob: Tenant, operation: Operation) -> None:
    """That somebody else has these bytes shows nowhere."""
    picture = {"files": {"file": png()}}
    answers = [tenant.ask(operation, {}, **picture) for tenant in (alice, bob)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["id"] != answers[1].json()["id"]


def only_ones_own_signal_is_fitted(alice: Tenant, bob: Tenant, operation: Operation) -> None:
    """A body names a signal; an idempotency key is each tenant's own."""
    body, named = {"signal_id": alice.belongings["signal_id"]}, {"Idempotency-Key": uuid4().hex}
    first = alice.ask(operation, {}, json=body, headers=named)
    assert first.status_code == 202
    refused = bob.ask(operation, {}, json=body, headers=named)
    assert (refused.status_code, refused.json()["code"]) == (404, "signal_not_found")
    own = bob.ask(operation, {}, json={"signal_id": bob.belongings["signal_id"]}, headers=named)
    assert own.status_code == 202
    assert own.json()["id"] != first.json()["id"]


def only_ones_own_signals_are_fitted_together(alice: Tenant, bob: Tenant, operation: Operation) -> None:
    """One foreign signal among Bob's own, and none of his is fitted."""
    own, foreign = ({"signal_id": tenant.belongings["signal_id"]} for tenant in (bob, alice))
    named = {"Idempotency-Key": uuid4().hex}
    assert alice.ask(operation, {}, json={"fits": [foreign]}, headers=named).status_code == 202
    before = bob.client.get("/fits", params={"total": "true"}).json()["total"]
    refused = bob.ask(operation, {}, json={"fits": [own, foreign]}, headers=named)
    assert (refused.status_code, refused.json()["code"]) == (404, "signal_not_found")
    assert bob.client.get("/fits", params={"total": "true"}).json()["total"] == before
    assert bob.ask(operation, {}, json={"fits": [own]}, headers=named).status_code == 202


def only_ones_own_are_cancelled(alice: Tenant, bob: Tenant, operation: Operation) -> None:
    """Another's fit is told as absent, and no condition finds it."""
    asked = {"signal_id": alice.belongings["signal_id"], "labels": {"of": "alice"}}
    fit_id = alice.client.post("/fits", json=asked).json()["id"]
    by_id = bob.ask(operation, {}, json={"ids": [fit_id]}).json()
    assert by_id == {"data": [], "absent": [fit_id], "more": False}
    for where in ({"labels": {"of": "alice"}}, {"signal_id": asked["signal_id"]}, {"status": ["queued"]}):
        assert fit_id not in bob.ask(operation, {}, json={"where": where}).text
    assert alice.client.get(f"/fits/{fit_id}").json()["status"] == "queued"
    assert alice.ask(operation, {}, json={"ids": [fit_id]}).json()["data"] == [{"id": fit_id, "status": "cancelled"}]


def a_key_is_of_ones_own_tenant(alice: Tenant, bob: Tenant, operation: Operation) -> None:
    """Whatever the body says: there is no word in it for a tenant."""
    made = bob.ask(operation, {}, json={"name": alice.name}).json()["key"]
    own = bob.client.get(f"/fits/{bob.belongings['fit_id']}", headers={"Authorization": f"Bearer {made}"})
    foreign = bob.client.get(f"/fits/{alice.belongings['fit_id']}", headers={"Authorization": f"Bearer {made}"})
    assert (own.status_code, foreign.status_code) == (200, 404)
    assert bob.ask(operation, {}, json={"tenant": alice.name}).status_code == 422


def only_what_is_ones_own_is_counted(alice: Tenant, bob: Tenant, operation: Operation) -> None:
    """What Alice adds changes what she is told, and not what Bob is."""
    before = [tenant.ask(operation, {}).json() for tenant in (alice, bob)]
    assert alice.client.post("/fits", json={"signal_id": alice.belongings["signal_id"]}).status_code == 202
    after = [tenant.ask(operation, {}).json() for tenant in (alice, bob)]
    assert after[0]["fits"]["queued"] == before[0]["fits"]["queued"] + 1
    assert after[1]["fits"] == before[1]["fits"]


def an_upload_is_ones_own(alice: Tenant, bob: Tenant, operation: Operation) -> None:
    """The address of a part is the only way in for who has no key, and only its owner is told it."""
    answers = [tenant.ask(operation, {}, json={"bytes": UPLOAD_BYTES}) for tenant in (alice, bob)]
    assert len({answer.json()["id"] for answer in answers}) == 2


def a_webhook_is_ones_own(alice: Tenant, bob: Tenant, operation: Operation) -> None:
    """The same address for two tenants is two endpoints, each with its own secret."""
    answers = [tenant.ask(operation, {}, json=WEBHOOK).json() for tenant in (alice, bob)]
    assert len({answer["id"] for answer in answers}) == 2
    assert len({answer["secret"] for answer in answers}) == 2


def only_ones_own_changes_are_told(alice: Tenant, bob: Tenant, operation: Operation) -> None:
    """What Alice does first is not what Bob hears first."""
    asked = bob.client.stream("GET", operation.path, headers={"Accept": "text/event-stream"})
    with asked as answer:
        told = (json.loads(line[5:]) for line in answer.iter_lines() if line.startswith("data:"))
        assert next(told) == {}
        ids = [
            tenant.client.post("/fits", json={"signal_id": tenant.belongings["signal_id"]}).json()["id"]
            for tenant in (alice, bob)
        ]
        assert next(told)["id"] == ids[1]


CASES: dict[str, Callable[[Tenant, Tenant, Operation], None]] = {
    "list_signals": lists_only_ones_own,
    "list_fits": lists_only_ones_own,
    "list_webhooks": lists_only_ones_own,
    "list_keys": lists_only_ones_own,
    "create_key": a_key_is_of_ones_own_tenant,
    "create_signal": the_same_bytes_are_two_signals,
    "create_upload": an_upload_is_ones_own,
    "create_webhook": a_webhook_is_ones_own,
    "create_fit": only_ones_own_signal_is_fitted,
    "create_fits": only_ones_own_signals_are_fitted_together,
    "follow_fits": only_ones_own_changes_are_told,
    "get_usage": only_what_is_ones_own_is_counted,
    "cancel_fits": only_ones_own_are_cancelled,
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_without_an_id(tenants: tuple[Tenant, Tenant], name: str) -> None:
    CASES[name](*tenants, OPERATIONS[name])


def test_of_anothers_fit_only_its_worker_is_told(tenants: tuple[Tenant, Tenant], world: World) -> None:
    """That the worker is busy, and not with what, for whom, or what became of it."""
    alice, bob = tenants
    worker, earlier = f"host-{uuid4().hex[:8]}:1", f"a-{uuid4().hex[:8]}"
    world.add_fit(world.add_signal(tenant=earlier), tenant=earlier, priority=100)
    fit_id = world.add_fit(alice.belongings["signal_id"], tenant=alice.name, priority=100)
    claim = world.start(fit_id, worker=worker)
    with world.database.unit_of_work() as session:
        Workers(session).describe(worker, process=worker, facts={"device": "cpu"})

    def seen(tenant: Tenant) -> dict[str, Any]:
        listed = tenant.ask(OPERATIONS["list_workers"], {}, params={"limit": 100}).json()["data"]
        return next(one | {"age_seconds": 0} for one in listed if one["name"] == worker)

    own, foreign = seen(alice), seen(bob)
    assert (own["busy"], own["fit_id"]) == (True, fit_id)
    assert foreign == own | {"fit_id": None}
    with world.database.unit_of_work() as session:
        Fits(session).fail(claim, code="out_of_memory", message=f"too much for {alice.name}")
    own_fleet, foreign_fleet = (tenant.ask(OPERATIONS["get_fleet"], {}) for tenant in tenants)
    assert own_fleet.json()["failures"] == {"out_of_memory": 1}
    assert foreign_fleet.json()["failures"] == {}
    assert not any(word in foreign_fleet.text for word in (alice.name, *alice.belongings.values(), fit_id))


OF_WORKERS = {"get_fleet", "list_workers"}


def test_no_operation_is_left_out() -> None:
    known = {*WITH_ID, *CASES, *OPEN, *OF_WORKERS}
    assert not OPERATIONS.keys() - known, "a new operation: give it a case here"


def test_no_route_is_missing_in_the_document() -> None:
    described = {(one.method, one.path) for one in OPERATIONS.values()}
    for module in pkgutil.iter_modules(routes.__path__):
        router = getattr(importlib.import_module(f"{routes.__name__}.{module.name}"), "router", None)
        assert isinstance(router, APIRouter), module.name
        for route in router.routes:
            assert isinstance(route, APIRoute)
            for method in (route.methods or ()) if route.include_in_schema else ():
                assert (method, route.path) in described
