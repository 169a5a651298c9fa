"""Connections that the server drops, and sessions that only ask."""

from sqlalchemy import text

from store.database import Database
from store.settings import StoreSettings


def backend(database: Database) -> int:
    with database.reading() as session:
        return int(session.scalar(text("SELECT pg_backend_pid()")) or 0)


def test_a_dropped_connection_is_replaced_before_its_next_user_notices(
    database: Database, store_settings: StoreSettings
) -> None:
    other = Database(store_settings.model_copy(update={"database_pool_size": 1}))
    first = backend(other)
    assert backend(other) == first
    with database.unit_of_work() as session:
        session.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": first})
    with other.unit_of_work() as session:
        assert session.scalar(text("SELECT pg_backend_pid()")) != first
    other.close()


def test_a_session_that_only_asks_opens_no_transaction(database: Database, store_settings: StoreSettings) -> None:
    state = text("SELECT state FROM pg_stat_activity WHERE pid = :pid")
    other = Database(store_settings.model_copy(update={"database_pool_size": 1}))
    with other.reading() as session:
        pid = session.scalar(text("SELECT pg_backend_pid()"))
        with database.reading() as watcher:
            assert watcher.scalar(state, {"pid": pid}) == "idle"
    # The same connection, in a unit of work again.
    with other.unit_of_work() as session:
        assert session.scalar(text("SELECT pg_backend_pid()")) == pid
        with database.reading() as watcher:
            assert watcher.scalar(state, {"pid": pid}) == "idle in transaction"
    other.close()


def test_a_ping_leaves_what_a_connection_has_prepared(database: Database, store_settings: StoreSettings) -> None:
    """Psycopg forgets all prepared statements when a transaction is rolled back."""
    other = Database(store_settings.model_copy(update={"database_pool_size": 1}))
    prepared = text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT 7%'")
    for _ in range(6):
        with other.unit_of_work() as session:
            session.execute(text("SELECT 7"))
    other.ping()
    with other.unit_of_work() as session:
        session.execute(text("SELECT 7"))
        assert session.scalar(prepared) == 1
    other.close()


def test_the_connection_that_was_used_last_is_used_next(database: Database, store_settings: StoreSettings) -> None:
    """It has its statements prepared, which each of the pool would otherwise need for itself."""
    other = Database(store_settings)
    with other.reading() as session:
        first = session.scalar(text("SELECT pg_backend_pid()"))
        assert backend(other) != first
    assert {backend(other) for _ in range(3)} == {first}
    other.close()
