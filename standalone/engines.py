"""The three engines: PostgreSQL (rows), Valkey (messages) and SeaweedFS (objects).

Each engine says where its data are, which ports it needs and how it is run; `standalone.stack` brings them up, for
`tunerd` and for the tests alike.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from standalone.home import Home
from standalone.postgres import Postgres
from standalone.program import Service
from standalone.seaweed import Seaweed
from standalone.valkey import Valkey


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


def all_engines(home: Home, *, durable: bool = True) -> tuple[Engine, ...]:
    """The engines of one data folder; `durable=False` trades safety on power loss for speed, for tests."""
    return (Postgres(home, durable=durable), Valkey(home, durable=durable), Seaweed(home, durable=durable))
