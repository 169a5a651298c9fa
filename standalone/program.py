"""A process of the stack: what to run, how to see that it is ready, how it wants to be stopped.

Engines, migrations, api, worker and upkeep are all described by a `Service` and started by `Child`; nothing here knows
what any of them is.
"""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM, Signals

import psutil

from standalone.accounts import Account, PopenAccount
from standalone.errors import StartFailed, log_tail
from standalone.records import ProcessRecord

_POLL_SECONDS = 0.05
# A program that starts slowly on a loaded machine still works: so much in a while is worth waiting on, so many times.
_WORTH_WAITING_SECONDS, _PATIENT = 0.05, 10.0
NEVER = b""  # what `Service.beats` says of a process that it has not heard
_LOG_LIMIT_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Program:
    """A command line with its surroundings.

    Attributes:
        folder: the working folder; an engine is recognised by it when nothing else is left.
        environment: all variables that the process gets; nothing is inherited.
        account: user under whom the process runs; None for the account of the parent.
    """

    name: str
    argv: tuple[str, ...]
    folder: Path
    log: Path
    environment: Mapping[str, str]
    account: Account | None = None

    def spawn(self) -> "Spawned":
        """Start it in a process group of its own, so that Ctrl-C reaches the parent only.

        Raises:
            StartFailed: the program could not be executed.
        """
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".old.log"))
        with self.log.open("ab") as log:
            begins = log.tell()
            try:
                process = subprocess.Popen(
                    self.argv,
                    cwd=self.folder,
                    env=dict(self.environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    process_group=0,
                    umask=0o077,
                    **(self.account.popen_arguments() if self.account else PopenAccount()),
                )
            except OSError as error:
                raise StartFailed(f"{self.name} cannot be started: {error}") from error
        return Spawned(process, self.log, begins)

    def run(self, timeout_seconds: float) -> None:
        """Run it to its end.

        Raises:
            StartFailed: it could not be executed, ended with an error, or took too long.
        """
        spawned = self.spawn()
        process = spawned.process
        try:
            status = process.wait(timeout_seconds)
        except BaseException:
            process.kill()
            process.wait()
            raise
        if status != 0:
            raise StartFailed(f"{self.name} ended with status {status}.\n{spawned.log_tail()}")


@dataclass(frozen=True)
class Spawned:
    """A process and its part of the log.

    Attributes:
        process: what was started.
        log: file that it writes to, after others of its name.
        begins: byte of the file at which its own lines begin.
    """

    process: subprocess.Popen[bytes]
    log: Path
    begins: int

    def log_tail(self) -> str:
        """The last lines that it wrote, for the end of an error message."""
        return log_tail(self.log, self.begins)


@dataclass(frozen=True, kw_only=True)
class Service:
    """A program that keeps running.

    Attributes:
        prepare: called before every start, also after a crash; leaves the folder such that the program can start.
        check: raises as long as the program does not do its work; proves it by a real request.
        stage: services of a higher stage lean on those of a lower one.
        ready_seconds: longest time in seconds in which the program may do nothing before `check` passes; ten times as
            long it may work.
        ports: numbers of the ports on 127.0.0.1 that it listens on.
        is_vital: whether everything ends when this ends again and again; what is not is started for ever.
        beats: function from the number of the process to anything that changes while the process works; raises if
            nobody can be asked. None for a process that does not beat.
        deaf_seconds: silence in seconds, after a first beat, of a process that is then replaced.
    """

    program: Program
    prepare: Callable[[], None] = lambda: None
    check: Callable[[], None] = lambda: None
    ready_seconds: float = 30.0
    stage: int = 0
    stop_signal: Signals = SIGTERM
    patience_seconds: float = 10.0
    ports: tuple[int, ...] = ()
    is_vital: bool = True
    beats: Callable[[int], object] | None = None
    deaf_seconds: float = 60.0

    @property
    def name(self) -> str:
        """As it stands on the console and in the logs."""
        return self.program.name


class Child:
    """A service that was started by this process."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._spawned = service.program.spawn()
        self._process = self._spawned.process
        self.record = ProcessRecord(
            name=service.name,
            pid=self._process.pid,
            created=psutil.Process(self._process.pid).create_time(),
            stage=service.stage,
            stop_signal=service.stop_signal,
            patience_seconds=service.patience_seconds,
        )

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._process.poll()

    def log_tail(self) -> str:
        """The last lines that it wrote, for the end of an error message."""
        return self._spawned.log_tail()

    def reap(self) -> None:
        """Let the kernel forget a process that was stopped."""
        self._process.wait()

    def _work_seconds(self) -> float:
        """Processor time that the process has used, in seconds; a loaded machine gives it little at a time."""
        try:
            times = psutil.Process(self._process.pid).cpu_times()
        except psutil.Error:
            return 0.0
        return float(times.user + times.system)

    def work_mark(self) -> str:
        """Something that changes while the process works, whether it beats or not."""
        return f"work {self._work_seconds() // _WORTH_WAITING_SECONDS:.0f}"

    def wait_until_ready(self, cancelled: threading.Event) -> None:
        """Block until `Service.check` passes.

        Raises:
            StartFailed: the process ended, or was not ready in time, or `cancelled` was set.
        """
        service, started = self.service, time.monotonic()
        moved, work = started, 0.0
        while True:
            complaint: Exception
            try:
                service.check()
                if self.exit_status is None:
                    return
                complaint = StartFailed("something else answered in its place")
            except Exception as error:  # whatever a client library raises while its server is not there yet
                complaint = error
            if self.exit_status is not None:
                reason = f"{service.name} ended with status {self.exit_status} while starting."
            elif (now := time.monotonic()) - started > _PATIENT * service.ready_seconds:
                reason = f"{service.name} was not ready after {now - started:.0f} s: {complaint}"
            elif now - moved > service.ready_seconds:
                reason = f"{service.name} has done nothing for {now - moved:.0f} s and is not ready: {complaint}"
            elif cancelled.wait(_POLL_SECONDS):
                reason = f"{service.name} was interrupted while starting."
            else:
                if (done := self._work_seconds()) > work + _WORTH_WAITING_SECONDS:
                    moved, work = now, done
                continue
            raise StartFailed(f"{reason}\n{self.log_tail()}") from complaint


def bare_environment(**extra: str) -> dict[str, str]:
    """The parent's environment reduced to what any program needs.

    The engines read much more than one expects: PG* and S3_BUCKET change their behaviour, and AWS_ACCESS_KEY_ID would
    become a key of the embedded object storage.
    """
    kept = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ")
    return {name: os.environ[name] for name in kept if name in os.environ} | extra


def python_environment(**extra: str) -> dict[str, str]:
    """The parent's environment for our own Python processes, without what would lead them to other servers."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "AWS_"))}
    local = ",".join(
        filter(None, [os.environ.get("NO_PROXY", os.environ.get("no_proxy", "")), "127.0.0.1", "localhost"])
    )
    return own | {"NO_PROXY": local, "no_proxy": local, "PYTHONUNBUFFERED": "1"} | extra
