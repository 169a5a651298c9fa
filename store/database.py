"""The connection to PostgreSQL and the unit of work: one `with` block, one transaction."""

import selectors
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import (
    DBAPIError,
    DisconnectionError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from store.deadlines import Deadlines
from store.settings import StoreSettings

_LIMITS = (
    "statement_timeout",
    "lock_timeout",
    # A process that is frozen in the middle of a transaction must not hold its locks for ever: a fit whose row a frozen
    # worker has locked could neither be cancelled nor given to another one.
    "idle_in_transaction_session_timeout",
)

_PING = text("SELECT 1")

GRACE_SECONDS = 1.0  # the server's own limits come first, if it can be heard


def alive(seconds: float) -> dict[str, int]:
    """How the kernel finds out that a peer is gone; for every connection to PostgreSQL, whoever makes it."""
    return {
        "keepalives": 1,
        "keepalives_idle": max(1, round(seconds)),
        "keepalives_interval": max(1, round(seconds / 4)),
        "keepalives_count": 3,
        "tcp_user_timeout": round(seconds * 1000),
    }


class Database:
    """One pool per process; make it after the process has started, never before a fork."""

    def __init__(self, settings: StoreSettings) -> None:
        self._timeout_seconds = seconds = settings.database_timeout_seconds
        self.engine = create_engine(
            settings.database_url.get_secret_value(),
            pool_size=settings.database_pool_size,
            max_overflow=0,
            pool_use_lifo=True,  # the connection that was used last has its statements prepared and planned
            pool_timeout=seconds,
            connect_args={
                "connect_timeout": max(1, round(seconds)),
                "options": " ".join(f"-c {name}={round(seconds * 1000)}" for name in _LIMITS),
                "application_name": "tuner",
                **alive(seconds),
            },
        )
        event.listen(self.engine, "checkout", _check_alive)
        Deadlines(
            self.engine,
            silence_seconds=seconds + GRACE_SECONDS,
            unit_seconds=max(settings.database_unit_seconds, seconds + GRACE_SECONDS),
        )
        self._asking = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        self._readers = sessionmaker(self._asking, expire_on_commit=False)

    @contextmanager
    def unit_of_work(self) -> Iterator[Session]:
        """A session whose work is committed when the block ends and rolled back when it raises."""
        with self._sessions() as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for questions alone: each sees what is committed when it is asked, and there is no transaction.

        Nothing to begin and nothing to commit is two round trips less, which is half of a short request.
        """
        with self._readers() as session:
            yield session

    def own_address(self) -> dict[str, Any]:
        """How to connect beside the pool, for psycopg: a connection that may say nothing for as long as it likes.

        Those of the pool are broken off when a unit of work takes too long; see `store.deadlines`.
        """
        _, address = self.engine.dialect.create_connect_args(self.engine.url)
        return {**address, **alive(self._timeout_seconds)}

    @contextmanager
    def lock(self, number: int) -> Iterator[bool]:
        """Whether nobody else holds this lock while the block runs; it goes with its connection, however this ends.

        Args:
            number: number of the lock, one of `store.locks`.

        Raises:
            psycopg.OperationalError: if the server does not answer.
        """
        seconds = max(1, round(self._timeout_seconds))
        with psycopg.connect(
            **self.own_address(), autocommit=True, connect_timeout=seconds, application_name="tuner-lock"
        ) as connection:
            answer = connection.execute("SELECT pg_try_advisory_lock(%s)", (number,)).fetchone()
            try:
                yield answer == (True,)
            finally:
                # A server sees that a connection was closed a moment later: until then the next would find it taken.
                if answer == (True,):
                    with suppress(psycopg.Error):
                        connection.execute("SELECT pg_advisory_unlock(%s)", (number,))

    def ping(self) -> None:
        """Ask the server for an answer.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if it does not give one within the time-out.
        """
        # In no transaction, which would be rolled back: then psycopg forgets all statements that it has prepared, and
        # each is parsed and planned again.
        with self._asking.connect() as connection:
            connection.execute(_PING)

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


PASSING = {"08", "25", "40", "53", "55", "57", "58"}  # classes of SQLSTATE: the line, the moment, room, and the server


def is_passing(error: SQLAlchemyError) -> bool:
    """Whether the same statement may go well later: for an outage, a deadlock or a full disk, and not for bad data.

    The server says so by the class of its SQLSTATE. Without one there was no server to say anything, unless the
    statement was refused on our side already.
    """
    if not isinstance(error, StatementError):
        return True  # no connection to be had
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state is None or error.connection_invalidated:
        return isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated
    return state[:2] in PASSING


def _check_alive(connection: DBAPIConnection, _record: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
    """Replace a connection that the server has dropped instead of letting it fail its first user.

    Between two transactions a server has nothing to say but goodbye: whatever waits to be read means that the
    connection is over. That costs no round trip, which asking "SELECT 1" before every transaction does.
    """
    with selectors.DefaultSelector() as selector:
        selector.register(connection.fileno(), selectors.EVENT_READ)
        if selector.select(timeout=0):
            raise DisconnectionError("the server has hung up")
