"""Keys that look after keys: they give nothing that they have not, and nobody without one makes or sees any."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from api.services.access import LOCAL_TENANT
from store.api_keys import ORDINARY_SCOPES, Scope
from store.models_keys import ApiKey
from store.repositories.keys import MOST_KEYS, Keys
from tests.integration.api.conftest import Server, running_api
from tests.integration.api.world import World

ADMIN = [str(scope) for scope in (Scope.KEYS_READ, Scope.KEYS_WRITE, Scope.FITS_READ)]


@pytest.fixture(scope="module")
def guarded(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An api that asks for keys, and forgets at once what it knows of one."""
    folder: Path = tmp_path_factory.mktemp("keys")
    settings = {"TUNER_REQUIRE_KEYS": "1", "TUNER_KEY_CACHE_SECONDS": "0"}
    with running_api(environment, folder, **settings) as running:
        yield running


class Caller:
    """Asks with a key."""

    def __init__(self, server: Server, key: str) -> None:
        self.client = httpx.Client(
            base_url=server.url, timeout=30, trust_env=False, headers={"Authorization": f"Bearer {key}"}
        )

    def make(self, **body: Any) -> httpx.Response:
        return self.client.post("/keys", json=body)


@pytest.fixture
def tenant() -> str:
    return f"keys-{uuid4().hex[:8]}"


@pytest.fixture
def caller(guarded: Server, world: World, tenant: str) -> Iterator[Any]:
    """Makes callers of one tenant, each with a new key of these scopes."""
    made: list[Caller] = []

    def make(*scopes: str, lifetime: timedelta | None = None, key: str | None = None) -> Caller:
        if key is not None:
            made.append(Caller(guarded, key))
            return made[-1]
        with world.database.unit_of_work() as session:
            _, token = Keys(session).create(tenant, scopes=scopes, lifetime=lifetime)
        made.append(Caller(guarded, str(token)))
        return made[-1]

    yield make
    for one in made:
        one.client.close()


def test_a_key_is_shown_once_works_and_is_revoked(caller: Any, world: World) -> None:
    admin = caller(*ADMIN)
    answer = admin.make(name="camera 7")
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    made = answer.json()
    assert (made["name"], made["scopes"], made["expires_at"]) == ("camera 7", ["fits:read"], None)
    new = caller(key=made["key"])
    assert new.client.get("/fits").status_code == 200
    assert new.client.get("/keys").json()["code"] == "scope_missing"
    listed = admin.client.get("/keys")
    assert made["key"].rpartition("_")[2] not in listed.text
    assert {one["prefix"] for one in listed.json()["data"]} >= {made["prefix"]}
    with world.database.unit_of_work() as session:
        row = session.get_one(ApiKey, made["id"])
        assert made["key"] not in str(vars(row))
    for _ in range(2):
        assert admin.client.delete(f"/keys/{made['id']}").status_code == 204
    assert new.client.get("/fits").json()["code"] == "key_revoked"
    assert admin.client.get("/keys").json()["data"][0]["revoked_at"] is not None


@pytest.mark.parametrize("own", [[scope] for scope in Scope] + [list(ORDINARY_SCOPES), ADMIN, list(Scope)])
def test_no_key_gives_what_it_has_not(caller: Any, world: World, tenant: str, own: list[str]) -> None:
    """Of every set of scopes: who may not make keys makes none, and the others none with more than their own."""
    asking = caller(*own)
    made = 0
    for wanted in Scope:
        answer = asking.make(scopes=[wanted])
        if Scope.KEYS_WRITE not in own:
            assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
        elif wanted in own:
            assert (answer.status_code, answer.json()["scopes"]) == (201, [wanted])
            made += 1
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "invalid_key_request")
    with world.database.unit_of_work() as session:
        assert len(Keys(session).all(tenant)) == 1 + made


def test_a_key_lasts_no_longer_than_its_maker(caller: Any) -> None:
    admin = caller(*ADMIN, lifetime=timedelta(hours=1))
    assert admin.make(valid_seconds=3700).json()["code"] == "invalid_key_request"
    ends = [datetime.fromisoformat(admin.make(**asked).json()["expires_at"]) for asked in ({}, {"valid_seconds": 60})]
    now = datetime.now(UTC)
    assert timedelta(minutes=58) < ends[0] - now <= timedelta(hours=1)
    assert ends[1] - now <= timedelta(seconds=60)
    assert caller(*ADMIN).make(valid_seconds=60).status_code == 201


def test_a_tenant_has_so_many_valid_keys(caller: Any, world: World, tenant: str) -> None:
    admin = caller(*ADMIN)
    with world.database.unit_of_work() as session:
        for _ in range(MOST_KEYS - 1):
            last, _ = Keys(session).create(tenant)
        last_id = last.id
    assert (admin.make().status_code, admin.make().json()["code"]) == (409, "too_many_keys")
    assert admin.client.delete(f"/keys/{last_id}").status_code == 204
    assert admin.make().status_code == 201


def test_without_a_key_nobody_looks_after_keys(client: httpx.Client, world: World) -> None:
    """Also where nothing else needs one: a key that a stranger made would still open when keys are asked for."""
    with world.database.unit_of_work() as session:
        key_id = Keys(session).create(LOCAL_TENANT)[0].id
    before = world.fingerprint()
    for method, path in (("GET", "/keys"), ("POST", "/keys"), ("DELETE", f"/keys/{key_id}")):
        refused = client.request(method, path, json={} if method == "POST" else None)
        assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    assert world.fingerprint() == before
