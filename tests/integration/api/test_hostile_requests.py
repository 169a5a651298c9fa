"""The hostile corpus against a real server: the answer that is written beside each request, and nothing left behind."""

import json
import socket
from collections.abc import Iterator, Mapping

import httpx
import pytest

from tests.hostile.requests import RAW_REQUESTS, REQUESTS, RawRequest, Request
from tests.integration.api.conftest import Server
from tests.integration.api.waiting import eventually
from tests.integration.api.world import World


@pytest.fixture(scope="module")
def ids(world: World) -> dict[str, str]:
    """What the paths of the corpus name."""
    signal = world.add_signal()
    done = world.add_fit(signal, priority=100)
    world.succeed(world.start(done), b"a representation")
    return {"signal": signal, "fit": world.add_fit(signal), "done": done}


@pytest.fixture
def unharmed(server: Server, world: World) -> Iterator[None]:
    """The server lives, and whatever was refused has left neither row nor object nor file."""
    before = world.counts()
    yield
    assert server.process.poll() is None
    eventually(lambda: not any(server.spool.iterdir()))
    assert world.counts() == before


def test_the_corpus_is_as_large_as_it_should_be() -> None:
    names = [one.name for one in REQUESTS] + [one.name for one in RAW_REQUESTS]
    assert len(names) == len(set(names)) >= 150
    assert sum(name.startswith("upload") for name in names) >= 50


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: one.name)
def test_requests(client: httpx.Client, ids: dict[str, str], request_: Request, request: pytest.FixtureRequest) -> None:
    if request_.status >= 400:
        request.getfixturevalue("unharmed")
    # Not `format`, which httpx would not need either: a path may hold what is no field.
    path = request_.path
    for name, identifier in ids.items():
        path = path.replace(f"{{{name}}}", identifier)
    answer = client.request(request_.method, path, headers=_encoded(request_.headers), content=request_.content or None)
    assert answer.status_code == request_.status, answer.text
    assert len(answer.content) < 20_000
    if request_.code is None:
        assert answer.headers["content-type"] != "application/problem+json"
        return
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["code"], problem["status"]) == (request_.code, request_.status)
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert client.get(problem["type"]).json()["code"] == request_.code


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("raw", RAW_REQUESTS, ids=lambda one: one.name)
def test_raw_requests(server: Server, raw: RawRequest) -> None:
    with socket.create_connection(server.address, timeout=20) as connection:
        connection.sendall(raw.content)
        answer = b""
        while b"}" not in answer:
            received = connection.recv(65_536)
            assert received, f"hung up after {answer!r}"
            answer += received
    head, _, body = answer.partition(b"\r\n\r\n")
    assert int(head.split()[1]) in raw.statuses, answer
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] in raw.statuses


def _encoded(headers: Mapping[str, str]) -> dict[bytes, bytes]:
    """As bytes: httpx takes only ASCII for text."""
    return {name.encode(): value.encode("latin-1") for name, value in headers.items()}
