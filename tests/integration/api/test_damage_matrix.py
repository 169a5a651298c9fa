"""Each kind of object, lost in each way: what the service says, and that whoever does what it says has everything back.

Through the api and a real worker, on engines of its own. What a server does that cannot read an object is told in
tests/integration/store; here it answers at once.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import select

from store.blobs import BlobStore
from store.database import Database
from store.models import Checkpoint, Fit, Representation, Signal
from store.models_renders import Render
from store.queue import FitQueue
from store.repositories.scrubs import Scrubs
from tests.chaos.proxy import Proxy, Weather
from tests.damage import damage
from tests.engines import settings_of
from tests.factories import picture_png
from tests.integration.api.conftest import running_api
from worker.render import draw_next_view
from worker.resources import Resources
from worker.run import run_next_fit
from worker.scrub import scrub
from worker.settings import WorkerSettings

PICTURE = picture_png()
QUICK = {"max_steps": 3, "network": {"frequencies": 8, "hidden": [8]}, "labels": {"quick": "yes"}}
SLOW = QUICK | {"max_steps": 40, "labels": {}}
CODES = {
    "deleted": "blob_missing",
    "truncated": "blob_damaged",
    "swapped": "blob_damaged",
    "rotten": "blob_damaged",
}
each_way = pytest.mark.parametrize("how", CODES)


@dataclass(frozen=True)
class Service:
    """The api, a worker in this process, and what lies between both and their storage."""

    client: httpx.Client
    worker: Resources
    proxy: Proxy
    storage: BlobStore

    def key(self, table: type[Signal | Representation | Checkpoint | Render], row_id: str) -> str:
        """Name of a row's object in the bucket."""
        with self.worker.database.unit_of_work() as session:
            key = session.scalar(select(table.object_key).where(table.id == row_id))
        assert key is not None
        return key

    @contextmanager
    def damaged(self, key: str, how: str) -> Iterator[None]:
        """Lose an object. A rotten one cannot be read until the block ends; by then something else must be there."""
        damage(self.storage, key, how)
        rot = Weather(http_status=500, verbs=(b"GET ",), names=(key.encode(),), s3_code="InternalError")
        with self.proxy.under(rot) if how == "rotten" else nullcontext():
            yield

    def upload(self) -> dict[str, Any]:
        """Upload the picture."""
        answer = self.client.post("/signals", content=PICTURE, headers={"Content-Type": "image/png"})
        assert answer.status_code in {200, 201}, answer.text
        return dict(answer.json())

    def submit(self, options: Mapping[str, object]) -> str:
        """Queue a fit of the picture."""
        answer = self.client.post("/fits", json={"signal_id": self.upload()["id"], **options})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def work(self, fit_id: str) -> dict[str, Any]:
        """Have the worker take a fit; returns what the api then says of it."""
        assert run_next_fit(self.worker) == fit_id
        return dict(self.client.get(f"/fits/{fit_id}").json())

    def succeeded(self) -> dict[str, Any]:
        """A quick fit with a result, an old one if there is one: to train takes most of the time here."""
        done = self.client.get("/fits?status=succeeded&label=quick=yes").json()["data"]
        return dict(done[0]) if done else self.work(self.submit(QUICK))

    def refused(self, url: str, how: str) -> str:
        """Ask for what is lost; returns what the service says."""
        answer = self.client.get(url)
        assert (answer.status_code, answer.json()["code"]) == (500, CODES[how]), answer.text
        return str(answer.json()["detail"])


@pytest.fixture(scope="module")
def through(
    _migrated_database: Database, store_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[httpx.Client, Proxy, dict[str, str]]]:
    """An api that reaches storage through a proxy."""
    port = urlsplit(store_environment["TUNER_S3_ENDPOINT_URL"]).port
    assert port is not None
    with Proxy(port) as proxy:
        changes = {"TUNER_S3_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}", "TUNER_S3_REFUSED_SECONDS": "0"}
        environment = store_environment | changes
        with (
            running_api(environment, tmp_path_factory.mktemp("api")) as api,
            httpx.Client(base_url=api.url, timeout=30, trust_env=False) as client,
        ):
            yield client, proxy, environment


@pytest.fixture
def service(
    through: tuple[httpx.Client, Proxy, dict[str, str]], _migrated_database: Database, blobs: BlobStore
) -> Iterator[Service]:
    client, proxy, environment = through
    settings = settings_of(environment)
    queue = FitQueue(settings)
    worker = Resources(
        settings=WorkerSettings(device="cpu", progress_every_seconds=0.001, checkpoint_every_seconds=0.001),
        database=_migrated_database,
        blobs=BlobStore(settings),
        queue=queue,
    )
    yield Service(client, worker, proxy, blobs)
    queue.close()


