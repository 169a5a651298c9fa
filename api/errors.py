"""From error class to HTTP status, in one table.

The store's errors know nothing of HTTP and the errors below know nothing of its wire form; `PROBLEMS` alone ties them
together, and `api/problems.py` writes them down. A problem of the server's own making (5xx) tells the client a fixed
sentence, never the text of the error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from store import errors as store

MEDIA_TYPE = "application/problem+json"


class ApiError(Exception):
    """An error that the api itself finds.

    Args:
        detail: sentence that says what came, what was expected, and what to do.
        headers: HTTP headers to send along, such as Retry-After.
        members: further members of the problem document.
    """

    code: ClassVar[str]

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.headers: Mapping[str, str] | None = headers
        self.members = members


class KeyMissing(ApiError):
    """The service asks for an API key, and there is none."""

    code = "key_missing"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers=challenge())


class KeyMalformed(ApiError):
    """The Authorization header holds something else than an API key."""

    code = "key_malformed"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers=challenge(error="invalid_request"))


class ScopeMissing(ApiError):
    """The API key is good, but not for this."""

    code = "scope_missing"

    def __init__(self, scope: str) -> None:
        headers = challenge(error="insufficient_scope", scope=scope)
        super().__init__(f"the API key lacks the scope {scope!r}: use one that has it", headers=headers, needs=scope)


class KeysRequired(ApiError):
    """The service runs without API keys, and somebody asks from another machine."""

    code = "keys_required"


class HostRefused(ApiError):
    """The request names a host that this service is not, as a page does that had its own name pointed here."""

    code = "host_refused"


class OriginRefused(ApiError):
    """A web page sent this, and pages of its origin may not."""

    code = "origin_refused"


class CrossSite(ApiError):
    """A web page of another site made a browser send this."""

    code = "cross_site"


class RateLimited(ApiError):
    """The tenant asks more often than it may."""

    code = "rate_limited"

    def __init__(self, limit: int, window_seconds: float, *, retry_after: int) -> None:
        super().__init__(
            f"more than {limit} requests in {window_seconds:g} s: come back in {retry_after} s",
            headers={"Retry-After": str(retry_after)},
            limit=limit,
            window_seconds=window_seconds,
        )


class MalformedUpload(ApiError):
    """The multipart body cannot be read, or ends too soon."""

    code = "malformed_upload"


class MissingFile(ApiError):
    """The form has no field `file`."""

    code = "missing_file"


class EmptyUpload(ApiError):
    """There are no bytes."""

    code = "empty_upload"


class UploadTimeout(ApiError, HTTPException):
    """The body did not arrive in time.

    Also an HTTPException, because that is what FastAPI lets pass while it reads a body.
    """

    code = "upload_timeout"

    def __init__(self, seconds: float, message: str | None = None) -> None:
        HTTPException.__init__(self, status_code=408)
        # Whatever of the body is still on its way is not waited for.
        message = message or f"the body did not arrive within {seconds:g} s"
        ApiError.__init__(self, message, headers={"Connection": "close"})


class ContentTooLarge(ApiError, HTTPException):
    """The body, or the file in it, is over the limit.

    Also an HTTPException, because that is what FastAPI lets pass while it reads a body.
    """

    code = "content_too_large"

    def __init__(self, limit: int) -> None:
        HTTPException.__init__(self, status_code=413)
        ApiError.__init__(self, f"at most {limit} bytes are accepted here", limit_bytes=limit)


class HeadTooLarge(ApiError):
    """Path, query and headers are longer together than is accepted."""

    code = "head_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"at most {limit} bytes of path, query and headers are accepted", limit_bytes=limit)


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


class ViewTooLarge(ApiError):
    """So many samples are not drawn at once."""

    code = "view_too_large"


class ViewFailed(ApiError):
    """The view cannot be drawn."""

    code = "view_failed"


class InvalidRequest(ApiError):
    """A parameter or a member of the body is missing, unknown or out of its range."""

    code = "invalid_request"


class FitTooLarge(ApiError):
    """The fit needs more memory or time than a worker has for one."""

    code = "fit_too_large"


class ProblemNotFound(ApiError):
    """No problem has this code."""

    code = "problem_not_found"


@dataclass(frozen=True, slots=True)
class Kind:
    """How an error class looks to a client. `code` and `detail` default to the error's own."""

    status: int
    title: str
    code: str | None = None
    detail: str | None = None
    retry_after: int | None = None


_DATABASE_AWAY = Kind(
    503, "Database unavailable", "database_unavailable", "the database does not answer: try again in a moment"
)
_OBJECT_LOST = (
    "the stored bytes are missing or damaged, and asking again does not bring them back. Of a signal: upload the same "
    "file again. Of a representation: POST /fits/{id}/retry makes it again. Of a view: ask again. Of a checkpoint: the "
    "fit goes on without it"
)

