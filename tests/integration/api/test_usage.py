"""What a tenant is told of its own use is what the rows say."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from store.repositories.keys import Keys
from store.status import FitStatus
from tests.integration.api.conftest import Server
from tests.integration.api.operations import UPLOAD_BYTES
from tests.integration.api.world import World


@pytest.fixture
def tenant() -> str:
    return f"usage-{uuid4().hex[:8]}"


@pytest.fixture
def asking(server: Server, world: World, tenant: str) -> Iterator[httpx.Client]:
    with world.database.unit_of_work() as session:
        _, token = Keys(session).create(tenant)
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=server.url, timeout=30, trust_env=False, headers=headers) as client:
        yield client


def usage(client: httpx.Client) -> dict[str, Any]:
    answer = client.get("/usage")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_nothing_is_nothing(asking: httpx.Client) -> None:
    told = usage(asking)
    assert set(told["stored"].values()) == {0}
    assert told["fits"] == {str(status): 0 for status in FitStatus}
    assert told["month"] == {"since": told["month"]["since"], "attempts": 0, "worker_seconds": 0.0}
    now = datetime.now(UTC)
    assert datetime.fromisoformat(told["month"]["since"]) in {
        moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0) for moment in (now, datetime.now(UTC))
    }
    assert told["allowances"]["stored_bytes"] == {"used": 0, "limit": None, "left": None}


def test_what_there_is_is_counted_by_kind(asking: httpx.Client, world: World, tenant: str) -> None:
    signal_id = world.add_signal(tenant=tenant)
    done = world.add_fit(signal_id, tenant=tenant, priority=100)
    claim = world.start(done)
    world.add_checkpoint(claim, b"c" * 30)
    world.succeed(claim, b"r" * 20)
    waiting = [world.add_fit(signal_id, tenant=tenant) for _ in range(3)]
    asking.post(f"/fits/{waiting[0]}/pause")
    asking.post(f"/fits/{waiting[1]}/cancel")
    asking.post("/uploads", json={"bytes": UPLOAD_BYTES})
    told = usage(asking)
    assert told["stored"] == {
        "signals": 16,
        "representations": 20,
        "checkpoints": 30,
        "views": 0,
        "deleted": 0,
        "reserved": UPLOAD_BYTES,
        "counted": 16 + 20 + UPLOAD_BYTES,
    }
    assert {status: count for status, count in told["fits"].items() if count} == {
        "succeeded": 1,
        "paused": 1,
        "queued": 1,
        "cancelled": 1,
    }
    allowed = told["allowances"]
    assert allowed["waiting_fits"] == {"used": 2, "limit": 10_000, "left": 9_998}
    assert (allowed["stored_bytes"]["used"], allowed["open_uploads"]["used"]) == (told["stored"]["counted"], 1)


@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [
        ("month + interval '10 s'", "month + interval '25 s'", 15.0),
        ("month - interval '60 s'", "month + interval '5 s'", 5.0),
        ("month - interval '60 s'", "month - interval '5 s'", None),
    ],
)
def test_work_is_that_of_this_month(
    asking: httpx.Client, world: World, tenant: str, start: str, end: str, seconds: float | None
) -> None:
    """An attempt counts with the part of it that lies in this month."""
    claim = world.start(world.add_fit(world.add_signal(tenant=tenant), tenant=tenant, priority=100))
    world.succeed(claim, uuid4().bytes)
    change = f"""
        UPDATE fit_attempts SET started_at = {start}, ended_at = {end}
        FROM (SELECT date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS month) WHERE fit_id = :fit"""
    with world.database.unit_of_work() as session:
        session.execute(text(change), {"fit": claim.fit_id})
    told = usage(asking)["month"]
    assert (told["attempts"], told["worker_seconds"]) == ((0, 0.0) if seconds is None else (1, seconds))


def test_capabilities_need_no_key_and_say_what_holds_here(server: Server, client: httpx.Client) -> None:
    told = client.get("/capabilities").json()
    welcome = client.get("/").json()
    assert (told["limits"]["upload_bytes"], told["limits"]["pixels"]) == (
        welcome["max_upload_bytes"],
        welcome["max_pixels"],
    )
    assert told["asks_for_keys"] is False
    assert told["versions"]["api"] == client.get("/openapi.json").json()["info"]["version"]