@each_way
def test_a_lost_signal_is_uploaded_again(service: Service, how: str) -> None:
    fit_id = service.submit(QUICK)
    signal = service.upload()
    with service.damaged(service.key(Signal, signal["id"]), how):
        fit = service.work(fit_id)
        assert (fit["status"], fit["error"]["code"]) == ("failed", CODES[how])
        assert "upload the same file again" in fit["error"]["message"]
        assert "/retry" in fit["error"]["message"]
        service.refused(signal["links"]["content"], how)
        assert service.upload()["id"] == signal["id"]
    assert service.client.get(signal["links"]["content"]).content == PICTURE
    again = service.client.post(fit["links"]["retry"])
    assert again.status_code == 202
    assert service.work(again.json()["id"])["status"] == "succeeded"


@each_way
def test_a_lost_checkpoint_is_passed_over(service: Service, how: str) -> None:
    fit_id = service.submit(SLOW)
    worker = Thread(target=run_next_fit, args=(service.worker,))
    worker.start()
    checkpoints = f"/fits/{fit_id}/checkpoints"
    deadline = time.monotonic() + 60
    while len(service.client.get(checkpoints).json()["data"]) < service.worker.settings.checkpoints_kept:
        assert time.monotonic() < deadline
    service.client.post(f"/fits/{fit_id}/pause")
    worker.join(60)
    assert service.client.get(f"/fits/{fit_id}").json()["status"] == "paused"
    newest = service.client.get(checkpoints).json()["data"][0]
    with service.damaged(service.key(Checkpoint, newest["id"]), how):
        service.refused(f"{checkpoints}/{newest['id']}", how)
        assert service.client.post(f"/fits/{fit_id}/resume").status_code in {200, 202}
        patient = service.worker.settings.model_copy(update={"checkpoint_every_seconds": 60.0})
        assert run_next_fit(replace(service.worker, settings=patient)) == fit_id
    assert service.client.get(f"/fits/{fit_id}").json()["status"] == "succeeded"
    assert service.client.get(f"/fits/{fit_id}/representation").status_code == 200


@each_way
def test_a_lost_result_is_made_again(service: Service, how: str) -> None:
    fit = service.succeeded()
    url = fit["links"]["representation"]
    content = service.client.get(url).content
    with service.damaged(service.key(Representation, fit["result"]["id"]), how):
        assert "/retry" in service.refused(url, how)
        again = service.client.post(fit["links"]["retry"])
        assert again.status_code == 202
        fit = service.work(again.json()["id"])
    assert fit["status"] == "succeeded"
    assert service.client.get(fit["links"]["representation"]).content == content


@each_way
def test_a_lost_view_is_drawn_again(service: Service, how: str) -> None:
    url = f"/fits/{service.succeeded()['id']}/reconstruction?scale=0.{list(CODES).index(how) + 5}"
    view = service.client.get(url)
    assert view.status_code == 202
    draw_next_view(service.worker)
    picture = service.client.get(url).content
    with service.damaged(service.key(Render, view.json()["id"]), how):
        service.refused(url, how)
        assert service.client.get(url).status_code == 202
        draw_next_view(service.worker)
        # Another row, another object.
        assert service.client.get(url).content == picture


def test_what_a_scrub_finds_is_told_until_it_is_healed(service: Service) -> None:
    fit, signal = service.succeeded(), service.upload()
    assert (signal["damage"], fit["result"]["damage"]) == (None, None)
    with (
        service.damaged(service.key(Signal, signal["id"]), "deleted"),
        service.damaged(service.key(Representation, fit["result"]["id"]), "swapped"),
    ):
        with service.worker.database.unit_of_work() as session:
            Scrubs(session).begin(is_urgent=True)
        assert scrub(service.worker, Event())
    said = service.client.get(signal["links"]["self"]).json()["damage"]
    assert said["code"] == "blob_missing"
    assert "upload the same file again" in said["message"]
    said = service.client.get(fit["links"]["self"]).json()["result"]["damage"]
    assert said["code"] == "blob_damaged"
    assert f"POST {fit['links']['retry']}" in said["message"]
    ready = service.client.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    with service.worker.database.unit_of_work() as session:
        lost = Scrubs(session).count_damaged()["representations"]  # other tests have lost some, too
    assert lost > 0
    assert ready.json()["checks"]["objects"] == f"damaged or missing: 1 signals, {lost} representations"
    assert service.upload()["damage"] is None
    assert (
        service.client.get("/readyz").json()["checks"]["objects"]
        == f"damaged or missing: 0 signals, {lost} representations"
    )
    again = service.client.post(fit["links"]["retry"]).json()["id"]
    assert service.work(again)["status"] == "succeeded"


def test_every_way_and_every_kind_is_tried() -> None:
    tried = {Signal, Checkpoint, Representation, Render}
    naming = {
        mapper.class_ for mapper in Fit.registry.mappers if {"object_key", "sha256"} <= set(mapper.columns.keys())
    }
    assert naming == tried
