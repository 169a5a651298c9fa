"""The least HTTP/1.1 that a load generator needs: it must cost far less than what it measures."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

IDLE_SECONDS = 3.0  # servers hang up after five


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: bytes) -> str:
        """Value of a header, or an empty string."""
        for line in self.head.split(b"\r\n"):
            key, _, value = line.partition(b":")
            if key.lower() == name:
                return value.strip().decode("latin-1")
        return ""


class Connections:
    """Keep-alive connections to one server."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._idle: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def request(
        self, method: str, path: str, body: bytes = b"", media_type: str = "application/json", **headers: str
    ) -> Answer:
        """Send, and read the whole answer; underscores in names of headers stand for dashes."""
        reader, writer = await self._take()
        writer.write(self._head(method, path, headers, len(body), media_type) + body)
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        answer = Answer(status, head, b"")
        length = answer.header(b"content-length")
        content = b""
        if length:
            content = await reader.readexactly(int(length))
        elif answer.header(b"transfer-encoding") == "chunked":
            content = b"".join([chunk async for chunk in _chunks(reader)])
        self._idle.append((time.monotonic(), reader, writer))
        return Answer(status, head, content)

    async def stream(self, path: str, **headers: str) -> AsyncIterator[bytes]:
        """Yields pieces of an endless answer as they come."""
        reader, writer = await self._connect()
        try:
            writer.write(self._head("GET", path, headers, 0, ""))
            head = await reader.readuntil(b"\r\n\r\n")
            if head[9:12] != b"200":
                raise RuntimeError(f"{path}: {head[9:40]!r}")
            async for chunk in _chunks(reader):
                yield chunk
        finally:
            writer.close()

    async def close(self) -> None:
        """Hang up."""
        for _, _, writer in self._idle:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        self._idle.clear()

    async def _take(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            since, reader, writer = self._idle.pop()
            if time.monotonic() - since < IDLE_SECONDS:
                return reader, writer
            writer.close()
        return await self._connect()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._host, self._port)

    def _head(self, method: str, path: str, headers: dict[str, str], length: int, media_type: str) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}:{self._port}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if length:
            lines += [f"Content-Type: {media_type}", f"Content-Length: {length}"]
        return "\r\n".join([*lines, "", ""]).encode()


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int(await reader.readline(), 16):
        yield (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
