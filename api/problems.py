"""Any error as a problem document (RFC 9457): the handlers of the application, and the list of all problems.

`type` is an address on the service itself: `GET /problems/{code}` says what a code means.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import Scope

from api.errors import (
    MEDIA_TYPE,
    PROBLEMS,
    ApiError,
    InvalidRequest,
    Kind,
    MalformedJson,
    challenge,
    code_of,
    problem_type,
)
from api.schemas.patterns import WORDS
from api.schemas.problems import Fault, Problem, ProblemKind
from store import errors as store
from store.refusal import without_class

RETRY_AFTER_SECONDS = 5
LONGEST_SHOWN = 300
MALFORMED_HTTP = Kind(
    400,
    "Malformed HTTP",
    "malformed_http",
    "this is no HTTP/1.1 request, or its line and headers are longer than 64 kB",
)
HEAD_TIMEOUT = Kind(
    408, "Head too slow", "head_timeout", "the line and the headers of a request did not arrive in time"
)
TOO_MANY_CONNECTIONS = Kind(
    503, "Too many connections", "too_many_connections", "the process has as many connections as it takes: come back"
)
# What the framework and the server answer by themselves.
_FRAMEWORK = {
    400: Kind(400, "Bad request", "bad_request", "The request cannot be read."),
    404: Kind(404, "Nothing here", "route_not_found", "No route has this path."),
    405: Kind(405, "Method not allowed", "method_not_allowed", "The route exists, but not with this method."),
}


def install(app: FastAPI) -> None:
    """Let every error of the table, and the framework's own, end as a problem document."""
    for error_class in PROBLEMS.keys() - {Exception}:
        app.add_exception_handler(error_class, _answer)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_framework)


def problem_response(scope: Scope, error: Exception) -> Response:
    """The problem document for an error of a class in the table, or of any subclass of one."""
    error = named(error)
    kind = next(PROBLEMS[ancestor] for ancestor in type(error).__mro__ if ancestor in PROBLEMS)
    headers = dict(error.headers or {}) if isinstance(error, ApiError) else {}
    if isinstance(error, store.KeyUnknown | store.KeyRevoked | store.KeyExpired):
        headers |= challenge(error="invalid_token")
    if (seconds := kind.retry_after or (RETRY_AFTER_SECONDS if kind.status == 503 else None)) is not None:
        headers = {"Retry-After": str(seconds)} | headers
    return _response(
        scope,
        status=kind.status,
        title=kind.title,
        code=kind.code or _own_code(error),
        detail=kind.detail or str(error),
        headers=headers,
        **(error.members if isinstance(error, ApiError) else {}),
    )


def named(error: Exception) -> Exception:
    """The error itself, or what it says of the disk: PostgreSQL answers, and has no room (SQLSTATE 53100)."""
    if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == "53100":
        return store.DiskFull(
            "the database has no room left on its disk: nothing can be added until there is room again"
        )
    return error


def catalogue() -> list[ProblemKind]:
    """Every problem that the service knows, by its code."""
    return sorted(_catalogue(), key=lambda problem: problem.code)


async def _answer(request: Request, error: Exception) -> Response:
    if _is_astray(request):
        return await _answer_framework(request, HTTPException(405))
    return problem_response(request.scope, error)


def _is_astray(request: Request) -> bool:
    """Whether a word that is a path of its own, such as /fits/batch, came to the route of an id with another method."""
    return request.url.path in request.app.openapi()["paths"] and request.method not in _methods(request)


async def _answer_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this class only
    phrase = HTTPStatus(error.status_code).phrase
    kind = _FRAMEWORK.get(error.status_code) or Kind(error.status_code, phrase, phrase.lower().replace(" ", "_"))
    headers, detail = dict(error.headers or {}), error.detail
    match error.status_code:
        case 404:
            detail = f"there is nothing at {_shown(request.url.path)}: /openapi.json lists what there is"
        case 405:
            # Of several routes at one path, the framework names the methods of the first.
            allowed = _methods(request) or _with_head(headers.get("Allow", "").split(", "))
            headers["Allow"] = ", ".join(sorted(allowed))
            detail = f"{request.method} is not possible at {_shown(request.url.path)}: Allow says what is"
    return _response(
        request.scope, status=kind.status, title=kind.title, code=str(kind.code), detail=detail, headers=headers
    )


