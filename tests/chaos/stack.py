"""The service as it runs everywhere, with two workers, short time-outs, and proxies before storage and broker.

Engines and processes come from `standalone`, and its own supervisor starts again at once whatever is killed.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
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
    # Here workers are killed all the time, and that is never the fit's fault.
    "TUNER_WORKER_MAX_TRIES": "100",
}


class Usage(NamedTuple):
    """Open files and resident memory of some processes together."""

    files: int
    mebibytes: float


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What runs, and where to hit it.

    Attributes:
        environment: leads to the engines themselves, past the proxies.
        storage: stands before S3.
        broker: stands before the broker.
        logs: one file per process.
    """

    supervisor: Supervisor
    environment: Mapping[str, str]
    api_url: str
    storage: Proxy
    broker: Proxy
    logs: Path

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
        """What api and workers hold, each with its children; nothing of one that is just being started again."""
        usage: dict[str, Usage] = {}
        for name in ("api", *WORKERS):
            with suppress(psutil.NoSuchProcess):
                processes = self.tree(name)
                resident = sum(process.memory_info().rss for process in processes)
                usage[name] = Usage(sum(process.num_fds() for process in processes), round(resident / 2**20, 1))
        return usage


@contextmanager
def running_stack(home: Home, settings: Mapping[str, str] = SETTINGS) -> Iterator[Stack]:
    """Bring everything up, and leave nothing behind; `settings` are variables of the service's processes."""
    with home.locked(), Supervisor(home, lambda line: None, pauses=[0.1] * 10_000) as supervisor:
        ports = Ports(home.path / "ports.json")
        environment: dict[str, str] = {}
        engines = all_engines(home, durable=False)

        def start(number: int) -> None:
            environment.update(start_engine(engines[number], ports, supervisor))

        supervisor.side_by_side([partial(start, number) for number in range(len(engines))])
        migrate.upgrade(home, environment)
        api_port = ports.claim("api", ["http"])["http"]
        with _proxy(environment["TUNER_S3_ENDPOINT_URL"]) as storage, _proxy(environment["TUNER_BROKER_URL"]) as broker:
            spoiled = {
                **environment,
                **settings,
                "TUNER_S3_ENDPOINT_URL": _moved(environment["TUNER_S3_ENDPOINT_URL"], storage.port),
                "TUNER_BROKER_URL": _moved(environment["TUNER_BROKER_URL"], broker.port),
            }
            supervisor.publish(spoiled, f"http://127.0.0.1:{api_port}")
            supervisor.start(
                processes.api(home, spoiled, api_port),
                processes.upkeep(home, spoiled),
                *(_named(processes.worker(home, spoiled), name) for name in WORKERS),
            )
            yield Stack(
                supervisor=supervisor,
                environment=environment,
                api_url=supervisor.api_url,
                storage=storage,
                broker=broker,
                logs=home.logs,
            )


def _named(service: Service, name: str) -> Service:
    program = service.program
    return replace(service, program=replace(program, name=name, log=program.log.with_name(f"{name}.log")))


def _proxy(url: str) -> Proxy:
    port = urlsplit(url).port
    assert port is not None
    return Proxy(port)


def _moved(url: str, port: int) -> str:
    parts = urlsplit(url)
    account = parts.netloc.rpartition("@")[:2]
    return urlunsplit(parts._replace(netloc="".join(account) + f"127.0.0.1:{port}"))
