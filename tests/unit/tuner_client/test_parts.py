"""The client's parts without a connection: targets, events, pauses, errors."""

import json
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tuner_client import ApiError, Conflict, InvalidRequest, NotFound, ServerError, UnexpectedAnswer
from tuner_client.calls import LONGEST_PAUSE_SECONDS, TRIES, Answered, Call, at, error_of, pause_before, whatever
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


@pytest.mark.parametrize(
    "target", ["", "psnr", "psnr=", "psnr=much", "speed=1", "bytes=1.5", "psnr=-3", "error=nan", "bytes=0"]
)
def test_targets_that_mean_nothing(target: str) -> None:
    with pytest.raises(ValueError, match="the target is"):
        fit_request("sig_1", target=target, preset=None, options={})


def event(seq: int, kind: str) -> list[str]:
    """An event as the service writes it, in two lines of data."""
    first = f'data: {{"seq":{seq},"kind":"{kind}","attempt":0,'
    return [first, 'data: "data":{},"created_at":"2026-11-29T10:00:00Z"}', ""]


def test_events_are_whole_and_come_once() -> None:
    following = Following()
    first = ["retry: 2000", "", ": keep-alive", "", "id: 1", "event: queued", *event(1, "queued")]
    assert [one.kind for line in first if (one := following.feed(line))] == ["queued"]
    # A connection that breaks within an event: nothing of it is left, and the next one goes on after the last.
    assert following.feed('data: {"seq":2,') is None
    assert following.headers()["Last-Event-ID"] == "1"
    again = [*event(1, "queued"), *event(2, "succeeded")]
    assert [one.seq for line in again if (one := following.feed(line))] == [2]
    assert following.is_over


@pytest.mark.parametrize("line", ["data: {", "data: <html>", 'data: {"seq":"1"}', "data: []", "data: null"])
def test_what_is_no_event_is_an_error_of_ours(line: str) -> None:
    following = Following()
    following.feed(line)
    with pytest.raises(UnexpectedAnswer, match="no event"):
        following.feed("")


def test_hope_ends_but_news_renews_it() -> None:
    following = Following()
    for _ in range(TRIES - 1):
        assert following.pause_after_failure() is not None
    assert [one.seq for line in event(1, "running") if (one := following.feed(line))] == [1]
    assert following.pause_after_failure() is not None


@pytest.mark.parametrize(
    ("status", "kind"), [(404, NotFound), (409, Conflict), (422, InvalidRequest), (503, ServerError)]
)
def test_errors_have_types(status: int, kind: type[ApiError]) -> None:
    problem = {"code": "some_code", "detail": "a sentence", "request_id": "req_1"}
    error = error_of(answered(status, json.dumps(problem)))
    assert type(error) is kind
    assert (error.code, error.detail, error.request_id, error.status) == ("some_code", "a sentence", "req_1", status)


@pytest.mark.parametrize("content", ["<html>", "", "{", "[]", '"sentence"', '{"code": 1, "detail": null}', "\ud800"])
def test_an_answer_that_is_no_problem_document_is_an_error_too(content: str) -> None:
    error = error_of(answered(502, content))
    assert type(error) is ServerError
    assert isinstance(error.code, str)


def answered(status: int, content: str = "", **headers: str) -> Answered:
    return Answered(status=status, headers=headers, content=content.encode(errors="surrogatepass"))


SAFE = Call(method="GET", path="/", read=whatever)
UNSAFE = Call(method="POST", path="/", read=whatever, repeatable=False)


def test_what_is_tried_again_and_when() -> None:
    def pause(call: Call[None], status: int, told: str | None = None, tries: int = 1) -> float | None:
        headers = {} if told is None else {"retry-after": told}
        return pause_before(tries, error_of(answered(status, **headers)), call)

    assert pause(SAFE, 404) is None
    assert pause(SAFE, 503, tries=TRIES) is None
    assert (pause(SAFE, 503) or 9) < (pause(SAFE, 503, tries=3) or 0)
    assert 3 <= (pause(SAFE, 503, "3") or 0) <= 4
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    assert 18 <= (pause(SAFE, 503, soon) or 0) <= 25
    # Asked to stay away for longer than anybody waits for: the caller is told, and asks when it is time.
    assert pause(SAFE, 429, f"{LONGEST_PAUSE_SECONDS + 1:.0f}") is None
    assert error_of(answered(429, **{"retry-after": "86400"})).retry_after == 86400
    assert pause(SAFE, 503, "soon") is not None
    # What may have been done already is not sent again, what was counted and refused is.
    assert pause(UNSAFE, 503) is None
    assert pause(UNSAFE, 429) is not None
    assert pause_before(1, httpx2.ReadError("broken"), UNSAFE) is None
    assert pause_before(1, httpx2.ConnectError("nobody"), UNSAFE) is not None
    assert pause_before(1, httpx2.ReadError("broken"), SAFE) is not None


@pytest.mark.parametrize("identity", ["", ".", "..", None, 3])
def test_what_could_name_another_path_is_no_id(identity: Any) -> None:
    with pytest.raises(ValueError, match="expected an id"):
        at("/fits/{fit_id}", fit_id=identity)


def test_an_id_stays_one_part_of_the_path() -> None:
    assert at("/fits/{fit_id}/events", fit_id="a/../b?c#d%") == "/fits/a%2F..%2Fb%3Fc%23d%25/events"


def test_downloads_to_one_path_at_once_do_not_meet(tmp_path: Path) -> None:
    target = tmp_path / "result.tnr"
    contents = [b"first", b"second", b"third"]
    with ExitStack() as stack:
        running = [stack.enter_context(Downloading.to(target)) for _ in contents]
        for downloading, content in zip(running, contents, strict=True):
            downloading.begin(httpx2.Response(200, headers={"ETag": f'"{sha256(content).hexdigest()}"'}))
            downloading.take(content)
            assert downloading.finish().sha256 == sha256(content).hexdigest()
    assert target.read_bytes() in contents
    assert [path.name for path in tmp_path.iterdir()] == ["result.tnr"]
