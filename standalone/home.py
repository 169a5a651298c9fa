"""The data folder (`TUNER_HOME`): where everything of one installation lives, and who may use it.

    installation.json   the passwords and keys of the engines, made once
    ports.json          the ports used last, so that a restart prefers the same
    running.json        what runs now: processes, URL, environment; absent after a clean stop
    lock                held by the running `tunerd`; the kernel frees it however that process ends. Closed to others:
                        who can open a file can lock it
    logs/               one file per process, and what was said once, at the first start
    postgres/ valkey/ seaweedfs/   the data

The lock says whether somebody runs here, running.json says who: a file can go stale, a lock cannot.
"""

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

import platformdirs

from standalone.errors import AlreadyRunning, HomeUnusable, NotRunning
from standalone.records import ProcessRecord

_LAYOUT = 1
_ROOT_HOME = Path("/var/lib/tuner")  # /root is closed to the account that PostgreSQL runs under


def default_home() -> Path:
    """`TUNER_HOME`, or the user's data folder; as root a system folder that other accounts can enter."""
    if chosen := os.environ.get("TUNER_HOME"):
        return Path(chosen)
    return _ROOT_HOME if os.geteuid() == 0 else platformdirs.user_data_path("tuner")


@dataclass(frozen=True, kw_only=True)
class Installation:
    """The secrets of one data folder. Made once: the engines' data are locked with them."""

    layout: int = _LAYOUT
    postgres_password: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    valkey_password: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    s3_access_key: str = field(default_factory=lambda: secrets.token_hex(10).upper())
    s3_secret_key: str = field(default_factory=lambda: secrets.token_hex(20))
    seaweedfs_signing_key: str = field(default_factory=lambda: secrets.token_hex(20))


@dataclass(frozen=True, kw_only=True)
class StackRecord:
    """What running.json says: the processes of the stack, and how to reach it; `api_url` is empty without an api."""

    parent: ProcessRecord
    guard: ProcessRecord | None
    children: tuple[ProcessRecord, ...]
    environment: Mapping[str, str]
    api_url: str

    def to_json(self) -> dict[str, object]:
        """As plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> "StackRecord":
        """The inverse of `to_json`."""
        record = ProcessRecord.from_json
        guard, children, environment, api_url = (values[key] for key in ("guard", "children", "environment", "api_url"))
        if not isinstance(children, list) or not isinstance(environment, dict):
            raise TypeError(f"children and environment are {type(children)} and {type(environment)}")
        return cls(
            parent=record(values["parent"]),
            guard=None if guard is None else record(guard),
            children=tuple(record(child) for child in children),
            environment=environment,
            api_url=str(api_url),
        )


class Home:
    """One data folder; nothing is created before it is locked."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).expanduser().absolute()
        self.logs = self.path / "logs"
        self._lock = self.path / "lock"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the data folder for this process, and create it where needed.

        Raises:
            AlreadyRunning: another process holds it; the message names it.
            HomeUnusable: not a folder, or not ours to write in.
        """
        with self._claim():
            yield

    def _claim(self) -> TextIO:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if (owner := self.path.stat().st_uid) != os.geteuid():
                raise HomeUnusable(
                    f"The data folder {self.path} cannot be used: it belongs to user {owner}, who could replace "
                    f"everything in it. Choose a folder of your own with --home or TUNER_HOME, or take it with chown."
                )
            if not self._lock.exists() and any(self.path.iterdir()):
                raise HomeUnusable(f"{self.path} holds other files; a data folder must be new or empty at first.")
            with contextlib.ExitStack() as on_error:
                file = on_error.enter_context(self._open_lock())
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Everything inside is private; as root, another account must be able to pass to its own folder.
                self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
                self.logs.mkdir(mode=0o700, exist_ok=True)
                on_error.pop_all()
                return file
        except BlockingIOError:
            raise AlreadyRunning(self._who_runs()) from None
        except OSError as error:
            raise HomeUnusable(
                f"The data folder {self.path} cannot be used: {error.strerror} ({error.filename}). It must be a folder "
                f"that this user owns and can write in; choose another one with --home or TUNER_HOME."
            ) from error

    def _open_lock(self) -> TextIO:
        descriptor = os.open(self._lock, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        os.fchmod(descriptor, 0o600)  # earlier versions left it readable
        return os.fdopen(descriptor, "w")

    def hears_first(self, notice: str) -> bool:
        """Whether nobody was told this of this folder yet; from now on it stands in `logs/notices.log`."""
        log = self.logs / "notices.log"
        if log.exists() and notice in log.read_text().splitlines():
            return False
        with log.open("a") as file:
            file.write(f"{notice}\n")
        return True

    def installation(self) -> Installation:
        """The secrets of this folder, made at the first call.

        Raises:
            HomeUnusable: the file is damaged, lost, or of another version.
        """
        path = self.path / "installation.json"
        if not path.exists():
            if (self.path / "postgres").exists():
                raise HomeUnusable(f"{path} is missing; restore it, the data beside it are locked with its secrets.")
            write_privately(path, json.dumps(asdict(Installation()), indent=2))
        try:
            installation = Installation(**json.loads(path.read_text()))
        except (TypeError, ValueError) as error:
            raise HomeUnusable(f"{path} cannot be read ({error}); restore it, the data are locked with it.") from error
        if installation.layout != _LAYOUT:
            raise HomeUnusable(
                f"The data folder {self.path} has layout {installation.layout}, this version writes {_LAYOUT}. "
                f"Run it with the version that made it, or choose another folder with --home."
            )
        return installation

    def record(self, running: StackRecord | None) -> None:
        """Write down what runs now; None after a clean stop."""
        path = self.path / "running.json"
        if running is None:
            path.unlink(missing_ok=True)
        else:
            write_privately(path, json.dumps(running.to_json(), indent=2))

    def recorded(self) -> StackRecord | None:
        """What the last process to run here wrote down; whether it still runs is another question."""
        try:
            return StackRecord.from_json(json.loads((self.path / "running.json").read_text()))
        except (OSError, ValueError, KeyError, TypeError):
            return None  # it is written atomically: unreadable means foreign, and the engines' own traces remain

    def running(self) -> StackRecord:
        """The stack that runs on this folder now.

        Raises:
            NotRunning: nothing runs here, or it is still starting.
        """
        recorded = self.recorded()
        if recorded is None or not recorded.parent.is_alive():
            raise NotRunning(f"Nothing runs on {self.path}. Start it with `tunerd up`.")
        if not recorded.environment:
            raise NotRunning(f"The service on {self.path} is still starting. Try again in a few seconds.")
        return recorded

    def _who_runs(self) -> str:
        who, running = "Another process", self.recorded()
        if running is not None and running.parent.is_alive():
            who = f"Process {running.parent.pid}" + (f", serving {running.api_url}," if running.api_url else "")
        return f"{who} already runs on {self.path}. Stop it first, or choose another folder with --home."


def write_privately(path: Path, text: str) -> None:
    """Replace a file in one step, readable by its owner only: a reader sees the old text or the new."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
