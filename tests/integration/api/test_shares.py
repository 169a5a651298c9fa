"""Two tenants: one takes all that it can get of each shared thing in turn, and the other is served within a bound.

Each test names the bound. Without shares each of them fails: the other one is refused, or waits for all of the first.
Claims of fits are in `tests/integration/store/test_turns.py`, processes that read uploads in
`tests/unit/api/test_inspection.py`, turns as such, at which parts are joined, in `tests/unit/api/test_turns.py`,
requests by the minute in `test_keys.py`, bytes on the disk in `test_bytes_on_disk.py`.
"""

import asyncio
import contextlib
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from ipaddress import ip_network
from threading import Event

import httpx
import pytest
from sqlalchemy import text

from api.schemas.fits import EventView
from api.services.events import READERS, EventHub
from api.services.views import WAITS
from api.settings import ApiSettings
from store.blobs import BlobStore
from store.database import Database
from store.queue import FitQueue
from store.render_spec import RenderFormat, RenderSpec, View
from store.repositories.keys import Keys
from store.repositories.renders import Renders
from store.repositories.representations import Representations
from store.repositories.webhooks import ASKED_PER_MINUTE, Webhooks
from store.settings import StoreSettings
from tests.engines import fresh_corner, settings_of
from tests.integration.api.conftest import Server, running_api
from tests.integration.api.images import png
from tests.integration.api.world import World
from worker.outbound import Sender
from worker.resources import Resources
from worker.settings import WorkerSettings
from worker.webhooks import MOST_OF_ONE_TENANT, start_senders

PLACES = 4  # of uploads and of streams, in all
ANSWER_SECONDS = 10.0  # for one small request of the other tenant, on a machine that does much else
DELIVERY_SECONDS = 8.0  # for one message; a sender would wait three times as long for the first tenant's receiver
TARPIT_SECONDS = 24.0


@dataclass(frozen=True)
class Shared:
    """A service with keys, and the keys of two tenants."""

    server: Server
    world: World
    store: StoreSettings
    greedy: dict[str, str]
    modest: dict[str, str]

    def client(self, key: dict[str, str]) -> httpx.Client:
        return httpx.Client(base_url=self.server.url, headers=key, timeout=ANSWER_SECONDS, trust_env=False)


@pytest.fixture(scope="module")
def shared(engines: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """A service of few places, of which one tenant may have all but one."""
    with fresh_corner(engines) as corner:
        command = [sys.executable, "-m", "standalone.migrate"]
        subprocess.run(command, env=os.environ | corner, check=True, capture_output=True)
        store = settings_of(corner)
        database = Database(store)
        with database.unit_of_work() as session:
            tokens = [Keys(session).create(tenant)[1] for tenant in ("greedy", "modest")]
        keys = [{"Authorization": f"Bearer {token}"} for token in tokens]
        limits = {"TUNER_REQUIRE_KEYS": "1", "TUNER_MAX_UPLOADS": str(PLACES), "TUNER_MAX_EVENT_STREAMS": str(PLACES)}
        limits |= {"TUNER_WEBHOOK_PRIVATE_NETWORKS": '["127.0.0.0/8"]'}
        limits |= {"TUNER_KEY_CACHE_SECONDS": "60"}  # one that was looked at by another test is not asked for again
        with running_api(corner, tmp_path_factory.mktemp("shared"), **limits) as server:
            yield Shared(server, World(database, BlobStore(store)), store, *keys)
        database.close()


def test_slow_uploads_leave_a_place_to_others(shared: Shared) -> None:
    head = f"POST /signals HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {shared.greedy['Authorization']}\r\n"
    head += "Content-Type: image/png\r\nContent-Length: 5000\r\n\r\nx"
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(shared.server.address)) for _ in range(2 * PLACES)]
        for connection in slow:
            connection.sendall(head.encode())
        # Only those that find no place are answered: once all of them are, the others hold what one tenant may have.
        answered: list[socket.socket] = []
        end = time.monotonic() + ANSWER_SECONDS
        while len(answered) < PLACES + 1 and time.monotonic() < end:
            answered = select.select(slow, [], [], ANSWER_SECONDS)[0]
        assert [connection.recv(12) for connection in answered] == [b"HTTP/1.1 503"] * (PLACES + 1)
        refused = stack.enter_context(shared.client(shared.greedy))
        assert refused.post("/signals", files={"file": png()}).status_code == 503
        with shared.client(shared.modest) as client:
            assert client.post("/signals", files={"file": png()}).status_code == 201


