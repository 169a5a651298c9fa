"""The processes of the service itself: api, upkeep and worker, each with its command line.

They are started by module name and never imported here, so that a fault in one of them is a fault of one process.
"""

import subprocess
import sys
import urllib.request
from collections.abc import Callable, Mapping
from functools import partial
from signal import SIGTERM

import redis

from standalone.accounts import SERVICE_FOLDER, Account
from standalone.errors import StartFailed
from standalone.home import Home
from standalone.program import NEVER, Program, Service, python_environment
from store.pulse import BEATS_KEY, process_name

API_PORT = 8000  # unless it is taken
# No Celery worker tells the others that it lives: each would hear of all of them, and nothing reads it. What is read is
# a sign of life in the broker (`worker/beating.py`).
ALONE = ("--without-gossip", "--without-mingle", "--without-heartbeat")

API, UPKEEP, WORKER = 1, 2, 3  # stages: the worker drains first, the api stops last, the engines (0) after it


def require_startable() -> None:
    """Ask whether api and workers would start with this environment, before anything is started for them.

    Raises:
        StartFailed: one of them would refuse to; the messages are their own.
    """
    asked = {
        module: subprocess.Popen(
            [sys.executable, "-m", module],
            cwd="/",
            env=python_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for module in ("api.startable", "worker.startable")
    }
    said = {module: process.communicate()[1].strip() for module, process in asked.items()}
    refusals = [
        said[module] or f"{module} ended with status {process.returncode} and no word."
        for module, process in asked.items()
        if process.returncode != 0
    ]
    if refusals:
        raise StartFailed("\n".join(refusals))


def api(home: Home, environment: Mapping[str, str], port: int, account: Account | None = None) -> Service:
    """The HTTP service; it refuses to listen beyond this machine without keys (TUNER_HOST, TUNER_REQUIRE_KEYS)."""
    return _python(
        home,
        environment,
        "api",
        *("api", "--port", str(port)),
        stage=API,
        account=account,
        check=lambda: _answers(f"http://127.0.0.1:{port}/livez"),
        ports=(port,),
    )


def upkeep(home: Home, environment: Mapping[str, str], account: Account | None = None) -> Service:
    """The loop that brings lost fits back and resends lost messages."""
    return _python(home, environment, "upkeep", "worker.upkeep", stage=UPKEEP, account=account)


def worker(home: Home, environment: Mapping[str, str], account: Account | None = None) -> Service:
    """One Celery worker. SIGTERM makes it save the running fit and hand it back, which may take a moment."""
    return _python(
        home,
        environment,
        "worker",
        *("celery", "-A", "worker.app", "worker", "--loglevel", "INFO", *ALONE),
        stage=WORKER,
        account=account,
        patience_seconds=60.0,
    )


def interactive(home: Home, environment: Mapping[str, str], account: Account | None = None) -> Service:
    """Draws what clients wait for, however long the fits take."""
    return _python(
        home,
        environment,
        "interactive",
        *("celery", "-A", "worker.interactive", "worker", "--queues", "interactive", "--pool", "solo"),
        *("--loglevel", "INFO", *ALONE),
        stage=UPKEEP,
        account=account,
    )


def _python(
    home: Home,
    environment: Mapping[str, str],
    name: str,
    *module: str,
    stage: int,
    account: Account | None,
    check: Callable[[], None] = lambda: None,
    patience_seconds: float = 10.0,
    ports: tuple[int, ...] = (),
) -> Service:
    return Service(
        program=Program(
            name=name,
            argv=(sys.executable, "-m", *module),
            # Not the folder of the caller: a folder `api` or `worker` there would be imported instead of ours.
            folder=home.path,
            log=home.logs / f"{name}.log",
            environment=python_environment(**environment, **_home_of(home, account)),
            account=account,
        ),
        check=check,
        stage=stage,
        # Without upkeep, workers or views the service still answers and accepts; without the api there is none.
        is_vital=stage == API,
        beats=None if stage == API else partial(beats_of, environment.get("TUNER_BROKER_URL", "")),
        stop_signal=SIGTERM,
        patience_seconds=patience_seconds,
        ports=ports,
    )


def _home_of(home: Home, account: Account | None) -> dict[str, str]:
    """Where libraries keep what they keep, and uploads are put together: as root's it could not be entered."""
    if account is None:
        return {}
    folder = home.path / SERVICE_FOLDER
    return {"HOME": str(folder), "TMPDIR": str(folder / "tmp")}


def beats_of(broker_url: str, pid: int) -> object:
    """What a process of this machine last said of itself; `store.pulse` has the other half.

    Raises:
        redis.RedisError: if the broker does not answer.
    """
    with redis.Redis.from_url(broker_url, socket_timeout=2.0, socket_connect_timeout=2.0) as broker:
        return broker.hget(BEATS_KEY, process_name(pid)) or NEVER


def _answers(url: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=5) as response:
        response.read()
