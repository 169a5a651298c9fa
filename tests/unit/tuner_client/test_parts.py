"""The client's parts without a connection: targets, events, pauses, errors."""

from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

import httpx2
import pytest

from tuner_client import ApiError, Conflict, InvalidRequest, NotFound, ServerError
from tuner_client.calls import LONGEST_PAUSE_SECONDS, TRIES, error_of, pause_before
from tuner_client.downloading import Downloading
from tuner_client.following import Following
from tuner_client.targets import fit_request


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("psnr=35", {"target": {"psnr_db": 35.0}}),
        ("bytes=40000", {"target": {"bytes": 40_000}}),
        ("bits_per_sample=1.5", {"target": {"bits_per_sample": 1.5}}),
        ("seconds=60", {"target": {"seconds": 60.0}}),
        ("max_error=0.02", {"target": {"max_error": 0.02}}),
        (None, {}),
    ],
)
def test_targets_as_people_write_them(target: str | None, body: dict[str, object]) -> None:
    assert fit_request("sig_1", target=target, preset=None, options={}) == {"signal_id": "sig_1"} | body


@pytest.mark.parametrize("target", ["", "psnr", "psnr=", "psnr=much", "speed=1", "bytes=1.5"])
def test_targets_that_mean_nothing(target: str) -> None:
    with pytest.raises(ValueError, match="the target is"):
        fit_request("sig_1", target=target, preset=None, options={})


def test_events_are_whole_and_come_once() -> None:
    following = Following()
    first = ["retry: 2000", "", ": keep-alive", "", "id: 1", "event: queued", 'data: {"seq":1,"kind":"queued"}', ""]
    assert [event.kind for line in first if (event := following.feed(line))] == ["queued"]
    # A connection that breaks within an event: nothing of it is left, and the next one goes on after the last.
    assert following.feed('data: {"seq":2,') is None
    assert following.headers()["Last-Event-ID"] == "1"
    again = ['data: {"seq":1,"kind":"queued"}', "", 'data: {"seq":2,"kind":"succeeded",', 'data: "data":{}}', ""]
    assert [event.seq for line in again if (event := following.feed(line))] == [2]
    assert following.is_over


def test_hope_ends_but_news_renews_it() -> None:
    following = Following()
    for _ in range(TRIES - 1):
        assert following.pause_after_failure() is not None
    assert following.feed('data: {"seq":1,"kind":"running"}') is None
    following.feed("")
    assert following.pause_after_failure() is not None


@pytest.mark.parametrize(
    ("status", "kind"), [(404, NotFound), (409, Conflict), (422, InvalidRequest), (503, ServerError)]
)
def test_errors_have_types(status: int, kind: type[ApiError]) -> None:
    problem = {"code": "some_code", "detail": "a sentence", "request_id": "req_1"}
    error = error_of(httpx2.Response(status, json=problem))
    assert type(error) is kind
    assert (error.code, error.detail, error.request_id, error.status) == ("some_code", "a sentence", "req_1", status)


def test_an_answer_that_is_no_problem_document_is_an_error_too() -> None:
    assert error_of(httpx2.Response(502, text="<html>")).code == "unknown"


def test_what_is_tried_again_and_when() -> None:
    assert pause_before(1, httpx2.Response(404)) is None
    assert pause_before(TRIES, None) is None
    told = pause_before(1, httpx2.Response(503, headers={"Retry-After": "3"}))
    assert told is not None
    assert 3 <= told <= 4
    far = pause_before(1, httpx2.Response(429, headers={"Retry-After": "86400"}))
    assert far == LONGEST_PAUSE_SECONDS
    assert (pause_before(1, None) or 9) < (pause_before(3, None) or 0)


def test_downloads_to_one_path_at_once_do_not_meet(tmp_path: Path) -> None:
    target = tmp_path / "result.tnr"
    contents = [b"first", b"second", b"third"]
    with ExitStack() as stack:
        running = [stack.enter_context(Downloading.to(target)) for _ in contents]
        for downloading, content in zip(running, contents, strict=True):
            downloading.begin(httpx2.Response(200, headers={"ETag": f'"{sha256(content).hexdigest()}"'}))
            downloading.take(content)
            assert downloading.verify() == sha256(content).hexdigest()
    assert target.read_bytes() in contents
    assert [path.name for path in tmp_path.iterdir()] == ["result.tnr"]
