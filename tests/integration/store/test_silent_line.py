"""A line to PostgreSQL that falls silent: nothing breaks, nothing is refused, and nobody answers any more."""

import time
from collections.abc import Callable, Iterator
from threading import Thread
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from store.database import Database
from store.settings import StoreSettings
from tests.chaos.proxy import Proxy


@pytest.fixture
def proxy(store_settings: StoreSettings) -> Iterator[Proxy]:
    port = urlsplit(store_settings.database_url.get_secret_value()).port
    assert port is not None
    with Proxy(port) as proxy:
        yield proxy


@pytest.fixture
def far(store_settings: StoreSettings, proxy: Proxy) -> Iterator[Database]:
    """The database behind the proxy, with a pool of three that has three connections."""
    url = urlsplit(store_settings.database_url.get_secret_value())
    moved = url._replace(netloc=url.netloc.rpartition(":")[0] + f":{proxy.port}").geturl()
    changes = {"database_url": SecretStr(moved), "database_timeout_seconds": 1.0, "database_unit_seconds": 3.0}
    database = Database(store_settings.model_copy(update=changes | {"database_pool_size": 3}))
    with database.engine.connect() as one, database.engine.connect() as two, database.engine.connect() as three:
        for connection in (one, two, three):
            connection.execute(text("SELECT 1"))
    yield database
    database.close()


def complaint(work: Callable[[], None]) -> Exception:
    """What a piece of work ends in; that it ends is the point, without a deadline it never would."""
    found: list[Exception] = []

    def run() -> None:
        try:
            work()
        except Exception as error:
            found.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(40)
    assert not thread.is_alive(), "it waits for ever"
    assert found, "it found an answer"
    return found[0]


def a_statement(database: Database, proxy: Proxy) -> None:
    with database.unit_of_work() as session:
        proxy.silence()
        session.execute(text("SELECT 1"))


def a_later_statement(database: Database, proxy: Proxy) -> None:
    with database.unit_of_work() as session:
        session.execute(text("SELECT 1"))
        proxy.silence()
        session.execute(text("SELECT 2"))


def a_commit(database: Database, proxy: Proxy) -> None:
    with database.unit_of_work() as session:
        session.execute(text("CREATE TEMPORARY TABLE silent (a int)"))
        proxy.silence()


def a_rollback(database: Database, proxy: Proxy) -> None:
    with database.unit_of_work() as session:
        session.execute(text("SELECT 1"))
        proxy.silence()
        raise KeyError


def a_question(database: Database, proxy: Proxy) -> None:
    with database.reading() as session:
        proxy.silence()
        session.execute(text("SELECT 1"))


def a_ping(database: Database, proxy: Proxy) -> None:
    proxy.silence()
    database.ping()


@pytest.mark.parametrize("work", [a_statement, a_later_statement, a_commit, a_rollback, a_question, a_ping])
def test_every_wait_for_a_silent_line_ends_and_the_pool_is_renewed_at_once(
    far: Database, proxy: Proxy, work: Callable[[Database, Proxy], None]
) -> None:
    error = complaint(lambda: work(far, proxy))
    assert isinstance(error, OperationalError | KeyError), error
    with far.engine.connect() as one, far.engine.connect() as two, far.engine.connect() as three:
        for connection in (one, two, three):
            # Each of the silent ones would cost its user a deadline, and raise.
            assert connection.execute(text("SELECT 1")).scalar() == 1


def test_whoever_comes_after_a_long_rest_is_watched_too(far: Database, proxy: Proxy) -> None:
    time.sleep(2.5)  # longer than any deadline: nobody is left to be watched
    assert isinstance(complaint(lambda: a_statement(far, proxy)), OperationalError)


def test_a_unit_of_work_has_an_end_however_lively_it_is(far: Database) -> None:
    def endless() -> None:
        with far.unit_of_work() as session:
            while True:
                session.execute(text("SELECT pg_sleep(0.1)"))

    assert isinstance(complaint(endless), OperationalError)
    far.ping()


def test_a_slow_answer_is_ended_by_the_server_which_says_more(far: Database) -> None:
    def slow() -> None:
        with far.unit_of_work() as session:
            session.execute(text("SELECT pg_sleep(60)"))

    assert "statement timeout" in str(complaint(slow))
