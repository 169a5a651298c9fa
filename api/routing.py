"""What all routes share: each GET has a HEAD, threads are had by turns, and a query that no route knows is refused."""

from collections.abc import Callable
from functools import partial, wraps
from inspect import iscoroutinefunction, signature
from typing import Any

from fastapi import APIRouter, Request, Response

from api.errors import InvalidRequest
from api.schemas.problems import Fault

MOST_FAULTS = 10


class Routes(APIRouter):
    """A router whose GET routes answer HEAD, too, and whose tenants take turns at threads.

    The route is the same function: it sees the method, and the server leaves the body out. The document names HEAD
    where it is of use, for files; elsewhere it would say everything twice.
    """

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Add a route, and its twin if it is a GET."""
        endpoint = _by_turns(endpoint)
        super().add_api_route(path, endpoint, **options)
        if set(options.get("methods") or ()) != {"GET"}:
            return
        options["methods"] = ["HEAD"]
        options["name"] = f"head_{(options.get('name') or endpoint.__name__).removeprefix('get_')}"
        is_file = options.get("response_class") is Response
        options["include_in_schema"] = options.get("include_in_schema", True) and is_file
        options["description"] = "The headers of GET, without the file."
        super().add_api_route(path, endpoint, **options)


def _by_turns(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """A route that works in a thread waits for its tenant's turn: the framework's own threads go to who comes first."""
    if iscoroutinefunction(endpoint) or not {"services", "tenant"} <= signature(endpoint).parameters.keys():
        return endpoint

    @wraps(endpoint)
    async def in_turn(**given: Any) -> Any:
        return await given["services"].threads.in_thread(given["tenant"], partial(endpoint, **given))

    return in_turn


async def strict_query(request: Request) -> None:
    """For all routes: refuse a name in the query that the document does not have, and one that comes twice.

    Otherwise a slip of the pen, `validateOnly`, starts what should only have been tried, and of two values one is taken
    without a word.

    Raises:
        InvalidRequest: naming each of them.
    """
    given = [name for name, _ in request.query_params.multi_items()]
    if not given:
        return
    schemas = _declared(request)
    known = f"known here: {', '.join(sorted(schemas))}" if schemas else "this operation knows none"
    faults = []
    for name in dict.fromkeys(given):
        if name not in schemas:
            faults.append(_fault(name, "extra_forbidden", f"there is no such parameter; {known}"))
        elif given.count(name) > 1 and schemas[name].get("type") != "array":
            faults.append(_fault(name, "repeated", f"given {given.count(name)} times: say it once"))
    if faults:
        detail = "; ".join(f"{fault.parameter}: {fault.detail}" for fault in faults[:MOST_FAULTS])
        raise InvalidRequest(detail, errors=faults[:MOST_FAULTS])


def _declared(request: Request) -> dict[str, dict[str, Any]]:
    """Schemas of the parameters in the query by their names, as the document has them."""
    operations = request.app.openapi()["paths"].get(request.scope["route"].path_format, {})
    operation = operations.get(request.method.lower()) or operations.get("get", {})
    return {one["name"]: one["schema"] for one in operation.get("parameters", ()) if one["in"] == "query"}


def _fault(name: str, code: str, detail: str) -> Fault:
    shown = name if len(name) <= 100 else name[:100] + "…"
    return Fault(parameter=shown, location="query", code=code, detail=detail)
