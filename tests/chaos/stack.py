"""The service as it runs everywhere, with two workers, short time-outs, and proxies before storage and broker.

Engines and processes come from `standalone`, and its own supervisor starts again at once whatever is killed.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import psutil

from standalone import migrate, processes
from standalone.engines import all_engines
from standalone.home import Home
from standalone.ports import Ports
from standalone.program import Service
from standalone.stack import start_engine
from standalone.supervise import Supervisor
from tests.chaos.proxy import Proxy

WORKERS = ("worker-1", "worker-2")
BEATING = (*WORKERS, "upkeep", "interactive")
ORPHAN_SECONDS = 20.0  # from an object to its row, at worst; tries of the last write last as long as a lease, 6 s
DEAF_SECONDS = 12.0  # beats come every 5
# A minute of chaos holds what takes hours elsewhere, ends of engines, too: their pauses are real, the calm is shorter.
CALM_SECONDS = 4.0

# Everything happens sooner than in production, so that a run of minutes holds what there takes hours.
SETTINGS = {
    "TUNER_DATABASE_TIMEOUT_SECONDS": "5",
    "TUNER_BROKER_TIMEOUT_SECONDS": "2",
    "TUNER_S3_TIMEOUT_SECONDS": "3",
    "TUNER_WORKER_DEVICE": "cpu",
    "TUNER_WORKER_THREADS": "1",
    "TUNER_WORKER_LEASE_SECONDS": "6",
    "TUNER_WORKER_HEARTBEAT_SECONDS": "1.5",
    "TUNER_WORKER_PROGRESS_EVERY_SECONDS": "0.2",
    "TUNER_WORKER_CHECKPOINT_EVERY_SECONDS": "0.4",
    "TUNER_WORKER_UPKEEP_EVERY_SECONDS": "0.5",
    "TUNER_WORKER_REPUBLISH_AFTER_SECONDS": "3",
}
# What only a whole run of chaos wants: tenants with keys, hooks that lead here, sweeps and comparisons all the time.
CHAOS = SETTINGS | {
    "TUNER_REQUIRE_KEYS": "1",
    "TUNER_REQUESTS_PER_SECOND": "100000",
    "TUNER_REQUEST_BURST": "100000",
    "TUNER_WEBHOOK_PRIVATE_NETWORKS": '["127.0.0.0/8"]',
    "TUNER_S3_REFUSED_SECONDS": "1",
    "TUNER_WORKER_WEBHOOK_PAUSES_SECONDS": str([1.0] * 30),
    "TUNER_WORKER_SWEEP_EVERY_SECONDS": "5",
    "TUNER_WORKER_ORPHAN_SECONDS": str(ORPHAN_SECONDS),
    "TUNER_WORKER_RESTORED_SECONDS": "0",
    "TUNER_WORKER_SCRUB_EVERY_SECONDS": "10",
}


class Usage(NamedTuple):
    """Open files and resident memory of some processes together."""

    files: int
    mebibytes: float


@dataclass
class Harm:
    """What was done to stored objects, which excuses some of what is then missing.

    Attributes:
        keys: objects that were damaged, with the time of the last harm to each.
        restored_at: times at which storage went back to an earlier state.
        newer: ids of fits whose rows no process here can read.
        killed: processes that were killed or frozen for longer than a lease, "host:pid" with the time.
    """

    keys: dict[str, float] = field(default_factory=dict)
    restored_at: list[float] = field(default_factory=list)
    newer: list[str] = field(default_factory=list)
    killed: list[tuple[str, float]] = field(default_factory=list)

    def excuses(self, key: str, written_at: float) -> bool:
        """Whether an object that was written at a time may be gone."""
        return self.keys.get(key, 0.0) >= written_at or any(time >= written_at for time in self.restored_at)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What runs, and where to hit it.

    Attributes:
        environment: leads to the engines themselves, past the proxies.
        storage: stands before S3.
        broker: stands before the broker.
        lines: stand before the database, one for each process that is named.
        disk: link to a folder of the disk that the service looks at.
        harm: grows with what is done to objects.
        logs: one file per process.
    """

    supervisor: Supervisor
    environment: Mapping[str, str]
    api_url: str
    storage: Proxy
    broker: Proxy
    lines: Mapping[str, Proxy]
    disk: Path
    logs: Path
    harm: Harm = field(default_factory=Harm)

    def pid(self, name: str) -> int:
        """The present process of a service."""
        return next(record.pid for record in self.supervisor.records() if record.name == name)

    def tree(self, name: str) -> list[psutil.Process]:
        """That process and all its children; empty while it is being started again."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid(name))
            return [process, *process.children(recursive=True)]
        return []

    def usage(self) -> dict[str, Usage]:
        """What our own processes hold, each with its children; nothing of one that is just being started again."""
        usage: dict[str, Usage] = {}
        for name in ("api", *BEATING):
            with suppress(psutil.NoSuchProcess):
                processes = self.tree(name)
                resident = sum(process.memory_info().rss for process in processes)
                usage[name] = Usage(sum(process.num_fds() for process in processes), round(resident / 2**20, 1))
        return usage


@contextmanager
def running_stack(home: Home, settings: Mapping[str, str] = SETTINGS) -> Iterator[Stack]:
    """Bring everything up, and leave nothing behind; `settings` are variables of the service's processes."""
    with (
        home.locked(),
        Supervisor(home, lambda line: None, pulse_every_seconds=2.0, calm_seconds=CALM_SECONDS) as supervisor,
        ExitStack() as proxies,
    ):
        ports = Ports(home.path / "ports.json")
        environment: dict[str, str] = {}
        engines = all_engines(home, durable=False)

        def start(number: int) -> None:
            environment.update(start_engine(engines[number], ports, supervisor))

        supervisor.side_by_side([partial(start, number) for number in range(len(engines))])
        migrate.upgrade(home, environment)
        api_port = ports.claim("api", ["http"])["http"]

        def proxy(variable: str) -> tuple[Proxy, dict[str, str]]:
            port = urlsplit(environment[variable]).port
            assert port is not None
            made = proxies.enter_context(Proxy(port))
            return made, {variable: _moved(environment[variable], made.port)}

        storage, to_storage = proxy("TUNER_S3_ENDPOINT_URL")
        broker, to_broker = proxy("TUNER_BROKER_URL")
        disk = home.path / "disk"
        disk.symlink_to(home.path, target_is_directory=True)
        spoiled = {
            **environment,
            **settings,
            **to_storage,
            **to_broker,
            "TUNER_DISK_FOLDER": str(disk),
            "TUNER_DISK_FLOOR_BYTES": str(1 << 20),
        }
        lines = {name: proxy("TUNER_DATABASE_URL") for name in BEATING}
        supervisor.publish(spoiled, f"http://127.0.0.1:{api_port}")

        def ours(name: str, make: Callable[[Home, Mapping[str, str]], Service]) -> Service:
            made = make(home, spoiled | lines[name][1])
            # Its beats are read past the proxy: what a fault takes from the service, the supervisor still has.
            beats = partial(processes.beats_of, environment["TUNER_BROKER_URL"])
            return replace(_named(made, name), deaf_seconds=DEAF_SECONDS, beats=beats)

        supervisor.start(
            processes.api(home, spoiled, api_port),
            ours("upkeep", processes.upkeep),
            ours("interactive", processes.interactive),
            *(ours(name, processes.worker) for name in WORKERS),
        )
        yield Stack(
            supervisor=supervisor,
            environment=environment,
            api_url=supervisor.api_url,
            storage=storage,
            broker=broker,
            lines={name: line for name, (line, _) in lines.items()},
            disk=disk,
            logs=home.logs,
        )


def _named(service: Service, name: str) -> Service:
    program = service.program
    return replace(service, program=replace(program, name=name, log=program.log.with_name(f"{name}.log")))


def _moved(url: str, port: int) -> str:
    parts = urlsplit(url)
    account = parts.netloc.rpartition("@")[:2]
    return urlunsplit(parts._replace(netloc="".join(account) + f"127.0.0.1:{port}"))
