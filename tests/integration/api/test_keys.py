"""API keys: who gets in, with what, for how long; and that their secrets appear nowhere."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from store.api_keys import Scope
from store.models_keys import ApiKey
from store.repositories.keys import Keys
from tests.integration.api.conftest import Server, running_api
from tests.integration.api.images import png
from tests.integration.api.waiting import eventually
from tests.integration.api.world import World

CACHE_SECONDS = 0.3
READ = "fits:read"

MakeKey = Callable[..., str]


@pytest.fixture(scope="module")
def guarded(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An api that asks for keys."""
    settings = {"TUNER_REQUIRE_KEYS": "1", "TUNER_KEY_CACHE_SECONDS": str(CACHE_SECONDS)}
    settings |= {"TUNER_MAX_WAITING_FITS": "10", "TUNER_MAX_STORED_BYTES": "1000"}
    settings |= {"TUNER_REQUESTS_PER_SECOND": "20", "TUNER_REQUEST_BURST": "60"}
    with running_api(environment, tmp_path_factory.mktemp("guarded"), **settings) as running:
        yield running


@pytest.fixture
def stranger(guarded: Server) -> Iterator[httpx.Client]:
    """A client without a key."""
    with httpx.Client(base_url=guarded.url, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
def make_key(world: World) -> MakeKey:
    """Make a key in the database, as `tunerd keys create` does."""

    def make(tenant: str, *scopes: str, lifetime: timedelta | None = None) -> str:
        with world.database.unit_of_work() as session:
            _, token = Keys(session).create(tenant, scopes=scopes or tuple(Scope), lifetime=lifetime)
        return str(token)

    return make


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def said(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def test_what_is_nobodys_is_open(stranger: httpx.Client) -> None:
    for path in ("/", "/livez", "/readyz", "/openapi.json", "/docs", "/problems"):
        assert stranger.get(path).status_code == 200
    assert said(stranger.get("/nowhere")) == (404, "route_not_found")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "key_missing"),
        ("", "key_malformed"),
        ("Bearer", "key_malformed"),
        ("Bearer tnr_x", "key_malformed"),
        ("Basic dXNlcjpwYXNz", "key_malformed"),
        (f"Bearer tnr_{'0' * 12}_{'0' * 64}", "key_unknown"),
    ],
)
def test_without_a_good_key_nothing_is_read(stranger: httpx.Client, header: str | None, code: str) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = stranger.post("/fits", content=b"{not json", headers=headers | {"Content-Type": "application/json"})
    assert said(answer) == (401, code)
    assert answer.headers["www-authenticate"].startswith('Bearer realm="tuner"')
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_wrong_secret_is_as_unknown_as_a_wrong_prefix(stranger: httpx.Client, make_key: MakeKey) -> None:
    key = make_key("alice")
    other = key[:-1] + ("0" if key[-1] != "0" else "1")
    assert said(stranger.get("/fits", headers=bearer(other))) == (401, "key_unknown")
    assert stranger.get("/fits", headers=bearer(key)).status_code == 200


def test_a_scope_that_is_missing_is_named(stranger: httpx.Client, make_key: MakeKey) -> None:
    key = bearer(make_key("alice", READ))
    assert stranger.get("/fits", headers=key).status_code == 200
    for method, path, scope in (
        ("POST", "/fits", "fits:write"),
        ("GET", "/signals", "signals:read"),
        ("POST", "/signals", "signals:write"),
    ):
        answer = stranger.request(method, path, headers=key)
        assert said(answer) == (403, "scope_missing")
        assert answer.json()["needs"] == scope
        assert f'error="insufficient_scope", scope="{scope}"' in answer.headers["www-authenticate"]


def test_a_revoked_key_ends_within_the_stated_time(stranger: httpx.Client, make_key: MakeKey, world: World) -> None:
    key = make_key("alice")
    assert stranger.get("/fits", headers=bearer(key)).status_code == 200
    with world.database.unit_of_work() as session:
        Keys(session).revoke(key)
    time.sleep(CACHE_SECONDS)
    answer = stranger.get("/fits", headers=bearer(key))
    assert said(answer) == (401, "key_revoked")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_a_key_expires_also_while_it_is_remembered(stranger: httpx.Client, make_key: MakeKey) -> None:
    key = make_key("alice", lifetime=timedelta(seconds=0.2))
    stranger.get("/fits", headers=bearer(key))
    time.sleep(0.25)
    assert said(stranger.get("/fits", headers=bearer(key))) == (401, "key_expired")


def test_while_a_key_is_rotated_both_work(stranger: httpx.Client, make_key: MakeKey, world: World) -> None:
    old = make_key("alice", READ)
    with world.database.unit_of_work() as session:
        row, token = Keys(session).rotate(old, overlap=timedelta(seconds=1))
        assert (row.tenant, row.scopes) == ("alice", [READ])
    answers = [stranger.get("/fits", headers=bearer(key)).status_code for key in (old, str(token))]
    assert answers == [200, 200]
    time.sleep(1)
    assert said(stranger.get("/fits", headers=bearer(old))) == (401, "key_expired")
    assert stranger.get("/fits", headers=bearer(str(token))).status_code == 200


