"""The client for programs with asyncio, and the one place where anything is sent."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Concatenate, Final, ParamSpec, TypeVar
from urllib.parse import urlsplit

import httpx2

from tuner_client.calls import (
    MAX_ANSWER_BYTES,
    SILENCE_SECONDS,
    Answered,
    Call,
    check_status,
    given_up,
    pause_before,
)
from tuner_client.deadline import Deadline
from tuner_client.errors import ApiError, NotFound, UnexpectedAnswer
from tuner_client.models import Event, Fit
from tuner_client.operations import Operations
from tuner_client.waiting import outcome

CONNECT_SECONDS: Final = 10.0
CALL_SECONDS: Final = 120.0

P = ParamSpec("P")
T = TypeVar("T")


class AsyncClient(Operations):
    """Speaks to one service; use it as a context manager, or close it.

    It has the methods of `Client`, to be awaited, and its events are iterated over with `async for`.

    Args:
        server: address of the service.
        api_key: key that is sent to the service and to nobody else, or None.
        timeout: time that a call may take in seconds if it is given none of its own, retries included. What sends or
            receives a file, follows a fit or waits for one has no limit but its own `timeout`.

    Raises:
        ValueError: if the address is none.
    """

    def __init__(self, server: str, *, api_key: str | None = None, timeout: float | None = CALL_SECONDS) -> None:
        self._timeout = timeout
        self._key = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self._http = httpx2.AsyncClient(base_url=_address(server), headers={"User-Agent": "tuner-client/1"})

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def wait(
        self, fit_id: str, *, timeout: float | None = None, on_event: Callable[[Event], None] = lambda _: None
    ) -> Fit:
        """Wait for the end of a fit: by its events, or by asking now and then if they cannot be had.

        Args:
            fit_id: id of the fit.
            timeout: longest time to wait in seconds, or None for as long as it takes.
            on_event: called with each event.

        Returns:
            The fit, succeeded.

        Raises:
            FitEnded: if it ended in any other way.
            WaitedTooLong: if it did not end in time.
            ApiError: if the service refuses.
            ConnectionFailed: if the service stays away.
        """
        async for step in self._watch(fit_id, timeout=timeout):
            if (fit := outcome(step, on_event)) is not None:
                return fit
        raise AssertionError("watching ends with a fit that has ended")

    async def send(self, call: Call[T]) -> T:
        """Send a request, again where that is safe, and read its answer.

        Raises:
            ApiError: if the service refuses.
            UnexpectedAnswer: if what answers is not this service.
            ConnectionFailed: if nothing answers.
            WaitedTooLong: if time is up before there is an answer.
        """
        deadline = Deadline(self._timeout if call.timeout is None else call.timeout, f"{call.method} {call.path}")
        async with deadline.holds():
            return call.read(await self._answered(call, deadline))

    async def _answered(self, call: Call[Any], deadline: Deadline) -> Answered:
        tries, lost = 0, False
        while True:
            try:
                async with self.opened(call) as answer:
                    return await _whole(answer)
            except (httpx2.TransportError, ApiError) as error:
                if lost and call.method == "DELETE" and isinstance(error, NotFound):
                    return Answered(status=204, headers={}, content=b"")  # the try whose answer was lost has done it
                tries, lost = tries + 1, lost or not isinstance(error, ApiError)
                pause = pause_before(tries, error, call)
                if pause is None or pause > deadline.left():
                    raise given_up(error) from error
            await asyncio.sleep(pause)

    @asynccontextmanager
    async def opened(
        self, call: Call[Any], *, headers: Mapping[str, str] | None = None, silence_seconds: float = SILENCE_SECONDS
    ) -> AsyncIterator[httpx2.Response]:
        """Send a request once; its answer is a success, and has not been read.

        Raises:
            ApiError: if the service refuses.
            UnexpectedAnswer: if what answers is not this service.
        """
        foreign = "://" in call.path
        body = None if call.body is None else call.body()
        try:
            async with self._http.stream(
                call.method,
                call.path,
                params=call.params or None,
                headers=({} if foreign else self._key) | dict(call.headers) | dict(headers or {}),
                json=call.json,
                content=None if body is None else _unhurried(body),
                timeout=httpx2.Timeout(silence_seconds + call.thinking_seconds, connect=CONNECT_SECONDS),
            ) as answer:
                if not answer.is_success:
                    check_status(await _whole(answer))
                yield answer
        except httpx2.DecodingError as error:
            raise UnexpectedAnswer(f"the answer cannot be unpacked: {error}") from error
        except httpx2.InvalidURL as error:
            raise UnexpectedAnswer(f"the service names an address that is none: {error}") from error

    # How the methods that are written once are called here: as they are.
    def _run(
        self, story: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T]:
        return story(self, *args, **kwargs)

    def _iterate(
        self, story: Callable[Concatenate[Any, P], AsyncGenerator[T, None]], *args: P.args, **kwargs: P.kwargs
    ) -> AsyncIterator[T]:
        return story(self, *args, **kwargs)


def _address(server: str) -> str:
    try:
        parts = urlsplit(server)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"the server is {server!r}, expected an address such as http://127.0.0.1:8000")
    return server


async def _whole(answer: httpx2.Response) -> Answered:
    """Read a document, which has no business being large."""
    content = bytearray()
    async for chunk in answer.aiter_bytes():
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise UnexpectedAnswer(f"the answer has more than {MAX_ANSWER_BYTES} bytes, expected a document")
    return Answered(status=answer.status_code, headers=answer.headers, content=bytes(content))


async def _unhurried(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Read a file without holding up everything else."""
    while chunk := await asyncio.to_thread(next, chunks, b""):
        yield chunk
