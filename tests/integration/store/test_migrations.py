"""The migrations lead to the schema of the models, and back."""

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from store.database import Database


def test_there_is_one_head(alembic_config: Config) -> None:
    assert len(ScriptDirectory.from_config(alembic_config).get_heads()) == 1


def test_models_and_migrations_agree(database: Database, alembic_config: Config) -> None:
    command.check(alembic_config)


def test_down_and_up_again(database: Database, alembic_config: Config) -> None:
    command.downgrade(alembic_config, "base")
    assert inspect(database.engine).get_table_names() == ["alembic_version"]
    command.upgrade(alembic_config, "head")
    command.check(alembic_config)
