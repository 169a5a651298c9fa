"""The history of a fit: as a page, and as it happens."""

import asyncio
import contextlib
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy import text

from api.services.events import EventHub
from api.settings import ApiSettings
from store.repositories.fits import Claim, Fits
from tests.integration.api.conftest import Server, running_api
from tests.integration.api.waiting import eventually
from tests.integration.api.world import World

STREAM = {"Accept": "text/event-stream"}


@pytest.fixture
def running(world: World) -> Claim:
    """A fit that has just started: its events are queued (1) and running (2)."""
    return world.start(world.add_fit(world.add_signal(), priority=90))


@pytest.fixture(scope="module")
def notified(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of an api that sends nothing unless a notification wakes it."""
    patience = {"TUNER_EVENTS_KEEP_ALIVE_SECONDS": "600", "TUNER_EVENTS_POLL_SECONDS": "600"}
    with (
        running_api(environment, tmp_path_factory.mktemp("notified"), **patience) as server,
        httpx.Client(base_url=server.url, timeout=20, trust_env=False) as client,
    ):
        yield client


def fields(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    """Server-sent events, each as its fields; comments as {"comment": …}."""
    event: dict[str, str] = {}
    for line in lines:
        if not line:
            yield event
            event = {}
        else:
            name, _, value = line.partition(":")
            event[name or "comment"] = value.strip()


@contextlib.contextmanager
def followed(client: httpx.Client, fit_id: str, **headers: str) -> Iterator[Iterator[dict[str, str]]]:
    with client.stream("GET", f"/fits/{fit_id}/events", headers=STREAM | headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield (event for event in fields(answer.iter_lines()) if event)


def next_event(events: Iterator[dict[str, str]]) -> dict[str, str]:
    return next(event for event in events if "id" in event)


def listeners(world: World) -> list[int]:
    with world.database.unit_of_work() as session:
        found = session.execute(
            text(
                "SELECT pid FROM pg_stat_activity "
                "WHERE application_name = 'tuner-events' AND datname = current_database()"
            )
        )
        return [row[0] for row in found]


def test_a_page_of_events(client: httpx.Client, world: World, running: Claim) -> None:
    for step in range(5):
        world.report(running, step)
    url = f"/fits/{running.fit_id}/events"
    page = client.get(url).json()
    assert [event["seq"] for event in page["data"]] == [1, 2, 3, 4, 5, 6, 7]
    assert [event["kind"] for event in page["data"]] == ["queued", "running"] + ["progress"] * 5
    assert page["data"][-1]["data"]["step"] == 4
    assert page["next_after"] is None
    part = client.get(url, params={"after": 2, "limit": 2}).json()
    assert ([event["seq"] for event in part["data"]], part["next_after"]) == ([3, 4], 4)
    assert client.get(url, params={"after": 2**31}).status_code == 422


def test_events_arrive_as_they_happen_and_end_with_the_fit(
    notified: httpx.Client, world: World, running: Claim
) -> None:
    with followed(notified, running.fit_id) as events:
        # With the first event: a block of its own would be an event without content to some readers.
        first = next(events)
        assert (first["retry"], first["id"], first["event"]) == ("2000", "1", "queued")
        assert next_event(events)["event"] == "running"
        for step in range(10):
            world.report(running, step)
            event = next_event(events)
            data: dict[str, Any] = json.loads(event["data"])
            assert (event["id"], event["event"], data["data"]["step"]) == (str(step + 3), "progress", step)
        world.succeed(running, b"done")
        rest = [event for event in events if "id" in event]
    assert [event["event"] for event in rest] == ["succeeded"]


def test_a_stream_goes_on_where_it_broke_off(client: httpx.Client, world: World, running: Claim) -> None:
    for step in range(5):
        world.report(running, step)
    world.succeed(running, b"done")
    with followed(client, running.fit_id, **{"Last-Event-ID": "4"}) as events:
        assert [event["id"] for event in events if "id" in event] == ["5", "6", "7", "8"]
    over = client.get(f"/fits/{running.fit_id}/events", headers=STREAM | {"Last-Event-ID": "8"})
    assert (over.status_code, over.content) == (204, b"")
    unreadable = client.get(f"/fits/{running.fit_id}/events", headers=STREAM | {"Last-Event-ID": "x"})
    assert (unreadable.status_code, unreadable.json()["errors"][0]["parameter"]) == (422, "last-event-id")


def test_more_events_than_one_batch(client: httpx.Client, world: World, running: Claim) -> None:
    with world.database.unit_of_work() as session:
        for step in range(250):
            Fits(session).report_progress(running, {"step": step})
    world.succeed(running, b"done")
    with followed(client, running.fit_id) as events:
        assert [int(event["id"]) for event in events if "id" in event] == list(range(1, 254))


def test_silence_is_kept_alive(client: httpx.Client, running: Claim) -> None:
    with followed(client, running.fit_id) as events:
        comments = (event for event in events if "comment" in event)
        assert [next(comments) for _ in range(2)] == [{"comment": "keep-alive"}] * 2


def test_many_streams_share_one_listening_connection(client: httpx.Client, world: World, running: Claim) -> None:
    before = listeners(world)

    def last(ready: threading.Barrier) -> str:
        with followed(client, running.fit_id) as events:
            next_event(events)
            ready.wait(20)
            return [event for event in events if "id" in event][-1]["event"]

    ready = threading.Barrier(21)
    with ThreadPoolExecutor(20) as pool:
        answers: list[Future[str]] = [pool.submit(last, ready) for _ in range(20)]
        ready.wait(20)
        assert listeners(world) == before
        world.succeed(running, b"done")
        assert {answer.result(20) for answer in answers} == {"succeeded"}


def test_a_lost_listening_connection_is_replaced(notified: httpx.Client, world: World, running: Claim) -> None:
    with followed(notified, running.fit_id) as events:
        assert [next_event(events)["event"] for _ in range(2)] == ["queued", "running"]
        lost = listeners(world)
        with world.database.unit_of_work() as session:
            for pid in lost:
                session.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        world.report(running, 1)
        assert next_event(events)["event"] == "progress"
        eventually(lambda: len(listeners(world)) == len(lost) and not {*lost} & {*listeners(world)})
        world.report(running, 2)
        assert next_event(events)["event"] == "progress"


def test_without_notifications_streams_look_for_themselves(world: World, running: Claim) -> None:
    async def follow() -> list[bytes]:
        hub = EventHub(world.database, ApiSettings(events_poll_seconds=0.05, events_keep_alive_seconds=600))
        parts: list[bytes] = []

        async def report() -> None:
            await asyncio.sleep(0.3)  # until the stream has found nothing, and waits
            await asyncio.to_thread(world.report, running, 7)

        reporting = asyncio.create_task(report())
        async with asyncio.timeout(20), contextlib.aclosing(hub.follow("local", running.fit_id, after=2)) as events:
            async for part in events:
                parts.append(part)
                assert hub.streams == 1
                break
        await reporting
        assert hub.streams == 0
        assert not hub._wakes
        return parts

    assert asyncio.run(follow())[-1].startswith(b"retry: 2000\nid: 3\nevent: progress\n")


def test_a_client_that_leaves_frees_its_place(environment: dict[str, str], tmp_path: Path, running: Claim) -> None:
    with (
        running_api(environment, tmp_path, TUNER_MAX_EVENT_STREAMS="1") as server,
        httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client,
    ):
        url = f"/fits/{running.fit_id}/events"
        with followed(client, running.fit_id) as events:
            next_event(events)
            refused = client.get(url, headers=STREAM)
            assert (refused.status_code, refused.json()["code"]) == (503, "too_busy")

        def is_free() -> bool:
            with client.stream("GET", url, headers=STREAM) as answer:
                return answer.status_code == 200

        eventually(is_free)


def test_a_server_that_stops_ends_its_streams(environment: dict[str, str], tmp_path: Path, running: Claim) -> None:
    with (
        running_api(environment, tmp_path) as server,
        httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client,
        followed(client, running.fit_id) as events,
    ):
        next_event(events)
        server.process.send_signal(signal.SIGTERM)
        # The stream ends in order: no exception here.
        assert not [event for event in events if event.get("event") not in {"running", None}]
        server.process.wait(20)
        assert "Traceback" not in server.log.read_text()


def test_a_slow_reader_costs_no_memory(server: Server, world: World, running: Claim) -> None:
    count, size = 1000, 65_000
    world.add_bulky_events(running, count, size)
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    with socket.create_connection(server.address) as client:
        request = f"GET /fits/{running.fit_id}/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
        client.sendall(request.encode())
        assert client.recv(100)
        for _ in range(20):
            assert process.memory_info().rss - before < count * size // 2
            time.sleep(0.05)
