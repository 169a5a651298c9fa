"""What the OpenAPI document says beyond what FastAPI finds in the routes.

Stable operation ids, problem documents, the scope that each operation needs, and an example of every answer. The
document is checked in as `api/openapi.json`; `python -m api.describe` writes it anew.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from fastapi.routing import APIRoute
from sqlalchemy.exc import OperationalError
from starlette.requests import ClientDisconnect

from api import errors
from api.gate import scope_needed
from api.schemas.problems import Problem
from store import errors as store

JSON = "application/json"
KEY_SCHEME = "apiKey"
_SCHEMES = {
    KEY_SCHEME: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "tnr_…",
        "description": "an API key; a service that runs without keys, as on one's own machine, asks for none",
    }
}
_KEYS = (errors.KeyMissing, errors.KeyMalformed, store.KeyUnknown, store.KeyRevoked, store.KeyExpired)
_GUARDED = (*_KEYS, errors.ScopeMissing, errors.KeysRequired, errors.RateLimited, OperationalError)
_ALWAYS = (errors.HostRefused, errors.OriginRefused, errors.CrossSite, errors.InvalidRequest)
_WITH_BODY = (errors.ContentTooLarge, ClientDisconnect)


def operation_id(route: APIRoute) -> str:
    """The name of the function: it stays when paths change."""
    return route.name


def complete(generate: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Wrap FastAPI's generator of the document."""

    @cache
    def openapi() -> dict[str, Any]:
        document = generate()
        schemas = document["components"]["schemas"]
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= problem.pop("$defs")
        schemas["Problem"] = problem
        # FastAPI promises a 422 of its own for every route with parameters; ours are in the routes' `problems`.
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        document["components"]["securitySchemes"] = _SCHEMES
        for method, path, operation in _operations(document):
            _complete(operation, scope_needed(method.upper(), path))
            _drop_null(operation.get("parameters", []))
            _share_examples(operation, document["components"].setdefault("examples", {}))
            for content in _json_contents(operation):
                if not {"example", "examples"} & content.keys():
                    content["example"] = _example(content["schema"], schemas)
        return document

    return openapi


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def _complete(operation: dict[str, Any], scope: str | None) -> None:
    responses = operation["responses"]
    if JSON in responses.get("422", {}).get("content", {}):
        del responses["422"]
    _add(responses, *_ALWAYS)
    if scope is not None:
        operation["security"] = [{KEY_SCHEME: [scope]}]
        _add(responses, *_GUARDED)
    if "requestBody" in operation:
        _add(responses, *_WITH_BODY)
    operation["responses"] = dict(sorted(responses.items()))


def _drop_null(parameters: list[dict[str, Any]]) -> None:
    """A parameter that may be left out is `X | None` to FastAPI; but in a URL or a header there is no null."""
    for parameter in parameters:
        some = [one for one in parameter["schema"].pop("anyOf", []) if one != {"type": "null"}]
        if len(some) == 1:
            parameter["schema"] |= some[0]
        elif some:
            parameter["schema"]["anyOf"] = some


def _add(responses: dict[str, Any], *error_classes: type[Exception]) -> None:
    for status, described in errors.problems(*error_classes).items():
        known = responses.setdefault(str(status), described)
        if known is not described:
            known["content"][errors.MEDIA_TYPE]["examples"] |= described["content"][errors.MEDIA_TYPE]["examples"]


def _share_examples(operation: dict[str, Any], shared: dict[str, Any]) -> None:
    """Write each problem's example once for all operations."""
    for response in operation["responses"].values():
        if errors.MEDIA_TYPE in (contents := response.get("content", {})):
            content = contents[errors.MEDIA_TYPE]
            shared |= {code: example for code, example in content["examples"].items() if "$ref" not in example}
            content["examples"] = {code: {"$ref": f"#/components/examples/{code}"} for code in content["examples"]}


def _json_contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
        if JSON in (contents := holder.get("content", {})):
            yield contents[JSON]


def _example(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """A value that fits a schema: its own example if it has one, else one put together from its parts."""
    if "$ref" in schema:
        return _example(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "examples" in schema:
        return schema["examples"][0]
    for word in ("example", "const", "default"):
        if word in schema:
            return schema[word]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], schemas)
    match schema.get("type"):
        case "object":
            return {name: _example(part, schemas) for name, part in schema.get("properties", {}).items()}
        case "array":
            return [_example(schema["items"], schemas)]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
        case "string" if schema.get("format") == "date-time":
            return "2026-01-31T12:00:00Z"
        case "string":
            return "…"
        case _:
            return {}
