"""Connections that hold a place and say little: all of them end by themselves, and others are served meanwhile.

Over real sockets, against a server whose deadlines are short. Nothing here waits longer than `PATIENCE`.
"""

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest

from tests.integration.api.conftest import Server, running_api
from tests.integration.api.images import chunk, png, with_comment
from tests.integration.api.world import World

HEAD_SECONDS, BODY_SECONDS, KEEP_ALIVE_SECONDS = 1.0, 1.5, 2
PATIENCE = 10.0
GRACE_SECONDS = 3.0  # longer than a busy machine stands still, shorter than the slow upload below takes
MOST = 40

HEAD = b"POST /fits HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
UPLOAD = b"POST /signals HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\nContent-Length: 5000\r\n\r\n"
UNREAD = b"DELETE /fits/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000\r\n\r\n"
PLAIN = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture(scope="module")
def hasty(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An api of little patience."""
    limits = {"TUNER_HEAD_SECONDS": str(HEAD_SECONDS), "TUNER_BODY_SECONDS": str(BODY_SECONDS)}
    limits |= {"TUNER_KEEP_ALIVE_SECONDS": str(KEEP_ALIVE_SECONDS), "TUNER_MAX_CONNECTIONS": str(MOST)}
    limits |= {"TUNER_UPLOAD_TIMEOUT_SECONDS": str(BODY_SECONDS)}
    with running_api(environment, tmp_path_factory.mktemp("hasty"), **limits) as running:
        yield running


def until_closed(connection: socket.socket, *, drip: bytes = b"") -> bytes:
    """What the server says until it hangs up, while a byte at a time is sent."""
    heard, started = b"", time.monotonic()
    connection.settimeout(0.2)
    while time.monotonic() - started < PATIENCE:
        with contextlib.suppress(TimeoutError):
            try:
                said = connection.recv(65536)
            except ConnectionError:
                return heard
            if not said:
                return heard
            heard += said
        if drip:
            with contextlib.suppress(OSError):
                connection.send(drip)
    raise AssertionError(f"still open after {PATIENCE} s; heard {heard!r}")


def answered(connection: socket.socket) -> bool:
    """Whether the answer to `PLAIN` comes, all of it."""
    heard = b""
    while b"alive" not in heard:
        heard += connection.recv(65536)
    return heard.startswith(b"HTTP/1.1 200")


def problem(heard: bytes) -> tuple[int, str]:
    """Status and code of an answer."""
    head, _, body = heard.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["code"]


@pytest.mark.parametrize(
    ("first", "drip", "answer"),
    [
        (b"", b"", None),
        (b"GET /livez HTTP/1.1\r\n", b"", (408, "head_timeout")),
        (b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ", b"a", (408, "head_timeout")),
        (HEAD, b"", (408, "upload_timeout")),
        (HEAD + b'{"signal_id": "', b"a", (408, "upload_timeout")),
        (UPLOAD, b"", (408, "upload_timeout")),
        (UPLOAD, b"a", (408, "upload_timeout")),
        (UNREAD, b"", (404, "fit_not_found")),
        (UNREAD, b"a", (404, "fit_not_found")),
    ],
)
def test_what_does_not_come_to_an_end_is_ended(
    hasty: Server, first: bytes, drip: bytes, answer: tuple[int, str] | None
) -> None:
    with socket.create_connection(hasty.address) as connection:
        connection.sendall(first)
        heard = until_closed(connection, drip=drip)
    assert (problem(heard) if heard else None) == answer


@pytest.fixture(scope="module")
def paced(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An api with all time for an upload, as long as it comes."""
    limits = {"TUNER_UPLOAD_BYTES_PER_SECOND": "1000", "TUNER_UPLOAD_GRACE_SECONDS": str(GRACE_SECONDS)}
    with running_api(environment, tmp_path_factory.mktemp("paced"), **limits) as running:
        yield running


@pytest.mark.parametrize("burst", [0, 4000])
def test_an_upload_that_trickles_is_ended(paced: Server, burst: int) -> None:
    """Also after a burst that would make the mean rate a good one."""
    with socket.create_connection(paced.address) as connection:
        connection.sendall(UPLOAD + b"x" * burst)
        heard = until_closed(connection, drip=b"a")
    assert problem(heard) == (408, "upload_timeout")
    assert b"1000 bytes a second" in heard


def test_an_upload_over_a_slow_line_is_taken(paced: Server) -> None:
    """Longer than the grace, with pauses, and a little faster than it has to be."""
    content = with_comment(png(), 1)
    content = content[:-12] + chunk(b"tEXt", b"Comment\0" + b"x" * 4000) + content[-12:]
    head = UPLOAD.replace(b"5000", b"%d" % len(content))
    with socket.create_connection(paced.address) as connection:
        connection.sendall(head)
        for start in range(0, len(content), 1200):
            connection.sendall(content[start : start + 1200])
            time.sleep(0.8)
        heard = connection.recv(65536)
    assert heard.startswith(b"HTTP/1.1 201"), heard


def test_between_two_requests_there_is_time(hasty: Server) -> None:
    with socket.create_connection(hasty.address) as connection:
        for _ in range(2):
            connection.sendall(PLAIN)
            assert answered(connection)
            time.sleep(HEAD_SECONDS * 1.3)  # longer than a head may take, shorter than a connection may rest
        assert until_closed(connection) == b""


def test_a_head_after_an_answer_is_on_the_clock(hasty: Server) -> None:
    with socket.create_connection(hasty.address) as connection:
        connection.sendall(PLAIN)
        assert answered(connection)
        connection.sendall(b"GET /livez HTTP/1.1\r\nX-A: ")
        assert problem(until_closed(connection, drip=b"a")) == (408, "head_timeout")


def test_an_answer_that_takes_long_is_not_cut_off(hasty: Server) -> None:
    """The deadlines are for what the client sends: a stream that it reads lasts longer than all of them."""
    signal = httpx.post(f"{hasty.url}/signals", files={"file": png()}, trust_env=False).json()["id"]
    fit = httpx.post(f"{hasty.url}/fits", json={"signal_id": signal}, trust_env=False).json()["id"]
    stream = {"Accept": "text/event-stream"}
    started = time.monotonic()
    with httpx.stream("GET", f"{hasty.url}/fits/{fit}/events", headers=stream, timeout=PATIENCE, trust_env=False) as it:
        for _ in it.iter_bytes():
            if time.monotonic() - started > 2 * max(HEAD_SECONDS, BODY_SECONDS, KEEP_ALIVE_SECONDS):
                break
        else:
            raise AssertionError("the stream ended")
    httpx.post(f"{hasty.url}/fits/{fit}/cancel", trust_env=False)


def test_more_connections_than_there_may_be_are_sent_away_and_the_rest_goes_by_itself(hasty: Server) -> None:
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.create_connection(hasty.address)) for _ in range(MOST)]
        for connection in held:
            connection.sendall(b"GET /livez HTTP/1.1\r\nX-A: ")
        time.sleep(0.3)
        with socket.create_connection(hasty.address) as one_more:
            assert problem(until_closed(one_more)) == (503, "too_many_connections")
        for connection in held:
            assert problem(until_closed(connection)) == (408, "head_timeout")
        assert httpx.get(f"{hasty.url}/livez", trust_env=False).status_code == 200


