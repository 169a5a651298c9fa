"""A TCP proxy on 127.0.0.1 that can spoil what passes through it: late, cut off in the middle, refused, or answered
with an HTTP error that the server behind it never gave."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

_CHUNK = 1 << 16
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: the peer sees a reset and not an end


@dataclass(frozen=True, kw_only=True)
class Weather:
    """What happens to bytes on their way.

    Attributes:
        delay_seconds: how late each piece arrives.
        resets: connections break in the middle of the server's answer.
        refuses: no connection lives.
        http_status: requests are answered with this, and the server never sees them.
        verbs: the requests that `http_status` is for.
        names: what the first line of a request must name one of for `http_status` to be for it; empty for any.
        s3_code: what the answer calls the error, as S3 servers do.
    """

    delay_seconds: float = 0.0
    resets: bool = False
    refuses: bool = False
    http_status: int | None = None
    verbs: tuple[bytes, ...] = (b"GET ", b"PUT ", b"POST ", b"HEAD ", b"DELETE ")
    names: tuple[bytes, ...] = ()
    s3_code: str = "Injected"

    def answers(self, request: bytes) -> bool:
        """Whether a request gets the error instead of reaching the server."""
        if self.http_status is None or not request.startswith(self.verbs):
            return False
        line = request.partition(b"\r\n")[0]
        return not self.names or any(name in line for name in self.names)


FAIR = Weather()


class Proxy:
    """Leads from a port of its own to another one; use as a context manager."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._weather = FAIR
        self._accepted = self._silent = 0  # connections so far, and how many of the first ones are silent
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._accept, name=f"proxy-{self._target}", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @contextmanager
    def under(self, weather: Weather) -> Iterator[None]:
        """Spoil what passes for a while; of two who ask at the same time, the later one has its way."""
        self._weather = weather
        try:
            yield
        finally:
            if self._weather is weather:
                self._weather = FAIR

    def silence(self) -> None:
        """From now on nothing passes through the connections that there are, and none of them breaks."""
        self._silent = self._accepted

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self._weather.refuses:
                    raise ConnectionRefusedError
                server = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                _reset(client)
                continue
            server.settimeout(None)
            self._accepted += 1
            for pump in (self._requests, self._answers):
                threading.Thread(target=pump, args=(client, server, self._accepted), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket, number: int) -> None:
        with suppress(OSError), client, server:
            while chunk := client.recv(_CHUNK):
                if number <= self._silent:
                    continue
                weather = self._weather
                time.sleep(weather.delay_seconds)
                if weather.refuses:
                    break
                if weather.http_status is not None and weather.answers(chunk):
                    client.sendall(_error(weather.http_status, weather.s3_code))
                    break
                server.sendall(chunk)
            _reset(server)

    def _answers(self, client: socket.socket, server: socket.socket, number: int) -> None:
        with suppress(OSError), client, server:
            while chunk := server.recv(_CHUNK):
                if number <= self._silent:
                    continue
                weather = self._weather
                if weather.resets or weather.refuses:
                    client.sendall(chunk[: len(chunk) // 2])
                    _reset(client)
                    return
                client.sendall(chunk)


def _reset(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def _error(status: int, code: str) -> bytes:
    body = f"<Error><Code>{code}</Code><Message>by the proxy of a test</Message></Error>".encode()
    head = f"HTTP/1.1 {status} Injected\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + body
