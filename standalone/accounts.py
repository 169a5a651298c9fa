"""Under whose name PostgreSQL runs. It refuses to run as root, so as root another account is lent to it.

No account is created and no folder outside the data folder is changed: where the lent account cannot enter, the
caller is told which folder is in its way.
"""

import os
import pwd
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from standalone.errors import HomeUnusable

_CANDIDATES = ("postgres", "nobody")


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
    """Who runs the cluster in this folder: as root its owner, or an unprivileged account for a new one; else None.

    Raises:
        HomeUnusable: we are root, and this machine has none of the accounts that could be lent.
    """
    if os.geteuid() != 0:
        return None
    if cluster.exists() and (owner := cluster.stat().st_uid) != 0:
        return _account(pwd.getpwuid(owner))
    for name in _CANDIDATES:
        try:
            return _account(pwd.getpwnam(name))
        except KeyError:
            continue
    raise HomeUnusable(f"PostgreSQL refuses to run as root, and no account of {_CANDIDATES} exists. Run as a user.")


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