def test_event_streams_leave_a_place_to_others(shared: Shared) -> None:
    fits = {}
    for tenant in ("greedy", "modest"):
        fits[tenant] = shared.world.add_fit(shared.world.add_signal(tenant=tenant), tenant=tenant)
    stream = {"Accept": "text/event-stream"}
    with contextlib.ExitStack() as stack:
        greedy = stack.enter_context(shared.client(shared.greedy))
        told = [
            stack.enter_context(greedy.stream("GET", f"/fits/{fits['greedy']}/events", headers=stream)).status_code
            for _ in range(2 * PLACES)
        ]
        assert (told.count(200), told.count(503)) == (PLACES - 1, PLACES + 1)
        modest = stack.enter_context(shared.client(shared.modest))
        with modest.stream("GET", f"/fits/{fits['modest']}/events", headers=stream) as answer:
            assert answer.status_code == 200
            assert any("queued" in line for line in answer.iter_lines())


def test_views_are_drawn_by_turns(shared: Shared) -> None:
    """Of two drawn one after the other, one is the other tenant's, however many the first has asked for before."""
    for number in range(20):
        ask_for_view(shared, "greedy", number)
    claimed = []
    for number in range(3):
        ask_for_view(shared, "modest", number)
        for _ in range(2):
            with shared.world.database.unit_of_work() as session:
                claim = Renders(session).claim_next(lease_seconds=600)
                assert claim is not None
                Renders(session).fail(claim, code="x", message="y")
                claimed.append(claim.tenant)
    assert [claimed[at : at + 2].count("modest") for at in (0, 2, 4)] == [1, 1, 1]


def test_messages_that_nobody_answers_leave_a_sender_to_others(shared: Shared) -> None:
    database = shared.world.database
    with socket.create_server(("127.0.0.1", 0)) as tarpit, socket.create_server(("127.0.0.1", 0)) as receiver:
        for tenant, listening, messages in (("greedy", tarpit, 9), ("modest", receiver, 1)):
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
            with database.unit_of_work() as session:
                endpoint = (
                    Webhooks(session)
                    .add(tenant, url=url, event_types=[], secret="whsec_" + "A" * 44, description=None)
                    .id
                )
                for _ in range(messages if tenant == "greedy" else 0):
                    Webhooks(session).send_test(tenant, endpoint)
        stop, queue = Event(), FitQueue(shared.store)
        worker = Resources(
            settings=WorkerSettings(webhook_timeout_seconds=TARPIT_SECONDS),
            database=database,
            blobs=shared.world.blobs,
            queue=queue,
        )
        sender = Sender(timeout_seconds=TARPIT_SECONDS, private_networks=[ip_network("127.0.0.0/8")])
        threads = start_senders(worker, sender, stop)
        try:
            tarpit.settimeout(DELIVERY_SECONDS)
            held = [tarpit.accept()[0] for _ in range(MOST_OF_ONE_TENANT)]
            started = time.monotonic()
            with database.unit_of_work() as session:
                Webhooks(session).send_test("modest", endpoint)
            receiver.settimeout(DELIVERY_SECONDS)
            with receiver.accept()[0] as heard:
                assert heard.recv(4096).startswith(b"POST / ")
                heard.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            assert time.monotonic() - started < DELIVERY_SECONDS
            tarpit.settimeout(1.0)
            with pytest.raises(TimeoutError):  # nor has the first tenant taken more than its share
                tarpit.accept()
        finally:
            stop.set()
            for connection in held:
                connection.close()
            tarpit.close()
            for thread in threads:
                thread.join(TARPIT_SECONDS)
            queue.close()


ASKED = 60  # requests at the same time; the framework has threads for forty
WAIT_SECONDS = 5.0  # for a request of the other tenant: less than a statement of the first may take


def test_requests_that_take_long_leave_threads_and_connections_to_others(shared: Shared) -> None:
    """One tenant waits for the database with as many requests as it likes, and with followers of all its fits."""
    with (
        shared.world.database.unit_of_work() as session,
        ThreadPoolExecutor(ASKED) as pool,
        shared.client(shared.greedy) as greedy,
        shared.client(shared.modest) as modest,
    ):
        assert [client.get("/webhooks").status_code for client in (greedy, modest)] == [200, 200]
        session.execute(text("LOCK TABLE webhook_endpoints IN ACCESS EXCLUSIVE MODE"))
        held = [pool.submit(greedy.get, "/webhooks", timeout=60) for _ in range(ASKED)]
        time.sleep(0.5)
        for path in ("/fits", "/signals", "/usage"):
            started = time.monotonic()
            assert modest.get(path).status_code == 200
            assert time.monotonic() - started < WAIT_SECONDS
        assert not any(one.done() for one in held)
        session.rollback()
        assert {one.result().status_code for one in held} <= {200, 429}


