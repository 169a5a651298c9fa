"""The client for programs without asyncio: the other one, in a thread of its own."""

import asyncio
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from tuner_client.aio import CALL_SECONDS, AsyncClient
from tuner_client.errors import ConnectionFailed
from tuner_client.models import Event, Fit
from tuner_client.operations import Operations
from tuner_client.waiting import outcome

LOOKING_SECONDS: Final = 0.5  # between looks whether the thread is there at all
LEAVING_SECONDS: Final = 2.0  # for what was broken off to clear away what it had begun

P = ParamSpec("P")
T = TypeVar("T")


class Client(Operations):
    """Speaks to one service; use it as a context manager, or close it.

    It may be used from any number of threads, in notebooks and after a fork; Ctrl-C breaks a call off.

    Args:
        server: address of the service.
        api_key: key that is sent to the service and to nobody else, or None.
        timeout: time that a call may take in seconds if it is given none of its own, retries included. What sends or
            receives a file, follows a fit or waits for one has no limit but its own `timeout`.

    Raises:
        ValueError: if the address is none.
    """

    def __init__(self, server: str, *, api_key: str | None = None, timeout: float | None = CALL_SECONDS) -> None:
        def behind() -> AsyncClient:
            return AsyncClient(server, api_key=api_key, timeout=timeout)

        self._behind = behind
        self._lock = threading.Lock()
        self._closed = False
        self._thread = self._begun()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back; calls that other threads are in fail."""
        self._closed = True
        self._thread.stop(wait=True)

    def wait(
        self, fit_id: str, *, timeout: float | None = None, on_event: Callable[[Event], None] = lambda _: None
    ) -> Fit:
        """Wait for the end of a fit: by its events, or by asking now and then if they cannot be had.

        Args:
            fit_id: id of the fit.
            timeout: longest time to wait in seconds, or None for as long as it takes.
            on_event: called with each event, in the thread that waits.

        Returns:
            The fit, succeeded.

        Raises:
            FitEnded: if it ended in any other way.
            WaitedTooLong: if it did not end in time.
            ApiError: if the service refuses.
            ConnectionFailed: if the service stays away.
        """
        for step in self._watch(fit_id, timeout=timeout):
            if (fit := outcome(step, on_event)) is not None:
                return fit
        raise AssertionError("watching ends with a fit that has ended")

    # How the methods that are written once are called here: in the other thread, to their end.
    def _run(
        self, story: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        thread = self._running()
        return thread.run(story(thread.client, *args, **kwargs))

    def _iterate(
        self, story: Callable[Concatenate[Any, P], AsyncGenerator[T, None]], *args: P.args, **kwargs: P.kwargs
    ) -> Iterator[T]:
        thread = self._running()
        steps = story(thread.client, *args, **kwargs)
        try:
            while step := thread.run(_next(steps)):
                yield step[0]
        finally:
            with suppress(ConnectionFailed):
                thread.run(steps.aclose())

    def _running(self) -> "_LoopThread":
        with self._lock:
            if self._closed:
                raise ConnectionFailed("the client is closed")
            if self._thread.process != os.getpid():  # threads do not survive a fork, and connections are not shared
                self._thread = self._begun()
            return self._thread

    def _begun(self) -> "_LoopThread":
        thread = _LoopThread(self._behind())
        weakref.finalize(self, thread.stop)
        return thread


class _LoopThread:
    """An event loop in a daemon thread, and the client that lives in it.

    Args:
        client: closed when the loop ends.
    """

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        self.process = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="tuner client", daemon=True)
        self._thread.start()

    def run(self, story: Coroutine[Any, Any, T]) -> T:
        """Have something done in the loop, to its end; an exception here, such as Ctrl-C, breaks it off."""
        loop = self._loop
        ended: SimpleQueue[asyncio.Task[T]] = SimpleQueue()
        tasks: list[asyncio.Task[T]] = []

        def begin() -> None:
            tasks.append(loop.create_task(story))
            tasks[0].add_done_callback(ended.put)

        try:
            loop.call_soon_threadsafe(begin)
        except RuntimeError:  # closed by another thread just now
            story.close()
            raise ConnectionFailed("the client is closed") from None
        try:
            task = self._ended(ended)
        except BaseException:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(lambda: [task.cancel() for task in tasks])
            with suppress(Empty):
                ended.get(timeout=LEAVING_SECONDS)
            raise
        if task.cancelled():
            raise ConnectionFailed("the client was closed during the call")
        return task.result()

    def _ended(self, ended: "SimpleQueue[asyncio.Task[T]]") -> "asyncio.Task[T]":
        while True:
            is_alive = self._thread.is_alive()  # looked at first: what a thread has ended is in the queue
            try:
                return ended.get(timeout=LOOKING_SECONDS if is_alive else 0)
            except Empty:
                if not is_alive:  # what came while the loop was closing was not begun, or not ended
                    raise ConnectionFailed("the client was closed during the call") from None

    def stop(self, *, wait: bool = False) -> None:
        """End the loop; what is under way in it is broken off."""
        if self.process != os.getpid():
            return
        with suppress(RuntimeError):  # it has ended before
            self._loop.call_soon_threadsafe(self._loop.stop)
        if wait:
            self._thread.join(LEAVING_SECONDS)

    def _serve(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            # What was put into the loop beside the stop begins now, so that whoever waits for it is told.
            loop.run_until_complete(asyncio.sleep(0))
            under_way = asyncio.all_tasks(loop)
            for task in under_way:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*under_way, return_exceptions=True))
            loop.run_until_complete(self.client.close())
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()


async def _next(steps: AsyncGenerator[T, None]) -> tuple[T] | None:
    """The next one, if there is one."""
    try:
        return (await anext(steps),)
    except StopAsyncIteration:
        return None
