"""Download the result: whole, in parts, or not at all."""

import base64
import hashlib
import os

import httpx
import pytest

from store.repositories.fits import StoredObject
from tests.integration.api.world import World

CONTENT = os.urandom(3 * (1 << 20) + 17)  # several parts of a stream


@pytest.fixture(scope="module")
def finished(world: World) -> tuple[str, StoredObject]:
    fit_id = world.add_fit(world.add_signal(filename="Bär/köder.png"), priority=90)
    return f"/fits/{fit_id}/representation", world.succeed(world.start(fit_id), CONTENT)


def test_the_whole_file(client: httpx.Client, finished: tuple[str, StoredObject]) -> None:
    url, stored = finished
    answer = client.get(url)
    assert answer.status_code == 200
    assert answer.content == CONTENT
    assert answer.headers["etag"] == f'"{stored.sha256}"'
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert answer.headers["content-type"] == "application/vnd.tuner.representation"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"k_der.tnr\"; filename*=UTF-8''k%C3%B6der.tnr"
    )
    digest = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
    assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"


def test_head_says_the_same_without_a_body(client: httpx.Client, finished: tuple[str, StoredObject]) -> None:
    url, _ = finished
    head, whole = client.head(url, headers={"Range": "bytes=0-1"}), client.get(url)
    assert (head.status_code, head.content) == (200, b"")
    ignored = {"date", "x-request-id", "server"}
    assert {name: value for name, value in head.headers.items() if name not in ignored} == {
        name: value for name, value in whole.headers.items() if name not in ignored
    }


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=1000000-2000000", 1_000_000, 2_000_000),
        ("bytes=3145728-", 3_145_728, len(CONTENT) - 1),
        ("bytes=-17", len(CONTENT) - 17, len(CONTENT) - 1),
    ],
)
def test_a_part_of_it(
    client: httpx.Client, finished: tuple[str, StoredObject], asked: str, first: int, last: int
) -> None:
    answer = client.get(finished[0], headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == CONTENT[first : last + 1]
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(CONTENT)}"
    assert answer.headers["content-length"] == str(last - first + 1)


def test_an_interrupted_download_goes_on(client: httpx.Client, finished: tuple[str, StoredObject]) -> None:
    url, stored = finished
    with client.stream("GET", url) as begun:
        received = next(begun.iter_raw(500_000))
        etag = begun.headers["etag"]
    rest = client.get(url, headers={"Range": f"bytes={len(received)}-", "If-Range": etag})
    assert rest.status_code == 206
    assert hashlib.sha256(received + rest.content).hexdigest() == stored.sha256


def test_conditions(client: httpx.Client, finished: tuple[str, StoredObject]) -> None:
    url, stored = finished
    known = client.get(url, headers={"If-None-Match": f'"{stored.sha256}"'})
    assert (known.status_code, known.content) == (304, b"")
    stale = client.get(url, headers={"If-Range": '"other"', "Range": "bytes=0-1"})
    assert (stale.status_code, len(stale.content)) == (200, len(CONTENT))
    other = client.get(url, headers={"If-Match": '"other"'})
    assert (other.status_code, other.json()["code"]) == (412, "precondition_failed")


def test_beyond_the_end(client: httpx.Client, finished: tuple[str, StoredObject]) -> None:
    answer = client.get(finished[0], headers={"Range": f"bytes={len(CONTENT)}-"})
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"


def test_the_fit_tells_its_result(client: httpx.Client, finished: tuple[str, StoredObject]) -> None:
    url, stored = finished
    fit = client.get(url.removesuffix("/representation")).json()
    assert (fit["status"], fit["outcome"]) == ("succeeded", "It converged.")
    result = fit["result"]
    assert (result["bytes"], result["sha256"], result["psnr_db"]) == (len(CONTENT), stored.sha256, 31.5)
    assert (result["bits_per_sample"], result["facts"]["weights"]) == (float(len(CONTENT)), 100)
    assert result["links"]["representation"] == url == fit["links"]["representation"]


def test_not_ready_yet(client: httpx.Client, world: World) -> None:
    fit_id = world.add_fit(world.add_signal())
    for method in ("GET", "HEAD"):
        answer = client.request(method, f"/fits/{fit_id}/representation")
        assert answer.status_code == 409
    assert client.get(f"/fits/{fit_id}/representation").json()["code"] == "representation_not_ready"


def test_a_lost_object_is_our_fault_and_says_so(client: httpx.Client, world: World) -> None:
    fit_id = world.add_fit(world.add_signal(), priority=90)
    stored = world.succeed(world.start(fit_id), b"soon gone")
    world.blobs.delete(stored.key)
    answer = client.get(f"/fits/{fit_id}/representation")
    assert (answer.status_code, answer.json()["code"]) == (500, "blob_missing")
    assert stored.key not in answer.text
