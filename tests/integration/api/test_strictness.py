"""What every operation does alike: it knows its query, answers HEAD where it answers GET, and waits if asked to."""

import importlib
import pkgutil
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from api import routes
from api.describe import document
from api.services.access import LOCAL_TENANT
from tests.integration.api.conftest import Server
from tests.integration.api.operations import OPERATIONS, Operation, belongings, request_of
from tests.integration.api.waiting import eventually
from tests.integration.api.world import World

STREAM = {"Accept": "text/event-stream"}


@pytest.fixture(scope="module")
def owned(server: Server, world: World) -> dict[str, str]:
    """Something of everything, of the one tenant that there is."""
    with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client:
        return belongings(world, LOCAL_TENANT, client)


def faults(refused: httpx.Response, operation: Operation) -> list[tuple[str, str]]:
    """Names and codes of what is wrong with a request that is refused for its query or its headers."""
    assert refused.status_code == 422, refused.text
    if operation.method == "HEAD":
        return []
    assert refused.json()["code"] == "invalid_request"
    return [(fault["parameter"], fault["code"]) for fault in refused.json()["errors"]]


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_query_is_strict(client: httpx.Client, owned: dict[str, str], world: World, name: str) -> None:
    operation = OPERATIONS[name]
    request = request_of(operation, owned)
    before = world.fingerprint()
    for undeclared in ("undeclared", "validateOnly", "LIMIT", "state", ""):
        found = faults(client.request(**request, params={undeclared: "1"}), operation)
        assert found in ([], [(undeclared, "extra_forbidden")])
    twice = faults(client.request(**request, params={"undeclared": ["1", "1"]}), operation)
    assert twice in ([], [("undeclared", "extra_forbidden")])
    for known, schema in operation.queries.items():
        if schema.get("type") != "array":
            given = {known: ["1", "1"]}
            assert faults(client.request(**request, params=given), operation) in ([], [(known, "repeated")])
    assert world.fingerprint() == before
    # Nothing was sent to be completed, and who follows has to ask for a stream.
    assert client.request(**request).status_code not in {422, 500} or name in {"complete_upload", "follow_fits"}


def test_what_may_be_repeated_may(client: httpx.Client) -> None:
    assert client.get("/fits", params=[("label", "a=1"), ("label", "b=2")]).status_code == 200
    assert client.get("/fits", params=[("status", "queued"), ("status", "paused")]).status_code == 200
    assert sum(schema.get("type") == "array" for one in OPERATIONS.values() for schema in one.queries.values()) == 2


def test_the_names_that_are_known_are_told(client: httpx.Client, world: World) -> None:
    refused = client.post("/fits?validateOnly=true", json={"signal_id": world.add_signal()}).json()
    assert "validate_only" in refused["detail"]
    assert client.get("/livez?x").json()["detail"] == "x: there is no such parameter; this operation knows none"
    many = client.get("/fits?" + "&".join(f"a{number}=1" for number in range(1000)))
    assert (many.status_code, len(many.json()["errors"])) == (422, 10)


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/docs/operations.js", "/page", "/page/main.js"])
def test_pages_are_strict_too(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200
    assert client.get(path, params={"v": "5"}).status_code == 422


@pytest.mark.parametrize("name", sorted(OPERATIONS))
@pytest.mark.parametrize("header", ["Authorization", "Content-Type", "Idempotency-Key", "Range", "Last-Event-ID"])
def test_a_header_that_there_is_one_of_comes_once(
    client: httpx.Client, owned: dict[str, str], world: World, name: str, header: str
) -> None:
    before = world.fingerprint()
    request = request_of(OPERATIONS[name], owned)
    refused = client.request(**request, headers=[(header, "1"), (header, "2")])
    assert [name.lower() for name, _ in faults(refused, OPERATIONS[name])] in ([], [header.lower()])
    assert world.fingerprint() == before


def every_get() -> list[str]:
    """Paths of all routes that answer GET, of the pages, too."""
    found = set()
    for module in pkgutil.iter_modules(routes.__path__):
        router = importlib.import_module(f"{routes.__name__}.{module.name}").router
        found |= {route.path for route in router.routes if "GET" in route.methods}
    return sorted(found)


@pytest.mark.parametrize("path", every_get())
def test_head_is_there_wherever_get_is(client: httpx.Client, owned: dict[str, str], path: str) -> None:
    name = "operations.js" if path.startswith("/docs") else "reference.js"
    url = path.format(**owned, code="invalid_request", name=name)
    whole, head = client.get(url), client.head(url)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    own = {"date", "x-request-id", "transfer-encoding"}
    described = {name: value for name, value in whole.headers.items() if name not in own}
    assert {name: value for name, value in head.headers.items() if name not in own} == described
    if whole.status_code == 403:  # of what a client may not use at all, nothing more is told
        return
    assert "HEAD" in client.request("PROPFIND", url).headers["allow"]
    assert client.head(url, params={"undeclared": "1"}).status_code == 422


def test_head_of_a_stream_does_not_wait_for_its_end(client: httpx.Client, world: World) -> None:
    fit_id = world.add_fit(world.add_signal())
    answer = client.head(f"/fits/{fit_id}/events", headers=STREAM, timeout=5)
    assert answer.headers["content-type"].startswith("text/event-stream")


ANSWERS_WITH_A_FIT = sorted(
    name
    for name, one in OPERATIONS.items()
    if any("FitView" in str(answer.get("content")) for answer in one.described["responses"].values())
)


def a_fit_that(name: str, world: World) -> str:
    """A fit that may make this move, and does not end by it."""
    fit_id = world.add_fit(world.add_signal(), priority=100)
    if name in {"retry_fit", "clone_fit"}:
        world.cancel(fit_id)
    elif name in {"cancel_fit", "pause_fit"}:
        world.start(fit_id)
    return fit_id


def test_all_of_them_are_known() -> None:
    wanted = ["cancel_fit", "clone_fit", "create_fit", "get_fit", "pause_fit", "resume_fit", "retry_fit"]
    assert wanted == ANSWERS_WITH_A_FIT


@pytest.mark.parametrize("name", ANSWERS_WITH_A_FIT)
@pytest.mark.parametrize("lines", [["wait=1"], ["respond-async", "wait=1"], ["handling=strict, wait=1"]])
def test_prefer_is_heard_wherever_a_fit_is_the_answer(
    client: httpx.Client, world: World, name: str, lines: list[str]
) -> None:
    fit_id = a_fit_that(name, world)
    owned = {"fit_id": fit_id, "signal_id": world.add_signal()}
    headers = [("Prefer", line) for line in lines]
    answer = client.request(**request_of(OPERATIONS[name], owned), headers=headers)
    assert answer.headers["preference-applied"] == "wait=1", answer.text
    assert answer.status_code in {200, 202}
    assert "prefer" in {one["name"].lower() for one in OPERATIONS[name].described["parameters"]}


@pytest.mark.parametrize("name", [name for name in ANSWERS_WITH_A_FIT if name not in {"cancel_fit", "pause_fit"}])
def test_and_the_answer_is_the_fit_that_has_ended(client: httpx.Client, world: World, name: str) -> None:
    owned = {"fit_id": a_fit_that(name, world), "signal_id": world.add_signal()}
    request: dict[str, Any] = request_of(OPERATIONS[name], owned)
    known = set(world.fits())
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.request, **request, headers={"Prefer": "wait=20"})
        if name in {"get_fit", "resume_fit"}:
            time.sleep(0.2)
            new = owned["fit_id"]
        else:
            eventually(lambda: set(world.fits()) != known)
            (new,) = set(world.fits()) - known
        world.cancel(new)
        ended = answer.result(15)
    assert (ended.status_code, ended.json()["id"], ended.json()["status"]) == (200, new, "cancelled")


