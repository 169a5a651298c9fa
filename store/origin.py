"""Where a fit comes from: the request that asked for it, kept in its row for logs and traces of whoever runs it."""

from typing import Any

from store.logs import request_id
from store.tracing import traceparent


def origin() -> dict[str, Any] | None:
    """Ids of the present request and of its place in a trace; None outside a request."""
    found = {"request_id": request_id.get(), "traceparent": traceparent()}
    return {name: value for name, value in found.items() if value is not None} or None
