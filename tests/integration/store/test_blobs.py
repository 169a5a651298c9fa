"""The bucket's verbs on a real S3 server."""

import os
import re
import socket
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

from store.blobs import BUCKET_GONE, BlobStore, sha256_hex
from store.errors import BlobDamaged, BlobMissing, BlobsUnavailable, BucketMissing
from store.multipart import MultipartUploads, Part
from store.settings import StoreSettings
from tests.chaos.proxy import Proxy, Weather
from tests.engines import _memory


def test_what_is_put_comes_back(blobs: BlobStore, tmp_path: Path) -> None:
    content = bytes(range(256)) * 100
    blobs.put("a/bytes", content)
    (tmp_path / "file").write_bytes(content)
    blobs.put("a/file", tmp_path / "file")
    for key in ("a/bytes", "a/file"):
        assert blobs.read(key, sha256=sha256_hex(content), max_bytes=len(content)) == content
        assert blobs.size(key) == len(content)
    assert list(blobs.keys("a/")) == ["a/bytes", "a/file"]


def test_a_range_is_streamed(blobs: BlobStore) -> None:
    blobs.put("range", b"0123456789")
    part = blobs.slice("range", (2, 4))
    assert (b"".join(part.content), part.start, part.length, part.total) == (b"234", 2, 3, 10)
    whole = blobs.slice("range")
    assert (b"".join(whole.content), whole.length, whole.total) == (b"0123456789", 10, 10)


def test_a_wrong_hash_or_size_is_noticed(blobs: BlobStore) -> None:
    blobs.put("damaged", b"0123456789")
    with pytest.raises(BlobDamaged, match="SHA-256"):
        blobs.read("damaged", sha256="0" * 64)
    with pytest.raises(BlobDamaged, match="larger"):
        blobs.read("damaged", max_bytes=9)


def test_an_absent_object_is_missing(blobs: BlobStore) -> None:
    for look in (blobs.read, blobs.size, blobs.slice):
        with pytest.raises(BlobMissing):
            look("nowhere")
    blobs.delete("nowhere")


def test_addresses_of_parts_are_signed_for_where_clients_reach_storage(store_settings: StoreSettings) -> None:
    """And not for the name that the engines have among themselves."""
    public = store_settings.model_copy(update={"s3_public_endpoint_url": "https://files.example"})
    inner, outer = (
        MultipartUploads(BlobStore(settings)).part_url("key", "id", 1, byte_count=5, seconds=60)
        for settings in (store_settings, public)
    )
    assert inner.startswith(f"{store_settings.s3_endpoint_url}/")
    assert outer.startswith(f"https://files.example/{store_settings.s3_bucket}/key?")


def test_a_bucket_that_is_gone_is_neither_a_lost_object_nor_a_matter_of_time(
    store_settings: StoreSettings, tmp_path: Path
) -> None:
    """Lost objects fail a fit for ever, so they are not reported of a bucket that may come back from a backup."""
    store = BlobStore(store_settings.model_copy(update={"s3_bucket": "deleted"}))
    file = tmp_path / "file"
    file.write_bytes(b"content")
    uploads = MultipartUploads(store)
    verbs: dict[str, Callable[[], object]] = {
        "put": lambda: store.put("key", b"content"),
        "put a file": lambda: store.put("key", file),
        "read": lambda: store.read("key"),
        "slice": lambda: store.slice("key"),
        "slice a range": lambda: store.slice("key", (0, 1)),
        "size": lambda: store.size("key"),
        "keys": lambda: list(store.keys()),
        "abort": lambda: store.abort_uploads(begun_before=datetime.now(UTC)),
        "ping": store.ping,
        "self test": store.self_test,
        "begin": lambda: uploads.begin("key"),
        "parts": lambda: uploads.parts("key", "0" * 32),
        "complete": lambda: uploads.complete("key", "0" * 32, [Part(1, "0" * 32, 1, datetime.now(UTC))]),
    }
    for name, verb in verbs.items():
        with pytest.raises(BucketMissing, match=re.escape(BUCKET_GONE)):
            pytest.fail(f"{name} answered {verb()!r}")


