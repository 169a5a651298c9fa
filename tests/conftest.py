"""Fixtures for everybody: the real engines, started once per session and only when a test asks for them."""

import os
import signal
from collections.abc import Iterator
from inspect import signature
from pathlib import Path

import httpx
import pytest
from alembic import command
from alembic.config import Config
from hypothesis import settings
from sqlalchemy import text

from standalone import processes
from store.blobs import BlobStore
from store.database import Database
from store.settings import StoreSettings
from store.tables import metadata
from tests.annotations import check_annotations_of
from tests.engines import fresh_corner, settings_of, throwaway_engines

ROOT = Path(__file__).parents[1]

# As workers do, before anything imports torch: threads that wait must not spin while the engines want the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# A run in the background starts with these ignored, and so would everything that tests start and then interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Each process of pytest-xdist prefers a port of its own: two stacks that start at one moment would both find one free,
# and who came second would take the first one's api for its own.
processes.API_PORT += int(os.environ.get("PYTEST_XDIST_WORKER", "gw-1").removeprefix("gw")) + 1

# Whoever says nothing else waits this long for an answer, and not for httpx's five seconds: machines have other work.
_patience: httpx.Timeout = signature(httpx.Client).parameters["timeout"].default
_patience.connect = _patience.read = _patience.write = _patience.pool = 60.0

# Every run looks at new examples, except where a red light has to mean that the change at hand broke something.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

# Nothing above may import the library.
check_annotations_of("tuner")


def pytest_configure(config: pytest.Config) -> None:
    """Share the cores among test processes, which inherit this.

    Threads of NumPy's that find no core of their own spin until they do: on two cores with two processes, to round one
    small network took five times the processor time. Torch keeps its threads, which wait, and with them what they test.
    """
    if processes := config.getoption("numprocesses", None):
        os.environ.setdefault("OPENBLAS_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))


@pytest.fixture(scope="session")
def engines() -> Iterator[dict[str, str]]:
    """PostgreSQL, Valkey and SeaweedFS, as the `TUNER_` variables that lead to them; shared, so change nothing."""
    with throwaway_engines() as environment:
        yield environment


@pytest.fixture(scope="module")
def store_environment(engines: dict[str, str]) -> Iterator[dict[str, str]]:
    """An empty database, bucket and broker database of this test module's own, as `TUNER_` variables."""
    with fresh_corner(engines) as environment:
        yield environment


@pytest.fixture(scope="module")
def store_settings(store_environment: dict[str, str]) -> StoreSettings:
    """The module's corner of the engines, as the service's processes would read it."""
    return settings_of(store_environment)


@pytest.fixture(scope="module")
def alembic_config(store_environment: dict[str, str]) -> Iterator[Config]:
    """The migrations, aimed at the module's database."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in store_environment.items():
            patch.setenv(name, value)
        yield Config(ROOT / "alembic.ini")


@pytest.fixture(scope="module")
def _migrated_database(store_settings: StoreSettings, alembic_config: Config) -> Iterator[Database]:
    command.upgrade(alembic_config, "head")
    database = Database(store_settings)
    yield database
    database.close()


@pytest.fixture
def database(_migrated_database: Database) -> Database:
    """The module's database with all tables there and nothing in them."""
    with _migrated_database.unit_of_work() as session:
        session.execute(text(f"TRUNCATE {', '.join(metadata.tables)}"))
    return _migrated_database


@pytest.fixture(scope="module")
def blobs(store_settings: StoreSettings) -> BlobStore:
    """The module's bucket."""
    return BlobStore(store_settings)
