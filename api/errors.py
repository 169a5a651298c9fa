"""From error class to HTTP status: one table, and the handlers that turn any error into a problem document.

The store's errors know nothing of HTTP and the errors below know nothing of its wire form; `PROBLEMS` alone ties them
together. A problem of the server's own making (5xx) tells the client a fixed sentence, never the text of the error.
"""

import http
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Scope

from api.schemas.problems import Fault, Problem
from store import errors as store

MEDIA_TYPE = "application/problem+json"


class ApiError(Exception):
    """An error that the api itself finds.

    Args:
        detail: what came, what was expected, what to do.
        headers: to send along, such as Retry-After.
        members: further members of the problem document.
    """

    code: ClassVar[str]

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.headers: Mapping[str, str] | None = headers
        self.members = members


class MalformedUpload(ApiError):
    """The multipart body cannot be read, or ends too soon."""

    code = "malformed_upload"


class MissingFile(ApiError):
    """The form has no field `file`."""

    code = "missing_file"


class EmptyUpload(ApiError):
    """There are no bytes."""

    code = "empty_upload"


class UploadTimeout(ApiError):
    """The body did not arrive in time."""

    code = "upload_timeout"


class ContentTooLarge(ApiError, HTTPException):
    """The body, or the file in it, is over the limit.

    Also an HTTPException, because that is what FastAPI lets pass while it reads a body.
    """

    code = "content_too_large"

    def __init__(self, limit: int) -> None:
        HTTPException.__init__(self, status_code=413)
        ApiError.__init__(self, f"at most {limit} bytes are accepted here", limit_bytes=limit)


class UnsupportedMediaType(ApiError):
    """The Content-Type, or a Content-Encoding, is not one that this route reads."""

    code = "unsupported_media_type"


class UnsupportedFormat(ApiError):
    """The file is in no format that is read."""

    code = "unsupported_format"


class DamagedSignal(ApiError):
    """The file is truncated or corrupt."""

    code = "damaged_signal"


class InvalidSignal(ApiError):
    """The file was decoded, but its values cannot be fitted."""

    code = "invalid_signal"


class SignalTooLarge(ApiError):
    """The file's header declares more than is allowed."""

    code = "signal_too_large"


class UndecodableSignal(ApiError):
    """Decoding the file took too much memory or time, or crashed the decoder."""

    code = "undecodable_signal"


class UploadIncomplete(ApiError):
    """Not every part of a large upload has arrived."""

    code = "upload_incomplete"


class UploadMismatch(ApiError):
    """The parts that arrived are not the file that was declared."""

    code = "upload_mismatch"


class TooManyUploads(ApiError):
    """The tenant has as many large uploads under way as it may."""

    code = "too_many_uploads"


class TooBusy(ApiError):
    """The process is at one of its limits; a little later it is not."""

    code = "too_busy"


class NotReady(ApiError):
    """An engine that no request can do without does not answer."""

    code = "not_ready"


class PreconditionFailed(ApiError):
    """The client asked for a version that is not the current one."""

    code = "precondition_failed"


class RangeNotSatisfiable(ApiError):
    """The requested bytes lie beyond the end."""

    code = "range_not_satisfiable"


class MalformedJson(ApiError):
    """The body is not JSON."""

    code = "malformed_json"


class InvalidRequest(ApiError):
    """A parameter or a member of the body is missing, unknown or out of its range."""

    code = "invalid_request"


@dataclass(frozen=True, slots=True)
class Kind:
    """How an error class looks to a client. `code` and `detail` default to the error's own."""

    status: int
    title: str
    code: str | None = None
    detail: str | None = None


_DATABASE_AWAY = Kind(
    503, "Database unavailable", "database_unavailable", "the database does not answer: try again in a moment"
)
_OBJECT_LOST = "the stored bytes are missing or changed: report this with the request id"

PROBLEMS: dict[type[Exception], Kind] = {
    # What the client sent.
    MalformedUpload: Kind(400, "Malformed upload"),
    MalformedJson: Kind(400, "Malformed JSON"),
    ClientDisconnect: Kind(400, "Client went away", "client_disconnected", "the client left before the body's end"),
    UploadTimeout: Kind(408, "Upload too slow"),
    ContentTooLarge: Kind(413, "Content too large"),
    SignalTooLarge: Kind(413, "Signal too large"),
    UnsupportedMediaType: Kind(415, "Unsupported media type"),
    UnsupportedFormat: Kind(415, "Unsupported format"),
    MissingFile: Kind(422, "No file in the form"),
    EmptyUpload: Kind(422, "Empty upload"),
    DamagedSignal: Kind(422, "Damaged signal"),
    InvalidSignal: Kind(422, "Invalid signal"),
    UndecodableSignal: Kind(422, "Signal cannot be decoded"),
    InvalidRequest: Kind(422, "Invalid request"),
    UploadIncomplete: Kind(409, "Upload incomplete"),
    UploadMismatch: Kind(422, "Not the declared file"),
    TooManyUploads: Kind(429, "Too many uploads"),
    # What there is not, or not now.
    store.SignalNotFound: Kind(404, "No such signal"),
    store.FitNotFound: Kind(404, "No such fit"),
    store.UploadNotFound: Kind(404, "No such upload"),
    store.SignalInUse: Kind(409, "Signal in use"),
    store.RepresentationNotReady: Kind(409, "No representation"),
    store.IllegalMove: Kind(409, "Not possible in this status"),
    store.IdempotencyConflict: Kind(409, "Idempotency key in use"),
    PreconditionFailed: Kind(412, "Precondition failed"),
    RangeNotSatisfiable: Kind(416, "Range not satisfiable"),
    # What is not the client's fault.
    store.BlobMissing: Kind(500, "Stored object lost", detail=_OBJECT_LOST),
    store.BlobDamaged: Kind(500, "Stored object lost", detail=_OBJECT_LOST),
    store.BlobsUnavailable: Kind(
        503, "Storage unavailable", "storage_unavailable", "object storage does not answer: try again in a moment"
    ),
    OperationalError: _DATABASE_AWAY,
    InternalError: _DATABASE_AWAY,  # such as a transaction that PostgreSQL ended because it stood still for too long
    InterfaceError: _DATABASE_AWAY,
    PoolTimeout: _DATABASE_AWAY,
    TooBusy: Kind(503, "Too busy"),
    NotReady: Kind(503, "Not ready"),
    Exception: Kind(500, "Internal error", "internal_error", "an unexpected error: report it with the request id"),
}
RETRY_AFTER_SECONDS = 5

