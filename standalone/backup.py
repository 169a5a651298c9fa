"""A copy of everything that one installation holds, taken while it runs, and a new data folder made from it.

    backup.json         what this is, written last: without it the copy is not complete
    database.dump       all rows, as `pg_dump --format=custom` writes them
    objects.jsonl       a line per object: its key, the hash, number and kind of its bytes
    objects/ab/abcd…    the bytes of each object, under the SHA-256 that they have

Rows come first, in one snapshot, and objects second, since an object is stored before the row that names it. So each
row of the snapshot finds its object, unless that was deleted between the two: then the row was on its way out, too.
Objects that came later have no row, and the sweep of the restored service takes them.

A restore goes the other way round: all objects, each compared with its hash, and then all rows in one transaction. What
is interrupted can be done again, because a folder without rows counts as new.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

import psycopg

from standalone.errors import BackupUnusable, StandaloneError, StartFailed
from standalone.home import Home
from standalone.postgres import programs_of_wheel
from standalone.program import Program, bare_environment
from standalone.records import Say, quiet
from store.blobs import BlobStore
from store.errors import BlobDamaged, BlobMissing, StoreError
from store.keys import PROBES
from store.settings import StoreSettings

LAYOUT = 1
_COMPLETE, _ROWS, _LIST, _OBJECTS = "backup.json", "database.dump", "objects.jsonl", "objects"
_HOURS = 12 * 3600.0  # longest time of one run of pg_dump or pg_restore, in seconds
_NO_ROWS = "SELECT to_regclass('public.fits') IS NULL"


@dataclass(frozen=True, kw_only=True)
class Backup:
    """What `backup.json` says.

    Attributes:
        layout: version of the folder's form.
        began_at: time of the snapshot of the rows, as ISO 8601.
        objects: number of objects that were copied.
        byte_count: number of their bytes.
        gone: number of objects that were deleted while the others were copied.
        unreadable: keys of objects that storage could not read.
    """

    layout: int
    began_at: str
    objects: int
    byte_count: int
    gone: int
    unreadable: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Object:
    key: str
    sha256: str
    byte_count: int
    media_type: str


def back_up(home: Home, environment: Mapping[str, str], folder: Path, say: Say = quiet) -> Backup:
    """Copy all rows and objects into a folder that is new or empty.

    Args:
        home: data folder of the service, which may run meanwhile.
        environment: how to reach its engines.
        folder: new or empty folder for the copy; only its owner can read it, since it holds what the service holds.
        say: told each line of progress.

    Raises:
        BackupUnusable: the folder holds something already.
        StandaloneError: pg_dump failed, or storage did not answer.
    """
    make_folder(folder)
    began_at = datetime.now(UTC).isoformat(timespec="seconds")
    options = ("--format=custom", "--no-owner", "--no-privileges", "--no-unlogged-table-data")
    _run(home, environment, "pg_dump", *options, f"--file={folder.absolute() / _ROWS}")
    say(f"rows: {(folder / _ROWS).stat().st_size} bytes")
    with _translated():
        backup = _copy_objects(_blobs(environment), folder, began_at)
    _sync(folder)
    _write(folder / _COMPLETE, json.dumps(asdict(backup), indent=2) + "\n")
    say(f"objects: {backup.objects}, {backup.byte_count} bytes")
    for key in backup.unreadable:
        say(f"damaged in storage, and not in the backup: {key}")
    return backup


def make_folder(folder: Path) -> None:
    """Make the folder of a backup, or take one that is empty; only its owner can read it from now on.

    Raises:
        BackupUnusable: the folder holds something already, or is none.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise BackupUnusable(f"{folder} is a file: a backup goes into a new folder.") from None
    if any(folder.iterdir()):
        raise BackupUnusable(
            f"{folder} is not empty: a backup goes into a new folder, so that none is half of another."
        )
    folder.chmod(0o700)


def restore(home: Home, environment: Mapping[str, str], folder: Path, say: Say = quiet) -> Backup:
    """Put the rows and objects of a backup into engines that hold none.

    Args:
        home: data folder of the engines.
        environment: how to reach them.
        folder: what `back_up` wrote.
        say: told each line of progress.

    Raises:
        BackupUnusable: the backup is incomplete or damaged, or there are rows already.
        StandaloneError: pg_restore failed, or storage did not answer.
    """
    backup = read_backup(folder)
    _require_no_rows(home, environment)
    with _translated():
        blobs = _blobs(environment)
        for stored in _listed(folder):
            blobs.put(stored.key, _checked(folder, stored), media_type=stored.media_type)
    say(f"objects: {backup.objects}, {backup.byte_count} bytes")
    options = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
    _run(home, environment, "pg_restore", *options, f"--dbname={_name(environment)}", str(folder.absolute() / _ROWS))
    say(f"rows: as they were at {backup.began_at}")
    return backup


