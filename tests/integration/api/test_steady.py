"""A full disk, rows of another version and silent processes, as clients see them."""

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, update

from store.models import Fit
from store.queue import FitQueue
from store.status import FitStatus
from tests.engines import settings_of
from tests.factories import picture_png
from tests.integration.api.conftest import Server, running_api
from tests.integration.api.world import World
from worker.resources import Resources
from worker.run import run_next_fit
from worker.settings import WorkerSettings
from worker.upkeep import upkeep_round

MEBIBYTE = 1 << 20


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 64 MiB of its own; where none can be mounted there is nothing to test."""
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "none", folder]
        if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            pytest.skip("a file system can be mounted by root only")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def test_with_a_full_disk_everything_is_read_and_nothing_added(
    environment: Mapping[str, str], world: World, small_disk: Path, tmp_path: Path
) -> None:
    signal_id = world.add_signal()
    fit_id = world.add_fit(signal_id)
    doomed = world.add_fit(signal_id)
    changes = {"TUNER_DISK_FOLDER": str(small_disk), "TUNER_DISK_FLOOR_BYTES": str(32 * MEBIBYTE)}
    with (
        running_api(environment, tmp_path, **changes) as server,
        httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client,
    ):
        documented = client.get("/openapi.json").json()["paths"]
        adding = [
            path.replace("{fit_id}", fit_id).replace("{signal_id}", signal_id)
            for path, methods in documented.items()
            if "post" in methods and not path.endswith(("/cancel", "/pause")) and not path.startswith("/keys")
        ]
        assert len(adding) >= 8
        assert client.get("/readyz").json()["read_only"] is False
        (small_disk / "filler").write_bytes(bytes(40 * MEBIBYTE))
        for path in adding:
            answer = client.post(path)
            assert (answer.status_code, answer.json()["code"]) == (507, "disk_full"), path
            assert answer.headers["Retry-After"]
        assert client.get("/readyz").json()["read_only"] is True
        assert "tuner_read_only 1" in client.get("/metrics").text
        assert client.get(f"/fits/{fit_id}").status_code == 200
        assert client.get("/fits").status_code == 200
        assert client.post(f"/fits/{doomed}/cancel").json()["status"] == "cancelled"
        assert client.delete(f"/fits/{doomed}").status_code == 204
        (small_disk / "filler").unlink()
        assert client.post("/signals", files={"file": ("a.png", picture_png())}).status_code in {200, 201}
        assert client.post("/fits", json={"signal_id": signal_id}).status_code == 202


@pytest.mark.parametrize("newer", [True, False])
def test_every_route_answers_for_a_fit_that_cannot_be_read(client: httpx.Client, world: World, newer: bool) -> None:
    fit_id = world.add_fit(world.add_signal())
    spec = {"version": 3, "sparkle": True} if newer else {"version": 2, "max_run_seconds": "soon"}
    with world.database.unit_of_work() as session:
        fit = session.get(Fit, fit_id)
        assert fit is not None
        fit.spec = spec
    shown = client.get(f"/fits/{fit_id}")
    assert shown.status_code == 200
    assert shown.json()["spec"] == spec
    assert ("newer" in shown.json()["waits_because"]) is newer
    assert fit_id in client.get("/fits").text
    code = "spec_newer" if newer else "spec_invalid"
    answer = client.post(f"/fits/{fit_id}/clone", json={"seed": 1})
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert client.post(f"/fits/{fit_id}/pause").json()["status"] == "paused"
    assert client.post(f"/fits/{fit_id}/resume").json()["status"] == "queued"
    assert client.get(f"/fits/{fit_id}/events", headers={"Accept": "application/json"}).status_code == 200
    assert client.get(f"/fits/{fit_id}/representation").status_code == 409
    assert client.get(f"/fits/{fit_id}/checkpoints").status_code == 200
    assert client.post(f"/fits/{fit_id}/cancel").json()["status"] == "cancelled"
    assert client.get(f"/fits/{fit_id}").json()["waits_because"] is None
    answer = client.post(f"/fits/{fit_id}/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert client.delete(f"/fits/{fit_id}").status_code == 204


def test_while_versions_change_later_fits_run_past_newer_rows_and_the_service_answers(
    client: httpx.Client, world: World, environment: Mapping[str, str]
) -> None:
    """A rolling upgrade: an api of the next version has accepted urgent fits that no worker here can read."""
    with world.database.unit_of_work() as session:  # what tests of other pages and tenants have left
        session.execute(update(Fit).where(Fit.status == FitStatus.QUEUED).values(status=FitStatus.CANCELLED))
    signal = client.post("/signals", files={"file": ("a.png", picture_png())}).json()["id"]
    quick = {"signal_id": signal, "max_steps": 3, "network": {"frequencies": 8, "hidden": [8]}}
    newer = [world.add_fit(signal) for _ in range(30)]
    with world.database.unit_of_work() as session:
        for fit in session.scalars(select(Fit).where(Fit.id.in_(newer))):
            fit.spec, fit.priority = {"version": 3, "network": {"kind": "ripples"}}, 9
    own = [client.post("/fits", json=quick).json()["id"] for _ in range(2)]
    settings = settings_of(environment)
    with closing(FitQueue(settings)) as queue:
        worker = Resources(
            settings=WorkerSettings(device="cpu"), database=world.database, blobs=world.blobs, queue=queue
        )
        assert [run_next_fit(worker) for _ in own] == own
        assert run_next_fit(worker) is None
        assert upkeep_round(worker) == []
    assert [client.get(f"/fits/{fit_id}").json()["status"] for fit_id in own] == ["succeeded"] * len(own)
    assert client.get(f"/fits/{own[0]}/representation").status_code == 200
    assert client.get("/readyz").status_code == 200
    listed = client.get("/fits?status=queued&limit=100").json()["data"]
    assert set(newer) <= {fit["id"] for fit in listed}
    assert all("newer" in client.get(f"/fits/{fit_id}").json()["waits_because"] for fit_id in newer)
    assert client.post(f"/fits/{newer[0]}/cancel").json()["status"] == "cancelled"
    with world.database.unit_of_work() as session:
        rows = session.scalars(select(Fit).where(Fit.id.in_(newer[1:]))).all()
        assert {(row.status, row.attempt, row.event_seq) for row in rows} == {(FitStatus.QUEUED, 0, 1)}


def test_the_age_of_the_queue_is_told(client: httpx.Client, world: World, server: Server) -> None:
    world.add_fit(world.add_signal())
    ready = client.get("/readyz").json()
    assert ready["oldest_waiting_seconds"] >= 0
    assert ready["silent"] == []
    text = client.get("/metrics").text
    assert "# TYPE tuner_queue_oldest_seconds gauge" in text
    assert "tuner_fits_waiting" in text