# Statuses that the framework itself answers with.
_FRAMEWORK_CODES = {400: "bad_request", 404: "route_not_found", 405: "method_not_allowed"}


def install(app: FastAPI) -> None:
    """Let every error of the table, and the framework's own, end as a problem document."""
    for error_class in PROBLEMS.keys() - {Exception}:
        app.add_exception_handler(error_class, _answer)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_framework)


def problem_response(scope: Scope, error: Exception) -> Response:
    """The problem document for an error of a class in the table, or of any subclass of one."""
    kind = next(PROBLEMS[ancestor] for ancestor in type(error).__mro__ if ancestor in PROBLEMS)
    headers = dict(error.headers or {}) if isinstance(error, ApiError) else {}
    if kind.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} | headers
    return _response(
        scope,
        status=kind.status,
        title=kind.title,
        code=kind.code or _code(type(error)),
        detail=kind.detail or str(error),
        headers=headers,
        **(error.members if isinstance(error, ApiError) else {}),
    )


def problems(*error_classes: type[Exception]) -> dict[int | str, dict[str, Any]]:
    """Error responses of a route, for the OpenAPI document."""
    described: dict[int | str, dict[str, Any]] = {}
    for error_class in error_classes:
        kind = PROBLEMS[error_class]
        code = kind.code or _code(error_class)
        entry = described.setdefault(kind.status, {"description": "", "content": {MEDIA_TYPE: {"examples": {}}}})
        entry["description"] = "; ".join(filter(None, [entry["description"], kind.title]))
        content = entry["content"][MEDIA_TYPE]
        content["schema"] = {"$ref": "#/components/schemas/Problem"}
        content["examples"][code] = {
            "value": {
                "type": problem_type(code),
                "title": kind.title,
                "status": kind.status,
                "detail": kind.detail or (error_class.__doc__ or kind.title).partition("\n")[0],
                "instance": "/…",
                "code": code,
                "request_id": "req_5f1c0f5e",
            }
        }
    return described


def problem_type(code: str) -> str:
    """The URI that names a kind of problem."""
    return f"urn:tuner:problem:{code}"


def _code(error_class: type[Exception]) -> str:
    code: str = error_class.code  # type: ignore[attr-defined]  # both error trees have one in every class
    return code


async def _answer(request: Request, error: Exception) -> Response:
    return problem_response(request.scope, error)


async def _answer_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this class only
    title = http.HTTPStatus(error.status_code).phrase
    match error.status_code:
        case 404:
            detail = f"there is nothing at {request.url.path}: /openapi.json lists what there is"
        case 405:
            detail = f"{request.method} is not possible at {request.url.path}"
        case _:
            detail = error.detail
    return _response(
        request.scope,
        status=error.status_code,
        title=title,
        code=_FRAMEWORK_CODES.get(error.status_code, title.lower().replace(" ", "_").replace("'", "")),
        detail=detail,
        headers=dict(error.headers or {}),
    )


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for this class only
    found = error.errors()
    if any(fault["type"] == "json_invalid" for fault in found):
        reason = found[0].get("ctx", {}).get("error", "")
        return problem_response(request.scope, MalformedJson(f"the body is not JSON: {reason}".rstrip(": ")))
    faults = [_fault(fault) for fault in found]
    detail = "; ".join(f"{fault.pointer or fault.parameter}: {fault.detail}" for fault in faults)
    return problem_response(request.scope, InvalidRequest(detail, errors=faults))


def _fault(fault: Mapping[str, Any]) -> Fault:
    where, *path = fault["loc"]
    common = {"detail": fault["msg"], "code": fault["type"]}
    if where == "body":
        steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
        return Fault(pointer="#" + "".join(f"/{step}" for step in steps), **common)
    return Fault(parameter=str(path[0]) if path else None, location=where, **common)


def _response(
    scope: Scope,
    *,
    status: int,
    title: str,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> Response:
    problem = Problem(
        type=problem_type(code),
        title=title,
        status=status,
        detail=detail,
        instance=scope["path"],
        code=code,
        request_id=scope.get("state", {}).get("request_id", ""),
        **members,
    )
    # ASCII only: what a client sent may hold halves of characters that no encoding has.
    content = json.dumps(problem.model_dump(exclude_none=True))
    return Response(content, status, {"Cache-Control": "no-store", **(headers or {})}, MEDIA_TYPE)