def test_the_last_use_is_noted_once_a_minute(stranger: httpx.Client, make_key: MakeKey, world: World) -> None:
    key = make_key("alice")
    prefix = key.split("_")[1]

    def last_used() -> Any:
        with world.database.unit_of_work() as session:
            return session.scalar(select(ApiKey.last_used_at).filter_by(prefix=prefix))

    assert last_used() is None
    stranger.get("/fits", headers=bearer(key))
    first = last_used()
    assert first is not None
    time.sleep(CACHE_SECONDS)
    stranger.get("/fits", headers=bearer(key))
    assert last_used() == first
    with world.database.unit_of_work() as session:
        session.execute(update(ApiKey).filter_by(prefix=prefix).values(last_used_at=first - timedelta(minutes=2)))
    time.sleep(CACHE_SECONDS)
    stranger.get("/fits", headers=bearer(key))
    assert last_used() > first


def test_only_a_hash_is_kept(make_key: MakeKey, world: World) -> None:
    secret = make_key("alice").rpartition("_")[2]
    with world.database.unit_of_work() as session:
        rows = session.execute(select(ApiKey.__table__)).all()
    assert rows
    assert secret not in repr(rows)


def test_too_many_requests_are_refused_until_tokens_are_back(stranger: httpx.Client, make_key: MakeKey) -> None:
    alice, bob = bearer(make_key("hasty")), bearer(make_key("patient"))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: stranger.get("/fits", headers=alice), range(120)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert said(refused[0]) == (429, "rate_limited")
    assert refused[0].headers["ratelimit-policy"] == '"requests";q=60;w=3'
    assert re.fullmatch(r'"requests";r=0;t=\d+', refused[0].headers["ratelimit"])
    assert stranger.get("/fits", headers=bob).status_code == 200
    time.sleep(int(refused[-1].headers["retry-after"]))
    again = stranger.get("/fits", headers=alice)
    assert again.status_code == 200
    assert re.fullmatch(r'"requests";r=\d+;t=\d+', again.headers["ratelimit"])


def test_two_processes_share_one_bucket(environment: dict[str, str], make_key: MakeKey, tmp_path: Path) -> None:
    key = bearer(make_key("spread"))
    settings = {"TUNER_REQUESTS_PER_SECOND": "0.01", "TUNER_REQUEST_BURST": "2"}
    with (
        running_api(environment, tmp_path / "one", **settings) as one,
        running_api(environment, tmp_path / "two", **settings) as two,
    ):
        answers = [httpx.get(f"{server.url}/fits", headers=key, trust_env=False) for server in (one, two, one)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    left = [re.findall(r"r=(\d+)", answer.headers["ratelimit"]) for answer in answers]
    assert left == [["1"], ["0"], ["0"]]


def test_without_a_broker_requests_are_not_counted(
    environment: dict[str, str], make_key: MakeKey, tmp_path: Path
) -> None:
    settings = {"TUNER_REQUIRE_KEYS": "1", "TUNER_REQUESTS_PER_SECOND": "1", "TUNER_REQUEST_BURST": "1"}
    with (
        running_api(environment, tmp_path, TUNER_BROKER_URL="redis://127.0.0.1:1/0", **settings) as server,
        httpx.Client(base_url=server.url, timeout=30, trust_env=False, headers=bearer(make_key("alice"))) as client,
    ):
        answers = [client.get("/fits") for _ in range(5)]
    assert {answer.status_code for answer in answers} == {200}
    assert all("ratelimit" not in answer.headers for answer in answers)


def test_fifty_at_once_do_not_exceed_the_fits_that_may_wait(
    guarded: Server, make_key: MakeKey, world: World, environment: dict[str, str]
) -> None:
    key = bearer(make_key("many"))
    signal_id = world.add_signal(tenant="many")
    with httpx.Client(base_url=guarded.url, timeout=60, trust_env=False, headers=key) as client:
        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(lambda _: client.post("/fits", json={"signal_id": signal_id}), range(50)))
        codes = [answer.status_code for answer in answers]
        assert codes.count(202) == 10
        assert codes.count(429) == 40
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert said(refused) == (429, "too_many_fits")
        assert int(refused.headers["retry-after"]) > 0
        time.sleep(2)
        page = client.get("/fits", params={"limit": 100}).json()["data"]
        assert len(page) == 10
        # Paused ones wait, too; cancelled ones do not.
        client.post(f"/fits/{page[0]['id']}/pause")
        assert client.post("/fits", json={"signal_id": signal_id}).status_code == 429
        client.post(f"/fits/{page[0]['id']}/cancel")
        assert client.post("/fits", json={"signal_id": signal_id}).status_code == 202
        assert said(client.post(f"/fits/{page[0]['id']}/retry")) == (429, "too_many_fits")


