"""Backups through the real pg_dump and storage, restored into an empty corner of the engines.

A whole service whose fits run while its backup is taken is under `tests/chaos`.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import select, text
from typer.testing import CliRunner

from standalone import migrate
from standalone.backup import back_up, read_backup, restore
from standalone.cli import app
from standalone.errors import BackupUnusable
from standalone.home import Home
from store.blobs import BlobStore, sha256_hex
from store.database import Database
from store.keys import representation_key
from store.models import Fit, Representation, Signal
from store.queue import FitQueue
from store.repositories.fits import Fits, StoredObject
from store.repositories.scrubs import Scrubs
from store.spec import FitSpec
from tests.engines import fresh_corner, settings_of
from tests.factories import upload_signal
from tests.integration.standalone.test_cli import running_here
from worker.resources import Resources
from worker.scrub import scrub
from worker.settings import WorkerSettings
from worker.sweep import sweep_if_settled

SETTINGS = WorkerSettings(scrub_refits=True, scrub_objects_per_second=1e6, scrub_bytes_per_second=1e9, orphan_seconds=0)


@pytest.fixture
def data(tmp_path: Path) -> Home:
    """A data folder for logs."""
    home = Home(tmp_path / "a home")
    home.logs.mkdir(parents=True)
    return home


@contextmanager
def opened(environment: Mapping[str, str]) -> Iterator[Resources]:
    """What upkeep would work on."""
    settings = settings_of(environment)
    with closing(Database(settings)) as database, closing(FitQueue(settings)) as queue:
        yield Resources(settings=SETTINGS, database=database, blobs=BlobStore(settings), queue=queue)


def add_result(resources: Resources, signal_id: str, content: bytes) -> str:
    with resources.database.unit_of_work() as session:
        fits = Fits(session)
        fit_id = fits.submit(tenant="local", signal_id=signal_id, spec=FitSpec())[0].id
        claimed = fits.claim_next("tests", lease_seconds=600)
        assert claimed is not None
        key = representation_key(fit_id, 1)
        resources.blobs.put(key, content)
        stored = StoredObject(key=key, sha256=sha256_hex(content), byte_count=len(content))
        fits.succeed(claimed.claim, stored=stored, psnr_db=30.0, facts={}, outcome="It converged.")
    return fit_id


def rows(resources: Resources) -> dict[str, list[str]]:
    """All rows as text; those of `clean_marks` belong to one database and `scrubs` to its upkeep."""
    with resources.database.unit_of_work() as session:
        names = session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
        return {
            name: sorted(session.scalars(text(f'SELECT t::text FROM "{name}" t')))
            for name in names
            if name not in {"clean_marks", "scrubs"}
        }


def objects(resources: Resources) -> dict[str, tuple[str, bytes]]:
    blobs = resources.blobs
    return {key: (blobs.media_type(key), blobs.read(key)) for key in blobs.keys(prefix="")}


def test_rows_and_objects_come_back_as_they_were(
    data: Home, engines: dict[str, str], store_environment: dict[str, str], database: Database, tmp_path: Path
) -> None:
    folder = tmp_path / "a backup"
    with opened(store_environment) as old:
        signal_id = upload_signal(old.database, old.blobs, b"picture")
        add_result(old, signal_id, b"file" * 1000)
        add_result(old, signal_id, b"file" * 1000)  # the same bytes twice
        running_here(data, store_environment)
        answer = CliRunner().invoke(app, ["backup", str(folder), "--home", str(data.path)])
        assert (answer.exit_code, answer.stdout.splitlines()[-1]) == (0, "objects: 3, 8007 bytes"), answer.output
        before = rows(old), objects(old)
        for path in [folder, *folder.rglob("*")]:
            assert path.stat().st_mode & 0o077 == 0, path
        with pytest.raises(BackupUnusable, match="is not empty"):
            back_up(data, store_environment, folder)
    with fresh_corner(engines) as corner:
        restore(data, corner, folder)
        migrate.upgrade(data, corner)
        with opened(corner) as new:
            assert (rows(new), objects(new)) == before
            assert scrub(new, Event())
            assert damaged(new) == (set(), set())
        with pytest.raises(BackupUnusable, match="has tables already"):
            restore(data, corner, folder)


def damaged(resources: Resources) -> tuple[set[str], set[str]]:
    """Ids of signals, and of fits whose result is marked."""
    with resources.database.unit_of_work() as session:
        return (
            set(session.scalars(select(Signal.id).where(Signal.damage.is_not(None)))),
            set(session.scalars(select(Representation.fit_id).where(Representation.damage.is_not(None)))),
        )


@pytest.fixture
def two_times(
    data: Home, store_environment: dict[str, str], database: Database, tmp_path: Path
) -> tuple[Path, Path, str, str]:
    """Backups of two times, and the signal and the fit that only the later one has."""
    with opened(store_environment) as old:
        for key in list(old.blobs.keys()):
            old.blobs.delete(key)  # other tests'
        signal_id = upload_signal(old.database, old.blobs, b"early")
        add_result(old, signal_id, b"early result")
        back_up(data, store_environment, tmp_path / "early")
        late_signal = upload_signal(old.database, old.blobs, b"late")
        late_fit = add_result(old, signal_id, b"late result")
        back_up(data, store_environment, tmp_path / "late")
    return tmp_path / "early", tmp_path / "late", late_signal, late_fit


def mixed(rows_of: Path, objects_of: Path, place: Path) -> Path:
    """A backup whose rows and objects are of different times."""
    shutil.copytree(objects_of, place)
    shutil.copy(rows_of / "database.dump", place)
    return place


def test_rows_beside_older_objects_end_in_a_report_and_in_repairs(
    data: Home, engines: dict[str, str], two_times: tuple[Path, Path, str, str], tmp_path: Path
) -> None:
    early, late, late_signal, late_fit = two_times
    with fresh_corner(engines) as corner:
        restore(data, corner, mixed(late, early, tmp_path / "mixed"))
        with opened(corner) as new:
            assert scrub(new, Event())
            assert damaged(new) == ({late_signal}, {late_fit})
            with new.database.unit_of_work() as session:
                queued = session.scalars(select(Fit).where(Fit.status == "queued")).all()
                assert [fit.signal.sha256 for fit in queued] == [sha256_hex(b"early")]
            assert upload_signal(new.database, new.blobs, b"late") == late_signal  # as it is uploaded again
            with new.database.unit_of_work() as session:
                Scrubs(session).begin(is_urgent=True)
            assert scrub(new, Event())
            assert damaged(new) == (set(), {late_fit})


def test_rows_beside_newer_objects_do_not_cost_the_objects_at_once(
    data: Home, engines: dict[str, str], two_times: tuple[Path, Path, str, str], tmp_path: Path
) -> None:
    """Somebody who restored the wrong backup has a day to see it."""
    early, late, _, late_fit = two_times
    with fresh_corner(engines) as corner:
        restore(data, corner, mixed(early, late, tmp_path / "mixed"))
        with opened(corner) as new:
            there = set(new.blobs.keys())
            assert sweep_if_settled(new) == 0  # before the comparison has begun
            assert scrub(new, Event())
            assert sweep_if_settled(new) == 0  # and after it
            assert set(new.blobs.keys()) == there
            with new.database.unit_of_work() as session:
                session.execute(text("UPDATE scrubs SET began_at = began_at - interval '1 day'"))
            assert sweep_if_settled(new) == 2
            assert representation_key(late_fit, 1) not in set(new.blobs.keys())


def test_half_a_backup_is_refused_and_leaves_nothing(
    data: Home, engines: dict[str, str], two_times: tuple[Path, Path, str, str]
) -> None:
    early, late, _, _ = two_times
    (early / "backup.json").unlink()
    with pytest.raises(BackupUnusable, match="no complete backup"):
        restore(data, engines, early)
    stored = next(path for path in sorted((late / "objects").rglob("*")) if path.is_file())
    content = stored.read_bytes()
    stored.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with fresh_corner(engines) as corner:
        with pytest.raises(BackupUnusable, match="has changed since the backup"):
            restore(data, corner, late)
        stored.write_bytes(content)
        restore(data, corner, late)  # what was interrupted is simply done again


@pytest.mark.parametrize("kind", ["a folder with something in it", "a file"])
def test_where_no_backup_can_go_is_said_before_any_engine_starts(tmp_path: Path, kind: str) -> None:
    target, home = tmp_path / "backup", tmp_path / "home"
    (home / "postgres").mkdir(parents=True)
    if kind == "a file":
        target.write_text("mine")
    else:
        (target / "mine").mkdir(parents=True)
    answer = CliRunner().invoke(app, ["backup", str(target), "--home", str(home)])
    assert answer.exit_code == 1
    assert "a backup goes into a new folder" in " ".join(answer.output.split())
    assert not list((home / "postgres").iterdir())


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        ("nothing", "there is no folder"),
        ("a file", "is a file: expected a folder that `tunerd backup` wrote"),
        ("a folder", "holds no complete backup"),
        ("no rows", "lacks database.dump of the backup in it"),
    ],
)
def test_what_is_no_backup_is_refused_before_any_engine_starts(tmp_path: Path, kind: str, complaint: str) -> None:
    source, home = tmp_path / "backup", tmp_path / "home"
    if kind == "a file":
        source.write_text("mine")
    elif kind != "nothing":
        source.mkdir()
    if kind == "no rows":
        said = {"layout": 1, "began_at": "now", "objects": 0, "byte_count": 0, "gone": 0, "unreadable": []}
        (source / "backup.json").write_text(json.dumps(said))
        (source / "objects.jsonl").touch()
    answer = CliRunner().invoke(app, ["restore", str(source), "--home", str(home)])
    assert answer.exit_code == 1
    assert complaint in " ".join(answer.output.split())
    assert "Error" not in answer.output
    assert not home.exists()


def test_a_folder_in_which_nothing_ever_ran_has_no_backup(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["backup", str(tmp_path / "backup"), "--home", str(tmp_path / "misspelt")])
    assert (answer.exit_code, list(tmp_path.iterdir())) == (1, [])


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("no json", "cannot be read"),
        (json.dumps({"key": "a"}), "cannot be read"),
        (json.dumps({"key": "a", "sha256": "../../etc", "byte_count": 1, "media_type": "x"}), "SHA-256 belongs"),
    ],
)
def test_a_list_of_objects_that_lies_is_refused(
    data: Home, engines: dict[str, str], tmp_path: Path, line: str, complaint: str
) -> None:
    said = {"layout": 1, "began_at": "now", "objects": 1, "byte_count": 1, "gone": 0, "unreadable": []}
    (tmp_path / "backup.json").write_text(json.dumps(said))
    (tmp_path / "objects.jsonl").write_text(line)
    (tmp_path / "database.dump").touch()
    with fresh_corner(engines) as corner, pytest.raises(BackupUnusable, match=complaint):
        restore(data, corner, tmp_path)


@pytest.mark.parametrize("said", ["[]", "{", '{"layout": 1}', '{"layout": 2}'])
def test_a_backup_that_cannot_be_read_is_refused(tmp_path: Path, said: str) -> None:
    (tmp_path / "backup.json").write_text(said)
    with pytest.raises(BackupUnusable, match=r"cannot be read|newer version"):
        read_backup(tmp_path)
