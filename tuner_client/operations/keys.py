"""API keys: making, listing and revoking those of one's own tenant."""

from collections.abc import Sequence
from typing import Any

from tuner_client.both import operation
from tuner_client.calls import Call, at, document, nothing
from tuner_client.models import KeyPage, KeySecret


class KeyOperations:
    """What is done with keys, by a client whose own key has the scopes keys:read and keys:write."""

    @operation
    def create_key(
        self,
        *,
        name: str = "",
        scopes: Sequence[str] | None = None,
        valid_seconds: float | None = None,
        timeout: float | None = None,
    ) -> Call[KeySecret]:
        """Make a key that allows and lasts no more than one's own; the answer has it this once."""
        asked: dict[str, Any] = {"name": name}
        asked |= {} if scopes is None else {"scopes": list(scopes)}
        asked |= {} if valid_seconds is None else {"valid_seconds": valid_seconds}
        # Sent twice it would be two keys, and the first one's secret would be lost.
        return Call(
            method="POST", path="/keys", read=document(KeySecret), json=asked, repeatable=False, timeout=timeout
        )

    @operation
    def list_keys(
        self, *, limit: int | None = None, cursor: str | None = None, timeout: float | None = None
    ) -> Call[KeyPage]:
        """Keys, newest first, a page at a time; those that are worthless, too."""
        query = {"limit": limit, "cursor": cursor}
        return Call(method="GET", path="/keys", read=document(KeyPage), query=query, timeout=timeout)

    @operation
    def revoke_key(self, key_id: str, *, timeout: float | None = None) -> Call[None]:
        """Make a key worthless, within seconds; asking again changes nothing."""
        return Call(method="DELETE", path=at("/keys/{key_id}", key_id=key_id), read=nothing, timeout=timeout)
