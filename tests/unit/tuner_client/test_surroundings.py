"""Where the client without asyncio is used: notebooks, threads, forks, under Ctrl-C, and closed too early."""

import asyncio
import json
import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.tuner_client.canned import Canned, canned
from tuner_client import Client, ConnectionFailed, UploadBroken


@pytest.fixture
def service() -> Iterator[Canned]:
    with canned() as running:
        running.says("200 OK", '{"status": "alive"}')
        yield running


def test_within_an_event_loop_as_in_a_notebook(service: Canned) -> None:
    async def cell() -> str:
        with Client(service.url) as client:
            return client.livez().status

    assert asyncio.run(cell()) == "alive"


def test_after_a_fork(service: Canned) -> None:
    with Client(service.url) as client:
        assert client.livez().status == "alive"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python 3.12 and later: that there are threads
            child = os.fork()
        if child == 0:
            os._exit(0 if client.livez(timeout=5).status == "alive" else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert client.livez().status == "alive"


def test_interrupted_by_the_keyboard(service: Canned, tmp_path: Path) -> None:
    service.answer = b'HTTP/1.1 200 OK\r\nETag: "' + b"0" * 64 + b'"\r\n\r\n'
    service.drips = True
    main = threading.main_thread().ident
    assert main is not None
    with Client(service.url) as client:
        pressed = threading.Timer(0.3, signal.pthread_kill, [main, signal.SIGINT])
        pressed.start()
        begun = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            client.download("fit_1", tmp_path / "result.tnr")
        assert time.monotonic() - begun < 10
        assert not list(tmp_path.iterdir()), "what was broken off has cleared away"
        service.drips = False
        service.says("200 OK", '{"status": "alive"}')
        assert client.livez().status == "alive"


def test_closed_while_another_thread_waits(service: Canned) -> None:
    service.answer, service.drips = b"", True
    ended: list[BaseException] = []

    def wait() -> None:
        try:
            client.wait("fit_1")
        except BaseException as error:
            ended.append(error)

    client = Client(service.url)
    waiting = threading.Thread(target=wait)
    waiting.start()
    while not service.asked:
        time.sleep(0.01)
    client.close()
    waiting.join(10)
    assert [type(error) for error in ended] == [ConnectionFailed]
    with pytest.raises(ConnectionFailed, match="closed"):
        client.livez()
    client.close()


def test_one_that_is_forgotten_ends_its_thread(service: Canned) -> None:
    client = Client(service.url)
    thread = client._thread._thread
    assert client.livez().status == "alive"
    del client
    thread.join(10)
    assert not thread.is_alive()


def test_what_is_called_for_events_may_call(service: Canned) -> None:
    """In the thread that waits, so that it can ask the service itself."""
    event = '{"seq":1,"kind":"queued","attempt":0,"data":{},"created_at":"2026-11-29T10:00:00Z"}'
    service.says("200 OK", f"data: {event}\n\n", "text/event-stream")
    seen: list[tuple[str, str]] = []

    class Enough(Exception):
        pass

    with Client(service.url) as client:

        def on_event(_: object) -> None:
            service.says("200 OK", '{"status": "alive"}')
            seen.append((threading.current_thread().name, client.livez().status))
            raise Enough

        with pytest.raises(Enough):
            client.wait("fit_1", on_event=on_event)
    assert seen == [("MainThread", "alive")]


@pytest.mark.parametrize(
    "address", ["http://[", "http://127.0.0.1:99999", "127.0.0.1:8000", "ftp://host", "http://", ""]
)
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(ValueError, match=r"expected an address such as"):
        Client(address)


def test_an_upload_that_breaks_says_how_it_goes_on(
    service: Canned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(b"abc")
    parts = [{"number": 1, "bytes": 3, "url": "http://127.0.0.1:1/part", "received": False}]
    upload = {"id": "upl_1", "bytes": 3, "filename": None, "parts": parts, "expires_at": "2026-11-30T00:00:00Z"}
    service.says("200 OK", json.dumps(upload))
    monkeypatch.setattr("tuner_client.aio.pause_before", lambda *_: None)
    with Client(service.url) as client:
        with pytest.raises(UploadBroken, match="upl_1") as broken:
            client.upload(path, upload_id="upl_1")
        assert broken.value.upload_id == "upl_1"
        path.write_bytes(b"abcd")
        with pytest.raises(ValueError, match="has 4 bytes"):
            client.upload(path, upload_id="upl_1")