def test_the_self_test_leaves_nothing(blobs: BlobStore) -> None:
    blobs.self_test()
    assert list(blobs.keys("probe/")) == []


def test_wrong_keys_are_unavailable_storage(store_settings: StoreSettings) -> None:
    wrong = store_settings.model_copy(update={"s3_secret_key": store_settings.s3_access_key})
    with pytest.raises(BlobsUnavailable):
        BlobStore(wrong).self_test()


def test_storage_that_does_not_answer_is_unavailable(store_settings: StoreSettings) -> None:
    nobody = store_settings.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:9", "s3_timeout_seconds": 0.5})
    with pytest.raises(BlobsUnavailable):
        BlobStore(nobody).ping()


def test_a_connection_that_breaks_in_the_middle_is_not_damage(blobs: BlobStore, store_settings: StoreSettings) -> None:
    """Damage is for ever and fails a fit; a broken connection is tried again."""
    content = bytes(300_000)
    blobs.put("long", content)
    url = urlsplit(store_settings.s3_endpoint_url or "")
    assert url.port is not None
    with Proxy(url.port) as proxy:
        through = store_settings.model_copy(update={"s3_endpoint_url": f"http://127.0.0.1:{proxy.port}"})
        store = BlobStore(through)
        with proxy.under(Weather(resets=True)), pytest.raises(BlobsUnavailable):
            store.read("long", sha256=sha256_hex(content), max_bytes=len(content))
        assert store.read("long", sha256=sha256_hex(content), max_bytes=len(content)) == content


def test_a_connection_that_breaks_before_the_body_is_sent_ends_the_put(store_settings: StoreSettings) -> None:
    def break_off() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(b"HTTP/1.1 100 Continue\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=break_off, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        store = BlobStore(store_settings.model_copy(update={"s3_endpoint_url": url, "s3_timeout_seconds": 1.0}))

        def put() -> None:
            with suppress(BlobsUnavailable):
                store.put("key", b"content")

        putting = Thread(target=put, daemon=True)
        putting.start()
        putting.join(timeout=30)
        assert not putting.is_alive()
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.long
def test_what_storage_cannot_read_while_it_reads_others_is_damaged_and_no_outage(blobs: BlobStore) -> None:
    content = os.urandom(5000)
    blobs.put("rotten", content)
    _rot(content)
    looks: list[Callable[[], object]] = [lambda: blobs.read("rotten"), lambda: blobs.slice("rotten")]
    with ThreadPoolExecutor() as pool:
        # The server itself tries for 13 seconds before it answers.
        for error in pool.map(_error_of, looks):
            assert isinstance(error, BlobDamaged)
    blobs.put("rotten", content)
    assert blobs.read("rotten", sha256=sha256_hex(content)) == content


def test_a_server_that_answers_500_to_all_is_away(blobs: BlobStore, store_settings: StoreSettings) -> None:
    blobs.put("sound", b"content")
    url = urlsplit(store_settings.s3_endpoint_url or "")
    assert url.port is not None
    with Proxy(url.port) as proxy:
        through = store_settings.model_copy(update={"s3_endpoint_url": f"http://127.0.0.1:{proxy.port}"})
        store = BlobStore(through)
        with proxy.under(Weather(http_status=500)), pytest.raises(BlobsUnavailable):
            store.read("sound")
        assert store.read("sound") == b"content"


def _rot(content: bytes) -> None:
    """Flip a bit of an object on the disk of the server."""
    places = {tempfile.gettempdir(), _memory() or tempfile.gettempdir()}
    for volume in (file for place in places for file in Path(place).glob("tuner engines */seaweedfs/*.dat")):
        start = volume.read_bytes().find(content)
        if start >= 0:
            with volume.open("r+b") as file:
                file.seek(start)
                file.write(bytes([content[0] ^ 1]))
            return
    raise AssertionError("the object is in no volume")


def _error_of(look: Callable[[], object]) -> Exception | None:
    try:
        look()
    except Exception as error:
        return error
    return None
