"""Requests as values, what their answers are read as, and when one is made again: no connection is needed for any."""

import base64
import binascii
import random
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

import httpx2
from pydantic import BaseModel, TypeAdapter, ValidationError

from tuner_client.errors import ApiError, ClientError, ConnectionFailed, FileChanged, UnexpectedAnswer, api_error
from tuner_client.models import FileHead, Json

CHUNK: Final = 1 << 18
TRIES: Final = 5
RETRIED: Final = frozenset({429, 502, 503, 504})
LONGEST_PAUSE_SECONDS: Final = 30.0  # told to wait longer, the caller is told so instead
SILENCE_SECONDS: Final = 30.0  # a connection that brings nothing for so long is broken
STREAM_SILENCE_SECONDS: Final = 60.0  # the service says something at least every 15 seconds
MAX_ANSWER_BYTES: Final = 64 << 20  # no document of the service comes near it

_ANYTHING: Final[TypeAdapter[Any]] = TypeAdapter(Any)

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)
Query = Mapping[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """An answer that has arrived whole."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Call(Generic[T]):
    """A request to the service, and what its answer is read as.

    Attributes:
        method: HTTP method.
        path: path of the request, with every id quoted; the address of another server if it is a whole URL.
        read: makes the result of an answer that is no error.
        query: members of the query string; those that are None are left out, and lists are repeated.
        headers: headers of this request alone.
        json: document that is sent, or None.
        body: opens the content anew for each try, or None.
        repeatable: whether sending it twice is the same as sending it once.
        tries: number of times that it is sent at most.
        thinking_seconds: time that the service may take before it says anything, beside the usual.
        timeout: time that the whole call may take in seconds, or None for what the client allows.
    """

    method: str
    path: str
    read: Callable[[Answered], T]
    query: Query = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Json | None = None
    body: Callable[[], Iterator[bytes]] | None = None
    repeatable: bool = True
    tries: int = TRIES
    thinking_seconds: float = 0.0
    timeout: float | None = None

    @property
    def params(self) -> list[tuple[str, str | int | float | bool | None]]:
        """Members of the query string as they are written."""
        given = [(name, value) for name, value in self.query.items() if value is not None]
        return [
            (name, _written(one)) for name, value in given for one in (value if isinstance(value, list) else [value])
        ]


def at(template: str, **ids: str) -> str:
    """A path with its ids, each of which stays one part of the path whatever it holds.

    Raises:
        ValueError: if an id could name another path.
    """
    for name, value in ids.items():
        if not isinstance(value, str) or value in ("", ".", ".."):
            raise ValueError(f"{name} is {value!r}, expected an id such as the service gives")
    return template.format(**{name: quote(value, safe="") for name, value in ids.items()})


def prefer(wait_seconds: int | None) -> dict[str, str]:
    """Ask the service to answer only when something is done."""
    return {} if wait_seconds is None else {"Prefer": f"wait={wait_seconds:d}"}


def idempotency(key: str | None) -> dict[str, str]:
    """A key that makes a repetition harmless: the caller's, or one for this call."""
    return {"Idempotency-Key": key or f"client-{uuid.uuid4().hex}"}


def chunks_of(path: Path, start: int, size: int, *, of: int) -> Iterator[bytes]:
    """Read a part of a file a little at a time.

    Args:
        path: the file.
        start: offset of the part in the file.
        size: number of bytes of the part.
        of: size of the whole file in bytes when it was announced.

    Yields:
        Exactly the bytes of the part.

    Raises:
        FileChanged: before the last of them, if the file has another size by now.
    """
    with path.open("rb") as file:
        file.seek(start)
        while size > 0:
            chunk = file.read(min(CHUNK, size))
            size -= len(chunk)
            if not chunk or (size == 0 and path.stat().st_size != of):
                raise FileChanged(f"{path} had {of} bytes and has others now: it changed while it was sent")
            yield chunk


def document(kind: type[Model]) -> Callable[[Answered], Model]:
    """Read an answer as JSON of one shape."""

    def read(answer: Answered) -> Model:
        _expect_type(answer, "application/json", "a JSON document")
        try:
            return kind.model_validate_json(answer.content, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(step) for step in first["loc"]) or "the document"
            raise UnexpectedAnswer(
                f"the answer is no {kind.__name__}: {where}: {first['msg']}; "
                "expected what this version of the client knows: are client and service of one release?"
            ) from None

    return read


def plain_text(answer: Answered) -> str:
    """Read an answer as text."""
    _expect_type(answer, "text/plain", "plain text")
    return answer.content.decode("utf-8", "replace")


def nothing(answer: Answered) -> None:
    """Read an answer that has no content.

    Raises:
        UnexpectedAnswer: if it has some, and so is the answer to something else.
    """
    if answer.status != httpx2.codes.NO_CONTENT:
        raise UnexpectedAnswer(f"the answer is {answer.status} with {len(answer.content)} bytes, expected 204 and none")


def whatever(answer: Answered) -> None:
    """Read an answer of which only the status counts."""


def file_head(answer: Answered) -> FileHead:
    """Read the headers of a file.

    Raises:
        UnexpectedAnswer: if they promise no size or no SHA-256.
    """
    sha256, size = promised_sha256(answer.headers), answer.headers.get("content-length", "")
    if answer.status != httpx2.codes.OK or sha256 is None or not (size.isascii() and size.isdecimal()):
        raise UnexpectedAnswer("the answer is no file of the service: expected its Content-Length and its SHA-256")
    return FileHead(bytes=int(size), sha256=sha256, media_type=answer.headers.get("content-type", ""))


def view_head(answer: Answered) -> FileHead | None:
    """Read the headers of a view, None if it is still being drawn."""
    return None if answer.status == httpx2.codes.ACCEPTED else file_head(answer)


def promised_sha256(headers: Mapping[str, str]) -> str | None:
    """The SHA-256 that an answer gives for the whole file: Repr-Digest (RFC 9530), or the ETag, which is one here."""
    if found := re.search(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]+):", headers.get("repr-digest", "")):
        try:
            digest = base64.b64decode(found[1], validate=True).hex()
        except binascii.Error:
            return None
        return digest if len(digest) == 64 else None
    etag = headers.get("etag", "").strip('"')
    return etag if re.fullmatch("[0-9a-f]{64}", etag) else None


