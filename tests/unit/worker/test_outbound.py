"""Posting to addresses that strangers chose, against a real server that behaves badly."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network

import pytest

from tests.receiver import Receiver, receiver
from worker.outbound import NotDelivered, Sender

LOOPBACK = (ip_network("127.0.0.0/8"),)
OPEN = Sender(timeout_seconds=5, private_networks=LOOPBACK)
HURRIED = replace(OPEN, timeout_seconds=0.4)


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


def test_a_message_arrives_as_it_was_sent(hook: Receiver) -> None:
    assert OPEN.post(hook.url, b'{"a":1}', {"webhook-id": "msg_1", "Content-Type": "application/json"}) == 204
    got = hook.next()
    assert (got.path, got.body) == ("/hook?a=1", b'{"a":1}')
    assert got.headers["host"] == f"127.0.0.1:{hook.port}"
    assert (got.headers["webhook-id"], got.headers["content-type"]) == ("msg_1", "application/json")


def test_the_name_stays_in_the_host_header(hook: Receiver) -> None:
    named = replace(OPEN, resolver=lambda host, port: ["127.0.0.1"])
    assert named.post(f"http://hooks.example:{hook.port}/x", b"", {}) == 204
    assert hook.next().headers["host"] == f"hooks.example:{hook.port}"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"])
def test_this_machine_is_not_reached(hook: Receiver, host: str) -> None:
    with pytest.raises(NotDelivered, match=r"not public|cannot be resolved"):
        Sender(timeout_seconds=5).post(f"http://{host}:{hook.port}/", b"", {})
    assert hook.is_empty


def test_one_private_address_among_public_ones_is_enough_to_refuse(hook: Receiver) -> None:
    mixed = Sender(timeout_seconds=5, resolver=lambda host, port: ["93.184.216.34", "127.0.0.1"])
    with pytest.raises(NotDelivered, match="not public"):
        mixed.post(f"http://hooks.example:{hook.port}/", b"", {})


def test_a_name_that_changes_its_mind_changes_nothing(hook: Receiver) -> None:
    """DNS rebinding: the first answer is public, every later one leads inside."""
    answers = iter([["192.0.2.1"], ["127.0.0.1"], ["127.0.0.1"]])
    asked = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    # An address for documentation stands for a public one: nobody answers there, and nobody may look a second time.
    sender = Sender(timeout_seconds=0.3, resolver=rebinding, private_networks=(ip_network("192.0.2.0/24"),))
    with pytest.raises(NotDelivered, match=r"no connection|no answer"):
        sender.post(f"http://hooks.example:{hook.port}/", b"", {})
    assert asked == ["hooks.example"]
    assert hook.is_empty
    with pytest.raises(NotDelivered, match="not public"):
        sender.post(f"http://hooks.example:{hook.port}/", b"", {})
    assert hook.is_empty


def test_a_name_that_nobody_resolves_is_given_up_in_time() -> None:
    release = threading.Event()

    def slow(_host: str, _port: int) -> list[str]:
        release.wait(20)
        return ["93.184.216.34"]

    started = time.monotonic()
    try:
        with pytest.raises(NotDelivered, match="not resolved within"):
            Sender(timeout_seconds=0.2, resolver=slow).post("http://slow.example/", b"", {})
    finally:
        release.set()
    assert time.monotonic() - started < 10


def test_redirects_are_not_followed(hook: Receiver) -> None:
    with receiver() as inside:
        hook.answer, hook.headers = 302, {"Location": inside.url}
        assert OPEN.post(hook.url, b"", {}) == 302
        assert inside.is_empty


def test_a_proxy_in_the_environment_is_not_asked(hook: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert OPEN.post(hook.url, b"", {}) == 204


def test_an_answer_that_drips_is_given_up(hook: Receiver) -> None:
    hook.behave = hook.drip
    started = time.monotonic()
    with pytest.raises(NotDelivered, match=r"no answer within 0\.4 s"):
        HURRIED.post(hook.url, b"", {})
    assert time.monotonic() - started < 10


def test_a_huge_answer_is_not_read(hook: Receiver) -> None:
    hook.behave = hook.flood
    assert OPEN.post(hook.url, b"", {}) == 200


def test_endless_headers_are_not_read(hook: Receiver) -> None:
    hook.behave = hook.flood_headers
    with pytest.raises(NotDelivered, match="HTTPException"):
        OPEN.post(hook.url, b"", {})


def test_nobody_there(hook: Receiver) -> None:
    hook.behave = hook.hang_up
    with pytest.raises(NotDelivered, match="no answer"):
        OPEN.post(hook.url, b"", {})
    with pytest.raises(NotDelivered, match="no connection"):
        OPEN.post("http://127.0.0.1:1/", b"", {})
    with pytest.raises(NotDelivered, match="cannot be resolved"):
        OPEN.post("http://nowhere.invalid/", b"", {})


def test_plain_http_is_not_taken_for_https(hook: Receiver) -> None:
    with pytest.raises(NotDelivered, match="TLS"):
        OPEN.post(f"https://127.0.0.1:{hook.port}/", b"", {})
