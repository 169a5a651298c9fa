"""The service as three hosts have it: engines, API, upkeep and views on the first, a worker on each of the others.

The engines are those of `standalone`, which listen on loopback only. Here they listen on the network, too, with no
fewer doors: PostgreSQL and the broker ask for their passwords, S3 for its keys, and all else of SeaweedFS for a
certificate that no other host has.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from standalone import migrate, processes
from standalone.engines import Engine
from standalone.home import Home
from standalone.ports import Ports
from standalone.postgres import DATABASE, USER, Postgres
from standalone.program import Service
from standalone.seaweed import Seaweed
from standalone.stack import start_engine
from standalone.supervise import Supervisor
from standalone.valkey import Valkey
from tests.hosts.network import SUBNET, Host

# Leases, heartbeats and time-outs are the service's own. A fit of seconds has checkpoints, too, and what a lost attempt
# may have left is swept within the run.
SETTINGS = {
    "TUNER_WORKER_DEVICE": "cpu",
    "TUNER_WORKER_THREADS": "1",
    "TUNER_WORKER_CHECKPOINT_EVERY_SECONDS": "3",
    "TUNER_WORKER_SWEEP_EVERY_SECONDS": "5",
    "TUNER_WORKER_ORPHAN_SECONDS": "30",
    "TUNER_WORKER_RESTORED_SECONDS": "0",
}


@dataclass(frozen=True)
class Spread:
    """The running service.

    Attributes:
        environment: variables that lead to the engines, on their own host.
        api_url: address of the API, on the same host.
        logs: folder with a file for each process.
    """

    environment: Mapping[str, str]
    api_url: str
    logs: Path


@contextmanager
def spread(home: Home, first: Host, others: Sequence[Host]) -> Iterator[Spread]:
    """Bring everything up; the calling thread has to be on the first host.

    Args:
        home: an empty data folder.
        first: host of the engines.
        others: hosts of the workers.
    """
    with home.locked(), Supervisor(home, lambda line: None) as supervisor:
        ports = Ports(home.path / "ports.json")
        environment: dict[str, str] = {}
        engines = [make(home, first.address) for make in (_Postgres, _Valkey, _Seaweed)]

        def start(engine: Engine) -> None:
            environment.update(start_engine(engine, ports, supervisor))

        supervisor.side_by_side([partial(start, engine) for engine in engines])
        migrate.upgrade(home, environment)
        port = ports.claim("api", ["http"])["http"]
        near = {**environment, **SETTINGS}
        far = {name: value.replace("127.0.0.1", first.address) for name, value in near.items()}
        supervisor.start(
            processes.api(home, near, port),
            processes.upkeep(home, near),
            processes.interactive(home, near),
            *(_on(host, processes.worker(home, far)) for host in others),
        )
        yield Spread(environment, f"http://127.0.0.1:{port}", home.logs)


class _Postgres(Postgres):
    def __init__(self, home: Home, address: str) -> None:
        super().__init__(home, durable=False)
        self._address = address

    def service(self, ports: Mapping[str, int]) -> Service:
        made = super().service(ports)
        more = ("-c", f"listen_addresses=127.0.0.1,{self._address}")
        return replace(_with(made, *more), prepare=lambda: self._prepare_for_others(made))

    def _prepare_for_others(self, made: Service) -> None:
        made.prepare()
        line = f"host {DATABASE} {USER} {SUBNET} scram-sha-256\n"
        rules = self.folder / "pg_hba.conf"
        if line not in rules.read_text():
            with rules.open("a") as file:
                file.write(line)


class _Valkey(Valkey):
    def __init__(self, home: Home, address: str) -> None:
        super().__init__(home, durable=False)
        self._address = address

    def service(self, ports: Mapping[str, int]) -> Service:
        return _with(super().service(ports), "--bind", "127.0.0.1", self._address)


class _Seaweed(Seaweed):
    def __init__(self, home: Home, address: str) -> None:  # it takes one address, or all of its host
        super().__init__(home, durable=False)

    def service(self, ports: Mapping[str, int]) -> Service:
        return _with(super().service(ports), "-ip.bind=0.0.0.0")


def _with(service: Service, *more: str) -> Service:
    """The same with more arguments; of two that contradict each other, all three engines take the last."""
    return replace(service, program=replace(service.program, argv=(*service.program.argv, *more)))


def _on(host: Host, service: Service) -> Service:
    """The same on another host, where nobody here judges it by its beats: cut off it is silent, and it works."""
    program = service.program
    moved = replace(
        program, name=host.name, argv=host.command(*program.argv), log=program.log.with_name(f"{host.name}.log")
    )
    return replace(service, program=moved, beats=None)
