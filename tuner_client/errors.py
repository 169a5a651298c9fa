"""What can go wrong between a program and the service, as one tree.

ClientError
├── ApiError                 the service answered with a problem document; `code` is for programs
│   ├── InvalidRequest       400, 413, 415, 422: what was sent cannot be taken
│   ├── NotAllowed           401, 403: no key, or one that may not do this
│   ├── NotFound             404
│   ├── Conflict             409, 412: not in this state
│   ├── TooManyRequests      429, after all retries
│   └── ServerError          5xx, after all retries
├── ConnectionFailed         no answer, after all retries
│   └── UploadBroken         a large upload stands where it broke off; `upload_id` goes on with it
├── UnexpectedAnswer         an answer, but not one of this API: a redirect, a page, half a document, another shape
├── FileChanged              a file changed while it was sent
├── DownloadDamaged          the bytes that arrived are not those that were promised
├── FitEnded                 the fit ended without a result
└── WaitedTooLong            the time given for the call is over; what the service began goes on
"""

from typing import Any

from tuner_client.models import Fit


class ClientError(Exception):
    """Base of every error that this package raises on purpose."""


class ApiError(ClientError):
    """The service refused.

    Args:
        problem: the problem document (RFC 9457).
        status: HTTP status of the answer.
        retry_after: seconds to wait before asking again, or None.

    Attributes:
        status: HTTP status of the answer.
        code: a word that never changes, such as "fit_not_found".
        detail: a sentence for people.
        request_id: id of the request, to be named when asking the operator.
        problem: the whole document.
        retry_after: seconds to wait before asking again, if the service says so.
    """

    def __init__(self, problem: dict[str, Any], status: int, *, retry_after: float | None = None) -> None:
        self.status = status
        self.code = str(problem.get("code", "unknown"))
        self.detail = str(problem.get("detail", "no reason is given: is this the address of the service?"))
        self.request_id = str(problem.get("request_id", ""))
        self.problem = problem
        self.retry_after = retry_after
        super().__init__(f"{self.detail} ({status} {self.code})")


class InvalidRequest(ApiError):
    """What was sent cannot be taken."""


class NotAllowed(ApiError):
    """There is no API key, or one that may not do this."""


class NotFound(ApiError):
    """There is no such thing, or it is somebody else's."""


class Conflict(ApiError):
    """Not possible in this state."""


class TooManyRequests(ApiError):
    """The tenant is at one of its limits."""


class ServerError(ApiError):
    """The service could not do what it should."""


class ConnectionFailed(ClientError):
    """The service does not answer."""


class UploadBroken(ConnectionFailed):
    """A large upload broke off; what has arrived is kept for a while.

    Attributes:
        upload_id: id of the upload, with which `upload` goes on where it broke off.
    """

    def __init__(self, upload_id: str, cause: Exception) -> None:
        self.upload_id = upload_id
        super().__init__(f"{cause}; go on with upload(…, upload_id={upload_id!r})")


class UnexpectedAnswer(ClientError):
    """What answered does not speak this API, or a newer one."""


class FileChanged(ClientError):
    """A file changed while it was sent."""


class DownloadDamaged(ClientError):
    """The bytes that arrived are not those that were promised."""


class FitEnded(ClientError):
    """The fit ended without a result.

    Attributes:
        fit: the fit as it ended.
    """

    def __init__(self, fit: Fit) -> None:
        self.fit = fit
        reason = f": {fit.error_message} ({fit.error_code})" if fit.error_code else ""
        super().__init__(f"{fit.id} is {fit.status}{reason}")


class WaitedTooLong(ClientError):
    """The time given for a call is over; what the service began goes on.

    Attributes:
        upload_id: id of the upload in parts that was under way, with which `upload` goes on; None if there was none.
    """

    upload_id: str | None = None


_BY_STATUS: dict[int, type[ApiError]] = {
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    429: TooManyRequests,
}


def api_error(status: int, problem: Any, *, retry_after: float | None = None) -> ApiError:
    """The error for an answer of at least 400."""
    known = problem if isinstance(problem, dict) else {}
    kind = _BY_STATUS.get(status, ServerError if status >= 500 else InvalidRequest)
    return kind(known, status, retry_after=retry_after)
