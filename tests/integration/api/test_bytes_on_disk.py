"""What counts for a tenant is what lies in its bucket: after any mix of things done, and nothing once all is deleted.

A state machine acts as client, worker, upkeep and storage do, against the real engines. After each step the tenant's
figure is held against a listing of the bucket, and each answer against whether there was room.
"""

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from PIL import Image
from sqlalchemy import select, text

from store.blobs import BlobStore
from store.database import Database
from store.errors import StorageFull
from store.keys import representation_key
from store.models import Fit, FitEvent, IdempotencyKey, Signal, Upload
from store.models_renders import Render
from store.queue import FitQueue
from store.repositories.deletions import Deletions
from store.repositories.fits import Claim, Fits, StoredObject
from store.repositories.quotas import Quotas, Usage
from store.repositories.signals import Signals
from tests.engines import fresh_corner, settings_of
from tests.integration.api.conftest import Server, running_api
from tests.integration.api.world import World
from tests.networks import random_representation
from tuner.codec.encode import encode
from worker.deletion import delete_what_is_due
from worker.leftovers import drop_checkpoints, tend_views
from worker.render import draw_next_view
from worker.resources import Resources
from worker.settings import WorkerSettings
from worker.sweep import sweep
from worker.uploads import tend_uploads

LIMIT = 30_000  # bytes of the tenant, as the service is set
TENANT = "local"
RESULT = encode(random_representation((10, 14)))


class Place:
    """A service of one tenant, and everything behind it."""

    def __init__(self, client: httpx.Client, world: World, worker: Resources) -> None:
        self.client, self.world, self.worker = client, world, worker
        self.database, self.blobs = world.database, world.blobs

    def usage(self) -> Usage:
        with self.database.unit_of_work() as session:
            return Quotas(session).usage(TENANT)

    def objects(self) -> dict[str, int]:
        """Bytes of every object in the bucket."""
        pages = self.blobs.client.get_paginator("list_objects_v2").paginate(Bucket=self.blobs.bucket)
        return {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", [])}

    def part_bytes(self) -> int:
        """Bytes of all parts of uploads under way."""
        client, bucket = self.blobs.client, self.blobs.bucket
        found = client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        listings = [client.list_parts(Bucket=bucket, Key=one["Key"], UploadId=one["UploadId"]) for one in found]
        return sum(part["Size"] for listing in listings for part in listing.get("Parts", []))

    def upkeep(self) -> None:
        """One round, and the sweep."""
        with self.database.unit_of_work() as session:
            leftovers = Fits(session).finished_checkpoints()
        drop_checkpoints(self.worker, leftovers)
        tend_views(self.worker)
        tend_uploads(self.worker)
        delete_what_is_due(self.worker)
        sweep(self.worker)

    def column(self, column: Any) -> list[Any]:
        with self.database.unit_of_work() as session:
            return list(session.scalars(select(column)))


@pytest.fixture(scope="module")
def limited(
    engines: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, dict[str, str]]]:
    """A service whose bucket is this module's alone."""
    with fresh_corner(engines) as corner:
        command = [sys.executable, "-m", "standalone.migrate"]
        subprocess.run(command, env=os.environ | corner, check=True, capture_output=True)
        limits = {"TUNER_MAX_STORED_BYTES": str(LIMIT), "TUNER_MAX_OPEN_UPLOADS": "100"}
        limits |= {"TUNER_FITS_KEPT_SECONDS": "3600", "TUNER_SIGNALS_KEPT_SECONDS": "3600"}
        with running_api(corner, tmp_path_factory.mktemp("limited"), **limits) as server:
            yield server, corner


@pytest.fixture
def place(limited: tuple[Server, dict[str, str]]) -> Iterator[Place]:
    """The service, empty before and after."""
    server, corner = limited
    store = settings_of(corner)
    database, queue = Database(store), FitQueue(store)
    world = World(database, BlobStore(store))
    worker = Resources(
        settings=WorkerSettings(orphan_seconds=0, views_kept_seconds=3600),
        database=database,
        blobs=world.blobs,
        queue=queue,
        max_stored_bytes=LIMIT,
    )
    with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client:
        yield Place(client, world, worker)
    queue.close()
    database.close()


