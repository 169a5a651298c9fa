"""A real HTTP server on this machine that takes webhooks, or behaves badly in a way of the test's choosing."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue

Behaviour = Callable[[socket.socket], None]


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What came, and what is answered.

    Attributes:
        answer: status of the answer.
        behave: instead of an answer, do this with the connection.
    """

    port: int
    answer: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    behave: Behaviour | None = None
    received: Queue[Received] = field(default_factory=Queue)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?a=1"

    def next(self, seconds: float = 15) -> Received:
        return self.received.get(timeout=seconds)

    @property
    def is_empty(self) -> bool:
        with contextlib.suppress(Empty):
            self.received.get_nowait()
            return False
        return True

    def drip(self, connection: socket.socket) -> None:
        """A byte now and then, for ever: no single read takes long."""
        with contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not self.stopping.wait(0.05):
                connection.sendall(b"x")

    def flood(self, connection: socket.socket) -> None:
        """An answer without end."""
        with contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n")
            while not self.stopping.is_set():
                connection.sendall(bytes(1 << 16))

    def flood_headers(self, connection: socket.socket) -> None:
        """Headers without end."""
        with contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while not self.stopping.is_set():
                connection.sendall(b"X-More: " + b"y" * 1000 + b"\r\n")

    def hang_up(self, connection: socket.socket) -> None:
        """No answer at all."""
        connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def receiver() -> Iterator[Receiver]:
    """A server while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            found.received.put(Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.close_connection = True
            if found.behave is not None:
                found.behave(self.connection)
                return
            self.send_response(found.answer)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        found = Receiver(server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            found.stopping.set()
            server.shutdown()
            thread.join()
