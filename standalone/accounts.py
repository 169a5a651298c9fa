"""Under whose name PostgreSQL runs. It refuses to run as root, so as root it gets a user number that no account has.

An account's name would be shared with others: what else runs as `nobody` could read and change the cluster. Only initdb
insists on a name, so one is lent to it for the second that it takes. No account is created and no folder outside the
data folder is changed: where PostgreSQL cannot enter, the caller is told which folder is in its way.
"""

import os
import pwd
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from cage.identity import has_name, nameless_number
from standalone.errors import HomeUnusable

_CANDIDATES = ("postgres", "_postgres", "nobody")


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
    for path in [*folder.rglob("*"), folder]:  # the folder last: if this is interrupted, the next start begins again
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
