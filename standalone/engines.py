"""The three engines: PostgreSQL (rows), Valkey (messages) and SeaweedFS (objects).

Each engine says where its data are, which ports it needs and how it is run; `standalone.stack` brings them up, for
`tunerd` and for the tests alike.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from standalone.accounts import Account
from standalone.home import Home
from standalone.postgres import Postgres
from standalone.program import Service
from standalone.seaweed import Seaweed
from standalone.seaweed import program as seaweed_program
from standalone.valkey import Valkey
from standalone.valkey import program as valkey_program


class Engine(Protocol):
    """What `standalone` knows of an engine.

    Attributes:
        folder: the engine's data, and its working folder while it runs.
        binary: the name of its process.
        purposes: purposes for which the engine needs a port each.
        twin: the distance of a second port that each port brings along; 0 for none.
        socket_files: paths of files that each (second) port brings along, with `{port}` for its number.
    """

    name: str
    folder: Path
    binary: str
    purposes: tuple[str, ...]
    twin: int
    socket_files: tuple[str, ...]

    def service(self, ports: Mapping[str, int]) -> Service:
        """How to run it on these ports."""
        ...

    def environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        """The variables (prefix `TUNER_`) through which the service reaches it on these ports."""
        ...


def all_engines(home: Home, *, durable: bool = True, account: Account | None = None) -> tuple[Engine, ...]:
    """The engines of one data folder.

    Args:
        home: the data folder.
        durable: whether they wait for the disk; without it they trade safety on power loss for speed, for tests.
        account: user under whom those run that have none of their own; None for the account of this process.
    """
    return (
        Postgres(home, durable=durable),
        Valkey(home, durable=durable, account=account),
        Seaweed(home, durable=durable, account=account),
    )


def programs() -> list[Path]:
    """The programs of the engines that have no account of their own."""
    return [valkey_program(), seaweed_program()]
