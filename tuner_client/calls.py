"""Requests as values, and when to make one again: what both clients share, without a connection."""

import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tuner_client.errors import ApiError, ConnectionFailed, api_error
from tuner_client.models import Json

CHUNK = 1 << 18
TRIES = 5
RETRIED = frozenset({429, 502, 503, 504})
LONGEST_PAUSE_SECONDS = 30.0
POLL_SECONDS = 1.0  # where events cannot be had
TIMEOUT = httpx2.Timeout(30.0, connect=10.0)
STREAM_TIMEOUT = httpx2.Timeout(60.0, connect=10.0)  # the service says something at least every 15 seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A request that may be sent more than once.

    Attributes:
        body: opens the content anew for each try.
        repeatable: whether sending it twice is the same as sending it once.
    """

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Json | None = None
    body: Callable[[], Iterator[bytes]] | None = None
    repeatable: bool = True


def upload(path: Path, filename: str | None) -> Call:
    """POST /signals with a file as the body, read as it is sent. The same bytes twice are the same signal."""

    def chunks() -> Iterator[bytes]:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(path.stat().st_size)}
    return Call(
        method="POST", path="/signals", params={"filename": filename or path.name}, headers=headers, body=chunks
    )


def create_fit(body: Json, idempotency_key: str | None) -> Call:
    """POST /fits, under a key that makes a repetition harmless."""
    key = idempotency_key or f"client-{uuid.uuid4().hex}"
    return Call(method="POST", path="/fits", json=body, headers={"Idempotency-Key": key})


def get_fit(fit_id: str) -> Call:
    """GET /fits/{id}."""
    return Call(method="GET", path=f"/fits/{fit_id}")


def cancel_fit(fit_id: str) -> Call:
    """POST /fits/{id}/cancel; asking again changes nothing."""
    return Call(method="POST", path=f"/fits/{fit_id}/cancel")


def base_headers(api_key: str | None) -> dict[str, str]:
    """Sent with everything."""
    common = {"User-Agent": "tuner-client/1"}
    return common if api_key is None else common | {"Authorization": f"Bearer {api_key}"}


def pause_before(tries: int, answer: httpx2.Response | None) -> float | None:
    """Seconds to wait after so many failed tries, or None to give up.

    Args:
        tries: made so far.
        answer: the last one's, or None if there was none.
    """
    if tries >= TRIES or (answer is not None and answer.status_code not in RETRIED):
        return None
    told = "" if answer is None else answer.headers.get("retry-after", "")
    pause = float(told) if told.isdecimal() else 0.2 * 2.0**tries
    return min(pause * random.uniform(1.0, 1.25), LONGEST_PAUSE_SECONDS)  # noqa: S311  no secret


def error_of(answer: httpx2.Response) -> ApiError:
    """The error that an answer stands for; its body has been read."""
    try:
        problem: Any = answer.json()
    except ValueError:
        problem = None
    return api_error(answer.status_code, problem)


def given_up(cause: Exception | None) -> Exception:
    """What an error means once nothing is tried any more."""
    return cause if isinstance(cause, ApiError) else ConnectionFailed(f"the service does not answer: {cause}")