def noise(side: int) -> bytes:
    """A picture of about 3 side^2 bytes that never was before."""
    file = io.BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(3 * side * side)).save(file, "PNG")
    return file.getvalue()


class BytesMachine(RuleBasedStateMachine):
    """Does one thing after the other to a place, and knows only what is open."""

    place: Place

    def __init__(self) -> None:
        super().__init__()
        self.client = self.place.client
        self.signals: dict[str, bytes] = {}
        self.uploads: dict[str, dict[str, Any]] = {}
        self.running: dict[str, Claim] = {}

    # Clients.

    @rule(side=st.integers(4, 40))
    def upload(self, side: int) -> None:
        content = noise(side)
        room = self.place.usage().counted + len(content) <= LIMIT
        answer = self.client.post("/signals", files={"file": content})
        assert answer.status_code == (201 if room else 403), answer.text
        if room:
            self.signals[answer.json()["id"]] = content

    @precondition(lambda self: self.signals)
    @rule(data=st.data())
    def upload_again(self, data: st.DataObject) -> None:
        signal_id = data.draw(st.sampled_from(sorted(self.signals)))
        answer = self.client.post("/signals", files={"file": self.signals[signal_id]})
        assert (answer.status_code, answer.json().get("id")) == (200, signal_id), answer.text

    @precondition(lambda self: self.signals)
    @rule(data=st.data())
    def delete_and_upload_again(self, data: st.DataObject) -> None:
        """The row goes, its object stays behind as if the process had been killed, and the same bytes come again."""
        signal_id = data.draw(st.sampled_from(sorted(self.signals)))
        if any(fit["signal_id"] == signal_id for fit in self.fits()):
            return
        with self.place.database.unit_of_work() as session:
            Signals(session).delete(TENANT, signal_id)
        content = self.signals.pop(signal_id)
        self.the_figure_is_what_lies_in_the_bucket()
        answer = self.client.post("/signals", files={"file": content})
        assert answer.status_code in {201, 403}  # the old bytes still count
        if answer.status_code == 201:
            self.signals[answer.json()["id"]] = content

    @precondition(lambda self: self.signals)
    @rule(data=st.data())
    def delete_signal(self, data: st.DataObject) -> None:
        signal_id = data.draw(st.sampled_from(sorted(self.signals)))
        answer = self.client.delete(f"/signals/{signal_id}")
        assert answer.status_code in {204, 409}
        if answer.status_code == 204:
            del self.signals[signal_id]

    @rule(side=st.integers(4, 40))
    def announce(self, side: int) -> None:
        content = noise(side)
        room = self.place.usage().counted + len(content) <= LIMIT
        answer = self.client.post("/uploads", json={"bytes": len(content)})
        assert answer.status_code == (201 if room else 403), answer.text
        if room:
            self.uploads[answer.json()["id"]] = answer.json() | {"content": content}

    @precondition(lambda self: self.uploads)
    @rule(data=st.data(), times=st.integers(1, 3))
    def send(self, data: st.DataObject, times: int) -> None:
        upload = self.uploads[data.draw(st.sampled_from(sorted(self.uploads)))]
        url = upload["parts"][0]["url"]
        assert httpx.put(url, content=upload["content"] + b"x" * 100_000, trust_env=False).status_code == 403
        for _ in range(times):
            assert httpx.put(url, content=upload["content"], trust_env=False).status_code == 200
        self.place.upkeep()  # which sees what arrived, and gives up what was sent too often
        for upload_id in self.uploads.keys() - set(self.place.column(Upload.id)):
            del self.uploads[upload_id]

    @precondition(lambda self: self.uploads)
    @rule(data=st.data())
    def send_too_much(self, data: st.DataObject) -> None:
        """As if storage had not looked at the signed length."""
        upload_id = data.draw(st.sampled_from(sorted(self.uploads)))
        upload = self.uploads[upload_id]
        with self.place.database.unit_of_work() as session:
            storage_id = session.get_one(Upload, upload_id).storage_id
        self.place.blobs.client.upload_part(
            Bucket=self.place.blobs.bucket,
            Key=f"uploads/{upload_id}",
            UploadId=storage_id,
            PartNumber=1,
            Body=upload["content"] + b"x" * 100_000,
        )
        assert self.complete(upload_id, upload).status_code == 422
        del self.uploads[upload_id]

    @precondition(lambda self: self.uploads)
    @rule(data=st.data())
    def complete_upload(self, data: st.DataObject) -> None:
        upload_id = data.draw(st.sampled_from(sorted(self.uploads)))
        upload = self.uploads[upload_id]
        answer = self.complete(upload_id, upload)
        # What was announced has its place, unless its parts, sent again and again, took somebody else's.
        assert answer.status_code in {201, 409} or self.place.usage().counted > LIMIT, answer.text
        if answer.status_code == 201:
            self.signals[answer.json()["id"]] = upload["content"]
            del self.uploads[upload_id]

    @precondition(lambda self: self.uploads)
    @rule(data=st.data())
    def give_up_upload(self, data: st.DataObject) -> None:
        upload_id = data.draw(st.sampled_from(sorted(self.uploads)))
        assert self.client.delete(f"/uploads/{upload_id}").status_code == 204
        del self.uploads[upload_id]

    @precondition(lambda self: self.signals)
    @rule(data=st.data())
    def fit(self, data: st.DataObject) -> None:
        signal_id = data.draw(st.sampled_from(sorted(self.signals)))
        room = self.place.usage().counted < LIMIT
        named = {"Idempotency-Key": os.urandom(8).hex()}
        answer = self.client.post("/fits", json={"signal_id": signal_id}, headers=named)
        assert answer.status_code == (202 if room else 403), answer.text

    @rule()
    def make_and_look(self) -> None:
        """All the way to a view, if there is room: single steps seldom come so far."""
        answer = self.client.post("/signals", files={"file": noise(8)})
        if answer.status_code == 403:
            return
        self.signals[answer.json()["id"]] = self.client.get(answer.json()["links"]["content"]).content
        if self.client.post("/fits", json={"signal_id": answer.json()["id"]}).status_code != 202:
            return
        for _ in self.fits():
            self.work("succeed", 1)
        for fit in self.fits():
            if fit["status"] == "succeeded":
                self.client.get(f"/fits/{fit['id']}/reconstruction")
                self.draw()

    @rule(data=st.data(), view=st.sampled_from(["reconstruction", "spectrum"]), scale=st.integers(1, 9))
    def look(self, data: st.DataObject, view: str, scale: int) -> None:
        done = [fit["id"] for fit in self.fits() if fit["status"] == "succeeded"]
        if not done:
            return
        scaled = f"?scale={scale}" if view == "reconstruction" else ""
        answer = self.client.get(f"/fits/{data.draw(st.sampled_from(done))}/{view}{scaled}")
        assert answer.status_code in {200, 202} or answer.json()["code"] == "storage_full", answer.text

    @rule(data=st.data())
    def delete_fit(self, data: st.DataObject) -> None:
        fits = self.fits()
        if not fits:
            return
        fit = data.draw(st.sampled_from(fits))
        ended = fit["status"] in {"succeeded", "failed", "cancelled", "expired"}
        if data.draw(st.booleans()):
            answer = self.client.delete(f"/fits/{fit['id']}")
            assert answer.status_code == (204 if ended else 409), answer.text
        elif ended:  # the process is killed before it has removed the objects
            with self.place.database.unit_of_work() as session:
                Deletions(session).delete_fit(TENANT, fit["id"])

    # Workers, upkeep, time.

    @rule(end=st.sampled_from(["succeed", "succeed", "fail", "cancel"]), checkpoints=st.integers(0, 2))
    def work(self, end: str, checkpoints: int) -> None:
        with self.place.database.unit_of_work() as session:
            claimed = Fits(session).claim_next("tests", lease_seconds=600)
        if claimed is None:
            return
        claim = claimed.claim
        for step in range(checkpoints):
            self.place.world.add_checkpoint(claim, os.urandom(900), step=step)
            self.the_figure_is_what_lies_in_the_bucket()
        if end == "succeed":
            with suppress(StorageFull):
                self.succeed(claim)
                return
        with self.place.database.unit_of_work() as session:
            fits = Fits(session)
            if end == "cancel":
                fits.request_cancel(TENANT, claim.fit_id)
                fits.confirm_cancel(claim)
            else:
                fits.fail(claim, code="x", message="y")

    @rule()
    def draw(self) -> None:
        draw_next_view(self.place.worker)

    @rule()
    def keep_up(self) -> None:
        self.place.upkeep()
        for upload_id in self.uploads.keys() - set(self.place.column(Upload.id)):
            del self.uploads[upload_id]

    @rule(table=st.sampled_from(["fits", "signals", "uploads"]))
    def time_passes(self, table: str) -> None:
        with self.place.database.unit_of_work() as session:
            session.execute(text(f"UPDATE {table} SET expires_at = now() WHERE expires_at IS NOT NULL"))
        self.place.upkeep()
        self.forget_what_is_gone()

    # What is always true.

    @invariant()
    def the_figure_is_what_lies_in_the_bucket(self) -> None:
        usage, objects = self.place.usage(), self.place.objects()
        on_their_way = {key: size for key, size in objects.items() if key.startswith("uploads/")}
        assert usage.stored == sum(objects.values()) - sum(on_their_way.values())
        assert self.place.part_bytes() + sum(on_their_way.values()) <= usage.reserved
        assert usage.reserved >= sum(len(upload["content"]) for upload in self.uploads.values())

    def teardown(self) -> None:
        for fit in self.fits():
            if fit["status"] in {"queued", "paused"}:
                assert self.client.post(f"/fits/{fit['id']}/cancel").status_code == 200
            assert self.client.delete(f"/fits/{fit['id']}").status_code == 204
        for signal in self.client.get("/signals?limit=100").json()["data"]:
            assert self.client.delete(f"/signals/{signal['id']}").status_code == 204
        for upload_id in set(self.place.column(Upload.id)) & self.uploads.keys():
            assert self.client.delete(f"/uploads/{upload_id}").status_code == 204
        self.uploads.clear()
        self.the_figure_is_what_lies_in_the_bucket()  # before the sweep takes what nobody counted
        self.place.upkeep()  # for what was cut short
        usage = self.place.usage()
        assert (usage.stored, usage.reserved) == (0, 0)
        assert self.place.objects() == {}
        assert self.place.part_bytes() == 0
        assert [self.place.column(column) for column in (FitEvent.seq, IdempotencyKey.key, Render.id)] == [[], [], []]
        answer = self.client.post("/signals", files={"file": noise(40)})
        assert answer.status_code == 201  # there is room again
        assert self.client.delete(f"/signals/{answer.json()['id']}").status_code == 204

    # Helpers.

    def fits(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.get("/fits?limit=100").json()["data"]
        return found

    def complete(self, upload_id: str, upload: dict[str, Any]) -> httpx.Response:
        content = upload["content"]
        declared = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        return self.client.post(f"/uploads/{upload_id}/complete", json=declared)

    def succeed(self, claim: Claim) -> None:
        """As the worker does, which takes the object back if there is no room for it."""
        key = representation_key(claim.fit_id, claim.attempt)
        self.place.blobs.put(key, RESULT)
        stored = StoredObject(key=key, sha256=hashlib.sha256(RESULT).hexdigest(), byte_count=len(RESULT))
        facts = {"grid_shape": [10, 14], "weights": 200, "bits_per_sample": 8.0}
        try:
            with self.place.database.unit_of_work() as session:
                Fits(session).succeed(
                    claim, stored=stored, psnr_db=30.0, facts=facts, outcome="Done.", max_stored_bytes=LIMIT
                )
        except StorageFull:
            self.place.blobs.delete(key)
            raise

    def forget_what_is_gone(self) -> None:
        with self.place.database.unit_of_work() as session:
            live = set(session.scalars(select(Signal.id).where(Signal.deleted_at.is_(None))))
        self.signals = {name: content for name, content in self.signals.items() if name in live}
        there = set(self.place.column(Upload.id))
        self.uploads = {name: upload for name, upload in self.uploads.items() if name in there}


def test_the_figure_is_what_lies_on_the_disk(place: Place) -> None:
    BytesMachine.place = place
    run_state_machine_as_test(
        BytesMachine,
        settings=settings(
            max_examples=4,
            stateful_step_count=30,
            phases=[Phase.generate],  # shrinking against real engines takes minutes
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert place.column(Fit.id) == []
