"""Numbers of users that no account has: whoever runs under one owns nothing and can read nobody's files."""

import grp
import pwd
import random
from typing import Final

NAMELESS: Final = range(60_706, 61_184)  # left unused by what systemd lists of the numbers that systems give away


def nameless_number() -> int:
    """A number that neither a user nor a group of this machine has."""
    return random.choice([number for number in NAMELESS if not has_name(number)])  # noqa: S311  (not a secret)


def has_name(number: int) -> bool:
    """Whether a user or a group of this machine has the number."""
    for look in (pwd.getpwuid, grp.getgrgid):
        try:
            look(number)
        except KeyError:
            continue
        return True
    return False