def _methods(request: Request) -> set[str]:
    """The methods that the document has for the path of a request; none where it does not have the path."""
    paths = request.app.openapi()["paths"]
    if (own := paths.get(request.url.path)) is not None:  # a word, and no id in a template
        return _with_head(own)
    found = [methods for path, methods in paths.items() if compile_path(path)[0].match(request.url.path)]
    return _with_head(method for methods in found for method in methods)


def _with_head(methods: Iterable[str]) -> set[str]:
    """Methods in capitals, with HEAD wherever there is GET: the document names it for files alone."""
    found = {method.upper() for method in methods}
    return found | {"HEAD"} if "GET" in found else found


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for this class only
    if _is_astray(request):
        return await _answer_framework(request, HTTPException(405))
    found = error.errors()
    if any(fault["type"] == "json_invalid" for fault in found):
        reason = found[0].get("ctx", {}).get("error", "")
        return problem_response(request.scope, MalformedJson(f"the body is not JSON: {reason}".rstrip(": ")))
    faults = [_fault(fault) for fault in found]
    detail = "; ".join(f"{fault.pointer or fault.parameter}: {fault.detail}" for fault in faults)
    return problem_response(request.scope, InvalidRequest(detail, errors=faults))


def _fault(fault: Mapping[str, Any]) -> Fault:
    where, *path = fault["loc"]
    common = {"detail": _in_words(fault), "code": fault["type"]}
    if where == "body":
        steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path if step != "[key]")
        return Fault(pointer="#" + "".join(f"/{step}" for step in steps), **common)
    return Fault(parameter=str(path[0]) if path else None, location=where, **common)


def _in_words(fault: Mapping[str, Any]) -> str:
    """What pydantic found, without the class of its error and without a pattern that only programs can read."""
    if fault["type"] == "string_pattern_mismatch":
        return WORDS.get(fault["ctx"]["pattern"], "expected another form: the document has the pattern")
    return without_class(fault["msg"])


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
    content = problem_document(
        status=status,
        title=title,
        code=code,
        detail=detail,
        instance=_shown(scope["path"]),
        request_id=scope.get("state", {}).get("request_id", ""),
        **members,
    )
    return Response(content, status, {"Cache-Control": "no-store", **(headers or {})}, MEDIA_TYPE)


def _shown(path: str) -> str:
    return path if len(path) <= LONGEST_SHOWN else path[:LONGEST_SHOWN] + "…"


def problem_document(
    *, status: int, title: str, code: str, detail: str, instance: str, request_id: str, **members: Any
) -> bytes:
    """The bytes of a problem document."""
    problem = Problem(
        type=problem_type(code),
        title=title,
        status=status,
        detail=detail,
        instance=instance,
        code=code,
        request_id=request_id,
        **members,
    )
    # ASCII only: what a client sent may hold halves of characters that no encoding has.
    return json.dumps(problem.model_dump(exclude_none=True)).encode()


def _catalogue() -> Iterator[ProblemKind]:
    seen = set()
    for error_class, kind in PROBLEMS.items():
        code = code_of(error_class)
        if code not in seen:  # several of the database driver's errors are one problem
            seen.add(code)
            meaning = kind.detail or (error_class.__doc__ or kind.title).partition("\n")[0]
            yield _described(code, kind, meaning)
    for kind in (*_FRAMEWORK.values(), MALFORMED_HTTP, HEAD_TIMEOUT, TOO_MANY_CONNECTIONS):
        yield _described(str(kind.code), kind, str(kind.detail))


def _described(code: str, kind: Kind, meaning: str) -> ProblemKind:
    return ProblemKind(type=problem_type(code), code=code, status=kind.status, title=kind.title, meaning=meaning)


def _own_code(error: Exception) -> str:
    code: str = error.code  # type: ignore[attr-defined]  # both error trees have one in every class
    return code