def read_backup(folder: Path) -> Backup:
    """What a folder says of the backup in it.

    Raises:
        BackupUnusable: there is none, or it is not complete, or of another version.
    """
    if not folder.is_dir():
        found = f"{folder} is a file" if folder.exists() else f"there is no folder {folder}"
        raise BackupUnusable(f"{found}: expected a folder that `tunerd backup` wrote.")
    try:
        said = json.loads((folder / _COMPLETE).read_text())
        layout = said["layout"]
        backup = Backup(**said | {"unreadable": tuple(said["unreadable"])}) if layout == LAYOUT else None
    except FileNotFoundError:
        raise BackupUnusable(
            f"{folder} holds no complete backup: {_COMPLETE}, which `tunerd backup` writes last, is missing."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupUnusable(f"{folder / _COMPLETE} cannot be read: {error!r}. Take another backup.") from error
    if backup is None:
        raise BackupUnusable(
            f"{folder} has layout {layout}, this version reads {LAYOUT}: restore it with a newer version."
        )
    if lost := [name for name in (_ROWS, _LIST) if not (folder / name).is_file()]:
        raise BackupUnusable(f"{folder} lacks {' and '.join(lost)} of the backup in it.")
    return backup


def _copy_objects(blobs: BlobStore, folder: Path, began_at: str) -> Backup:
    count = byte_count = gone = 0
    unreadable: list[str] = []
    (folder / _OBJECTS).mkdir(mode=0o700)
    with _private(folder / _LIST) as lines:
        for key in blobs.keys(prefix=""):
            if key.startswith(PROBES):
                continue
            try:
                stored = _copy(blobs, key, folder)
            except BlobMissing:
                gone += 1
            except BlobDamaged:
                unreadable.append(key)
            else:
                lines.write(json.dumps(asdict(stored)).encode() + b"\n")
                count, byte_count = count + 1, byte_count + stored.byte_count
    return Backup(
        layout=LAYOUT,
        began_at=began_at,
        objects=count,
        byte_count=byte_count,
        gone=gone,
        unreadable=tuple(unreadable),
    )


def _copy(blobs: BlobStore, key: str, folder: Path) -> _Object:
    """One object into the file of its hash; the same bytes twice are one file."""
    media_type = blobs.media_type(key)
    unfinished, digest, size = folder / _OBJECTS / "unfinished", hashlib.sha256(), 0
    with _private(unfinished) as file:
        for part in blobs.slice(key).content:
            file.write(part)
            digest.update(part)
            size += len(part)
    stored = _Object(key=key, sha256=digest.hexdigest(), byte_count=size, media_type=media_type)
    place = _place(folder, stored.sha256)
    place.parent.mkdir(mode=0o700, exist_ok=True)
    unfinished.replace(place)
    return stored


def _listed(folder: Path) -> Iterator[_Object]:
    try:
        lines = (folder / _LIST).read_text().splitlines()
        found = [_Object(**json.loads(line)) for line in lines]
    except (OSError, ValueError, TypeError) as error:
        raise BackupUnusable(f"{folder / _LIST} cannot be read: {error!r}. Take another backup.") from error
    for stored in found:
        if not re.fullmatch("[0-9a-f]{64}", stored.sha256):
            raise BackupUnusable(f"{folder / _LIST} has {stored.sha256!r} where a SHA-256 belongs.")
    yield from found


def _checked(folder: Path, stored: _Object) -> Path:
    """The file of an object, if its bytes are still what was copied."""
    place = _place(folder, stored.sha256)
    try:
        with place.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BackupUnusable(f"the backup lacks {stored.key}: {error}") from error
    if found != stored.sha256:
        raise BackupUnusable(f"{place}, which is {stored.key}, has changed since the backup: its SHA-256 is {found}.")
    return place


def _place(folder: Path, sha256: str) -> Path:
    return folder / _OBJECTS / sha256[:2] / sha256


def _require_no_rows(home: Home, environment: Mapping[str, str]) -> None:
    with psycopg.connect(environment["TUNER_DATABASE_URL"].replace("+psycopg", "")) as connection:
        row = connection.execute(_NO_ROWS).fetchone()
    if row is None or not row[0]:
        raise BackupUnusable(f"{home.path} has tables already: a backup is restored into a new data folder (--home).")


def _blobs(environment: Mapping[str, str]) -> BlobStore:
    values = {name.removeprefix("TUNER_").lower(): value for name, value in environment.items()}
    return BlobStore(StoreSettings.model_validate(values))


@contextmanager
def _translated() -> Iterator[None]:
    """Turn errors of storage into ours, which `tunerd` prints as a sentence."""
    try:
        yield
    except StoreError as error:
        raise StandaloneError(str(error)) from error


def _run(home: Home, environment: Mapping[str, str], name: str, *options: str) -> None:
    """Run a program of PostgreSQL on the database; the password goes where no list of processes shows it."""
    parts = urlsplit(environment["TUNER_DATABASE_URL"])
    surroundings = {
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": _name(environment),
        "PGSSLMODE": "disable",
    }
    program = Program(
        name=name,
        argv=(str(programs_of_wheel() / name), "--no-password", *options),
        folder=home.path,
        log=home.logs / f"{name}.log",
        environment=bare_environment(**surroundings),
    )
    try:
        program.run(_HOURS)
    except StartFailed as error:
        raise StandaloneError(str(error)) from error


def _name(environment: Mapping[str, str]) -> str:
    return unquote(urlsplit(environment["TUNER_DATABASE_URL"]).path.removeprefix("/"))


def _private(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _write(path: Path, text: str) -> None:
    with _private(path) as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Everything on the disk before the last file says that it is there."""
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
