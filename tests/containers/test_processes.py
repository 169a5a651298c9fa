"""What containers are asked and told by who runs them, on the real engines."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from os import environ

import pytest
import yaml
from pydantic import SecretStr
from sqlalchemy import text

from store.database import Database
from store.pulse import SILENT_SECONDS, Pulses
from store.repositories.fits import Fits
from store.settings import StoreSettings
from tests.containers.running import ROOT
from tests.factories import add_fit, claim
from worker import idle
from worker.healthy import what_is_wrong

HOST = "tuner-worker-5d9c"


@pytest.fixture
def pulses(store_settings: StoreSettings) -> Iterator[Pulses]:
    with closing(Pulses(store_settings)) as pulses:
        yield pulses


def test_healthy_is_who_beats_on_this_host(pulses: Pulses, monkeypatch: pytest.MonkeyPatch) -> None:
    pulses.beat("worker", "another-host:7")
    assert what_is_wrong(pulses, HOST) == f"nobody on {HOST} has beaten yet"
    pulses.beat("worker", f"{HOST}:7")
    assert what_is_wrong(pulses, HOST) is None
    now = pulses._now()
    monkeypatch.setattr(pulses, "_now", lambda: now + SILENT_SECONDS + 5)
    assert str(what_is_wrong(pulses, HOST)).startswith(f"worker on {HOST}: silent for 3")
    pulses.beat("worker", f"{HOST}:8")  # its successor: the old one is not held against it
    assert what_is_wrong(pulses, HOST) is None


def test_nobody_is_called_unhealthy_for_a_broker_that_is_away(store_settings: StoreSettings) -> None:
    away = store_settings.model_copy(update={"broker_url": SecretStr("redis://127.0.0.1:1/0")})
    with closing(Pulses(away)) as pulses:
        assert what_is_wrong(pulses, HOST) is None


def test_the_health_check_ends_with_a_status(store_environment: dict[str, str], pulses: Pulses) -> None:
    command = [sys.executable, "-m", "worker.healthy"]
    for beaten, status in ((False, 1), (True, 0)):
        if beaten:
            pulses.beat("upkeep", f"{socket.gethostname()}:1")
        done = subprocess.run(command, env=dict(environ) | store_environment, capture_output=True, check=False)
        assert done.returncode == status, done.stderr


def test_who_is_to_leave_waits_for_its_own_fit_only(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "_LOOK_EVERY_SECONDS", 0.05)
    assert idle.wait_until_idle(database, HOST, 60)
    for worker in (f"{HOST}:7", "another-host:7", f"{HOST}2:7"):
        add_fit(database)
        claimed = claim(database, worker)
    assert idle.running_on(database, HOST) == 1
    assert not idle.wait_until_idle(database, HOST, 0.2)
    waited: list[bool] = []
    thread = threading.Thread(target=lambda: waited.append(idle.wait_until_idle(database, f"{HOST}2", 60)))
    thread.start()
    time.sleep(0.2)
    assert not waited
    with database.unit_of_work() as session:
        Fits(session).release(claimed.claim)
    thread.join(60)
    assert waited == [True]


def test_keda_counts_what_waits_and_what_runs(database: Database) -> None:
    documents = yaml.safe_load_all((ROOT / "deploy/kubernetes/worker.yaml").read_text())
    (scaled,) = [document for document in documents if document["kind"] == "ScaledObject"]
    (trigger,) = scaled["spec"]["triggers"]

    def count() -> object:
        with database.reading() as session:
            return session.scalar(text(trigger["metadata"]["query"]))

    assert count() == 0
    for _ in range(3):
        add_fit(database)
    claim(database)
    assert count() == 3
    with database.unit_of_work() as session:
        session.execute(text("UPDATE fits SET not_before = now() + interval '1 hour' WHERE status = 'queued'"))
    assert count() == 1