PROBLEMS: dict[type[Exception], Kind] = {
    # Who asks.
    KeyMissing: Kind(401, "API key missing"),
    KeyMalformed: Kind(401, "No API key"),
    store.KeyUnknown: Kind(401, "Unknown API key"),
    store.KeyRevoked: Kind(401, "API key revoked"),
    store.KeyExpired: Kind(401, "API key expired"),
    ScopeMissing: Kind(403, "Scope missing"),
    KeysRequired: Kind(403, "API keys required"),
    HostRefused: Kind(421, "Not this host"),
    OriginRefused: Kind(403, "Origin not allowed"),
    CrossSite: Kind(403, "Sent by another site"),
    store.InvalidKeyRequest: Kind(403, "More than its maker's"),
    # How much.
    RateLimited: Kind(429, "Too many requests"),
    store.TooManyFits: Kind(429, "Too many fits waiting", retry_after=30),
    store.TooManyMessages: Kind(429, "Too many messages", retry_after=60),
    store.TooManyKeys: Kind(409, "Too many API keys"),
    store.StorageFull: Kind(403, "Storage full"),
    # What the client sent.
    MalformedUpload: Kind(400, "Malformed upload"),
    MalformedJson: Kind(400, "Malformed JSON"),
    ClientDisconnect: Kind(400, "Client went away", "client_disconnected", "the client left before the body's end"),
    UploadTimeout: Kind(408, "Upload too slow"),
    ContentTooLarge: Kind(413, "Content too large"),
    SignalTooLarge: Kind(413, "Signal too large"),
    HeadTooLarge: Kind(431, "Head too large"),
    UnsupportedMediaType: Kind(415, "Unsupported media type"),
    UnsupportedFormat: Kind(415, "Unsupported format"),
    MissingFile: Kind(422, "No file in the form"),
    EmptyUpload: Kind(422, "Empty upload"),
    DamagedSignal: Kind(422, "Damaged signal"),
    InvalidSignal: Kind(422, "Invalid signal"),
    UndecodableSignal: Kind(422, "Signal cannot be decoded"),
    InvalidRequest: Kind(422, "Invalid request"),
    FitTooLarge: Kind(422, "Fit too large"),
    UploadIncomplete: Kind(409, "Upload incomplete"),
    UploadMismatch: Kind(422, "Not the declared file"),
    TooManyUploads: Kind(429, "Too many uploads"),
    # What there is not, or not now.
    ProblemNotFound: Kind(404, "No such problem"),
    store.SignalNotFound: Kind(404, "No such signal"),
    store.FitNotFound: Kind(404, "No such fit"),
    store.UploadNotFound: Kind(404, "No such upload"),
    store.SignalInUse: Kind(409, "Signal in use"),
    store.RepresentationNotReady: Kind(409, "No representation"),
    store.IllegalMove: Kind(409, "Not possible in this status"),
    store.IdempotencyConflict: Kind(409, "Idempotency key in use"),
    store.KeyNotFound: Kind(404, "No such API key"),
    store.CheckpointNotFound: Kind(404, "No such checkpoint"),
    store.WebhookNotFound: Kind(404, "No such webhook endpoint"),
    store.DeliveryNotFound: Kind(404, "No such message"),
    store.TooManyWebhooks: Kind(409, "Too many webhook endpoints"),
    ViewTooLarge: Kind(422, "View too large"),
    ViewFailed: Kind(500, "View cannot be drawn"),
    PreconditionFailed: Kind(412, "Precondition failed"),
    RangeNotSatisfiable: Kind(416, "Range not satisfiable"),
    # What is not the client's fault.
    store.DiskFull: Kind(507, "Disk full", retry_after=60),
    store.SpecNewer: Kind(409, "Request of a newer version"),
    store.SpecInvalid: Kind(409, "Request of no version"),
    store.BlobMissing: Kind(500, "Stored object lost", detail=_OBJECT_LOST),
    store.BlobDamaged: Kind(500, "Stored object damaged", detail=_OBJECT_LOST),
    store.BucketMissing: Kind(
        503,
        "Bucket missing",
        "bucket_missing",
        "the bucket of this service is gone, and trying again does not bring it back: tell whoever runs the service",
    ),
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


def problems(*error_classes: type[Exception]) -> dict[int | str, dict[str, Any]]:
    """Error responses of a route, for the OpenAPI document."""
    described: dict[int | str, dict[str, Any]] = {}
    for error_class in error_classes:
        kind = PROBLEMS[error_class]
        code = code_of(error_class)
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
    """The address, on this service, of the page about a kind of problem."""
    return f"/problems/{code}"


def code_of(error_class: type[Exception]) -> str:
    """The word for programs."""
    code: str = PROBLEMS[error_class].code or error_class.code  # type: ignore[attr-defined]  # all others have one
    return code


def challenge(**parameters: str) -> dict[str, str]:
    """WWW-Authenticate, as RFC 6750 section 3 wants it."""
    told = ", ".join(f'{name}="{value}"' for name, value in ({"realm": "tuner"} | parameters).items())
    return {"WWW-Authenticate": f"Bearer {told}"}
