"""Is the process of this container alive? `python -m worker.healthy` for workers, views and upkeep, who have no port.

They beat in the broker (`store.pulse`) under the name of their host, which is the container's own. Status 0 if one of
this host was heard lately, else 1. A broker that is away hides everybody, and is no reason to end anybody: status 0.
"""

import socket
import sys

import redis

from store.pulse import Pulses
from store.settings import StoreSettings


def what_is_wrong(pulses: Pulses, host: str) -> str | None:
    """What somebody should know who looks after this host; None if nothing is wrong.

    Args:
        pulses: hash in the broker in which processes beat.
        host: name of the host whose processes are meant.
    """
    try:
        mine = [member for member in pulses.members() if member.name.rpartition(":")[0] == host]
    except redis.RedisError:
        return None
    if not mine:
        return f"nobody on {host} has beaten yet"
    if all(member.is_silent for member in mine):
        youngest = min(member.age_seconds for member in mine)
        return f"{', '.join(sorted({member.role for member in mine}))} on {host}: silent for {youngest:.0f} s"
    return None


def main() -> None:
    """Look, and say by the status of exit what was seen."""
    pulses = Pulses(StoreSettings())
    wrong = what_is_wrong(pulses, socket.gethostname())
    pulses.close()
    if wrong:
        sys.exit(wrong)


if __name__ == "__main__":
    main()
