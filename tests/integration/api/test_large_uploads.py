"""Large files in parts, straight to storage: believed only once they were read back, and never left behind."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
import pytest
from PIL import Image
from sqlalchemy import func, select, text

from store.models import Upload
from store.repositories.quotas import Quotas
from store.settings import StoreSettings
from tests.engines import s3_client, settings_of
from tests.integration.api.conftest import Server, running_api
from tests.integration.api.world import World
from worker.resources import Resources
from worker.settings import WorkerSettings
from worker.sweep import sweep
from worker.uploads import tend_uploads

PART_BYTES = 5 << 20  # S3 takes no smaller ones, except as the last
SIDE = 1330
ABSENT = "upl_" + "0" * 32


@pytest.fixture(scope="module")
def parted(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An api whose parts are as small as they may be."""
    limits = {"TUNER_UPLOAD_PART_BYTES": str(PART_BYTES), "TUNER_MAX_LARGE_UPLOAD_BYTES": str(3 * PART_BYTES)}
    limits |= {"TUNER_MAX_OPEN_UPLOADS": "5"}
    with running_api(environment, tmp_path_factory.mktemp("parted"), **limits) as running:
        yield running


@pytest.fixture
def uploader(parted: Server, world: World) -> Iterator[httpx.Client]:
    """A client, and nothing left of uploads afterwards: neither row nor part nor object nor temporary file."""
    with world.database.unit_of_work() as session:  # others of the same tenant count towards the five
        session.execute(text("UPDATE uploads SET expires_at = now() - interval '1 second'"))
    sweep(worker_of(world))
    with httpx.Client(base_url=parted.url, timeout=30, trust_env=False) as client:
        yield client
    with world.database.unit_of_work() as session:
        session.execute(text("UPDATE uploads SET expires_at = now() - interval '1 second'"))
    sweep(worker_of(world))
    assert leftovers(world) == (0, 0, 0)
    assert not any(parted.spool.iterdir())


def large_png() -> bytes:
    """Two parts; never the same twice."""
    noise = np.random.default_rng().integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    file = BytesIO()
    Image.fromarray(noise).save(file, "PNG", compress_level=0)
    return file.getvalue()


def worker_of(world: World) -> Resources:
    """What the upkeep of a worker works with."""
    queue: Any = None  # not asked
    return Resources(settings=WorkerSettings(orphan_seconds=0), database=world.database, blobs=world.blobs, queue=queue)


def leftovers(world: World) -> tuple[int, int, int]:
    """Rows of uploads, multipart uploads, objects of uploads."""
    with world.database.unit_of_work() as session:
        rows = session.scalar(select(func.count()).select_from(Upload)) or 0
    open_ones = world.blobs.client.list_multipart_uploads(Bucket=world.blobs.bucket).get("Uploads", [])
    return rows, len(open_ones), len(list(world.blobs.keys("uploads/")))


def begin(client: httpx.Client, content: bytes, filename: str | None = None) -> dict[str, Any]:
    answer = client.post("/uploads", json={"bytes": len(content), "filename": filename})
    assert answer.status_code == 201, answer.text
    upload: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/uploads/{upload['id']}"
    return upload


def send(upload: dict[str, Any], content: bytes, *, only: set[int] | None = None) -> None:
    """PUT the parts as any HTTP client would, without a key."""
    for part in upload["parts"]:
        if only is None or part["number"] in only:
            start = (part["number"] - 1) * PART_BYTES
            answer = httpx.put(part["url"], content=content[start : start + part["bytes"]], trust_env=False)
            assert answer.status_code == 200, answer.text


def smuggle(world: World, upload: dict[str, Any], number: int, content: bytes) -> None:
    """Put a part there with the service's own key, as on a server that does not look at signed lengths."""
    with world.database.unit_of_work() as session:
        storage_id = session.get_one(Upload, upload["id"]).storage_id
    world.blobs.client.upload_part(
        Bucket=world.blobs.bucket,
        Key=f"uploads/{upload['id']}",
        UploadId=storage_id,
        PartNumber=number,
        Body=content,
    )


def complete(client: httpx.Client, upload: dict[str, Any], content: bytes, **changes: Any) -> httpx.Response:
    declared = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} | changes
    return client.post(f"/uploads/{upload['id']}/complete", json=declared)


