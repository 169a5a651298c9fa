"""Which answers are sent as gzip: JSON that is long, to who takes it, and nothing else."""

import gzip
import hashlib
import json
from typing import Any

import httpx
import pytest

from api.packing import LEAST_BYTES, takes_gzip
from tests.integration.api.conftest import Server
from tests.integration.api.operations import OPERATIONS, belongings, request_of
from tests.integration.api.world import World

IDENTITY = {"Accept-Encoding": "identity"}
GZIP = {"Accept-Encoding": "gzip"}
CHANGING = {"metrics", "readyz", "get_usage", "get_fleet", "list_workers"}  # what they say is another a moment later


@pytest.fixture(scope="module")
def owned(server: Server, world: World) -> dict[str, str]:
    with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client:
        return belongings(world, "local", client)


@pytest.mark.parametrize(
    ("said", "takes"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("x-gzip", True),
        ("", False),
        ("identity", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("*;q=0", False),
        ("gzip;q=2", False),
        (";;;,=,gzip", True),
    ],
)
def test_what_a_client_takes(said: str, takes: bool) -> None:
    assert takes_gzip(said) is takes


@pytest.mark.parametrize("name", sorted(name for name, one in OPERATIONS.items() if one.method in {"GET", "HEAD"}))
def test_every_answer_is_the_same_packed_or_not(
    client: httpx.Client, owned: dict[str, str], world: World, name: str
) -> None:
    """And packed are those that are JSON and long, never a file or a stream."""
    request = request_of(OPERATIONS[name], owned)
    has_an_end = name != "follow_fits"
    for stream in ({}, {"Accept": "text/event-stream"})[: 1 + has_an_end]:
        plain, packed = (client.request(**request, headers=way | stream) for way in (IDENTITY, GZIP))
        assert packed.status_code == plain.status_code
        assert "content-encoding" not in plain.headers
        is_json = plain.headers.get("content-type") == "application/json" and plain.status_code == 200
        assert ("Accept-Encoding" in packed.headers.get("vary", "")) is is_json
        assert ("Accept-Encoding" in plain.headers.get("vary", "")) is is_json
        if OPERATIONS[name].method == "GET":
            expected = is_json and len(plain.content) >= LEAST_BYTES
            assert packed.headers.get("content-encoding") == ("gzip" if expected else None)
            if name not in CHANGING and "problem" not in packed.headers["content-type"]:
                assert _is_the_same(client, request, stream)


def _is_the_same(client: httpx.Client, request: dict[str, Any], headers: dict[str, str]) -> bool:
    """Whether a packed answer is what the plain ones before and after it are.

    Addresses are signed for a second, so that two answers can differ by the moments in which they are given.
    """
    for _ in range(10):
        before, packed, after = (client.request(**request, headers=way | headers) for way in (IDENTITY, GZIP, IDENTITY))
        if before.content == after.content:
            return bool(packed.content == before.content)
    return False


def test_a_packed_answer_is_gzip_of_its_length_and_weakly_the_same(client: httpx.Client, owned: dict[str, str]) -> None:
    url = f"/fits/{owned['fit_id']}"
    plain = client.get(url, headers=IDENTITY)
    with client.stream("GET", url, headers=GZIP) as answer:
        raw = b"".join(answer.iter_raw())
    assert int(answer.headers["content-length"]) == len(raw) < len(plain.content)
    assert gzip.decompress(raw) == plain.content
    assert json.loads(plain.content)["id"] == owned["fit_id"]
    etag = answer.headers["etag"]
    assert etag == plain.headers["etag"]
    assert etag.startswith('W/"')
    assert client.get(url, headers=GZIP | {"If-None-Match": etag}).status_code == 304
    assert client.get(url, headers=IDENTITY | {"If-None-Match": etag}).status_code == 304
    head = client.head(url, headers=GZIP)
    assert (head.headers["content-length"], head.headers["etag"]) == (str(len(raw)), etag)


def test_what_shows_a_secret_is_not_packed(client: httpx.Client) -> None:
    """An answer to a POST never is, however long: a secret beside chosen text would show in its length."""
    hook = {"url": f"https://example.com/{'x' * 1500}", "description": hashlib.sha256(b"").hexdigest()}
    made = client.post("/webhooks", json=hook, headers=GZIP)
    assert (made.status_code, len(made.content) > LEAST_BYTES) == (201, True)
    assert "content-encoding" not in made.headers
    client.delete(f"/webhooks/{made.json()['id']}")
