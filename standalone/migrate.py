"""Bring the tables up to date, in a process of its own: `python -m standalone.migrate`.

The migrations are found as a package, so that this works from a wheel as well as from a checkout. They read
`TUNER_DATABASE_URL` like everything else.
"""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from standalone.errors import MigrationFailed, StartFailed
from standalone.home import Home
from standalone.program import Program, python_environment

_SECONDS = 300.0


def upgrade(home: Home, environment: Mapping[str, str]) -> None:
    """Apply every migration that is missing.

    Raises:
        MigrationFailed: with the end of the log; the tables are as they were, each migration being one transaction.
    """
    program = Program(
        name="migrations",
        argv=(sys.executable, "-m", "standalone.migrate"),
        folder=home.path,
        log=home.logs / "migrations.log",
        environment=python_environment(**environment),
    )
    try:
        program.run(_SECONDS)
    except StartFailed as error:
        raise MigrationFailed(f"The tables could not be brought up to date. {error}") from error


def main() -> None:
    """Run Alembic on the package `migrations`."""
    from alembic import command  # here: the parent needs only the name of this module
    from alembic.config import Config

    spec = find_spec("migrations")
    if spec is None or spec.origin is None:
        raise MigrationFailed("The package 'migrations' is not installed.")
    config = Config()
    config.set_main_option("script_location", str(Path(spec.origin).parent).replace("%", "%%"))
    command.upgrade(config, "head")


if __name__ == "__main__":
    main()
