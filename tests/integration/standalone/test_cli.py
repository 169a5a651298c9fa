"""What `tunerd` says and prints; `tunerd up` itself is met in the tests of the parts that it joins."""

import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from unittest.mock import patch

import psutil
import psycopg
import pytest
from typer.main import get_group
from typer.testing import CliRunner

from standalone.cli import app
from standalone.home import Home, StackRecord
from standalone.records import ProcessRecord


def running_here(home: Home, environment: Mapping[str, str]) -> None:
    """Write down that this process runs the stack."""
    me = ProcessRecord(name="tunerd", pid=os.getpid(), created=psutil.Process().create_time())
    gone = ProcessRecord(name="worker", pid=me.pid, created=me.created - 1000)
    url = "http://127.0.0.1:8000"
    home.record(StackRecord(parent=me, guard=None, children=(gone,), environment=environment, api_url=url))


def test_an_error_is_one_clear_message(tmp_path: Path) -> None:
    for command in ("status", "env"):
        answer = CliRunner().invoke(app, [command, "--home", str(tmp_path / "data")])
        assert answer.exit_code == 1
        assert answer.stderr == f"Nothing runs on {tmp_path / 'data'}. Start it with `tunerd up`.\n"


@pytest.mark.parametrize(
    ("name", "value", "refusal"),
    [
        ("TUNER_HOST", "0.0.0.0", "refusing to listen on 0.0.0.0 without API keys"),
        ("TUNER_MAX_PIXELS", "many", "the api cannot start with this environment:\n  TUNER_MAX_PIXELS: "),
        ("TUNER_DISK_FLOOR_BYTES", "some", "the api cannot start with this environment:\n  TUNER_DISK_FLOOR_BYTES: "),
        ("TUNER_WORKER_DEVICE", "gpu", "the worker cannot start with this environment:\n  TUNER_WORKER_DEVICE: "),
    ],
)
def test_what_a_process_refuses_is_refused_before_anything_is_started(
    name: str, value: str, refusal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    answer = CliRunner().invoke(app, ["up", "--home", str(tmp_path / "data")])
    assert answer.exit_code == 1
    assert answer.stdout == ""
    assert answer.stderr.startswith(refusal)
    assert not (tmp_path / "data").exists()


def test_refusals_of_all_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNER_PORT", "http")
    monkeypatch.setenv("TUNER_WORKER_THREADS", "0")
    said = CliRunner().invoke(app, ["up", "--home", str(tmp_path / "data")]).stderr
    assert "\n  TUNER_PORT: " in said
    assert "\n  TUNER_WORKER_THREADS: " in said


def test_a_process_that_ends_without_a_word_is_an_error_with_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As what runs out of memory does."""
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\nkill -9 $$\n")
    silent.chmod(0o755)
    monkeypatch.setattr("standalone.processes.sys.executable", str(silent))
    answer = CliRunner().invoke(app, ["up", "--home", str(tmp_path / "data")])
    silence = "api.startable ended with status -9 and no word.\nworker.startable ended with status -9 and no word.\n"
    assert (answer.exit_code, answer.stderr) == (1, silence)


def test_a_port_that_is_taken_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = CliRunner().invoke(app, ["up", "--home", str(tmp_path / "data"), "--port", str(port)])
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert answer.stderr == f"Port {port} on 127.0.0.1 is taken. Choose another with --port, or leave it out.\n"
    assert not (tmp_path / "data").exists()


def test_what_is_interrupted_does_not_end_as_if_it_were_done(tmp_path: Path) -> None:
    """`tunerd restore … && rm …` would go on; of `up` it is the way to end (`test_leftovers`)."""
    with patch("standalone.backup.read_backup", side_effect=KeyboardInterrupt):
        answer = CliRunner().invoke(app, ["restore", str(tmp_path), "--home", str(tmp_path / "data")])
    assert (answer.exit_code, answer.stderr) == (130, "tunerd: stopped\n")
    with patch("standalone.cli.stack", side_effect=KeyboardInterrupt):
        assert CliRunner().invoke(app, ["up", "--home", str(tmp_path / "data")]).exit_code == 0


@pytest.mark.parametrize("command", sorted(get_group(app).commands))
def test_an_option_is_given_once(command: str, tmp_path: Path) -> None:
    """Of two folders the last would count, and nothing would be said of the other."""
    folder = [str(tmp_path / "backup")] if command in {"backup", "restore"} else []
    given = CliRunner().invoke(app, [command, *folder, "--home", str(tmp_path / "a"), "--home", str(tmp_path / "b")])
    assert given.exit_code == 2
    assert "given 2 times, expected once" in given.stderr
    assert not list(tmp_path.iterdir())


def test_what_keys_hands_on_is_not_counted_here(tmp_path: Path) -> None:
    given = CliRunner().invoke(app, ["keys", "--home", str(tmp_path), "create", "--scope", "a", "--scope", "b"])
    assert (given.exit_code, "Nothing runs on" in given.stderr) == (1, True)


def test_the_environment_can_be_read_by_a_shell(tmp_path: Path) -> None:
    running_here(Home(tmp_path), {"TUNER_ODD": "a 'quoted' $HOME\n& more"})
    lines = CliRunner().invoke(app, ["env", "--home", str(tmp_path)]).stdout
    answer = subprocess.run(
        ["sh", "-c", f'{lines}\nprintf %s "$TUNER_ODD"'], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "a 'quoted' $HOME\n& more"


def test_status_tells_who_still_runs(tmp_path: Path) -> None:
    running_here(Home(tmp_path), {"TUNER_S3_BUCKET": "tuner"})
    answer = CliRunner().invoke(app, ["status", "--home", str(tmp_path)])
    assert answer.stdout == f"Tuner is at http://127.0.0.1:8000, process {os.getpid()}\nworker: not running\n"


def test_migrate_uses_the_engines_that_run(tmp_path: Path, store_environment: dict[str, str]) -> None:
    home = Home(tmp_path)
    home.logs.mkdir()
    running_here(home, store_environment)
    for _ in range(2):
        answer = CliRunner().invoke(app, ["migrate", "--home", str(tmp_path)])
        assert answer.stdout == "tables: up to date\n"
    with psycopg.connect(store_environment["TUNER_DATABASE_URL"].replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT count(*) FROM fits").fetchone() == (0,)


def test_keys_are_made_in_the_database_that_runs(
    tmp_path: Path, store_environment: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path)
    home.logs.mkdir()
    running_here(home, store_environment)
    CliRunner().invoke(app, ["migrate", "--home", str(tmp_path)])
    made = CliRunner().invoke(app, ["keys", "--home", str(tmp_path), "create", "--tenant", "alice"])
    assert made.exit_code == 0
    prefix = capfd.readouterr().out.strip().rpartition("_")[0]
    assert CliRunner().invoke(app, ["keys", "--home", str(tmp_path), "list"]).exit_code == 0
    assert capfd.readouterr().out == f"{prefix}  alice  all  never used  never expires\n"
    assert CliRunner().invoke(app, ["keys", "--home", str(tmp_path), "revoke", "tnr_none"]).exit_code == 1


def test_a_migration_that_fails_shows_its_log(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.logs.mkdir()
    running_here(home, {"TUNER_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:1/none"})
    answer = CliRunner().invoke(app, ["migrate", "--home", str(tmp_path)])
    assert answer.exit_code == 1
    assert answer.stderr.startswith("The tables could not be brought up to date. migrations ended with status 1.\n")
    assert "migrations.log" in answer.stderr