def test_parts_become_the_signal_that_the_whole_file_is(uploader: httpx.Client, world: World) -> None:
    before = leftovers(world)
    content = large_png()
    upload = begin(uploader, content, "far/away.png")
    assert [part["bytes"] for part in upload["parts"][:-1]] == [PART_BYTES] * (len(upload["parts"]) - 1)
    assert sum(part["bytes"] for part in upload["parts"]) == len(content)
    send(upload, content)
    answer = complete(uploader, upload, content)
    assert answer.status_code == 201, answer.text
    signal = answer.json()
    assert (signal["sha256"], signal["filename"]) == (hashlib.sha256(content).hexdigest(), "away.png")
    assert signal["facts"]["shape"] == [SIDE, SIDE]
    assert uploader.get(signal["links"]["content"]).content == content
    assert leftovers(world)[1:] == before[1:]
    again = complete(uploader, upload, content)
    assert (again.status_code, again.json()["id"]) == (200, signal["id"])
    assert uploader.get(f"/uploads/{upload['id']}").json()["signal_id"] == signal["id"]
    another = begin(uploader, content)
    send(another, content)
    same = complete(uploader, another, content)
    assert (same.status_code, same.json()["id"]) == (200, signal["id"])


def test_missing_parts_are_named_and_can_still_be_sent(uploader: httpx.Client) -> None:
    content = large_png()
    upload = begin(uploader, content)
    send(upload, content, only={2})
    looked = uploader.get(f"/uploads/{upload['id']}").json()
    assert [part["received"] for part in looked["parts"]] == [False, True]
    early = complete(uploader, upload, content)
    assert (early.status_code, early.json()["code"]) == (409, "upload_incomplete")
    assert early.json()["missing_parts"] == [1]
    send(looked, content)
    assert complete(uploader, upload, content).status_code == 201


def test_a_part_of_another_size_is_refused_or_counts_as_missing(uploader: httpx.Client, world: World) -> None:
    content = large_png()
    upload = begin(uploader, content)
    send(upload, content, only={1})
    number, size = upload["parts"][1]["number"], upload["parts"][1]["bytes"]
    for wrong in (b"short", b"x" * (size + 1), iter([b"x" * size])):  # the last one does not say how long it is
        assert httpx.put(upload["parts"][1]["url"], content=wrong, trust_env=False).status_code == 403
    smuggle(world, upload, number, b"short")
    answer = complete(uploader, upload, content)
    assert (answer.status_code, answer.json()["missing_parts"]) == (409, [2])
    send(upload, content, only={2})
    assert complete(uploader, upload, content).status_code == 201


def test_more_than_was_announced_leaves_nothing(uploader: httpx.Client, world: World) -> None:
    """Where storage did not check the length of a part, or keeps each sending of it."""
    for sizes in ([11], [10] * 5):
        for ask in ("look", "complete"):
            upload = begin(uploader, b"x" * 10)
            for size in sizes:
                smuggle(world, upload, 1, os.urandom(size))
            path = f"/uploads/{upload['id']}"
            answer = complete(uploader, upload, b"x" * 10) if ask == "complete" else uploader.get(path)
            assert (answer.status_code, answer.json()["code"]) == (422, "upload_mismatch")
            assert leftovers(world) == (0, 0, 0)


def test_what_arrives_of_an_upload_counts_and_too_much_of_it_ends_it(uploader: httpx.Client, world: World) -> None:
    patient, greedy = begin(uploader, b"x" * 10), begin(uploader, b"x" * 10)
    for _ in range(3):
        smuggle(world, patient, 1, os.urandom(10))
    smuggle(world, greedy, 1, os.urandom(1000))
    tend_uploads(worker_of(world))
    assert uploader.get(f"/uploads/{greedy['id']}").status_code == 404
    with world.database.unit_of_work() as session:
        assert Quotas(session).usage("local").reserved == 30
    assert uploader.delete(f"/uploads/{patient['id']}").status_code == 204


def test_a_part_that_was_sent_again_counts_as_it_came_last(uploader: httpx.Client) -> None:
    content = large_png()
    upload = begin(uploader, content)
    send(upload, bytes(len(content)))
    time.sleep(1.1)  # storage notes when a part came to the second
    send(upload, content)
    assert complete(uploader, upload, content).status_code == 201


def test_a_wrong_hash_costs_no_part(uploader: httpx.Client, world: World) -> None:
    content, before = large_png(), world.counts()
    upload = begin(uploader, content)
    send(upload, content)
    for _ in range(2):
        answer = complete(uploader, upload, content, sha256="0" * 64)
        assert (answer.status_code, answer.json()["code"]) == (422, "upload_mismatch")
        assert hashlib.sha256(content).hexdigest() in answer.json()["detail"]
        assert world.counts() == before
    assert complete(uploader, upload, content).status_code == 201


