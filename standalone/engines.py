"""The three engines, started side by side: PostgreSQL (rows), Valkey (messages) and SeaweedFS (objects).

Each engine says where its data are, which ports it needs and how it is run; this module brings them up together and
finds what an earlier run left behind. Called by `standalone.supervise`, for `tunerd` and for the tests alike.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import psutil

from standalone.home import Home
from standalone.postgres import Postgres
from standalone.program import Service
from standalone.records import ProcessRecord
from standalone.seaweed import Seaweed
from standalone.valkey import Valkey


class Engine(Protocol):
    """What `standalone` knows of an engine.

    Attributes:
        folder: its data, and its working folder while it runs.
        binary: the name of its process.
        purposes: what it needs a port for.
        twin: the distance of a second port that each port brings along; 0 for none.
    """

    name: str
    folder: Path
    binary: str
    purposes: tuple[str, ...]
    twin: int

    def service(self, ports: Mapping[str, int]) -> Service:
        """How to run it on these ports."""
        ...

    def environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        """The variables (prefix `TUNER_`) through which the service reaches it on these ports."""
        ...


def all_engines(home: Home, *, durable: bool = True) -> tuple[Engine, ...]:
    """The engines of one data folder; `durable=False` trades safety on power loss for speed, for tests."""
    return (Postgres(home, durable=durable), Valkey(home, durable=durable), Seaweed(home, durable=durable))


def strays(engine: Engine) -> Iterator[ProcessRecord]:
    """Processes that run an engine on its folder although nobody wrote them down.

    A parent that is killed between starting a process and recording it leaves one. The working folder gives it away.
    """
    for process in psutil.process_iter(["name", "cwd", "create_time"]):
        if process.info["name"] == engine.binary and process.info["cwd"] == str(engine.folder.resolve()):
            yield ProcessRecord(name=engine.name, pid=process.pid, created=process.info["create_time"])
