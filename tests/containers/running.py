"""Containers of docker-compose.yml by hand: podman with the commands, limits and rights that the file gives them.

The engines stand in from their wheels, on this machine's own address, so the containers share its network. All else is
as the file says: nothing can be written to, no capabilities, passwords as files, and the memory and processes allowed.
"""

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
SECRET = ("tuner_database_url", "tuner_broker_url", "tuner_s3_access_key", "tuner_s3_secret_key")
ORDERLY = (0, 128 + signal.SIGTERM)  # uvicorn ends by the signal that told it to, once it has done what was to be done
_PODMAN = ("podman",)


def podman(*arguments: str, check: bool = True, seconds: float = 300.0) -> str:
    """What podman prints.

    Raises:
        AssertionError: if it fails and that was not allowed, or has not ended in time.
    """
    done = _run(*arguments, seconds=seconds)
    assert not check or done.returncode == 0, f"podman {' '.join(arguments[:3])}: {done.stderr}"
    return done.stdout + done.stderr if not check else done.stdout


def _run(*arguments: str, given: str = "", seconds: float) -> subprocess.CompletedProcess[str]:
    """One call of podman, which is killed when its time is over: one that hangs may keep a core busy for ever.

    Raises:
        AssertionError: if it has not ended in time.
    """
    command = [*_PODMAN, *arguments]
    try:
        return subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired as late:
        said = b"".join(output for output in (late.stdout, late.stderr) if output).decode(errors="replace")
        raise AssertionError(f"podman {' '.join(arguments[:3])}: has not ended within {seconds:g} s; {said}") from late


def rights(service: Mapping[str, Any]) -> list[str]:
    """The options of podman that are what a service of docker-compose.yml says of rights and limits."""
    limits = service["deploy"]["resources"]["limits"]
    options = ["--memory", str(limits["memory"]), "--pids-limit", str(limits["pids"])]
    options += ["--read-only", "--read-only-tmpfs=false"] if service["read_only"] else []
    options += ["--init"] if service.get("init") else []
    options += [f"--cap-drop={name}" for name in service["cap_drop"]]
    options += [f"--security-opt={name.replace(':true', '')}" for name in service["security_opt"]]
    return options + [f"--tmpfs={mount}" for mount in service["tmpfs"]]


@dataclass(frozen=True)
class Deployment:
    """Containers on engines that run already.

    Attributes:
        prefix: beginning of all their names.
        environment: variables that lead to the engines.
        secrets: folder of the files that are mounted under /run/secrets.
        images: names of the images by service.
        port: port of the API.
    """

    prefix: str
    environment: Mapping[str, str]
    secrets: Path
    images: Mapping[str, str]
    port: int

    @classmethod
    def on(
        cls, engines: Mapping[str, str], folder: Path, *, images: Mapping[str, str], prefix: str, port: int
    ) -> "Deployment":
        """Passwords go into files, the rest stays variables.

        Args:
            engines: variables that lead to the engines, passwords included.
            folder: existing folder for the files of passwords.
            images: names of the images by service.
            prefix: beginning of the containers' names.
            port: free port for the API.
        """
        for name in SECRET:
            (folder / name).write_text(engines[name.upper()])
            (folder / name).chmod(0o444)
        rest = {name: value for name, value in engines.items() if name.lower() not in SECRET}
        # A folder of this machine, which containers do not have; the engines are thrown away anyway.
        rest |= {"TUNER_S3_SYNC": "false"}
        rest.pop("TUNER_S3_SYNC_FOLDER", None)
        rest.pop("TUNER_DISK_FOLDER", None)
        return cls(prefix=prefix, environment=rest, secrets=folder, images=images, port=port)

    def name(self, service: str) -> str:
        """How the container of a service is called."""
        return f"{self.prefix}-{service}"

    def command(self, name: str) -> list[str]:
        """Arguments of `podman run` for one service, after the options that say whether to wait for its end."""
        service = SERVICES[name]
        variables = {key: value for key, value in service["environment"].items() if not key.startswith("TUNER_S3_")}
        variables |= self.environment
        mounts = [f"{self.secrets / secret}:/run/secrets/{secret}:ro" for secret in service["secrets"]]
        mounts += [f"{self.prefix}-{mount}" for mount in service.get("volumes", ())]
        command = list(service["command"])
        if name == "api":  # on this machine's network: to nobody but itself, and on a port that is free
            command = ["python", "-m", "api", "--host", "127.0.0.1", "--port", str(self.port)]
        return [
            f"--name={self.name(name)}",
            f"--hostname={self.name(name)}",
            "--network=host",
            *rights(service),
            *(f"--env={key}={value}" for key, value in variables.items()),
            *(f"--volume={mount}" for mount in mounts),
            self.images[name],
            *command,
        ]

    @contextlib.contextmanager
    def running(self, *services: str) -> Iterator[None]:
        """Migrate, start the services, and remove all of it at the end."""
        try:
            podman("run", "--rm", *self.command("migrate"))
            for service in services:
                podman("run", "--detach", *self.command(service))
            yield
        finally:
            for removed in (
                *(("rm", "--force", "--time", "60", self.name(service)) for service in services),
                ("volume", "rm", "--force", f"{self.prefix}-spool"),
            ):
                with contextlib.suppress(AssertionError):  # one that hangs leaves the others to be removed
                    podman(*removed, check=False)

    def is_healthy(self, service: str) -> bool:
        """Whether the health check of docker-compose.yml passes in the container of a service.

        Args:
            service: one of those that beat.

        Raises:
            AssertionError: if the check has not ended in time.
        """
        test = SERVICES[service]["healthcheck"]["test"][1:]
        return _run("exec", self.name(service), *test, seconds=60).returncode == 0

    def python(self, service: str, program: str, given: str = "") -> str:
        """What a program prints that is run in a container of its own, with the image, rights and limits of a service.

        Args:
            service: name of the service whose image, rights and limits the program gets.
            program: source of the program, in Python.
            given: text that the program reads from its standard input.

        Raises:
            AssertionError: if it fails, or has not ended in time.
        """
        name = self.name(f"{service}-program")
        options = [f"--name={name}", "--rm", "--interactive", "--network=host", *rights(SERVICES[service])]
        try:
            done = _run("run", *options, self.images[service], "python", "-c", program, given=given, seconds=300)
        except AssertionError:
            podman("rm", "--force", "--time", "0", name, check=False)  # which podman would have done at its end
            raise
        assert done.returncode == 0, f"{service}: {done.stderr}"
        return done.stdout

    def stop(self, service: str) -> int:
        """Tell a service to end; returns the status that it ended with, 137 if it had to be killed after a minute.

        Args:
            service: name of a service whose container runs.
        """
        podman("stop", "--time", "60", self.name(service))
        return int(podman("inspect", "--format", "{{.State.ExitCode}}", self.name(service)))

    def logs(self, service: str) -> str:
        """The last lines of a container."""
        return podman("logs", "--tail", "40", self.name(service), check=False)


def until(condition: Callable[[], bool], what: str, seconds: float) -> float:
    """Wait for something; returns for how long, in seconds.

    Raises:
        AssertionError: if it did not come.
    """
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + seconds, f"{what}: not within {seconds:g} s"
        time.sleep(0.5)
    return time.monotonic() - began
