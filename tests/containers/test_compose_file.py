"""docker-compose.yml by the Compose Specification, and what holds for every container in it."""

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
import yaml
from jsonschema.validators import validator_for

from tests.containers.running import ROOT, SERVICES
from tests.unit.test_compose import known_variables

TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
KEPT_RUNNING = [name for name, service in SERVICES.items() if service["restart"] == "unless-stopped"]


def problems_of(compose: Any) -> list[str]:
    """What the schema of the Compose Specification says against a file; check-jsonschema keeps a copy up to date."""
    schema = json.loads(files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text())
    return [f"{error.json_path}: {error.message}" for error in validator_for(schema)(schema).iter_errors(compose)]


def test_the_file_follows_the_specification() -> None:
    assert problems_of(yaml.safe_load(TEXT)) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("healthcheck:", "healthcheks:"), ("memory: 4g", "memory: {of: 4g}"), ("{internal: true}", "{internal: [1]}")],
)
def test_the_specification_sees_what_is_wrong(right: str, wrong: str) -> None:
    assert TEXT.count(right)
    assert problems_of(yaml.safe_load(TEXT.replace(right, wrong)))


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_has_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("cap_add", []) == (["DAC_OVERRIDE"] if name == "seaweedfs" else [])
    assert "privileged" not in service
    assert set(service["deploy"]["resources"]["limits"]) >= {"memory", "pids"}


@pytest.mark.parametrize("name", KEPT_RUNNING)
def test_whatever_runs_on_is_asked_whether_it_is_healthy(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


@pytest.mark.parametrize(
    "name", [name for name, service in SERVICES.items() if "dockerfile" in service.get("build", {})]
)
def test_nothing_of_ours_asks_for_a_shell(name: str) -> None:
    """There is none in the images."""
    service = SERVICES[name]
    assert service["command"][0] == "python"
    if name in KEPT_RUNNING:
        assert service["healthcheck"]["test"][:2] == ["CMD", "python"]


def test_what_is_not_there_by_default_is_under_a_profile() -> None:
    profiles = {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service}
    assert profiles == {"worker-gpu": ["gpu"], "prometheus": ["monitoring"], "grafana": ["monitoring"]}


def images() -> Iterator[tuple[str, str]]:
    """File and name of every image that comes from elsewhere."""
    for name, service in SERVICES.items():
        if "build" not in service:
            yield name, service["image"]
    for path in (ROOT / "docker-compose.yml", ROOT / "api/Dockerfile", ROOT / "worker/Dockerfile"):
        for line in re.findall(r"^\s*(?:FROM|ARG PYTHON_IMAGE=)\s*(\S+)", path.read_text(), re.MULTILINE):
            if line not in ("scratch", "wheels", "${PYTHON_IMAGE}"):
                yield path.name, line


def test_an_image_from_elsewhere_is_one_and_the_same_for_ever() -> None:
    found = list(images())
    assert len(found) >= 8
    assert [image for image in found if not re.search(r"\S+:[\w.-]+@sha256:[0-9a-f]{64}$", image[1])] == []
    assert len({image for _, image in found if "/python:" in image}) == 1


@pytest.mark.parametrize("package", ["api", "worker"])
def test_a_dockerfile_installs_wheels_before_it_copies_source(package: str) -> None:
    lines = (ROOT / package / "Dockerfile").read_text().splitlines()
    installs = next(number for number, line in enumerate(lines) if "-r requirements.txt" in line)
    copies = [number for number, line in enumerate(lines) if re.match(r"COPY (tuner|store|api|worker|cage)\b", line)]
    assert min(copies) > installs
    assert re.findall(r"^USER (.*)$", "\n".join(lines), re.MULTILINE) == ["10001:10001"]
    assert not re.search(r"(^|\s)-e\s", "\n".join(lines))
    for line in re.findall(r"^COPY (?!--from)(.+)$", "\n".join(lines), re.MULTILINE):
        *sources, _ = line.split()
        assert all((ROOT / source).exists() for source in sources)


def test_the_memory_that_the_api_promises_a_fit_is_what_workers_have() -> None:
    promised = SERVICES["api"]["environment"]["TUNER_FIT_MEMORY_BYTES"]
    for worker in ("worker", "worker-gpu"):
        assert SERVICES[worker]["environment"]["TUNER_WORKER_FIT_MEMORY_BYTES"] == promised
        gibibytes = int(SERVICES[worker]["deploy"]["resources"]["limits"]["memory"].removesuffix("g"))
        assert int(promised) < 0.7 * gibibytes * 2**30


def test_every_variable_of_kubernetes_is_one_that_a_process_reads() -> None:
    names = set()
    for path in (ROOT / "deploy/kubernetes").glob("*.yaml"):
        names |= set(re.findall(r"\b(TUNER_[A-Z_]+)\b", path.read_text()))
    assert names
    assert names <= known_variables()
