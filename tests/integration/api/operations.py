"""Every operation of the OpenAPI document, with a request that its owner may make: for tests that try all of them."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from api.describe import document
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
    "change_webhook": {"json": {"enabled": False}},
    "create_upload": {"json": {"bytes": UPLOAD_BYTES}},
    "create_webhook": {"json": WEBHOOK},
}


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
    assert body or "requestBody" not in operation.described, f"{operation.name} needs a body here"
    return {"method": operation.method, "url": path} | body


def belongings(world: World, tenant: str, client: httpx.Client) -> dict[str, str]:
    """One of everything that a path can name, by the name it has there."""
    signal_id = world.add_signal(tenant=tenant)
    fit_id = world.add_fit(signal_id, tenant=tenant, priority=100)
    claim = world.start(fit_id)
    checkpoint_id = world.add_checkpoint(claim, uuid4().bytes)
    world.succeed(claim, uuid4().bytes)
    webhook_id = client.post("/webhooks", json=WEBHOOK).json()["id"]
    return {
        "signal_id": signal_id,
        "fit_id": fit_id,
        "checkpoint_id": checkpoint_id,
        "upload_id": client.post("/uploads", json={"bytes": UPLOAD_BYTES}).json()["id"],
        "webhook_id": webhook_id,
        "delivery_id": client.post(f"/webhooks/{webhook_id}/test").json()["id"],
    }
