"""Small objects go past the SDK, and whatever goes wrong there is the SDK's to tell."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest

from store.blobs import BlobStore, sha256_hex
from store.errors import BlobDamaged, BlobMissing, BlobsUnavailable
from store.settings import StoreSettings
from store.small_objects import MOST_BYTES, REST_SECONDS, SmallObjects
from tests.chaos.proxy import Proxy, Weather


@contextmanager
def requests_of_the_sdk(blobs: BlobStore) -> Iterator[list[str]]:
    """Methods of the requests that the SDK sends while the block runs."""
    sent: list[str] = []

    def note(request: Any, **_: object) -> None:
        sent.append(request.method)

    clients = (blobs.client, blobs._reader)
    for client in clients:
        client.meta.events.register("before-send.s3", note)
    yield sent
    for client in clients:
        client.meta.events.unregister("before-send.s3", note)


@contextmanager
def through_a_proxy(settings: StoreSettings) -> Iterator[tuple[Proxy, BlobStore]]:
    url = urlsplit(settings.s3_endpoint_url or "")
    assert url.port is not None
    with Proxy(url.port) as proxy:
        through = settings.model_copy(update={"s3_endpoint_url": f"http://127.0.0.1:{proxy.port}"})
        yield proxy, BlobStore(through)


@pytest.mark.parametrize("size", [0, 1, 1200, MOST_BYTES])
def test_a_small_object_goes_past_the_sdk_and_is_the_same_for_both(blobs: BlobStore, size: int, tmp_path: Path) -> None:
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    key = f"small/{size} of them, \u00e9"
    with requests_of_the_sdk(blobs) as sent:
        blobs.put(key, content, media_type="image/png")
        assert blobs.read(key, sha256=sha256_hex(content), max_bytes=size) == content
        file = tmp_path / "file"
        file.write_bytes(content)
        blobs.put(f"{key}, from a file", file, media_type="image/png")
    assert sent == []
    for stored in (key, f"{key}, from a file"):
        assert blobs.read(stored) == content
        assert blobs.media_type(stored) == "image/png"


def test_a_larger_object_is_the_sdks(blobs: BlobStore) -> None:
    content = bytes(MOST_BYTES + 1)
    with requests_of_the_sdk(blobs) as sent:
        blobs.put("larger", content)
        assert blobs.read("larger", max_bytes=len(content)) == content
        assert blobs.read("larger") == content
    assert sent == ["PUT", "GET", "GET"]


def test_an_object_that_is_not_as_it_was_recorded_is_not_given(blobs: BlobStore) -> None:
    blobs.put("changed", b"0123456789")
    with pytest.raises(BlobDamaged, match="SHA-256"):
        blobs.read("changed", sha256="0" * 64, max_bytes=10)
    with pytest.raises(BlobDamaged, match="larger"):
        blobs.read("changed", max_bytes=9)


def test_an_absent_object_does_not_let_the_quick_way_rest(blobs: BlobStore) -> None:
    with pytest.raises(BlobMissing):
        blobs.read("nowhere", max_bytes=10)
    with requests_of_the_sdk(blobs) as sent:
        blobs.put("somewhere", b"content")
    assert sent == []


@pytest.mark.parametrize("weather", [Weather(http_status=403), Weather(refuses=True)])
def test_what_fails_is_told_by_the_sdk_and_the_quick_way_rests_and_comes_back(
    store_settings: StoreSettings, weather: Weather, monkeypatch: pytest.MonkeyPatch
) -> None:
    with through_a_proxy(store_settings) as (proxy, store):
        store.put("sound", b"content")
        with proxy.under(weather):
            with pytest.raises(BlobsUnavailable):
                store.put("unheard", b"content")
            with pytest.raises(BlobsUnavailable):
                store.read("sound", max_bytes=7)
        with requests_of_the_sdk(store) as sent:
            assert store.read("sound", max_bytes=7) == b"content"
        assert sent == ["GET"], "an outage would cost two time-outs for each object"
        monkeypatch.setattr(store._small, "_rests_until", store._small._rests_until - REST_SECONDS)
        with requests_of_the_sdk(store) as sent:
            assert store.read("sound", max_bytes=7) == b"content"
        assert sent == []


def test_one_failure_is_made_up_for_by_the_sdk(store_settings: StoreSettings) -> None:
    """Each verb is asked once by the quick way, and what it could not do is done all the same."""
    with through_a_proxy(store_settings) as (proxy, store):
        quick = SmallObjects(store_settings.model_copy(update={"s3_endpoint_url": f"http://127.0.0.1:{proxy.port}"}))
        with proxy.under(Weather(resets=True)):
            assert not quick.put("twice", b"content", "text/plain")
        store._small = quick
        with requests_of_the_sdk(store) as sent:
            store.put("twice", b"content")
            assert store.read("twice", max_bytes=7) == b"content"
        assert sent == ["PUT", "GET"]


def test_keys_that_are_wrong_are_unavailable_storage(store_settings: StoreSettings) -> None:
    wrong = store_settings.model_copy(update={"s3_secret_key": store_settings.s3_access_key})
    with pytest.raises(BlobsUnavailable):
        BlobStore(wrong).put("key", b"content")


def test_requests_name_the_service_and_not_the_machine(store_settings: StoreSettings) -> None:
    """What botocore would say of itself and of the machine takes longer to put together than a small object to send."""
    agents: list[str] = []

    class Answers(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            agents.append(self.headers["User-Agent"])
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.send_header("ETag", '"0"')
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        store = BlobStore(store_settings.model_copy(update={"s3_endpoint_url": url}))
        store.put("small", b"content")
        store.put("large", bytes(MOST_BYTES + 1))
        server.shutdown()
    quick, sdk = agents
    assert quick == "tuner"
    assert re.fullmatch(r"tuner( Botocore/\S+)?", sdk)


def test_where_checksums_are_wanted_the_sdk_sends_them(store_settings: StoreSettings) -> None:
    store = BlobStore(store_settings.model_copy(update={"s3_request_checksums": True}))
    with requests_of_the_sdk(store) as sent:
        store.put("with a checksum", b"content")
        assert store.read("with a checksum", max_bytes=7) == b"content"
    assert sent == ["PUT", "GET"]


def test_amazon_needs_no_address(store_settings: StoreSettings) -> None:
    BlobStore(store_settings.model_copy(update={"s3_endpoint_url": None}))
