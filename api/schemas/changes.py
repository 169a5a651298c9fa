"""The JSON schema of partial updates (PATCH): members that a request leaves out keep the value that they have."""

from collections.abc import Callable
from typing import Any


def changes(*examples: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """For `json_schema_extra` of such a body: examples, and no defaults.

    A generated client sends the defaults of a schema for what its user did not say; here that would reset it.
    """

    def adapt(schema: dict[str, Any]) -> None:
        schema["examples"] = list(examples)
        for member in schema["properties"].values():
            member.pop("default", None)

    return adapt
