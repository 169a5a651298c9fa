"""The service's page over HTTP: what it consists of, its policy, one stream of all changes, and a result as a page."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.api.conftest import Server
from tests.integration.api.world import World

SITE = Path(__file__).parents[3] / "api" / "site"
GOLDEN = Path(__file__).parents[2] / "golden" / "v1-core" / "colour.tnr"
STREAM = {"Accept": "text/event-stream"}


def test_every_file_of_the_page_is_served_and_no_other(client: httpx.Client) -> None:
    page = client.get("/page")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<script>" not in page.text
    assert "style=" not in page.text
    for file in SITE.iterdir():
        served = client.get(f"/page/{file.name}")
        assert served.status_code == (404 if file.name == "index.html" else 200), file.name
    core = client.get("/page/web/core.wasm")
    assert (core.headers["content-type"], core.content[:4]) == ("application/wasm", b"\0asm")
    for name in ("worker.js", "joined.js", "viewer/viewer.js"):
        assert client.get(f"/page/web/{name}").status_code == 200, name
    refused = (
        "web/package.json",
        "..%2fmain.py",
        "web/..%2fmain.py",
        "web/",
        "x.js",
        "web/viewer/",
        "web/viewer/tnr.js",
    )
    for path in (f"/page/{name}" for name in (*refused, "web/viewer/..%2ftnr.js", "web/viewer/core.wasm")):
        assert client.get(path).json()["code"] == "route_not_found", path


def test_the_policy_names_this_service_and_its_storage_only(client: httpx.Client, environment: dict[str, str]) -> None:
    policy = client.get("/page").headers["content-security-policy"]
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == rules["form-action"] == ["'none'"]
    assert rules["script-src"] == ["'self'", "'wasm-unsafe-eval'"]
    assert rules["media-src"] == ["blob:"]
    assert rules["style-src"] == rules["worker-src"] == ["'self'"]
    assert rules["connect-src"] == ["'self'", environment["TUNER_S3_ENDPOINT_URL"]]


def messages(answer: httpx.Response) -> Iterator[tuple[str, Any]]:
    """Events of a stream as they come: kind and data."""
    kind = ""
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, json.loads(value)


def test_one_stream_has_every_change_of_the_tenant_and_of_no_other(client: httpx.Client, world: World) -> None:
    foreign = world.add_fit(world.add_signal(tenant="other"), tenant="other")
    with client.stream("GET", "/fits/changes", headers=STREAM) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = messages(answer)
        assert next(told) == ("hello", {})
        fit_id = world.add_fit(world.add_signal())
        world.cancel(foreign, tenant="other")
        kind, fit = next(told)
        assert (kind, fit["id"], fit["status"]) == ("fit", fit_id, "queued")
        world.cancel(fit_id)
        kind, fit = next(told)
        assert (kind, fit["id"], fit["status"]) == ("fit", fit_id, "cancelled")
    assert client.get("/fits/changes").json()["code"] == "invalid_request"


def test_a_result_is_a_page_of_its_own_that_is_nobody_here(client: httpx.Client, world: World) -> None:
    fit_id = world.add_fit(world.add_signal(filename="<b>&.png"))
    assert client.get(f"/fits/{fit_id}/view.html").json()["code"] == "representation_not_ready"
    world.succeed(world.start(fit_id), GOLDEN.read_bytes())
    page = client.get(f"/fits/{fit_id}/view.html")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>&lt;b&gt;&amp;.tnr</title>" in page.text
    assert "<b>" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox allow-scripts" in policy
    assert "allow-same-origin" not in policy


@pytest.mark.parametrize("path", ["/page", "/page/main.js", "/page/web/tnr.js"])
def test_what_has_not_changed_is_not_sent_again(client: httpx.Client, server: Server, path: str) -> None:
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
