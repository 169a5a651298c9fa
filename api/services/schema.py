"""Are the tables as far as this code needs them? Asked of the database, and compared with the migrations beside it."""

from functools import cached_property
from importlib import import_module

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from store.database import Database


class TablesBehind(Exception):
    """Migrations are missing: what requests would ask for is not there."""


class Schema:
    """The migrations that this process was delivered with, and those that the database has had."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def check(self) -> None:
        """Pass if every migration that is known here has been applied.

        One that is not known here was applied by a later release, beside which this one keeps working (see
        migrations/README.md): during an upgrade the processes that still run stay ready.

        Raises:
            TablesBehind: if a migration is missing; says which and what to do.
            sqlalchemy.exc.SQLAlchemyError: if the database does not answer.
        """
        with self._database.reading() as session:
            found = MigrationContext.configure(session.connection()).get_current_revision()
        if found is None:
            raise TablesBehind(f"no tables, expected migration {self._known[0]}: run the migrations")
        if found in self._known[1:]:
            raise TablesBehind(f"tables are at migration {found}, expected {self._known[0]}: run the migrations")

    @cached_property
    def _known(self) -> list[str]:
        """All migrations, the last one first."""
        (folder,) = import_module("migrations").__path__
        return [script.revision for script in ScriptDirectory(folder).walk_revisions()]
