"""A process is ready when the tables are as far as its code, and stays so while a later release takes over."""

import anyio
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from api.services.readiness import Readiness
from api.services.schema import Schema
from store.blobs import BlobStore
from store.database import Database
from store.queue import FitQueue
from store.settings import StoreSettings


@pytest.fixture(scope="module")
def queue(store_settings: StoreSettings) -> FitQueue:
    """The module's broker database."""
    return FitQueue(store_settings)


def test_ready_with_all_migrations_and_not_before(
    store_settings: StoreSettings, alembic_config: Config, blobs: BlobStore, queue: FitQueue
) -> None:
    database = Database(store_settings)
    readiness = Readiness(database, Schema(database), blobs, queue, timeout_seconds=60)

    def ask() -> tuple[bool, str]:
        ready, checks = anyio.run(readiness.ask)
        return ready, checks["tables"]

    ready, said = ask()
    assert (ready, said.partition(",")[0]) == (False, "no tables")
    command.upgrade(alembic_config, "head")
    assert ask() == (True, "ok")
    command.downgrade(alembic_config, "-1")
    ready, said = ask()
    assert not ready
    assert said.endswith("run the migrations")
    with database.unit_of_work() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'of a later release'"))
    assert ask() == (True, "ok")
    database.close()
