"""The table of errors is complete, and its documents have one shape."""

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response

from api import problems
from api.errors import PROBLEMS, ApiError
from api.middleware import BodyLimit, RequestContext
from api.problems import problem_response
from api.schemas.fits import FitRequest
from store import errors as store

SCOPE = {"type": "http", "path": "/here", "state": {"request_id": "req_1"}}


def classes(base: type[Exception]) -> list[type[Exception]]:
    return [found for child in base.__subclasses__() for found in (child, *classes(child))]


def test_every_error_of_the_api_and_the_store_has_a_status() -> None:
    not_over_http = {store.LeaseLost, store.KeyNotFound, store.InvalidKeyRequest}
    # An outage, until a second look finds the object damaged.
    told_as_what_they_are_a_kind_of = {store.ObjectRefused, store.ObjectBrokenOff}
    exempt = not_over_http | told_as_what_they_are_a_kind_of
    missing = {*classes(ApiError), *classes(store.StoreError)} - PROBLEMS.keys() - exempt
    assert not missing


def test_codes_are_unique() -> None:
    codes = [kind.code or getattr(error, "code", None) for error, kind in PROBLEMS.items()]
    shared = {"database_unavailable"}
    assert len([code for code in codes if code not in shared]) == len({*codes} - shared)


def test_what_is_our_fault_is_told_without_its_details() -> None:
    for error in (store.BlobsUnavailable("http://10.0.0.1 refused key"), RuntimeError("password=hunter2")):
        body = json.loads(bytes(problem_response(SCOPE, error).body))
        assert "10.0.0.1" not in body["detail"]
        assert "hunter2" not in body["detail"]


def test_unavailable_says_when_to_come_back() -> None:
    response = problem_response(SCOPE, store.BlobsUnavailable("away"))
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")


def application() -> FastAPI:
    app = FastAPI(redirect_slashes=False)
    problems.install(app)
    app.add_middleware(BodyLimit, default=1000, by_path={"/long": 2000}, seconds=5.0)
    app.add_middleware(RequestContext)

    @app.post("/echo")
    def echo(body: FitRequest, limit: int = 3) -> dict[str, int]:
        return {"limit": limit}

    @app.get("/boom")
    def boom() -> None:
        raise RuntimeError("password=hunter2")

    return app


def ask(method: str, path: str, **request: Any) -> Response:
    async def send() -> Response:
        async with AsyncClient(transport=ASGITransport(application()), base_url="http://test") as client:
            return await client.request(method, path, **request)

    return anyio.run(send)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/nothing", b"", 404, "route_not_found"),
        ("GET", "/echo/", b"", 404, "route_not_found"),
        ("GET", "/echo", b"", 405, "method_not_allowed"),
        ("GET", "/boom", b"", 500, "internal_error"),
        ("POST", "/echo", b"{", 400, "malformed_json"),
        ("POST", "/echo", b"[" * 900, 400, "malformed_json"),
        ("POST", "/echo", b"[]", 422, "invalid_request"),
        ("POST", "/echo", b'{"\\ud800": 1}', 422, "invalid_request"),
        ("POST", "/echo?limit=x", b"{}", 422, "invalid_request"),
        ("POST", "/echo", b" " * 1001, 413, "content_too_large"),
        ("POST", "/long", b" " * 1001, 404, "route_not_found"),
    ],
)
def test_every_error_is_one_problem_document(method: str, path: str, body: bytes, status: int, code: str) -> None:
    response = ask(method, path, content=body, headers={"Content-Type": "application/json"})
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["type"] == f"/problems/{code}"
    assert problem["instance"] == path.partition("?")[0]
    assert problem["request_id"] == response.headers["x-request-id"]
    assert problem["title"]
    assert problem["detail"]
    assert "hunter2" not in response.text


def test_faults_point_at_their_place() -> None:
    body = {"network": {"hidden": [8, 1]}, "a/b~c": 1}
    response = ask("POST", "/echo?limit=x", json=body)
    faults = response.json()["errors"]
    places = {fault.get("pointer") or (fault["location"], fault["parameter"]) for fault in faults}
    assert places == {"#/network/hidden/1", "#/a~1b~0c", "#/signal_id", ("query", "limit")}
    assert all(fault["code"] and fault["detail"] for fault in faults)


def test_a_body_without_length_is_cut_off_too() -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    response = ask("POST", "/echo", content=endless(), headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (413, "content_too_large")


@pytest.mark.parametrize(("offered", "kept"), [("abc-1.2_3", True), ("a b", False), ("x" * 129, False), ("", False)])
def test_a_sane_request_id_is_kept(offered: str, kept: bool) -> None:
    response = ask("GET", "/nothing", headers={"X-Request-Id": offered})
    found = response.headers["x-request-id"]
    assert (found == offered) is kept
    assert kept or found.startswith("req_")
