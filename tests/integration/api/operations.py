"""Every operation of the OpenAPI document, with a request that its owner may make: for tests that try all of them."""

from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx

from api.describe import document
from store.api_keys import Scope
from store.repositories.keys import Keys
from tests.integration.api.images import png
from tests.integration.api.world import World

UPLOAD_BYTES = 1000
WEBHOOK = {"url": "https://example.com/hooks/tuner"}


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    name: str
    method: str
    path: str
    described: dict[str, Any]

    @property
    def parameters(self) -> list[str]:
        """Names of the ids in the path."""
        return [part.partition("}")[0] for part in self.path.split("{")[1:]]

    @property
    def queries(self) -> dict[str, dict[str, Any]]:
        """Parameters of the query by name, each with its schema."""
        given = self.described.get("parameters", [])
        return {one["name"]: one["schema"] for one in given if one["in"] == "query"}


OPERATIONS = {
    operation["operationId"]: Operation(operation["operationId"], method.upper(), path, operation)
    for path, methods in document()["paths"].items()
    for method, operation in methods.items()
}

# What a route with an id needs besides, so that its owner is not refused for want of it.
BODIES: dict[str, Any] = {
    "clone_fit": {"json": {}},
    "complete_upload": {"json": {"bytes": UPLOAD_BYTES, "sha256": "0" * 64}},
    "change_fit": {"json": {"labels": {"album": "sea"}}},
    "change_webhook": {"json": {"enabled": False}},
    "create_upload": {"json": {"bytes": UPLOAD_BYTES}},
    "create_webhook": {"json": WEBHOOK},
}


class KeyUnlessGiven(httpx.Auth):
    """Sends a key with a request that has none: what is about keys needs one, also where nothing else does."""

    def __init__(self, key: str) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if "Authorization" not in request.headers:
            request.headers["Authorization"] = f"Bearer {self._key}"
        yield request


def request_of(operation: Operation, owned: dict[str, str]) -> dict[str, Any]:
    """Path and body of a request that the owner of these things may make, as httpx takes them."""
    path = operation.path.format(**owned, code="invalid_request")
    body = dict(BODIES.get(operation.name, {}))
    if operation.name == "create_fit":
        body = {"json": {"signal_id": owned["signal_id"]}}
    elif operation.name == "create_fits":
        body = {"json": {"fits": [{"signal_id": owned["signal_id"]}] * 2}}
    elif operation.name == "cancel_fits":
        body = {"json": {"ids": [owned["fit_id"]]}}
    elif operation.name == "create_signal":
        body = {"files": {"file": png()}}
    elif operation.name == "create_key":
        body = {"json": {"name": "of a test"}}
    if operation.path.startswith("/keys"):
        body["auth"] = KeyUnlessGiven(owned["admin_key"])
    assert body.keys() - {"auth"} or "requestBody" not in operation.described, f"{operation.name} needs a body here"
    return {"method": operation.method, "url": path} | body


def belongings(world: World, tenant: str, client: httpx.Client) -> dict[str, str]:
    """One of everything that a path can name, by the name it has there."""
    signal_id = world.add_signal(tenant=tenant)
    fit_id = world.add_fit(signal_id, tenant=tenant, priority=100)
    claim = world.start(fit_id)
    checkpoint_id = world.add_checkpoint(claim, uuid4().bytes)
    world.succeed(claim, uuid4().bytes)
    webhook_id = client.post("/webhooks", json=WEBHOOK).json()["id"]
    with world.database.unit_of_work() as session:
        keys = Keys(session)
        (key, _), (admin, token) = keys.create(tenant), keys.create(tenant, scopes=tuple(Scope))
        # That it is used is noted now and then; here it would be a change that no request asked for.
        admin.last_used_at = datetime(2100, 1, 1, tzinfo=UTC)
        key_id = key.id
    return {
        "key_id": key_id,
        "admin_key": str(token),
        "signal_id": signal_id,
        "fit_id": fit_id,
        "checkpoint_id": checkpoint_id,
        "upload_id": client.post("/uploads", json={"bytes": UPLOAD_BYTES}).json()["id"],
        "webhook_id": webhook_id,
        "delivery_id": client.post(f"/webhooks/{webhook_id}/test").json()["id"],
    }
