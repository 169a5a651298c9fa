"""What a web page can make a browser send to a service without keys: every operation refuses it, nothing changes."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.services.access import LOCAL_TENANT
from tests.integration.api.conftest import Server, running_api
from tests.integration.api.operations import OPERATIONS, belongings, request_of
from tests.integration.api.world import World

# What each request bears besides, and the code of its refusal.
FOREIGN = {
    "a rebound name": ({"Host": "evil.example"}, "host_refused"),
    "a rebound name with this port": ({"Host": "evil.example:8000"}, "host_refused"),
    "a rebound page that writes": ({"Host": "evil.example", "Origin": "http://evil.example"}, "host_refused"),
    "no name": ({"Host": ""}, "host_refused"),
    "a foreign page": ({"Origin": "https://evil.example"}, "origin_refused"),
    "a page in a sandbox": ({"Origin": "null"}, "origin_refused"),
    "another port of this machine": ({"Origin": "http://127.0.0.1:3000"}, "origin_refused"),
    "another site, without an origin": ({"Sec-Fetch-Site": "cross-site"}, "cross_site"),
    "another name of the site": ({"Sec-Fetch-Site": "same-site"}, "cross_site"),
    "a proxy that hides the name": ({"X-Forwarded-For": "203.0.113.9"}, "host_refused"),
    "a proxy that tells a foreign name": ({"X-Forwarded-Host": "evil.example"}, "host_refused"),
    "a proxy in the words of RFC 7239": ({"Forwarded": 'for=203.0.113.9;host="evil.example"'}, "host_refused"),
}


@pytest.fixture(scope="module", params=["keyless", "open"])
def here(
    request: pytest.FixtureRequest, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A client of a service without keys, and of one that serves others, too."""
    settings = {"TUNER_OPEN_WITHOUT_KEYS": "1"} if request.param == "open" else {}
    with (
        running_api(environment, tmp_path_factory.mktemp("origins"), **settings) as server,
        httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def owned(here: httpx.Client, world: World) -> dict[str, str]:
    """Something of everything, of the one tenant that there is."""
    return belongings(world, LOCAL_TENANT, here)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_operation_refuses_foreign_pages(
    here: httpx.Client, owned: dict[str, str], world: World, name: str
) -> None:
    operation = OPERATIONS[name]
    before = world.fingerprint()
    for what, (headers, code) in FOREIGN.items():
        refused = here.request(**request_of(operation, owned), headers=headers)
        assert refused.status_code == (421 if code == "host_refused" else 403), what
        assert "access-control-allow-origin" not in refused.headers
        assert refused.headers["content-type"] == "application/problem+json"
        if operation.method != "HEAD":
            assert refused.json()["code"] == code, what
    assert world.fingerprint() == before
    # The same request is served, from here or from the service's own pages: it was the headers that were refused.
    own = {"Origin": str(here.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    served = here.request(**request_of(operation, owned), headers=own)
    assert served.status_code not in {403, 421, 500}, served.text


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/page", "/fits/changes", "/nowhere", "//fits"])
@pytest.mark.parametrize("what", sorted(FOREIGN))
def test_so_does_what_the_document_does_not_have(here: httpx.Client, path: str, what: str) -> None:
    headers, code = FOREIGN[what]
    assert here.get(path, headers=headers).json()["code"] == code


def test_a_link_leads_to_the_documentation_and_not_to_what_is_somebodys(here: httpx.Client) -> None:
    visit = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    for path in ("/", "/docs", "/page", "/problems/cross_site"):
        assert here.get(path, headers=visit).status_code == 200
        assert here.get(path, headers=visit | {"Sec-Fetch-Dest": "iframe"}).status_code == 403
    assert here.get("/fits", headers=visit).status_code == 403
    assert here.post("/", headers=visit).status_code == 403


PAGE, STRANGER = "https://app.example", "https://evil.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,idempotency-key"}


@pytest.mark.parametrize("keys", ["0", "1"])
def test_pages_that_are_listed(environment: dict[str, str], world: World, tmp_path: Path, keys: str) -> None:
    settings = {"TUNER_ALLOWED_ORIGINS": f"{PAGE}, http://localhost:3000", "TUNER_REQUIRE_KEYS": keys}
    with (
        running_api(environment, tmp_path, **settings) as server,
        httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client,
    ):
        for path in ("/fits", "/nowhere", "/livez"):
            allowed = client.options(path, headers=PREFLIGHT | {"Origin": PAGE})
            assert (allowed.status_code, allowed.content) == (204, b"")
            assert allowed.headers["access-control-allow-origin"] == PAGE
            assert "POST" in allowed.headers["access-control-allow-methods"]
            assert allowed.headers["access-control-allow-headers"] == "content-type,idempotency-key"
            assert "Origin" in allowed.headers["vary"]
            assert "access-control-allow-credentials" not in allowed.headers
            refused = client.options(path, headers=PREFLIGHT | {"Origin": STRANGER})
            assert (refused.status_code, refused.json()["code"]) == (403, "origin_refused")
            assert "access-control-allow-origin" not in refused.headers
        # Errors can be read, too, and so can what an answer says in its headers.
        crossing = {"Origin": PAGE, "Sec-Fetch-Site": "cross-site"}
        asked = client.get("/fits", headers=crossing)
        assert asked.status_code == (401 if keys == "1" else 200)
        assert asked.headers["access-control-allow-origin"] == PAGE
        assert "X-Request-Id" in asked.headers["access-control-expose-headers"]
        missing = client.get("/nowhere", headers=crossing)
        assert (missing.status_code, missing.headers["access-control-allow-origin"]) == (404, PAGE)
        before = world.fingerprint()
        stranger = client.post("/uploads", json={"bytes": 10}, headers={"Origin": STRANGER})
        assert stranger.json()["code"] == ("key_missing" if keys == "1" else "origin_refused")
        assert "access-control-allow-origin" not in stranger.headers
        assert world.fingerprint() == before


def test_behind_a_proxy_the_public_name_has_to_be_known(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory, server: Server
) -> None:
    settings = {"TUNER_ALLOWED_HOSTS": "tuner.example", "TUNER_OPEN_WITHOUT_KEYS": "1"}
    passed_on = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    kept = passed_on | {"Host": "tuner.example"}
    told = passed_on | {"X-Forwarded-Host": "tuner.example"}
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        for headers in (kept, told):
            refused = client.get("/fits", headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (421, "host_refused")
            assert "TUNER_ALLOWED_HOSTS" in refused.json()["detail"]
    with (
        running_api(environment, tmp_path_factory.mktemp("proxied"), **settings) as proxied,
        httpx.Client(base_url=proxied.url, trust_env=False) as client,
    ):
        for headers in (kept, told):
            assert client.get("/fits", headers=headers).status_code == 200
            own = headers | {"Origin": "https://tuner.example", "Sec-Fetch-Site": "same-origin"}
            assert client.post("/uploads", json={"bytes": 10}, headers=own).status_code == 201
            for origin in ("http://tuner.example", "https://tuner.example:444", proxied.url):
                assert client.get("/fits", headers=headers | {"Origin": origin}).status_code == 403
        assert client.get("/fits").status_code == 200
        for hidden in (passed_on, passed_on | {"X-Forwarded-Host": "localhost"}, told | {"Host": "evil.example"}):
            assert client.get("/fits", headers=hidden).json()["code"] == "host_refused"