def check_status(answer: Answered) -> None:
    """Let pass what is an answer of the service to what was asked.

    Raises:
        ApiError: if the service refuses.
        UnexpectedAnswer: if something sends elsewhere.
    """
    if answer.status >= 400:
        raise error_of(answer)
    if not 200 <= answer.status < 300:
        where = answer.headers.get("location")
        raise UnexpectedAnswer(
            f"the answer is {answer.status}{f', on to {where}' if where else ''}: "
            "expected the service itself, give the client the address that it has"
        )


def error_of(answer: Answered) -> ApiError:
    """The error that an answer stands for, whatever its body is."""
    try:
        problem: Any = _ANYTHING.validate_json(answer.content)
    except ValidationError:
        problem = None
    return api_error(answer.status, problem, retry_after=told_to_wait(answer.headers))


def told_to_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds of Retry-After, which may be a number or a date; None without a usable one."""
    told = headers.get("retry-after", "").strip()
    if told.isascii() and told.isdecimal():
        return float(told[:9])
    try:
        moment = parsedate_to_datetime(told)
    except ValueError:
        return None
    return max(((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds(), 0.0)


def pause_before(tries: int, error: Exception, call: Call[Any]) -> float | None:
    """Seconds to wait before a call is sent again, or None to give up.

    Args:
        tries: number of tries made so far.
        error: what the last one ended in.
        call: what was sent.
    """
    told = None
    if isinstance(error, ApiError):
        # A service that counted too many requests has done nothing; after any other answer nobody knows.
        again = error.status in RETRIED and (call.repeatable or error.status == httpx2.codes.TOO_MANY_REQUESTS)
        told = error.retry_after
    else:
        again = call.repeatable or isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
    if not again or tries >= call.tries or (told or 0.0) > LONGEST_PAUSE_SECONDS:
        return None
    pause = 0.2 * 2.0**tries if told is None else told
    return pause * random.uniform(1.0, 1.25)  # noqa: S311  no secret


def given_up(cause: Exception) -> ClientError:
    """What an error means once nothing is tried any more."""
    if isinstance(cause, ClientError):
        return cause
    return ConnectionFailed(f"the service does not answer: {str(cause) or type(cause).__name__}")


def _expect_type(answer: Answered, expected: str, words: str) -> None:
    found = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if found != expected:
        raise UnexpectedAnswer(
            f"the answer is of type {found or 'none'}, expected {words}: is this the address of the service?"
        )


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)
