"""A server on 127.0.0.1: the checkout's `web/`, and files that arrive as slowly as a test wants."""

import gzip
import mimetypes
import re
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Self

ROOT = Path(__file__).parents[2]
WAIT = 20.0


@dataclass
class Served:
    """A file that is served.

    Attributes:
        data: all of its bytes.
        pause_at: how many bytes are sent before the rest is waited for; None for all at once.
        goes_on: what the rest waits for.
        sent: how many bytes have been sent.
        ranges: the ranges that were asked for.
        knows_ranges: whether ranges are sent, and not always all.
    """

    data: bytes
    pause_at: int | None = None
    goes_on: Event = field(default_factory=Event)
    sent: int = 0
    ranges: list[str | None] = field(default_factory=list)
    knows_ranges: bool = True


def modules(entry: str, found: set[Path]) -> set[Path]:
    """A module of `web/` and all that it imports."""
    path = ROOT / "web" / entry
    if path not in found:
        found.add(path)
        for name in re.findall(r'^import .*"\./([^"]+)"', path.read_text(), re.MULTILINE):
            modules(name, found)
    return found


def compressed_bytes() -> int:
    """Size of tnr.js, worker.js and the core as gzip, each file by itself; what only some files need is not in it."""
    paths = modules("tnr.js", set()) | modules("worker.js", set()) | {ROOT / "tuner/core/core.wasm"}
    return sum(len(gzip.compress(path.read_bytes(), 9)) for path in paths)


class Site:
    """The server, as a context."""

    def __init__(self) -> None:
        self.files: dict[str, Served] = {}
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # as servers do: a body behind its head would wait 40 ms to be acknowledged

            def log_message(self, *_: object) -> None: ...

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path in site.files:
                    self._send(site.files[path], mimetypes.guess_type(path)[0])
                    return
                file = (ROOT / path.lstrip("/")).resolve()
                if file.is_relative_to(ROOT) and file.is_file():
                    self._send(Served(file.read_bytes()), mimetypes.guess_type(file.name)[0])
                else:
                    self.send_error(404)

            def _send(self, served: Served, kind: str | None = None) -> None:
                asked = self.headers.get("Range")
                served.ranges.append(asked)
                total, (first, last) = len(served.data), (0, len(served.data) - 1)
                asked = asked if served.knows_ranges else None
                if asked and (match := re.fullmatch(r"bytes=(\d+)-(\d*)", asked)):
                    first, last = int(match[1]), min(int(match[2] or total), total - 1)
                if first >= total:
                    self.send_error(416)
                    return
                self.send_response(206 if asked else 200)
                self.send_header("Content-Type", kind or "application/octet-stream")
                self.send_header("Content-Length", str(last + 1 - first))
                if asked:
                    self.send_header("Content-Range", f"bytes {first}-{last}/{total}")
                self.end_headers()
                body = served.data[first : last + 1]
                pause = len(body) if served.pause_at is None else served.pause_at
                try:
                    for part in (body[:pause], body[pause:]):
                        self.wfile.write(part)
                        self.wfile.flush()
                        served.sent += len(part)
                        if part is not body[pause:] and pause < len(body):
                            served.goes_on.wait(WAIT)
                except OSError:  # whoever asked has seen enough
                    self.close_connection = True

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def put(self, path: str, data: bytes, pause_at: int | None = None) -> Served:
        """Serve bytes under a path that begins with a slash."""
        self.files[path] = Served(data, pause_at)
        return self.files[path]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for served in self.files.values():
            served.goes_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(WAIT)