def test_a_repeated_request_is_not_counted_twice(guarded: Server, make_key: MakeKey, world: World) -> None:
    key = bearer(make_key("again"))
    signal_id = world.add_signal(tenant="again")
    with httpx.Client(base_url=guarded.url, timeout=60, trust_env=False, headers=key) as client:
        body, named = {"signal_id": signal_id}, {"Idempotency-Key": "one"}
        first = client.post("/fits", json=body, headers=named)
        for _ in range(9):
            assert client.post("/fits", json=body).status_code == 202
        assert client.post("/fits", json=body).status_code == 429
        assert client.post("/fits", json=body, headers=named).json()["id"] == first.json()["id"]


def test_uploads_at_once_do_not_exceed_the_bytes_that_may_be_stored(
    guarded: Server, make_key: MakeKey, world: World
) -> None:
    key = bearer(make_key("hoarder"))
    pictures = [png(size=(12, 12)) for _ in range(12)]
    assert sum(map(len, pictures)) > 2000
    before = world.counts()
    with (
        httpx.Client(base_url=guarded.url, timeout=60, trust_env=False, headers=key) as client,
        ThreadPoolExecutor(6) as pool,
    ):
        answers = list(pool.map(lambda picture: client.post("/signals", files={"file": picture}), pictures))
        stored = [signal["bytes"] for signal in client.get("/signals?limit=100").json()["data"]]
    assert {answer.status_code for answer in answers} == {201, 403}
    assert {said(answer) for answer in answers if answer.is_error} == {(403, "storage_full")}
    assert sum(stored) <= 1000 < sum(stored) + max(map(len, pictures))
    assert world.counts()[3] - before[3] == len(stored)


def test_a_key_is_looked_at_where_none_is_required(client: httpx.Client, make_key: MakeKey) -> None:
    key = make_key("alice")
    assert said(client.get("/fits", headers=bearer("tnr_"))) == (401, "key_malformed")
    assert client.get("/fits", headers=bearer(key)).status_code == 200


def test_nothing_secret_is_logged(guarded: Server, stranger: httpx.Client, make_key: MakeKey) -> None:
    key = make_key("alice")
    stranger.get("/fits", headers=bearer(key) | {"X-Request-Id": "secret-1"})
    stranger.get(f"/fits/fit_x?X-Amz-Signature=abcdef&key={key}", headers=bearer(key) | {"X-Request-Id": "secret-2"})
    stranger.get("/fits", headers={"Authorization": "Basic aHVudGVyMjpodW50ZXIy", "X-Request-Id": "secret-3"})
    eventually(lambda: all(f'"secret-{n}"' in guarded.log.read_text() for n in (1, 2, 3)))
    log = guarded.log.read_text()
    assert not re.search(r"tnr_[0-9a-f]{12}_[0-9a-f]|Authorization|Bearer|aHVudGVyMjpodW50ZXIy|X-Amz", log)
    line = next(json.loads(line) for line in log.splitlines() if '"secret-1"' in line)
    assert line["caller"] == f"alice tnr_{key.split('_')[1]}"


def test_keys_are_managed_from_the_command_line(environment: dict[str, str], stranger: httpx.Client) -> None:
    def keys(*arguments: str, status: int = 0) -> str:
        command = [sys.executable, "-m", "api.keys", *arguments]
        ended = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
        assert ended.returncode == status, ended.stderr
        return ended.stdout if status == 0 else ended.stderr

    key = keys("create", "--tenant", "carol", "--name", "laptop", "--scope", READ, "--days", "30").strip()
    assert stranger.get("/fits", headers=bearer(key)).status_code == 200
    prefix = key.rpartition("_")[0]
    new = keys("rotate", prefix, "--overlap-hours", "1").strip()
    assert stranger.get("/fits", headers=bearer(new)).status_code == 200
    listed = keys("list", "--tenant", "carol")
    assert len(listed.splitlines()) == 2
    assert f"{prefix}  carol  {READ}  used " in listed
    assert "laptop" in listed
    assert key.rpartition("_")[2] not in listed
    assert keys("revoke", prefix) == f"{prefix} is revoked\n"
    assert "no longer valid" in keys("rotate", prefix, status=1)
    assert "no API key" in keys("revoke", "tnr_000000000000", status=1)
    assert "the tenant is 'Not OK'" in keys("create", "--tenant", "Not OK", status=1)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::"])
def test_without_keys_only_this_machine_is_served(environment: dict[str, str], host: str) -> None:
    command = [sys.executable, "-m", "api", "--host", host, "--port", "0"]
    ended = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode != 0
    assert "TUNER_REQUIRE_KEYS=1" in ended.stderr
    assert "Traceback" not in ended.stderr
