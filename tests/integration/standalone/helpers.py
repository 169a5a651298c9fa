"""Stand-ins for services, parents that can be killed, and looking at processes."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from standalone.home import Home
from standalone.program import Program, Service, python_environment


def stand_in(home: Home, name: str, code: str = "import time; time.sleep(600)", **options: object) -> Service:
    """A service that runs a few lines of Python."""
    program = Program(
        name=name,
        argv=(sys.executable, "-c", code),
        folder=home.path,
        log=home.logs / f"{name}.log",
        environment=python_environment(),
    )
    return Service(program=program, **options)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Parent:
    """A process that runs the engines of a folder (`parent.py`), up and running."""

    process: psutil.Popen
    environment: Mapping[str, str]
    pids: Mapping[str, int]


@contextmanager
def parent(home: Home) -> Iterator[Parent]:
    """Start one; killed at the end if the test has not done so."""
    with psutil.Popen(
        [sys.executable, "-m", "tests.integration.standalone.parent", str(home.path)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            said = json.loads(process.stdout.readline())
            yield Parent(process, said["environment"], said["pids"])
        finally:
            if process.is_running():
                process.terminate()


def eventually(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for something that other processes bring about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Whether a process has ended; a zombie has, and only waits for its parent."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
