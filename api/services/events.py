"""Events of fits as they happen: one listening connection per process wakes every stream.

PostgreSQL notifies the channel with a fit's id when an event is committed. A stream that is woken reads the new rows
itself, a batch at a time and only as fast as its client takes them, so that a slow reader costs a flag and not a queue.
While the listening connection is down, streams look for themselves every few seconds; notifications are a convenience,
the rows are the truth.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from datetime import UTC, datetime

import psycopg
from starlette.responses import StreamingResponse
from starlette.types import Send

from api.errors import TooBusy
from api.schemas.fits import EventView, FitSummary
from api.services.places import Places
from api.services.seen_changes import SeenChanges
from api.services.turns import Turns
from api.settings import ApiSettings
from store.database import Database
from store.errors import FitNotFound
from store.repositories import listing
from store.repositories.fits import EVENTS_CHANNEL, Fits
from store.repositories.listing import FitFilter, FitOrder, Place
from store.status import FitStatus

BATCH = 100  # events read at a time
READERS = 4  # threads, and database connections, at which all streams take turns
RECONNECT_SECONDS = 1.0
LISTEN_CHECK_SECONDS = 15.0  # a quiet connection is asked whether it still lives
UNHEARD_SECONDS = 0.1  # between two looks at what was notified, while nobody follows
RETRY = b"retry: 2000\n"  # milliseconds after which a browser connects again
ANY = ""  # id under which streams wait that follow every fit
CHANGES_PAUSE_SECONDS = 0.25  # between two looks at all fits of a tenant
CHANGES_REST = 4.0  # times as long as the look took, if that is longer
CHANGES = 500  # fits that are looked at in one go

logger = logging.getLogger(__name__)


class EventStream(StreamingResponse):
    """A stream of events that is closed, and not left to the garbage collector, when its client goes away."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes]) -> None:
        # No cache, and no proxy that gathers a page before it passes anything on.
        super().__init__(events, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Vary": "Accept"})
        self._events = events

    async def stream_response(self, send: Send) -> None:
        """Send everything, and close the source whatever happens."""
        async with contextlib.aclosing(self._events):
            await super().stream_response(send)


class EventHub:
    """Follows the events of any number of fits for any number of clients."""

    def __init__(self, database: Database, settings: ApiSettings) -> None:
        self._database = database
        self._settings = settings
        self._wakes: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._readers = Turns(READERS, is_shared=settings.require_keys)
        self._listening = False
        self._closed = False
        self._places = Places(
            "event streams",
            settings.max_event_streams,
            settings.max_event_streams_per_tenant,
            is_shared=settings.require_keys,
        )

    @property
    def streams(self) -> int:
        """How many clients are following at the moment."""
        return sum(map(len, self._wakes.values()))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen while the block runs."""
        listener = asyncio.create_task(self._listen())
        try:
            yield
        finally:
            self.close()
            listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listener

    def close(self) -> None:
        """End all streams soon; call it on the event loop."""
        self._closed = True
        self._wake_all()

    def has_room(self, tenant: str) -> bool:
        """Whether the tenant may follow once more."""
        return self._places.has_room(tenant) and not self._closed

    def check_room(self, tenant: str) -> None:
        """See whether another stream of the tenant may begin.

        Raises:
            TooBusy: if it may not.
        """
        if self._closed:
            raise TooBusy("the service is about to end: try again in a moment")
        self._places.check_room(tenant)

    async def follow(self, tenant: str, fit_id: str, *, after: int) -> AsyncGenerator[bytes]:
        """The events of a fit with a sequence number over `after`, as server-sent events, to the last one."""
        keep_alive = self._settings.events_keep_alive_seconds
        with self._subscription(tenant, fit_id) as wake:
            # Within the first event: some readers take a block of its own for an event without content.
            opening = RETRY
            spoke = time.monotonic()
            while not self._closed:
                wake.clear()
                events, ended = await self._readers.in_thread(tenant, self._read, tenant, fit_id, after)
                for event in events:
                    yield opening + _server_sent(event)
                    opening = b""
                    after, spoke = event.seq, time.monotonic()
                if len(events) == BATCH:
                    continue
                if ended:
                    return
                if time.monotonic() - spoke >= keep_alive:
                    yield b": keep-alive\n\n"
                    spoke = time.monotonic()
                patience = spoke + keep_alive - time.monotonic()
                if not self._listening:
                    patience = min(patience, self._settings.events_poll_seconds)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(wake.wait(), max(patience, 0))

    async def follow_changes(self, tenant: str) -> AsyncGenerator[bytes]:
        """Every fit of a tenant, as it is after each change from now on, as server-sent events.

        It begins with `hello`, after which whoever follows reads the lists once: no change is lost in between. There is
        no going on from a place; who was away is greeted again.
        """
        keep_alive = self._settings.events_keep_alive_seconds
        with self._subscription(tenant, ANY) as wake:
            seen = SeenChanges(datetime.now(UTC))
            await self._readers.in_thread(tenant, self._read_changes, tenant, seen)
            yield RETRY + b"event: hello\ndata: {}\n\n"
            spoke = time.monotonic()
            while not self._closed:
                patience = spoke + keep_alive - time.monotonic()
                if not self._listening:
                    patience = min(patience, self._settings.events_poll_seconds)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(wake.wait(), max(patience, 0))
                wake.clear()
                began = time.monotonic()
                changed = await self._readers.in_thread(tenant, self._read_changes, tenant, seen)
                for fit in changed:
                    yield f"event: fit\ndata: {fit.model_dump_json()}\n\n".encode()
                    spoke = time.monotonic()
                if time.monotonic() - spoke >= keep_alive:
                    yield b": keep-alive\n\n"
                    spoke = time.monotonic()
                # Who has changed very many fits looks more seldom.
                await asyncio.sleep(max(CHANGES_PAUSE_SECONDS, CHANGES_REST * (time.monotonic() - began)))

    async def wait_for(self, tenant: str, fit_id: str, reached: Callable[[FitStatus], bool], *, seconds: float) -> bool:
        """Wait for a fit to reach a status, without holding a thread; returns whether it has.

        Raises:
            FitNotFound: if the tenant has no such fit.
        """
        deadline = time.monotonic() + seconds
        with self._subscription(tenant, fit_id) as wake:
            while True:
                wake.clear()
                if reached(await self._readers.in_thread(tenant, self._status, tenant, fit_id)):
                    return True
                patience = deadline - time.monotonic()
                if patience <= 0 or self._closed:
                    return False
                if not self._listening:
                    patience = min(patience, self._settings.events_poll_seconds)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(wake.wait(), patience)

    @contextlib.contextmanager
    def _subscription(self, tenant: str, fit_id: str) -> Iterator[asyncio.Event]:
        wake = asyncio.Event()
        self._wakes[fit_id].add(wake)
        try:
            with self._places.place(tenant):
                yield wake
        finally:
            self._wakes[fit_id].discard(wake)
            if not self._wakes[fit_id]:
                del self._wakes[fit_id]

    def _status(self, tenant: str, fit_id: str) -> FitStatus:
        with self._database.unit_of_work() as session:
            return Fits(session).get(tenant, fit_id).status

    def _read(self, tenant: str, fit_id: str, after: int) -> tuple[list[EventView], bool]:
        with self._database.reading() as session:
            fits = Fits(session)
            # The status first: if it is terminal, the last event is among the rows that are read next.
            try:
                ended = fits.get(tenant, fit_id).status.is_terminal
            except FitNotFound:
                return [], True  # deleted, so it had ended
            rows = fits.events(fit_id, after=after, limit=BATCH)
            return [EventView.of(row) for row in rows], ended

    def _read_changes(self, tenant: str, seen: SeenChanges) -> list[FitSummary]:
        """The fits that were changed since the last look; `seen` is brought up to date."""
        changed: list[FitSummary] = []
        wanted = FitFilter(updated_after=seen.since)
        after: Place | None = None
        with self._database.reading() as session:
            while True:
                fits = listing.list_fits(session, tenant, wanted, limit=CHANGES, after=after, order=FitOrder.UPDATED)
                changed += [FitSummary.of(fit) for fit in fits if seen.is_new(fit.id, fit.updated_at)]
                if len(fits) < CHANGES:
                    break
                after = Place(fit_id=fits[-1].id, updated_at=fits[-1].updated_at)
        seen.add({fit.id: fit.updated_at for fit in changed})
        return changed

    def _wake_all(self) -> None:
        for wakes in self._wakes.values():
            for wake in wakes:
                wake.set()

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_once()
            except (psycopg.Error, OSError) as error:
                logger.warning("not listening for events", extra={"fields": {"error": type(error).__name__}})
            self._listening = False
            # Streams that slept in trust of notifications start to look for themselves.
            self._wake_all()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_once(self) -> None:
        async with await psycopg.AsyncConnection.connect(
            **self._database.own_address(), autocommit=True, connect_timeout=5, application_name="tuner-events"
        ) as connection:
            async with asyncio.timeout(LISTEN_CHECK_SECONDS):
                await connection.execute(f"LISTEN {EVENTS_CHANNEL}")
            self._listening = True
            # Whatever was committed before this moment was announced to nobody.
            self._wake_all()
            while True:
                heard = False
                async for notice in connection.notifies(timeout=LISTEN_CHECK_SECONDS, stop_after=1):
                    heard = True
                    for name in (notice.payload, ANY):
                        for wake in self._wakes.get(name, ()):
                            wake.set()
                if not heard:
                    async with asyncio.timeout(LISTEN_CHECK_SECONDS):
                        await connection.execute("SELECT 1")
                elif not self.streams:
                    # What comes meanwhile is read in one go. Whoever begins to follow reads the rows first.
                    await asyncio.sleep(UNHEARD_SECONDS)


def _server_sent(event: EventView) -> bytes:
    data = json.dumps(event.model_dump(mode="json"), separators=(",", ":"))
    return f"id: {event.seq}\nevent: {event.kind}\ndata: {data}\n\n".encode()
