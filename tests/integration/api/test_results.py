"""Views, metrics and checkpoints over HTTP, drawn by the worker's own function."""

import hashlib
import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import pytest
from PIL import Image
from sqlalchemy import text

from store.keys import RENDERS
from store.queue import FitQueue
from tests.engines import settings_of
from tests.integration.api.waiting import eventually
from tests.integration.api.world import World
from tests.networks import random_representation
from tuner.codec.decode import decode
from tuner.codec.encode import encode
from tuner.signal.image import write_image
from worker.leftovers import tend_views
from worker.render import draw_next_view
from worker.resources import Resources
from worker.settings import WorkerSettings
from worker.sweep import sweep

FILE = encode(random_representation((10, 14)))
FACTS = {"grid_shape": [10, 14], "weights": 200, "steps": 40, "fit_psnr_db": 33.5, "compression_ratio": 2.0}


@pytest.fixture(scope="module")
def worker(world: World, environment: dict[str, str]) -> Iterator[Resources]:
    """The interactive worker's resources, used from this process."""
    queue = FitQueue(settings_of(environment))
    settings = WorkerSettings(orphan_seconds=0, views_kept_seconds=3600)
    yield Resources(settings=settings, database=world.database, blobs=world.blobs, queue=queue)
    queue.close()


@pytest.fixture
def fit(world: World) -> str:
    fit_id = world.add_fit(world.add_signal(), priority=90)
    world.succeed(world.start(fit_id), FILE, facts=FACTS)
    with world.database.unit_of_work() as session:
        # The same file again and again: what was drawn for another test is not drawn anew.
        session.execute(text("DELETE FROM renders"))
    return f"/fits/{fit_id}"


def test_a_view_is_accepted_drawn_and_downloaded(client: httpx.Client, worker: Resources, fit: str) -> None:
    url = f"{fit}/reconstruction?scale=2&region=1,2,6,4"
    waiting = client.get(url)
    assert (waiting.status_code, waiting.json()["status"]) == (202, "queued")
    assert (waiting.headers["location"], waiting.headers["retry-after"]) == (url, "1")
    assert client.get(url).json()["id"] == waiting.json()["id"]
    assert draw_next_view(worker) == waiting.json()["id"]
    done = client.get(url)
    assert (done.status_code, done.headers["content-type"]) == (200, "image/png")
    assert Image.open(io.BytesIO(done.content)).size == (12, 8)
    assert done.headers["etag"] == f'"{hashlib.sha256(done.content).hexdigest()}"'
    assert done.headers["content-disposition"] == 'attachment; filename="pic.png"'
    assert client.get(url, headers={"If-None-Match": done.headers["etag"]}).status_code == 304
    part = client.get(url, headers={"Range": "bytes=8-"})
    assert (part.status_code, part.content) == (206, done.content[8:])
    head = client.head(url)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(done.content)))


def test_the_whole_is_what_decoding_gives(client: httpx.Client, worker: Resources, fit: str) -> None:
    client.get(f"{fit}/reconstruction")
    draw_next_view(worker)
    assert client.get(f"{fit}/reconstruction").content == write_image(decode(FILE).render())


def test_numbers(client: httpx.Client, worker: Resources, fit: str) -> None:
    for view, shape in {"reconstruction": (10, 14, 3), "gradient": (10, 14), "spectrum": (10, 14)}.items():
        url = f"{fit}/{view}?format=npy"
        client.get(url)
        draw_next_view(worker)
        answer = client.get(url)
        assert answer.headers["content-type"] == "application/x-npy"
        numbers = np.load(io.BytesIO(answer.content), allow_pickle=False)
        assert (numbers.dtype, numbers.shape) == (np.float32, shape)