def test_other_bytes_than_declared_can_be_given_up_and_leave_nothing(uploader: httpx.Client, world: World) -> None:
    content, before = large_png(), world.counts()
    upload = begin(uploader, content)
    send(upload, content[:-1] + b"?")
    answer = complete(uploader, upload, content)
    assert (answer.status_code, answer.json()["code"]) == (422, "upload_mismatch")
    assert uploader.delete(f"/uploads/{upload['id']}").status_code == 204
    assert leftovers(world) == (0, 0, 0)
    assert world.counts() == before
    assert complete(uploader, upload, content).status_code == 404


def test_what_is_no_signal_is_refused_like_any_upload(uploader: httpx.Client, world: World) -> None:
    content, before = b"no picture " * 500_000, world.counts()
    upload = begin(uploader, content)
    send(upload, content)
    answer = complete(uploader, upload, content)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_format")
    assert world.counts() == before


def test_sizes_are_held_against_the_limit_and_the_announcement(uploader: httpx.Client) -> None:
    large = uploader.post("/uploads", json={"bytes": 3 * PART_BYTES + 1})
    assert (large.status_code, large.json()["code"]) == (413, "content_too_large")
    content = large_png()
    upload = begin(uploader, content)
    other = complete(uploader, upload, content, bytes=len(content) + 1)
    assert (other.status_code, other.json()["code"]) == (422, "upload_mismatch")
    assert uploader.post("/uploads", json={"bytes": 0}).status_code == 422
    assert complete(uploader, upload, content, sha256="x").status_code == 422


def test_uploads_under_way_are_bounded_and_can_be_given_up(uploader: httpx.Client, world: World) -> None:
    uploads = [begin(uploader, b"x" * 300) for _ in range(5)]
    refused = uploader.post("/uploads", json={"bytes": 300})
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_uploads")
    assert int(refused.headers["retry-after"]) > 0
    send(uploads[0], b"x" * 300)
    assert uploader.delete(f"/uploads/{uploads[0]['id']}").status_code == 204
    assert uploader.get(f"/uploads/{uploads[0]['id']}").status_code == 404
    begin(uploader, b"x" * 300)
    assert leftovers(world)[:2] == (5, 5)


def test_an_upload_that_has_expired_is_gone_for_clients_and_swept(uploader: httpx.Client, world: World) -> None:
    content = large_png()
    living, dead = begin(uploader, content), begin(uploader, content)
    send(dead, content, only={1})
    with world.database.unit_of_work() as session:
        session.execute(
            text("UPDATE uploads SET expires_at = now() - interval '1 second' WHERE id = :id"), {"id": dead["id"]}
        )
    assert uploader.get(f"/uploads/{dead['id']}").json()["code"] == "upload_not_found"
    assert complete(uploader, dead, content).status_code == 404
    sweep(worker_of(world))
    # The one that has time left can still be completed, however long ago it began.
    assert leftovers(world) == (1, 1, 0)
    send(living, content)
    assert complete(uploader, living, content).status_code == 201


def test_an_object_that_no_row_knows_is_swept(uploader: httpx.Client, world: World) -> None:
    world.blobs.put(f"uploads/upl_{uuid4().hex}", b"left by a process that was killed")
    sweep(worker_of(world))
    assert leftovers(world) == (0, 0, 0)


@pytest.mark.parametrize("upload_id", [ABSENT, "upl_x", "%00"])
def test_an_upload_that_never_was(uploader: httpx.Client, upload_id: str) -> None:
    for answer in (
        uploader.get(f"/uploads/{upload_id}"),
        uploader.delete(f"/uploads/{upload_id}"),
        uploader.post(f"/uploads/{upload_id}/complete", json={"bytes": 1, "sha256": "0" * 64}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "upload_not_found")


def test_reading_back_takes_no_memory_to_speak_of(environment: dict[str, str], tmp_path: Path) -> None:
    """The hash of 64 MiB, in a process that grows by less than 24."""
    settings: StoreSettings = settings_of(environment)
    key = f"uploads/upl_{uuid4().hex}"
    content = tmp_path / "large"
    content.write_bytes(b"x" * (64 << 20))
    client = s3_client(environment)
    client.upload_file(str(content), settings.s3_bucket, key)
    code = f"""
import resource, hashlib
from store.blobs import BlobStore
from store.settings import StoreSettings
blobs = BlobStore(StoreSettings())
blobs.size({key!r})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
digest = hashlib.sha256()
for part in blobs.slice({key!r}).content:
    digest.update(part)
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 24 << 10
print(digest.hexdigest())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=False
    )
    client.delete_object(Bucket=settings.s3_bucket, Key=key)
    client.close()
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == hashlib.sha256(content.read_bytes()).hexdigest()
