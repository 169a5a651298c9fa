"""An engine that hangs is asked once, however often somebody wants to know."""

import threading
from unittest.mock import Mock

import anyio

from api.services.readiness import Readiness
from store.errors import BlobsUnavailable


def test_a_hanging_engine_holds_one_thread() -> None:
    release = threading.Event()
    database = Mock()
    database.ping.side_effect = release.wait
    readiness = Readiness(database, Mock(), Mock(), Mock(), timeout_seconds=0.3)

    async def ask() -> None:
        for _ in range(5):
            ready, checks = await readiness.ask()
            assert (ready, checks["database"], checks["storage"]) == (False, "no answer within 0.3 s", "ok")
        assert database.ping.call_count == 1
        release.set()

    anyio.run(ask)


def test_storage_is_tested_in_earnest_until_it_has_passed_once() -> None:
    blobs = Mock()
    blobs.self_test.side_effect = [BlobsUnavailable("away"), None]
    readiness = Readiness(Mock(), Mock(), blobs, Mock(), timeout_seconds=20)
    answers = [anyio.run(readiness.ask) for _ in range(4)]
    assert [ready for ready, _ in answers] == [False, True, True, True]
    assert answers[0][1]["storage"] == "failed: BlobsUnavailable"
    assert (blobs.self_test.call_count, blobs.ping.call_count) == (2, 2)


def test_the_broker_is_not_required() -> None:
    queue = Mock()
    queue.ping.side_effect = OSError
    ready, checks = anyio.run(Readiness(Mock(), Mock(), Mock(), queue, timeout_seconds=20).ask)
    assert (ready, checks["broker"]) == (True, "failed: OSError")
