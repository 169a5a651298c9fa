"""Upload a signal: what is accepted becomes one row and one object, what is refused leaves nothing."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from api.services.access import LOCAL_TENANT
from store.repositories.signals import Signals
from tests.damage import damage
from tests.factories import picture_png
from tests.integration.api.conftest import MAX_UPLOAD_BYTES, Server, running_api
from tests.integration.api.images import animation, bomb, png
from tests.integration.api.waiting import eventually
from tests.integration.api.world import World
from tuner.signal import handover

RAW = {"Content-Type": "application/octet-stream"}
TOO_LONG = MAX_UPLOAD_BYTES + 1


def as_form(content: bytes, filename: str = "picture.png") -> dict[str, tuple[str, bytes, str]]:
    return {"file": (filename, content, "image/png")}


@pytest.fixture
def untouched(world: World, server: Server) -> Iterator[None]:
    """What the test does leaves neither row nor object nor temporary file behind."""
    before = world.counts()
    yield
    eventually(lambda: not any(server.spool.iterdir()))
    assert world.counts() == before


@pytest.mark.parametrize(
    ("content", "form", "channels", "sample_format", "media_type"),
    [
        (png("RGB"), "png", 3, "u8", "image/png"),
        (png("RGB", (1, 1)), "png", 3, "u8", "image/png"),
        (png("L"), "png", 1, "u8", "image/png"),
        (png("P"), "png", 3, "u8", "image/png"),
        (png("RGBA"), "png", 4, "u8", "image/png"),
        (png("I;16"), "png", 1, "u16", "image/png"),
        (png("RGB", form="JPEG"), "jpeg", 3, "u8", "image/jpeg"),
        (png("CMYK", form="JPEG"), "jpeg", 3, "u8", "image/jpeg"),
        (png("RGB", form="WEBP"), "webp", 3, "u8", "image/webp"),
        (png("RGB", form="TIFF"), "tiff", 3, "u8", "image/tiff"),
    ],
    ids=["rgb", "1x1", "grey", "palette", "rgba", "16-bit", "jpeg", "cmyk", "webp", "tiff"],
)
def test_every_kind_of_picture(
    client: httpx.Client, world: World, content: bytes, form: str, channels: int, sample_format: str, media_type: str
) -> None:
    before = world.counts()
    answer = client.post("/signals", files=as_form(content, "Bär.png"))
    assert answer.status_code == 201, answer.text
    signal = answer.json()
    assert answer.headers["location"] == f"/signals/{signal['id']}"
    assert (signal["sha256"], signal["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
    assert (signal["media_type"], signal["filename"]) == (media_type, "Bär.png")
    facts = signal["facts"]
    assert (facts["kind"], facts["format"], facts["channels"], facts["sample_format"]) == (
        "image",
        form,
        channels,
        sample_format,
    )
    assert "decoded_sha256" not in facts  # for workers only
    with world.database.unit_of_work() as session:
        row = Signals(session).get(LOCAL_TENANT, signal["id"])
        assert row.decoded_sha256 == hashlib.sha256(b"".join(handover.run(content, {}))).hexdigest()
        assert "decoded_sha256" not in row.facts
    assert client.get(answer.headers["location"]).json() == signal
    assert (world.counts()[0] - before[0], world.counts()[3] - before[3]) == (1, 1)
    back = client.get(signal["links"]["content"])
    assert (back.content, back.headers["content-type"]) == (content, media_type)
    assert back.headers["x-content-type-options"] == "nosniff"


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"This is a text and no picture.", 415, "unsupported_format"),
        (b"%PDF-1.7\n" + b"x" * 100, 415, "unsupported_format"),
        (png()[:60], 422, "damaged_signal"),
        (png("RGB", (64, 64))[:-40], 422, "damaged_signal"),
        (png("RGB", (64, 64), form="JPEG")[:-100], 422, "damaged_signal"),
        (b"\x89PNG\r\n\x1a\n", 422, "damaged_signal"),
        (b"", 422, "empty_upload"),
        (bomb(), 413, "signal_too_large"),
        (animation(), 415, "unsupported_format"),
        (png("RGB", (4, 4)).replace(b"IDAT", b"IDAX"), 422, "damaged_signal"),
        (b"\x00" * 1000, 415, "unsupported_format"),
    ],
    ids=["text", "pdf", "cut head", "cut png", "cut jpeg", "signature", "empty", "bomb", "animated", "torn", "zeros"],
)
@pytest.mark.parametrize("way", ["form", "body"])
def test_what_is_no_sound_picture_is_refused(
    client: httpx.Client, content: bytes, status: int, code: str, way: str
) -> None:
    if way == "form":
        answer = client.post("/signals", files=as_form(content))
    else:
        answer = client.post("/signals", content=content, headers={"Content-Type": "image/png"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.usefixtures("untouched")
def test_too_many_bytes_as_declared(client: httpx.Client) -> None:
    for answer in (
        client.post("/signals", content=b"x" * TOO_LONG, headers=RAW),
        client.post("/signals", content=b"x" * (2 * TOO_LONG), headers=RAW),
        client.post("/signals", files=as_form(b"x" * TOO_LONG)),
    ):
        assert (answer.status_code, answer.json()["code"]) == (413, "content_too_large")


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("parts", [2, 20])
def test_too_many_bytes_without_saying_so(client: httpx.Client, parts: int) -> None:
    answer = client.post("/signals", content=(b"x" * (MAX_UPLOAD_BYTES - 1) for _ in range(parts)), headers=RAW)
    assert (answer.status_code, answer.json()["code"]) == (413, "content_too_large")


@pytest.mark.usefixtures("untouched")
def test_a_declared_length_is_refused_before_a_byte_is_sent(server: Server) -> None:
    with socket.create_connection(server.address, timeout=20) as client:
        client.sendall(head(f"Content-Length: {10**12}"))
        assert b" 413 " in client.recv(10_000).partition(b"\r\n")[0]


@pytest.mark.usefixtures("untouched")
def test_a_length_that_lies_changes_nothing(server: Server) -> None:
    picture = png()
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(picture), picture)
    for header, body in (
        (head(f"Content-Length: {len(picture) - 5}"), picture),
        (head("Content-Length: 5", "Transfer-Encoding: chunked"), chunked[:-7]),
        (head("Content-Length: -1"), picture),
    ):
        with socket.create_connection(server.address, timeout=20) as client:
            client.sendall(header + body)
            client.shutdown(socket.SHUT_WR)
            assert b" 201 " not in client.recv(10_000)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("header", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
def test_a_client_that_leaves_in_the_middle_leaves_nothing(server: Server, header: str) -> None:
    start = b"" if "Length" in header else b"186a0\r\n"
    with socket.create_connection(server.address, timeout=20) as client:
        client.sendall(head(header) + start + png("RGB", (64, 64))[:5000])
        eventually(lambda: any(server.spool.iterdir()))


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("headers", "content", "status", "code"),
    [
        ({"Content-Type": "text/plain"}, b"x", 415, "unsupported_media_type"),
        ({}, b"x", 415, "unsupported_media_type"),
        (RAW | {"Content-Encoding": "gzip"}, b"x", 415, "unsupported_media_type"),
        ({"Content-Type": "multipart/form-data"}, b"x", 400, "malformed_upload"),
        ({"Content-Type": "multipart/form-data; boundary=b"}, b"not a form", 400, "malformed_upload"),
        ({"Content-Type": "multipart/form-data; boundary=b"}, b"--b--\r\n", 422, "missing_file"),
    ],
)
def test_bodies_that_are_not_read(
    client: httpx.Client, headers: dict[str, str], content: bytes, status: int, code: str
) -> None:
    answer = client.post("/signals", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.usefixtures("untouched")
def test_a_form_without_the_file_or_with_two(client: httpx.Client) -> None:
    missing = client.post("/signals", files={"picture": png()})
    assert (missing.status_code, missing.json()["code"]) == (422, "missing_file")
    double = client.post("/signals", files=[("file", png()), ("file", png())])
    assert (double.status_code, double.json()["code"]) == (400, "malformed_upload")


def test_the_same_bytes_are_the_same_signal(client: httpx.Client, world: World) -> None:
    content = png()
    first = client.post("/signals", files=as_form(content))
    counts = world.counts()
    again = client.post("/signals?filename=other.png", content=content, headers=RAW)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert world.counts() == counts


def test_the_same_bytes_at_the_same_time_are_one_signal(client: httpx.Client, world: World) -> None:
    content, before, start = png(), world.counts(), threading.Barrier(6)

    def upload(_: int) -> httpx.Response:
        start.wait()
        return client.post("/signals", content=content, headers=RAW)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(upload, range(6)))
    assert {answer.status_code for answer in answers} == {200, 201}
    assert [answer.status_code for answer in answers].count(201) == 1
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (world.counts()[0] - before[0], world.counts()[3] - before[3]) == (1, 1)


def test_a_name_is_for_showing_and_never_a_path(client: httpx.Client) -> None:
    signal = client.post("/signals", files=as_form(png(), "../../etc/passwd\x7f.png")).json()
    assert signal["filename"] == "passwd.png"
    named = client.post("/signals", params={"filename": "a/b.png"}, content=png(), headers=RAW).json()
    assert named["filename"] == "b.png"
    nameless = client.post("/signals", content=png(), headers=RAW).json()
    assert nameless["filename"] is None
    shown = client.get(nameless["links"]["content"]).headers["content-disposition"]
    assert shown == f'attachment; filename="{nameless["id"]}.png"'


def test_lists_are_paged_newest_first(client: httpx.Client) -> None:
    ids = [client.post("/signals", content=png(), headers=RAW).json()["id"] for _ in range(3)]
    first = client.get("/signals", params={"limit": 2}).json()
    second = client.get("/signals", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [signal["id"] for signal in first["data"] + second["data"]][:3] == ids[::-1]


def test_an_object_whose_row_cannot_be_written_is_taken_back(
    client: httpx.Client, world: World, server: Server
) -> None:
    before = world.counts()
    with world.rows_of_signals_refused():
        answer = client.post("/signals", content=png(), headers=RAW)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert world.counts() == before
    assert not any(server.spool.iterdir())


def test_storage_away_leaves_no_row(
    client: httpx.Client, environment: dict[str, str], world: World, tmp_path: Path
) -> None:
    known = png()
    client.post("/signals", content=known, headers=RAW)
    before = world.counts()
    away = {"TUNER_S3_ENDPOINT_URL": "http://127.0.0.1:1"}
    with (
        running_api(environment, tmp_path, **away) as server,
        httpx.Client(base_url=server.url, timeout=60, trust_env=False) as cut_off,
    ):
        answer = cut_off.post("/signals", content=png(), headers=RAW)
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
        # Nor is a row a proof that known bytes are still there.
        assert cut_off.post("/signals", content=known, headers=RAW).status_code == 503
        assert not any(server.spool.iterdir())
    assert world.counts() == before


def test_uploads_at_the_same_time_are_bounded_and_hurried(environment: dict[str, str], tmp_path: Path) -> None:
    limits = {"TUNER_MAX_UPLOADS": "1", "TUNER_UPLOAD_TIMEOUT_SECONDS": "3"}
    with (
        running_api(environment, tmp_path, **limits) as server,
        httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client,
        socket.create_connection(server.address, timeout=20) as slow,
    ):
        slow.sendall(head("Content-Length: 1000") + b"x")
        eventually(lambda: any(server.spool.iterdir()))
        busy = client.post("/signals", content=png(), headers=RAW)
        assert (busy.status_code, busy.json()["code"]) == (503, "too_busy")
        assert b" 408 " in slow.recv(10_000).partition(b"\r\n")[0]
        assert client.post("/signals", content=png(), headers=RAW).status_code == 201


def head(*headers: str) -> bytes:
    lines = ["POST /signals HTTP/1.1", "Host: localhost", "Content-Type: image/png", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize("how", ["deleted", "truncated", "swapped"])
@pytest.mark.parametrize("route", ["direct", "parts"])
def test_known_bytes_that_are_sent_again_heal_their_object(
    client: httpx.Client, world: World, how: str, route: str
) -> None:
    content = picture_png() + f"{how} {route}".encode()
    sent = hashlib.sha256(content).hexdigest()
    signal = client.post("/signals", content=content, headers={"Content-Type": "image/png"}).json()
    (key,) = [key for key in world.blobs.keys("signals/") if key.endswith(sent)]
    damage(world.blobs, key, how)
    if route == "direct":
        again = client.post("/signals", content=content, headers={"Content-Type": "image/png"})
    else:
        upload = client.post("/uploads", json={"bytes": len(content)}).json()
        httpx.put(upload["parts"][0]["url"], content=content, trust_env=False).raise_for_status()
        again = client.post(f"/uploads/{upload['id']}/complete", json={"bytes": len(content), "sha256": sent})
    assert (again.status_code, again.json()["id"]) == (200, signal["id"])
    assert world.blobs.read(key, sha256=sent) == content
