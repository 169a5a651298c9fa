"""A server that says what it is told to, byte for byte, and remembers what it was asked."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Canned:
    """What is said to everybody.

    Attributes:
        url: address of the server.
        answer: bytes of the answer, head and body; for a HEAD request only the head is sent.
        drips: whether bytes go on after the answer, one now and then, for ever.
        asked: request lines so far.
        heads: whole heads of the requests so far.
    """

    url: str
    answer: bytes = b""
    drips: bool = False
    asked: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)

    def says(self, status: str, body: str = "", kind: str = "application/json", **headers: str) -> None:
        """An answer that is whole."""
        given = {"content-type": kind, "content-length": str(len(body.encode())), "connection": "close"}
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in (given | headers).items() if value]
        self.answer = "\r\n".join([f"HTTP/1.1 {status}", *lines, "", body]).encode()


@contextmanager
def canned() -> Iterator[Canned]:
    """The server, until the block is left."""
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                if not (chunk := connection.recv(65536)):
                    return
                head += chunk
            head, _, body = head.partition(b"\r\n\r\n")
            text = head.decode()
            missing = _length(text) - len(body)
            while missing > 0 and (chunk := connection.recv(65536)):
                missing -= len(chunk)
            said.asked.append(text.splitlines()[0])
            said.heads.append(text)
            answer = said.answer
            if text.startswith("HEAD "):
                answer = answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if not said.drips else b"HTTP/1.1 200 OK\r\nX: "
            connection.sendall(answer)
            while said.drips and not over.wait(0.05):
                connection.sendall(b"x")

    def accept() -> None:
        while not over.is_set():
            with suppress(OSError):
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=[connection], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:
        said = Canned(f"http://127.0.0.1:{listener.getsockname()[1]}")
        listener.settimeout(0.2)
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield said
        over.set()
        accepting.join()


def _length(head: str) -> int:
    for line in head.lower().splitlines():
        if line.startswith("content-length:"):
            return int(line.partition(":")[2])
    return 0
