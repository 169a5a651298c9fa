"""Can this process do its work? Each engine is asked, within a bound, and never twice at the same time."""

import asyncio
from collections.abc import Callable

from anyio import CapacityLimiter, to_thread

from api.services.schema import Schema, TablesBehind
from store.blobs import BlobStore
from store.database import Database
from store.queue import FitQueue
from store.repositories.scrubs import Scrubs

OK = "ok"


class _Damaged(Exception):
    """Objects are lost: every request is answered all the same, and an operator should know."""


class Readiness:
    """Asks the engines that requests need. Without the broker jobs are still accepted, so it is not required."""

    def __init__(
        self, database: Database, schema: Schema, blobs: BlobStore, queue: FitQueue, *, timeout_seconds: float
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._database = database
        self._blobs = blobs
        self._blobs_tested = False
        self._required = {
            "database": _Check(database.ping),
            "tables": _Check(schema.check),
            "storage": _Check(self._ask_storage),
        }
        self._optional = {"broker": _Check(queue.ping), "objects": _Check(self._count_damaged)}

    async def ask(self) -> tuple[bool, dict[str, str]]:
        """Whether every required engine answered in time, and what each of them said."""
        checks = self._required | self._optional
        answers = await asyncio.gather(*(check.answer(self._timeout_seconds) for check in checks.values()))
        said = dict(zip(checks, answers, strict=True))
        return all(said[name] == OK for name in self._required), said

    def _count_damaged(self) -> None:
        with self._database.reading() as session:
            damaged = Scrubs(session).count_damaged()
        if any(damaged.values()):
            raise _Damaged("damaged or missing: " + ", ".join(f"{count} {kind}" for kind, count in damaged.items()))

    def _ask_storage(self) -> None:
        # Rights and keys are tried once by a real put, get and delete; from then on it is enough that storage answers.
        if self._blobs_tested:
            self._blobs.ping()
        else:
            self._blobs.self_test()
            self._blobs_tested = True


class _Check:
    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask
        self._thread = CapacityLimiter(1)
        self._pending: asyncio.Task[None] | None = None

    async def answer(self, timeout_seconds: float) -> str:
        # An engine that hangs keeps one thread, however often we are asked.
        if self._pending is None or self._pending.done():
            self._pending = asyncio.create_task(to_thread.run_sync(self._ask, limiter=self._thread))
        try:
            await asyncio.wait_for(asyncio.shield(self._pending), timeout_seconds)
        except TimeoutError:
            return f"no answer within {timeout_seconds:g} s"
        except (_Damaged, TablesBehind) as error:
            return str(error)
        except Exception as error:
            # The class alone: messages of drivers may name addresses.
            return f"failed: {type(error).__name__}"
        return OK
