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
├── DownloadDamaged          the bytes that arrived are not those that were promised
├── FitEnded                 the fit ended without a result
└── WaitedTooLong            the fit goes on, but the patience is over
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

    Attributes:
        status: HTTP status of the answer.
        code: a word that never changes, such as "fit_not_found".
        detail: a sentence for people.
        request_id: id of the request, to be named when asking the operator.
        problem: the whole document.
    """

    def __init__(self, problem: dict[str, Any], status: int) -> None:
        self.status = status
        self.code: str = problem.get("code", "unknown")
        self.detail: str = problem.get("detail", "the service gave no reason")
        self.request_id: str = problem.get("request_id", "")
        self.problem = problem
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
    """The fit goes on, but the patience is over."""


_BY_STATUS: dict[int, type[ApiError]] = {
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    429: TooManyRequests,
}


def api_error(status: int, problem: Any) -> ApiError:
    """The error for an answer."""
    known = problem if isinstance(problem, dict) else {}
    kind = _BY_STATUS.get(status, ServerError if status >= 500 else InvalidRequest)
    return kind(known, status)