def test_keys_that_nobody_has_are_looked_up_beside_those_that_are_good(shared: Shared) -> None:
    """Also while the database does not say whether they are."""
    unknown = {"Authorization": f"Bearer tnr_{'0' * 12}_{'0' * 64}"}
    with (
        shared.world.database.unit_of_work() as session,
        ThreadPoolExecutor(ASKED) as pool,
        shared.client(unknown) as stranger,
        shared.client(shared.modest) as modest,
    ):
        assert modest.get("/fits").status_code == 200
        session.execute(text("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE"))
        held = [pool.submit(stranger.get, "/fits", timeout=60) for _ in range(ASKED)]
        time.sleep(0.5)
        started = time.monotonic()
        assert modest.get("/signals").status_code == 200
        assert time.monotonic() - started < WAIT_SECONDS
        session.rollback()
        assert {one.result().status_code for one in held} == {401}


def test_waits_for_views_leave_a_place_to_others(shared: Shared) -> None:
    """Nobody draws here, so that who has a place waits as long as it likes, and who has none is told at once."""
    fits = {tenant: finished_fit(shared, tenant) for tenant in ("greedy", "modest")}
    with (
        ThreadPoolExecutor(WAITS + 4) as pool,
        shared.client(shared.greedy) as greedy,
        shared.client(shared.modest) as modest,
    ):
        path = f"/fits/{fits['greedy']}/spectrum?format=npy"
        asked = [pool.submit(greedy.get, path, headers={"Prefer": "wait=12"}, timeout=60) for _ in range(WAITS + 4)]
        at_once, held = wait(asked, timeout=ANSWER_SECONDS / 2)
        assert {one.result().status_code for one in at_once} == {202}
        share = WAITS * 3 // 4
        assert (len(at_once), len(held)) == (WAITS + 4 - share, share)
        started = time.monotonic()
        answer = modest.get(f"/fits/{fits['modest']}/spectrum?format=npy", headers={"Prefer": "wait=2"})
        assert answer.status_code == 202
        assert 2.0 <= time.monotonic() - started < ANSWER_SECONDS


class StuckHub(EventHub):
    """Streams of which one tenant's reads do not come back before they are let go."""

    def __init__(self, database: Database, settings: ApiSettings) -> None:
        super().__init__(database, settings)
        self.go = Event()

    def _read(self, tenant: str, fit_id: str, after: int) -> tuple[list[EventView], bool]:
        if tenant == "greedy":
            self.go.wait(ANSWER_SECONDS)
        return super()._read(tenant, fit_id, after)


def test_reads_of_streams_leave_a_thread_to_others(shared: Shared) -> None:
    fits = {}
    for tenant in ("greedy", "modest"):
        fits[tenant] = shared.world.add_fit(shared.world.add_signal(tenant=tenant), tenant=tenant)

    async def first(hub: EventHub, tenant: str) -> bytes:
        async with contextlib.aclosing(hub.follow(tenant, fits[tenant], after=0)) as events:
            return await anext(events)

    async def both() -> None:
        hub = StuckHub(shared.world.database, ApiSettings(require_keys=True))
        try:
            stuck = [asyncio.create_task(first(hub, "greedy")) for _ in range(3 * READERS)]
            await asyncio.sleep(0.1)
            assert b"queued" in await asyncio.wait_for(first(hub, "modest"), WAIT_SECONDS)
            assert not any(one.done() for one in stuck)
        finally:
            hub.go.set()
        assert all(b"queued" in told for told in await asyncio.gather(*stuck))

    asyncio.run(both())


def test_messages_by_ones_own_wish_are_limited(shared: Shared) -> None:
    """So many within a minute for all endpoints of a tenant together, and none of them twice."""
    told = {}
    for tenant in ("eager", "calm"):
        with shared.world.database.unit_of_work() as session:
            _, token = Keys(session).create(tenant)
        with shared.client({"Authorization": f"Bearer {token}"}) as client:
            endpoints = [client.post("/webhooks", json={"url": "https://example.com/x"}).json()["id"] for _ in range(2)]
            first = client.post(f"/webhooks/{endpoints[0]}/test").json()["id"]
            paths = [f"/webhooks/{endpoints[0]}/deliveries/{first}/redeliver"]
            paths += [f"/webhooks/{endpoint}/test" for endpoint in endpoints] * ASKED_PER_MINUTE
            told[tenant] = [client.post(path).status_code for path in paths[: 2 if tenant == "calm" else None]]
    assert told["eager"] == [429] + [202] * (ASKED_PER_MINUTE - 1) + [429] * (ASKED_PER_MINUTE + 1)
    assert told["calm"] == [429, 202]


def finished_fit(shared: Shared, tenant: str) -> str:
    world = shared.world
    fit_id = world.add_fit(world.add_signal(tenant=tenant), tenant=tenant, priority=100)
    world.succeed(world.start(fit_id), os.urandom(8))
    return fit_id


def ask_for_view(shared: Shared, tenant: str, number: int) -> None:
    world, fit_id = shared.world, finished_fit(shared, tenant)
    with world.database.unit_of_work() as session:
        representation = Representations(session).of_fit(tenant, fit_id)
        Renders(session).ask(tenant, representation, RenderSpec(view=View.SPECTRUM, format=RenderFormat.NPY))
