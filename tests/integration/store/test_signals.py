"""Signals on a real PostgreSQL."""

import pytest

from store.database import Database
from store.errors import SignalNotFound
from store.repositories.signals import Signals
from tests.factories import add_signal


def test_the_same_bytes_are_the_same_signal(database: Database) -> None:
    assert add_signal(database, sha256="a" * 64) == add_signal(database, sha256="a" * 64)
    assert add_signal(database, "other", sha256="a" * 64) != add_signal(database, sha256="a" * 64)


def test_another_tenants_signal_is_as_absent_as_none(database: Database) -> None:
    signal_id = add_signal(database, "theirs")
    with pytest.raises(SignalNotFound), database.unit_of_work() as session:
        Signals(session).get("mine", signal_id)


def test_pages_run_from_new_to_old(database: Database) -> None:
    ids = [add_signal(database) for _ in range(5)]
    seen: list[str] = []
    with database.unit_of_work() as session:
        while page := Signals(session).page("local", limit=2, before=seen[-1] if seen else None):
            seen += [signal.id for signal in page]
    assert seen == ids[::-1]
