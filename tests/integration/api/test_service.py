"""The process itself: alive, ready or not, and how it starts, logs and stops."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.integration.api.conftest import Server, running_api
from tests.integration.api.waiting import eventually


def test_alive_ready_and_welcome(client: httpx.Client) -> None:
    assert client.get("/livez").json() == {"status": "alive"}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]) == (
        200,
        dict.fromkeys(("database", "tables", "storage", "broker", "objects"), "ok"),
    )
    assert client.get("/").json()["openapi"] == "/openapi.json"
    assert client.get("/openapi.json").json()["info"]["title"] == "Tuner"


@pytest.mark.parametrize(
    ("method", "url", "status", "code"),
    [("GET", "/nowhere", 404, "route_not_found"), ("PATCH", "/fits", 405, "method_not_allowed")],
)
def test_unknown_routes_and_methods(client: httpx.Client, method: str, url: str, status: int, code: str) -> None:
    answer = client.request(method, url, headers={"X-Request-Id": "mine-1"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "mine-1"
    if status == 405:
        assert answer.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
@pytest.mark.parametrize("content", [b"", b"{}"])
def test_a_path_without_an_id_answers_to_its_own_methods_alone(
    client: httpx.Client, content: bytes, content_type: str
) -> None:
    """Of /fits/changes and others, whatever else is asked is not taken for a question about a fit of that name."""
    paths = client.get("/openapi.json").json()["paths"]
    for path, methods in paths.items():
        declared = {method.upper() for method in methods}
        declared |= {"HEAD"} if "GET" in declared else set()
        for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} - declared if "{" not in path else ():
            answer = client.request(method, path, content=content, headers={"Content-Type": content_type})
            if answer.status_code == 403:  # whoever may change nothing there is told of that first
                assert path.startswith(("/keys", "/webhooks")), path
                continue
            assert answer.status_code == 405, (method, path, answer.text)
            assert set(answer.headers["allow"].split(", ")) == declared, (method, path)


def test_away_means_not_ready_and_unavailable(environment: dict[str, str], tmp_path: Path) -> None:
    away = {
        "TUNER_DATABASE_URL": "postgresql+psycopg://postgres:hunter2@127.0.0.1:1/x",
        "TUNER_S3_ENDPOINT_URL": "http://127.0.0.1:1",
    }
    with (
        running_api(environment, tmp_path, **away) as server,
        httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client,
    ):
        assert client.get("/livez").status_code == 200
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["code"]) == (503, "not_ready")
        assert ready.json()["checks"]["broker"] == "ok"
        assert "ok" not in {ready.json()["checks"][name] for name in ("database", "tables", "storage")}
        answer = client.get("/fits")
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert "retry-after" in answer.headers
        assert "127.0.0.1" not in ready.text + answer.text
        assert "hunter2" not in server.log.read_text()


def test_one_line_of_json_per_request(client: httpx.Client, server: Server) -> None:
    client.get("/fits/fit_nothing?token=hunter2", headers={"X-Request-Id": "line-1"})
    eventually(lambda: '"line-1"' in server.log.read_text())  # it is written when the answer has left
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if '"line-1"' in line]
    assert len(lines) == 1
    (line,) = lines
    assert (line["method"], line["route"], line["status"]) == ("GET", "/fits/{fit_id}", 422)
    assert line["ms"] >= 0
    assert "hunter2" not in server.log.read_text()


def test_a_missing_setting_is_named_at_the_start() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TUNER_")}
    command = [sys.executable, "-m", "uvicorn", "api.main:create_app", "--factory", "--port", "0"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert "TUNER_DATABASE_URL" in ended.stderr
    assert "Traceback" not in ended.stderr