def test_prefer_wait_holds_the_answer_back_until_it_is_there(client: httpx.Client, worker: Resources, fit: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.get, f"{fit}/gradient", headers={"Prefer": "wait=20"})
        eventually(lambda: draw_next_view(worker) is not None)
        assert answer.result(20).status_code == 200


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("scale=0", 422, "invalid_request"),
        ("scale=nan", 422, "invalid_request"),
        ("scale=65", 422, "invalid_request"),
        ("region=0,0,15,10", 422, "invalid_request"),
        ("region=0,0,4", 422, "invalid_request"),
        ("region=1e9,0,1,1", 422, "invalid_request"),
        ("region=0,0,nan,1", 422, "invalid_request"),
        ("format=exe", 422, "invalid_request"),
    ],
)
def test_a_view_that_cannot_be(client: httpx.Client, fit: str, query: str, status: int, code: str) -> None:
    answer = client.get(f"{fit}/reconstruction?{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_view_that_would_be_too_large(client: httpx.Client, world: World) -> None:
    fit_id = world.add_fit(world.add_signal(), priority=90)
    world.succeed(world.start(fit_id), FILE, facts=FACTS | {"grid_shape": [4000, 4000]})
    answer = client.get(f"/fits/{fit_id}/reconstruction?scale=2")
    assert (answer.status_code, answer.json()["code"]) == (422, "view_too_large")


def test_what_cannot_be_drawn_says_so(client: httpx.Client, world: World, worker: Resources) -> None:
    fit_id = world.add_fit(world.add_signal(), priority=90)
    world.succeed(world.start(fit_id), b"no representation " + os.urandom(8), facts=FACTS)
    url = f"/fits/{fit_id}/reconstruction"
    client.get(url)
    draw_next_view(worker)
    failed = client.get(url)
    assert (failed.status_code, failed.json()["code"]) == (500, "view_failed")
    assert failed.json()["reason"] == "not_a_representation"


def test_not_before_there_is_a_result(client: httpx.Client, world: World) -> None:
    fit_id = world.add_fit(world.add_signal())
    for path in ("reconstruction", "gradient", "spectrum", "metrics"):
        answer = client.get(f"/fits/{fit_id}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (409, "representation_not_ready")


def test_another_tenants_results_are_not_there(client: httpx.Client, world: World, worker: Resources) -> None:
    fit_id = world.add_fit(world.add_signal(tenant="other"), tenant="other", priority=90)
    world.succeed(world.start(fit_id), FILE, facts=FACTS)
    for path in ("reconstruction", "gradient", "spectrum", "metrics", "checkpoints", f"checkpoints/chk_{'0' * 32}"):
        answer = client.get(f"/fits/{fit_id}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "fit_not_found")
    assert draw_next_view(worker) is None


def test_a_lost_worker_costs_a_view_its_turn_three_times(
    client: httpx.Client, world: World, worker: Resources, fit: str
) -> None:
    url = f"{fit}/spectrum"
    client.get(url)
    for _ in range(3):
        with world.database.unit_of_work() as session:
            lost = "UPDATE renders SET status = 'running', tries = tries + 1, lease_until = now() - interval '1 s'"
            session.execute(text(lost + " WHERE status = 'queued'"))
        tend_views(worker)
    assert client.get(url).json()["reason"] == "render_failed"


def test_views_nobody_asks_for_go_and_may_be_drawn_again(
    client: httpx.Client, world: World, worker: Resources, fit: str
) -> None:
    url = f"{fit}/spectrum"
    client.get(url)
    draw_next_view(worker)
    with world.database.unit_of_work() as session:
        session.execute(text("UPDATE renders SET used_at = now() - interval '2 hours'"))
    assert client.get(url).status_code == 200  # asked for: it stays
    tend_views(worker)
    assert client.get(url).status_code == 200
    with world.database.unit_of_work() as session:
        session.execute(text("UPDATE renders SET used_at = now() - interval '2 hours'"))
    tend_views(worker)
    assert client.get(url).status_code == 202
    draw_next_view(worker)
    assert client.get(url).status_code == 200


def test_objects_without_a_row_are_swept(world: World, worker: Resources, fit: str, client: httpx.Client) -> None:
    client.get(f"{fit}/spectrum")
    draw_next_view(worker)
    orphan = f"{RENDERS}local/{'0' * 64}/{'1' * 64}"
    world.blobs.put(orphan, b"left over")
    later = datetime.now(UTC) + timedelta(seconds=2)  # object stores count in whole seconds
    eventually(lambda: datetime.now(UTC) > later)
    sweep(worker)
    assert orphan not in set(world.blobs.keys(RENDERS))
    assert client.get(f"{fit}/spectrum").status_code == 200


def test_metrics(client: httpx.Client, fit: str) -> None:
    metrics = client.get(f"{fit}/metrics").json()
    expected = {"bytes": len(FILE), "picture_psnr_db": 31.5, "fit_psnr_db": 33.5, "weights": 200, "steps": 40}
    assert expected.items() <= metrics.items()
    assert metrics["gradient_psnr_db"] is None


def test_checkpoints_are_listed_and_downloaded(client: httpx.Client, world: World) -> None:
    fit_id = world.add_fit(world.add_signal(), priority=90)
    claim = world.start(fit_id)
    content = os.urandom(1000)
    checkpoint_id, sha256 = world.add_checkpoint(claim, content), hashlib.sha256(content).hexdigest()
    (listed,) = client.get(f"/fits/{fit_id}/checkpoints").json()["data"]
    assert (listed["id"], listed["step"], listed["bytes"], listed["sha256"]) == (checkpoint_id, 7, 1000, sha256)
    answer = client.get(listed["links"]["content"])
    assert answer.content == content
    assert client.head(listed["links"]["content"]).headers["etag"] == f'"{sha256}"'
    absent = client.get(f"/fits/{fit_id}/checkpoints/chk_{'0' * 32}")
    assert (absent.status_code, absent.json()["code"]) == (404, "checkpoint_not_found")
    assert client.get(f"/fits/{fit_id}/checkpoints/x").status_code == 404
