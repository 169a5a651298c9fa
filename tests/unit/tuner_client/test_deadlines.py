"""Waiting ends in time, whatever the server does: one that says nothing, and one that drips."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tuner_client import AsyncClient, Client, WaitedTooLong

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


@pytest.fixture(params=[b"", b"HTTP/1.1 200 OK\r\nX-Slow: ", HEAD, HEAD + b": alive\n\n"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.sendall(request.param)
            while not over.wait(0.1):
                try:
                    connection.sendall(b"x" if request.param else b"")
                except OSError:
                    return

    def accept() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=[connection], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        over.set()


def test_waiting_ends_in_time(address: str) -> None:
    begun = time.monotonic()
    with Client(address) as client, pytest.raises(WaitedTooLong, match="fit_1"):
        client.wait("fit_1", timeout=0.2)
    assert time.monotonic() - begun < 30  # and not for ever: an answer that drips never ends


def test_waiting_ends_in_time_with_asyncio(address: str) -> None:
    async def story() -> None:
        async with AsyncClient(address) as client:
            with pytest.raises(WaitedTooLong, match="fit_1"):
                await client.wait("fit_1", timeout=0.2)

    begun = time.monotonic()
    asyncio.run(story())
    assert time.monotonic() - begun < 30  # and not for ever: an answer that drips never ends
