"""Run by Alembic: connects to the service's database, takes a lock, and applies the steps in one transaction each.

Two processes that migrate at the same moment wait for each other at the advisory lock; the second then finds nothing
to do. A step that would wait long for a table gives up instead of blocking the service behind it.
"""

from alembic import context
from sqlalchemy import create_engine, pool, text

from store.locks import Lock
from store.settings import StoreSettings
from store.tables import metadata

LOCK_TIMEOUT_MILLISECONDS = 5_000


def migrate() -> None:
    engine = create_engine(StoreSettings().database_url.get_secret_value(), poolclass=pool.NullPool)
    with engine.connect() as connection:
        connection.execute(text(f"SET lock_timeout = {LOCK_TIMEOUT_MILLISECONDS}"))
        connection.execute(text(f"SELECT pg_advisory_lock({Lock.MIGRATION})"))
        connection.commit()
        context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()
    engine.dispose()


if context.is_offline_mode():
    raise SystemExit("offline migrations are not supported: set TUNER_DATABASE_URL and run without --sql")
migrate()
