"""The whole promise through HTTP, with every process real: upload, fit, watch, download, decode."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from math import log10
from pathlib import Path
from signal import SIGKILL
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from PIL import Image
from rich.console import Console

from standalone import processes
from standalone.demo import run_demo
from standalone.stack import stack
from standalone.supervise import Supervisor
from tests.engines import throwaway_home
from tests.factories import picture_png

CONTENT = picture_png()
QUICK = {"max_steps": 40, "network": {"frequencies": 48, "hidden": [32]}}
ENDLESS = {"max_steps": 1_000_000, "network": {"frequencies": 48, "hidden": [32]}}
FINAL = {"succeeded", "failed", "cancelled", "expired"}


@pytest.fixture(scope="module")
def running() -> Iterator[Supervisor]:
    """Engines, api and upkeep; a worker comes later, in the test that is about its absence."""
    with throwaway_home() as home, stack(home, with_worker=False) as supervisor:
        yield supervisor


@pytest.fixture(scope="module")
def client(running: Supervisor) -> Iterator[httpx.Client]:
    assert running.api_url is not None
    with httpx.Client(base_url=running.api_url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def fit_from_before_the_worker(client: httpx.Client) -> dict[str, Any]:
    """A fit that is accepted while no worker runs."""
    fit = submit(client, QUICK)
    time.sleep(1)
    assert client.get(f"/fits/{fit['id']}").json()["status"] == "queued"
    return fit


@pytest.fixture(scope="module")
def worker(running: Supervisor, fit_from_before_the_worker: dict[str, Any]) -> psutil.Process:
    """A worker, started after that fit was submitted."""
    running.start(processes.worker(running.home, running.environment))
    record = next(record for record in running.records() if record.name == "worker")
    return psutil.Process(record.pid)


def submit(client: httpx.Client, spec: dict[str, Any]) -> dict[str, Any]:
    upload = client.post("/signals", files={"file": ("garden.png", CONTENT, "image/png")})
    assert upload.status_code in (200, 201), upload.text
    answer = client.post("/fits", json={"signal_id": upload.json()["id"], **spec})
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"].endswith(f"/fits/{answer.json()['id']}")
    fit: dict[str, Any] = answer.json()
    return fit


def wait_until(client: httpx.Client, fit_id: str, statuses: set[str], seconds: float = 180) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while True:
        fit: dict[str, Any] = client.get(f"/fits/{fit_id}").json()
        if fit["status"] in statuses:
            return fit
        assert time.monotonic() < deadline, f"still {fit['status']} after {seconds} s: {fit}"
        time.sleep(0.05)


def download(client: httpx.Client, fit_id: str) -> bytes:
    return client.get(f"/fits/{fit_id}/representation").raise_for_status().content


def test_a_fit_submitted_while_no_worker_ran_completes(
    client: httpx.Client, fit_from_before_the_worker: dict[str, Any], worker: psutil.Process
) -> None:
    assert wait_until(client, fit_from_before_the_worker["id"], FINAL)["status"] == "succeeded"


@pytest.mark.usefixtures("worker")
def test_the_downloaded_file_alone_decodes_to_the_picture(client: httpx.Client, tmp_path: Path) -> None:
    fit = wait_until(client, submit(client, QUICK)["id"], FINAL)
    assert fit["status"] == "succeeded", fit
    content = download(client, fit["id"])
    assert len(content) == fit["result"]["bytes"]
    (tmp_path / "garden.tnr").write_bytes(content)
    decode = [sys.executable, "-m", "tuner.cli", "decode", "garden.tnr", "-o", "garden.png"]
    # An empty environment and folder: nothing but the file can tell the process what the picture was.
    subprocess.run(decode, cwd=tmp_path, env={"PYTHONPATH": str(Path(__file__).parents[2])}, check=True)
    decoded, original = (
        np.asarray(Image.open(file), dtype=np.float64) / 255 for file in (tmp_path / "garden.png", io.BytesIO(CONTENT))
    )
    assert decoded.shape == original.shape
    psnr_db = -10 * log10(float(np.mean(np.square(decoded - original))))
    assert psnr_db == pytest.approx(fit["result"]["psnr_db"], abs=1e-3)
    assert fit["result"]["psnr_db"] > 20


@pytest.mark.usefixtures("worker")
def test_events_tell_the_story_once_and_in_order(client: httpx.Client) -> None:
    fit_id = submit(client, QUICK)["id"]
    with client.stream("GET", f"/fits/{fit_id}/events", headers={"Accept": "text/event-stream"}) as stream:
        seen = [json.loads(line.removeprefix("data:")) for line in stream.iter_lines() if line.startswith("data:")]
    assert [event["seq"] for event in seen] == list(range(1, len(seen) + 1))
    kinds = [event["kind"] for event in seen]
    assert kinds[:2] == ["queued", "running"]
    assert set(kinds[2:-1]) <= {"phase", "progress"}  # a fit that is over within a second tells nothing on the way
    assert kinds[-1] == "succeeded"
    assert client.get(f"/fits/{fit_id}/events").json()["data"] == seen


@pytest.mark.usefixtures("worker")
def test_the_demo_leaves_what_it_promises(running: Supervisor, tmp_path: Path) -> None:
    picture = np.asarray(Image.open(io.BytesIO(CONTENT)))
    report = run_demo(running.api_url, picture, tmp_path, Console(), started=time.monotonic(), effort="fast")
    assert report.psnr_db > 20
    assert report.bytes == (tmp_path / "compressed.tnr").stat().st_size
    promised = {"psnr_db", "bytes", "bits_per_sample", "fit_seconds", "total_seconds", "fit_id"}
    assert promised <= set(json.loads((tmp_path / "report.json").read_text()))
    with Image.open(tmp_path / "comparison.png") as comparison:
        assert comparison.size == (3 * picture.shape[1], picture.shape[0])


@pytest.mark.usefixtures("worker")
def test_cancel_of_a_running_fit_takes_effect(client: httpx.Client) -> None:
    fit_id = submit(client, ENDLESS)["id"]
    wait_until(client, fit_id, {"running"})
    assert client.post(f"/fits/{fit_id}/cancel").json()["status"] in {"cancelling", "cancelled"}
    assert wait_until(client, fit_id, FINAL, seconds=120)["status"] == "cancelled"
    assert client.get(f"/fits/{fit_id}/representation").status_code == 409


def test_a_fit_outlives_the_process_that_trains_it(client: httpx.Client, worker: psutil.Process) -> None:
    fit_id = submit(client, QUICK | {"max_steps": 1500})["id"]
    wait_until(client, fit_id, {"running"})
    (pool_process,) = [child for child in worker.children() if "spawn_main" in " ".join(child.cmdline())]
    os.kill(pool_process.pid, SIGKILL)
    fit = wait_until(client, fit_id, FINAL, seconds=240)
    assert fit["status"] == "succeeded", fit
    assert fit["attempts"] == 2
