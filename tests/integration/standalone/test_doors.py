"""Every listening port, socket file, process and file of the running stack, tried by somebody without a secret.

The doors are found by looking at the processes, not at our own lists: a port that nobody has thought of has no case in
`SPEAKS`, and that is a failure.
"""

import contextlib
import dataclasses
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest
import redis

from standalone.home import Home
from standalone.program import python_environment
from standalone.seaweed import program as weed
from tests.engines import s3_client, throwaway_home
from tests.integration.standalone.stranger import Attempt, Door, Plan

TO_GRPC = 10_000

# What each door speaks, and so how it has to refuse (`stranger._refused`).
SPEAKS = {
    "api.http": "api",
    "postgres.sql": "postgres",
    "valkey.redis": "redis",
    "seaweedfs.s3": "s3",
    **{f"seaweedfs.{part}": "tls" for part in ("master", "volume", "filer", "admin")},
    **{f"seaweedfs.{part}.grpc": "tls" for part in ("s3", "master", "volume", "filer", "admin")},
}
KEY, CONTENT = "signals/tenant-a/secret", b"what nobody else may read" * 100


@dataclasses.dataclass(frozen=True)
class Stack:
    """A keyed service that runs, with something of a tenant in each engine."""

    home: Home
    process: psutil.Process
    environment: Mapping[str, str]
    api_url: str
    api_key: str

    def processes(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


def listening(processes: Iterable[psutil.Process]) -> tuple[set[tuple[str, int]], set[str]]:
    """Addresses and ports, and socket files, on which processes wait for others; UDP has no other than all bound."""
    ports, sockets = set(), set()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # one that has ended meanwhile waits for nobody
            for connection in process.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN or connection.type == socket.SOCK_DGRAM:
                    ports.add((connection.laddr.ip, connection.laddr.port))
            for connection in process.net_connections("unix"):
                if path := str(connection.laddr):
                    sockets.add(path if path.startswith("@") else str(Path(process.cwd(), path)))
    return ports, sockets


def doors(ports: Iterable[tuple[str, int]], names: Mapping[int, str]) -> tuple[Door, ...]:
    """The ports by name, with what they speak."""
    found = []
    for address, port in sorted(ports):
        name = names.get(port, "(unknown)")
        assert name in SPEAKS, f"port {port} ({name}) has no case: say in SPEAKS how it refuses strangers"
        assert address == "127.0.0.1", f"{name} listens on {address}"
        found.append(Door(name, port, SPEAKS[name]))
    return tuple(found)


def names_of(home: Home, api_url: str) -> dict[int, str]:
    remembered: dict[str, int] = json.loads((home.path / "ports.json").read_text())
    names = {port: name for name, port in remembered.items()}
    names |= {port + TO_GRPC: f"{name}.grpc" for name, port in remembered.items() if name.startswith("seaweedfs.")}
    return names | {int(api_url.rpartition(":")[2]): "api.http"}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with throwaway_home() as home:
        tunerd = [sys.executable, "-m", "standalone.cli"]
        environment = python_environment(TUNER_REQUIRE_KEYS="1", TUNER_HOME=str(home.path))
        with psutil.Popen([*tunerd, "up"], env=environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                said = ""
                while "Stop with Ctrl-C" not in said:
                    line = process.stdout.readline()
                    assert line, f"tunerd ended: {said}"
                    said += line
                running = home.running()
                make = [*tunerd, "keys", "create", "--tenant", "a"]
                key = subprocess.run(make, env=environment, capture_output=True, text=True, check=True).stdout.strip()
                yield Stack(home, psutil.Process(process.pid), running.environment, running.api_url, key)
            finally:
                process.terminate()
                process.communicate(timeout=120)


@pytest.fixture(scope="module")
def attempts(stack: Stack) -> list[Attempt]:
    """What the stranger tried, once for all tests: everything, everywhere."""
    leave_something(stack)
    processes = stack.processes()
    ports, sockets = listening(processes)
    home = stack.home.path
    plan = Plan(
        doors=doors(ports, names_of(stack.home, stack.api_url)),
        sockets=tuple(sorted(sockets)),
        pids=tuple(process.pid for process in processes),
        files=tuple(str(path) for path in [home, *home.rglob("*")] if path.is_dir() or path.is_file()),
        lock=str(home / "lock"),
        bucket=stack.environment["TUNER_S3_BUCKET"],
        keys=(KEY,),
        weed=str(weed()),
    )
    if os.geteuid() != 0:  # the stranger is the same user then, for whom files and sockets are open
        plan = dataclasses.replace(plan, sockets=(), pids=(), files=(), lock="/nonexistent")
    ended = subprocess.run(
        [sys.executable, "-m", "tests.integration.standalone.stranger"],
        input=json.dumps(dataclasses.asdict(plan)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return [Attempt(**json.loads(line)) for line in ended.stdout.splitlines()]


def leave_something(stack: Stack) -> None:
    s3 = s3_client(stack.environment)
    s3.put_object(Bucket=stack.environment["TUNER_S3_BUCKET"], Key=KEY, Body=CONTENT)
    with redis.Redis.from_url(stack.environment["TUNER_BROKER_URL"]) as broker:
        broker.set("kept", "a message")


def test_every_door_was_tried(stack: Stack, attempts: list[Attempt]) -> None:
    """A loop over nothing would pass."""
    tried = {attempt.at for attempt in attempts}
    assert set(SPEAKS) <= tried
    assert all(sum(attempt.at == name for attempt in attempts) > 50 for name in SPEAKS)
    assert sum(attempt.what.startswith("weed ") for attempt in attempts) == 9
    if os.geteuid() == 0:
        assert {str(stack.home.path / name) for name in ("installation.json", "running.json", "logs")} <= tried
        assert sum(attempt.what == "environment" for attempt in attempts) >= 8
        assert sum(attempt.what == "connect" for attempt in attempts) >= 7


def test_nobody_without_the_secret_lists_reads_takes_tokens_or_deletes(attempts: list[Attempt]) -> None:
    opened = [attempt for attempt in attempts if not attempt.refused]
    if os.geteuid() != 0:
        opened = [attempt for attempt in opened if attempt.what != "take the lock"]
    by_door: dict[str, list[Attempt]] = {}
    for attempt in opened:
        by_door.setdefault(attempt.at, []).append(attempt)
    complaints = [
        f"{door} ({len(found)}): " + "; ".join(f"{attempt.what} -> {attempt.answer[:100]}" for attempt in found[:3])
        for door, found in by_door.items()
    ]
    assert not opened, "\n".join(complaints)


def test_everything_is_still_there(stack: Stack, attempts: list[Attempt]) -> None:
    answer = s3_client(stack.environment).get_object(Bucket=stack.environment["TUNER_S3_BUCKET"], Key=KEY)
    assert answer["Body"].read() == CONTENT
    found = s3_client(stack.environment).list_objects_v2(Bucket=stack.environment["TUNER_S3_BUCKET"])
    assert not [entry["Key"] for entry in found["Contents"] if "planted" in entry["Key"]]
    with redis.Redis.from_url(stack.environment["TUNER_BROKER_URL"]) as broker:
        assert broker.get("kept") == b"a message"
    with psycopg.connect(stack.environment["TUNER_DATABASE_URL"].replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT count(*) FROM api_keys").fetchone() == (1,)
    with httpx.Client(base_url=stack.api_url, trust_env=False) as client:
        assert client.get("/fits").status_code == 401
        assert client.get("/fits", headers={"Authorization": f"Bearer {stack.api_key}"}).status_code == 200


def test_the_owner_opens_with_the_same_tools_what_the_stranger_could_not(stack: Stack) -> None:
    """Or the stranger would prove nothing but that its tools do not work."""
    names = {name: port for port, name in names_of(stack.home, stack.api_url).items()}
    address = {p: f"127.0.0.1:{names[f'seaweedfs.{p}']}.{names[f'seaweedfs.{p}.grpc']}" for p in ("master", "filer")}
    shell = subprocess.run(
        [weed(), "shell", f"-master={address['master']}", f"-filer={address['filer']}"],
        input=f"fs.ls -l /buckets/{stack.environment['TUNER_S3_BUCKET']}/signals/tenant-a\nexit\n",
        cwd=stack.home.path / "seaweedfs",  # where the certificate is
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "secret" in shell.stdout, shell.stderr


def test_secrets_stand_on_no_command_line(stack: Stack) -> None:
    secrets = [value for name, value in vars(stack.home.installation()).items() if name != "layout"]
    said = [argument for process in stack.processes() for argument in process.cmdline()]
    assert not [argument for argument in said if any(secret in argument for secret in secrets)]


def test_a_port_without_a_case_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ports, _ = listening([psutil.Process()])
        number = server.getsockname()[1]
        with pytest.raises(AssertionError, match=f"port {number} .* has no case"):
            doors([port for port in ports if port[1] == number], {})
