"""All that the service does except fits is done by processes that never import torch.

They run here as `tunerd` starts them, with a torch in their way that notes who asks for it: an upload is inspected, a
fit estimated, a view drawn, and upkeep does its rounds.
"""

import contextlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from standalone import processes
from standalone.program import Service
from standalone.stack import stack
from standalone.supervise import Supervisor
from store.blobs import BlobStore
from store.database import Database
from store.keys import fit_prefix
from tests.engines import settings_of, throwaway_home
from tests.factories import picture_png
from tests.integration.api.world import World
from tests.integration.standalone.helpers import eventually
from tests.networks import random_representation
from tuner.codec.encode import encode

TRAP = """
import sys, traceback
with open({complaint!r}, "a") as file:
    print(sys.orig_argv, *traceback.format_stack(), file=file)
raise ModuleNotFoundError("no torch in this process", name="torch")
"""


@pytest.fixture(scope="module")
def complaint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a process that imports torch is written down; absent as long as none has."""
    return tmp_path_factory.mktemp("trap") / "complaint"


@pytest.fixture(scope="module")
def running(complaint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    """Everything but the worker, on an import path that has our torch before the real one."""
    folder = tmp_path_factory.mktemp("path")
    (folder / "torch.py").write_text(TRAP.format(complaint=str(complaint)))
    with pytest.MonkeyPatch.context() as patch, throwaway_home() as home:
        patch.setenv("PYTHONPATH", str(folder), prepend=":")
        patch.setenv("TUNER_WORKER_UPKEEP_EVERY_SECONDS", "0.1")
        with stack(home, with_worker=False) as supervisor:
            yield supervisor


def test_only_the_worker_is_left_out(running: Supervisor) -> None:
    """Whatever `standalone.processes` learns to start is held to this page as well."""
    ours = {
        name
        for name, function in inspect.getmembers(processes, inspect.isfunction)
        if not name.startswith("_") and inspect.signature(function).return_annotation is Service
    }
    engines = {"postgres", "valkey", "seaweedfs"}
    assert {record.name for record in running.records()} - engines == ours - {"worker"}


def test_uploads_estimates_views_and_upkeep_need_no_torch(running: Supervisor, complaint: Path) -> None:
    settings = settings_of(running.environment)
    client = httpx.Client(base_url=running.api_url or "", timeout=60, trust_env=False)
    with contextlib.closing(Database(settings)) as database, client:
        world = World(database, BlobStore(settings))
        signal = client.post("/signals", files={"file": picture_png()}).json()["id"]
        for target in ({"psnr_db": 30}, {"seconds": 5}, None):
            asked = client.post("/fits?validate_only=true", json={"signal_id": signal, "target": target})
            assert asked.status_code == 200, asked.text
        fit = world.add_fit(world.add_signal(), priority=90)
        claim = world.start(fit)
        world.add_checkpoint(claim, b"a state of training, of no use to a fit that has ended")
        world.succeed(claim, encode(random_representation((10, 14))))
        for view in ("reconstruction", "gradient", "spectrum"):
            drawn = client.get(f"/fits/{fit}/{view}", headers={"Prefer": "wait=30"})
            assert drawn.status_code == 200, drawn.text
        # Upkeep takes the checkpoint away.
        eventually(lambda: not any("checkpoint" in key for key in world.blobs.keys(fit_prefix(fit))))
    assert not complaint.exists(), complaint.read_text()


def test_upkeep_is_small(running: Supervisor) -> None:
    """With torch it takes 550 MiB; a library that nobody meant to bring along shows here first."""
    (process,) = [record.pid for record in running.records() if record.name == "upkeep"]
    eventually(lambda: psutil.Process(process).memory_info().rss > 60 << 20)  # it has begun
    # It takes 115 to 121 MiB, by the machine.
    assert psutil.Process(process).memory_info().rss < 140 << 20