def test_a_pause_is_done_when_the_fit_rests(client: httpx.Client, world: World) -> None:
    fit_id = world.add_fit(world.add_signal())
    paused = client.post(f"/fits/{fit_id}/pause", headers={"Prefer": "wait=20"}, timeout=10)
    assert (paused.status_code, paused.json()["status"]) == (200, "paused")


WRONG: list[Any] = ["A b\x7f\x00?", -1, 0, 1e300, None, True, [], [None], {}, {"A b": ""}, "x" * 3000]


def wrong_bodies(operation: Operation, good: dict[str, Any]) -> Iterator[Any]:
    """Bodies of which one member, or one member of a member, has a bad value, and some that are no objects."""
    schemas = document()["components"]["schemas"]

    def members(schema: dict[str, Any]) -> dict[str, Any]:
        parts = [schema, *schema.get("anyOf", ()), *schema.get("allOf", ())]
        named = [schemas[part["$ref"].rpartition("/")[2]] for part in parts if "$ref" in part]
        found: dict[str, Any] = {}
        for part in [*parts, *named]:
            found |= part.get("properties", {})
        return found

    content = operation.described.get("requestBody", {}).get("content", {})
    for media_type, described in content.items():
        if "json" not in media_type:
            continue
        yield from (5, [], "x", None, {"A b": 1})
        for name, schema in members(described["schema"]).items():
            for value in WRONG:
                yield good | {name: value}
            for inner in members(schema):
                for value in WRONG[:4]:
                    yield good | {name: {inner: value}}


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_what_is_wrong_is_said_in_words(client: httpx.Client, owned: dict[str, str], name: str) -> None:
    """Not as a regular expression, and without the name of an error's class: of every parameter and every member."""
    operation = OPERATIONS[name]
    good = request_of(operation, owned)
    asked: list[dict[str, Any]] = []
    for one in operation.described.get("parameters", []):
        for value in ("\x7f?", "-1", "x" * 3000):
            if one["in"] == "query":
                asked.append({"params": {one["name"]: value}})
            elif one["in"] == "header" and value.isascii() and value.isprintable():
                asked.append({"headers": {one["name"]: value}})
            elif one["in"] == "path":
                asked.append({"url": good["url"].replace(owned.get(one["name"], "invalid_request"), "%7F%3F")})
    asked += [{"headers": {"Idempotency-Key": "a b", "Last-Event-ID": "x"}}]
    started = {"params": {"validate_only": "true"}} if "validate_only" in operation.queries else {}
    bodies = [started | {"json": body} for body in wrong_bodies(operation, good.get("json") or {})]
    refusals = 0
    for wrong in [*asked, *bodies]:
        refused = client.request(**good | wrong)
        assert refused.status_code < 500, (wrong, refused.text)
        if refused.status_code == 422 and operation.method != "HEAD":
            refusals += 1
            problem = refused.json()
            for told in (problem["detail"], *(fault["detail"] for fault in problem.get("errors", ()))):
                assert not re.search("Value error|Assertion failed", told), told
                assert not {"^", "$", "\\"} & set(told), told
                assert not re.search(r"\[[^]]*-[^]]*\]|\(\?[:=!]", told), told
    assert not bodies or refusals > 0
