"""Under whose name things run where `tunerd` is started as root: under user numbers that no account has.

PostgreSQL refuses to run as root, and has one of its own. Everything else that works for strangers, the api, workers,
upkeep, storage and the broker, shares a second one (`service_account`): each of them holds the secrets of the others
anyway, and what one of them is made to do it can do to the data folder, and to nothing else on the machine.

An account's name would be shared with others: what else runs as `nobody` could read and change the cluster. Only initdb
insists on a name, so one is lent to it for the second that it takes. No account is created and no folder outside the
data folder is changed: where PostgreSQL cannot enter, the caller is told which folder is in its way.
"""

import os
import pwd
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from cage.identity import has_name, nameless_number
from standalone.errors import HomeUnusable

SERVICE_FOLDER = "service"
_CANDIDATES = ("postgres", "_postgres", "nobody")


# What our own processes import first and last; found if the folders that hold them can be entered and listed.
_PACKAGES = ("api", "cage", "celery", "store", "torch", "tuner", "uvicorn", "worker")
# ssl and ctypes are libraries of Python's own, which may lie elsewhere than Python.
_PROBE = f"import ctypes, importlib.util as u, ssl, sys; sys.exit(not all(u.find_spec(name) for name in {_PACKAGES}))"


class PopenAccount(TypedDict, total=False):
    """The arguments of `subprocess.Popen` that change the account."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Account:
    """An account of this machine."""

    name: str
    uid: int
    gid: int

    def popen_arguments(self) -> PopenAccount:
        """What makes `subprocess.Popen` run as this account, and only as this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def may(self, access: str, path: Path) -> bool:
        """Ask the kernel whether the account may read ("r"), write ("w") or execute and enter ("x") a path."""
        command = ["/bin/sh", "-c", f'test -{access} "$1"', "sh", str(path)]
        answer = subprocess.run(command, check=False, cwd="/", **self.popen_arguments())
        return answer.returncode == 0

    def require_way_to(self, folder: Path) -> None:
        """Prove that the account can enter a folder.

        Raises:
            HomeUnusable: a folder on the way is closed to it.
        """
        for step in [*reversed(folder.parents), folder]:
            if not self.may("x", step):
                raise HomeUnusable(
                    f"PostgreSQL refuses to run as root, so it runs as '{self.name}', and '{self.name}' cannot enter "
                    f"{step}. Choose a data folder elsewhere with --home or TUNER_HOME, or open the way with "
                    f"`chmod o+x {shlex.quote(str(step))}`."
                )


def account_for(cluster: Path) -> Account | None:
    """Who runs the cluster in this folder: as root its owner, or for a new one a number of its own; else None.

    A cluster whose owner has a name was made by an earlier version: it gets a new owner, too (`give`).
    """
    if os.geteuid() != 0:
        return None
    if cluster.exists() and not has_name(number := cluster.stat().st_uid):
        return Account(f"user {number}", number, number)
    number = nameless_number()
    return Account(f"user {number}", number, number)


@dataclass(frozen=True)
class ServiceAccount:
    """Under whom the service runs.

    Attributes:
        account: the number; None for the account of `tunerd`.
        reason: why it is not a number of its own although `tunerd` is root, as a sentence for people; else empty.
    """

    account: Account | None = None
    reason: str = ""


def service_account(home: Path, programs: Sequence[Path], environment: Mapping[str, str]) -> ServiceAccount:
    """A number without a name for everything but PostgreSQL; it owns the folder `service`, and keeps it.

    Python and its packages may lie where only root can read them, as in root's own home. Then nothing can run under a
    number, and the service runs as root, which is said.

    Args:
        home: the data folder, which is locked.
        programs: paths of the programs that are to run under the number.
        environment: variables of our own processes.
    """
    if os.geteuid() != 0:
        return ServiceAccount()
    folder = home / SERVICE_FOLDER
    account = account_for(folder)
    if account is None:
        return ServiceAccount()
    for program in programs:
        if not account.may("x", program):
            return ServiceAccount(reason=_stays_root(f"run {program}"))
    spool = environment.get("TUNER_SPOOL_DIR")
    if spool and not account.may("w", Path(spool)):
        return ServiceAccount(reason=_stays_root(f"write to {spool} (TUNER_SPOOL_DIR)"))
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE],
            cwd="/",
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=60,
            **account.popen_arguments(),
        )
    except PermissionError:
        return ServiceAccount(reason=_stays_root(f"run {sys.executable}"))
    if probe.returncode != 0:
        return ServiceAccount(reason=_stays_root(f"read the packages of {sys.executable}"))
    for part in (folder, folder / "tmp"):
        part.mkdir(mode=0o700, exist_ok=True)
        os.chown(part, account.uid, account.gid)
    return ServiceAccount(account)


def _stays_root(what: str) -> str:
    """The same sentence at every start, whichever number was drawn."""
    return (
        f"api, workers, upkeep, storage and broker run as root, because a number without a name may not {what}: "
        "install where everybody can read it, or run tunerd as a user"
    )


def lent_account() -> Account:
    """An account of this machine that has a name.

    Raises:
        HomeUnusable: this machine has none of the accounts that could be lent.
    """
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise HomeUnusable(f"PostgreSQL refuses to run as root, and no account of {_CANDIDATES} exists. Run as a user.")


def give(folder: Path, account: Account) -> None:
    """Make a folder and everything in it belong to an account."""
    if folder.stat().st_uid == account.uid:
        return
    give_all(folder, account)


def give_all(folder: Path, account: Account) -> None:
    """Make a folder and everything in it belong to an account, whoever the folder belongs to."""
    for path in [*folder.rglob("*"), folder]:  # the folder last: if this is interrupted, the next start begins again
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
