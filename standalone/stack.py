"""The whole service on one machine: engines, then the tables, then api, upkeep and worker.

`engines` is the lower half and serves the tests; `stack` is all of it and serves `tunerd`.
"""

import contextlib
import os
from collections.abc import Iterator
from functools import partial

from pydantic import TypeAdapter

from standalone import migrate, processes
from standalone.accounts import service_account
from standalone.engines import Engine, all_engines, programs
from standalone.errors import NoFreePort, StartFailed
from standalone.home import Home
from standalone.ports import Ports, port_is_free
from standalone.program import python_environment
from standalone.records import Say, find_by_folder, quiet
from standalone.supervise import Supervisor, stop_leftovers
from store.disk import Disk
from store.settings import StoreSettings

_START_TRIES = 3


@contextlib.contextmanager
def stack(
    home: Home, *, api_port: int | None = None, with_worker: bool = True, say: Say = quiet
) -> Iterator[Supervisor]:
    """Run everything on a data folder; `api_url` and `environment` of what is yielded say how to reach it.

    Args:
        home: the data folder.
        api_port: port on which the api must listen; None for 8000 or, if that is taken, any that is free.
        with_worker: whether a worker is started; if not, fits wait until one is started by hand (`tunerd env` helps).
        say: function that is told each line of progress.

    Raises:
        AlreadyRunning: the folder is in use.
        HomeUnusable: the folder cannot be used.
        NoFreePort: `api_port` is taken.
        StartFailed: a process did not become ready, or api or workers would refuse the environment: then nothing
            was started.
        MigrationFailed: the tables could not be brought up to date.
    """
    processes.require_startable()
    if api_port is not None and home.recorded() is None:  # else it may be an earlier run's, which is stopped first
        _require_free(api_port)
    with engines(home, say=say) as supervisor:
        environment = {**supervisor.environment, "TUNER_DISK_FOLDER": str(home.path)}
        migrate.upgrade(home, environment)
        say("tables: up to date")
        port = _api_port(home, api_port)
        supervisor.publish(environment, f"http://127.0.0.1:{port}")
        account = supervisor.account
        background = [processes.upkeep(home, environment, account), processes.interactive(home, environment, account)]
        if with_worker:
            background.append(processes.worker(home, environment, account))
        supervisor.start(processes.api(home, environment, port, account), *background)
        yield supervisor


@contextlib.contextmanager
def engines(home: Home, *, durable: bool = True, say: Say = quiet) -> Iterator[Supervisor]:
    """Run the engines of a data folder; `environment` of what is yielded says how to reach them.

    Args:
        home: the data folder.
        durable: whether the engines wait for the disk before they say that something is stored; without it they are
            quicker, and what was written last may be lost when the machine loses its power, as tests can afford.
        say: function that is told each line of progress.

    Raises:
        AlreadyRunning: the folder is in use.
        HomeUnusable: the folder cannot be used.
        StartFailed: an engine did not become ready.
    """
    with home.locked():
        wanted = service_account(home.path, programs(), python_environment())
        chosen = all_engines(home, durable=durable, account=wanted.account)
        strays = [stray for engine in chosen for stray in find_by_folder(engine.name, engine.binary, engine.folder)]
        stop_leftovers(home.recorded(), strays, say)
        ports = Ports(home.path / "ports.json")
        floor_bytes = StoreSettings.model_fields["disk_floor_bytes"].default
        # As the settings read it, which takes "1.0" for a whole number.
        floor_bytes = TypeAdapter(int).validate_python(os.environ.get("TUNER_DISK_FLOOR_BYTES", floor_bytes))
        with Supervisor(home, say, has_room=Disk(home.path, floor_bytes).has_room) as supervisor:
            environment: dict[str, str] = {}

            def start(engine: Engine) -> None:
                environment.update(start_engine(engine, ports, supervisor))

            supervisor.account = wanted.account
            if wanted.reason and home.hears_first(wanted.reason):
                say(wanted.reason)
            supervisor.side_by_side([partial(start, engine) for engine in chosen])
            supervisor.publish(environment)
            yield supervisor


def start_engine(engine: Engine, ports: Ports, supervisor: Supervisor) -> dict[str, str]:
    """Start an engine, on other ports if somebody took its own between our look and its start."""
    for last_try in (False,) * (_START_TRIES - 1) + (True,):
        claimed = ports.claim(engine.name, engine.purposes, twin=engine.twin, socket_files=engine.socket_files)
        service = engine.service(claimed)
        try:
            supervisor.bring_up(service)
        except StartFailed:
            if last_try or all(port_is_free(port) for port in service.ports):
                raise
        else:
            break
    return engine.environment(claimed)


def _api_port(home: Home, wanted: int | None) -> int:
    if wanted is None and port_is_free(processes.API_PORT):
        return processes.API_PORT
    if wanted is None:
        return Ports(home.path / "ports.json").claim("api", ["http"])["http"]
    _require_free(wanted)
    return wanted


def _require_free(port: int) -> None:
    if not port_is_free(port):
        raise NoFreePort(f"Port {port} on 127.0.0.1 is taken. Choose another with --port, or leave it out.")