def test_a_form_of_nothing_but_parts_holds_nobody_up(hasty: Server) -> None:
    form = b"--f\r\n\r\n\r\n" * 90_000  # just under the limit of an upload
    kind = {"Content-Type": "multipart/form-data; boundary=f"}
    answer = httpx.post(f"{hasty.url}/signals", content=form, headers=kind, trust_env=False)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_upload")
    assert "100 parts" in answer.json()["detail"]


@pytest.fixture(scope="module")
def unread(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory, world: World
) -> Iterator[tuple[Server, bytes]]:
    """An api with little patience for who does not read, and a request with an answer of 4 MiB."""
    limits = {"TUNER_ANSWER_SECONDS": "1", "TUNER_ANSWER_BYTES_PER_SECOND": "100000"}
    limits |= {"TUNER_MAX_UNTAKEN_BYTES": str(7 << 20)}
    signal = world.add_signal(os.urandom(4 << 20))
    with running_api(environment, tmp_path_factory.mktemp("unread"), **limits) as running:
        yield running, f"GET /signals/{signal}/content HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def narrow(server: Server, request: bytes) -> socket.socket:
    """A connection on which a request was sent, and next to nothing of its answer is on the way."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(server.address)
    connection.sendall(request)
    connection.settimeout(PATIENCE)
    assert connection.recv(1) == b"H"
    return connection


def is_open(server: Server, connection: socket.socket) -> bool:
    """Whether the server still has its end of a connection."""
    ends = psutil.Process(server.process.pid).net_connections("tcp")
    return connection.getsockname()[1] in {end.raddr.port for end in ends if end.raddr}


@pytest.mark.parametrize("bytes_at_a_time", [0, 1, 2000])
def test_an_answer_that_nobody_takes_is_given_up(unread: tuple[Server, bytes], bytes_at_a_time: int) -> None:
    server, request = unread
    with narrow(server, request) as connection:
        end = time.monotonic() + PATIENCE
        assert is_open(server, connection)
        while is_open(server, connection):
            assert time.monotonic() < end
            if bytes_at_a_time:
                connection.recv(bytes_at_a_time)
            time.sleep(0.1)


def test_an_answer_that_is_taken_in_time_is_whole(unread: tuple[Server, bytes]) -> None:
    server, request = unread
    heard = 0
    with narrow(server, request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")) as connection:
        while part := connection.recv(1 << 18):
            heard += len(part)
            time.sleep(0.001)
    assert heard > 4 << 20


def test_what_waits_has_a_limit_and_the_oldest_goes(unread: tuple[Server, bytes]) -> None:
    """Long before any of them is late."""
    server, request = unread
    with contextlib.ExitStack() as stack:
        started = time.monotonic()
        held = [stack.enter_context(narrow(server, request)) for _ in range(6)]
        while is_open(server, held[0]):
            assert time.monotonic() - started < PATIENCE
        assert is_open(server, held[-1])
        assert httpx.get(f"{server.url}/livez", trust_env=False).status_code == 200
