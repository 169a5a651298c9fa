"""Which scope a request needs, and who is let in without a key."""

from types import SimpleNamespace

import anyio
import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response

from api.gate import NOUNS, Gate, scope_needed
from api.services.access import LOCAL
from api.settings import ApiSettings
from store.api_keys import Scope


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/fits", "fits:read"),
        ("HEAD", "/fits/x/representation", "fits:read"),
        ("POST", "/fits/x/cancel", "fits:write"),
        ("DELETE", "/signals/x", "signals:write"),
        ("PROPFIND", "/signals", "signals:write"),
        ("GET", "/usage", "fits:read"),
        ("GET", "/fleet", "fits:read"),
        ("GET", "/workers", "fits:read"),
        ("GET", "/keys", "keys:read"),
        ("DELETE", "/keys/x", "keys:write"),
        ("GET", "/capabilities", None),
        ("GET", "/", None),
        ("GET", "/livez", None),
        ("GET", "/fitsy", None),
        ("GET", "//fits", None),
        ("GET", "fits", "fits:read"),
    ],
)
def test_the_scope_comes_from_method_and_path(method: str, path: str, scope: str | None) -> None:
    assert scope_needed(method, path) == scope


def test_every_scope_is_needed_somewhere_and_none_is_missing() -> None:
    needed = {scope_needed(method, f"/{noun}") for noun in NOUNS for method in ("GET", "POST")}
    assert needed == set(Scope)


def ask(address: str, **settings: bool) -> Response:
    """GET /fits on an address of the server."""
    app = FastAPI()

    async def identify(authorization: str | None) -> object:
        return LOCAL

    app.state.services = SimpleNamespace(access=SimpleNamespace(identify=identify), rates=None)
    app.add_middleware(Gate, settings=ApiSettings.model_validate(settings))

    @app.get("/fits")
    def fits() -> str:
        return "yours"

    async def send() -> Response:
        async with AsyncClient(transport=ASGITransport(app), base_url=f"http://{address}") as client:
            return await client.get("/fits")

    return anyio.run(send)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "[::1]"])
def test_this_machine_needs_no_key(address: str) -> None:
    assert ask(address).status_code == 200


@pytest.mark.parametrize("address", ["10.0.0.5", "192.168.1.1", "[fe80::1]", "8.8.8.8"])
def test_another_address_does_whatever_started_the_server(address: str) -> None:
    refused = ask(address)
    assert (refused.status_code, refused.json()["code"]) == (403, "keys_required")
    assert ask(address, open_without_keys=True).status_code == 200
