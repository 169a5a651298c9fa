"""API keys, as a client with the scope for them makes and sees them."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from store.api_keys import Scope, Token
from store.models_keys import ApiKey

ID_PATTERN = r"^key_[0-9a-f]{32}$"
EXAMPLE_ID = "key_0199d3c1a1f27b3c9a40d5e6f7081920"

KeyCursor = Annotated[str | None, Query(pattern=ID_PATTERN, description="`next_cursor` of the page before")]


class KeyRequest(BaseModel):
    """Ask for a key of your own tenant. It allows and lasts no more than the key that this is asked with."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "camera 7", "scopes": ["signals:write", "fits:write"]}]},
    )

    name: Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] = Field(
        default="", description="name of the key, for people"
    )
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))] | None = Field(
        default=None,
        description="scopes that the key allows; those of the key that this is asked with, but for keys:read and "
        "keys:write, if left out",
    )
    valid_seconds: Annotated[float, Field(ge=1, le=3.2e9, allow_inf_nan=False)] | None = Field(
        default=None,
        description="time for which the key is valid; as long as the key that this is asked with if left out",
    )


class KeyView(BaseModel):
    """A key, without its secret."""

    id: str
    prefix: str = Field(description="readable part of the key, which names it in lists and logs and proves nothing")
    name: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None = Field(description="time from which on the key is worthless; null for never")
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="last use, to the minute")

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        """From a row."""
        return cls(
            id=key.id,
            prefix=f"tnr_{key.prefix}",
            name=key.name,
            scopes=[Scope(scope) for scope in key.scopes],
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            last_used_at=key.last_used_at,
        )


class KeySecret(KeyView):
    """A key as a whole, which is shown this once."""

    key: str = Field(description="what a client sends: `Authorization: Bearer tnr_…`", examples=["tnr_…"])

    @classmethod
    def made(cls, key: ApiKey, token: Token) -> Self:
        """From a row and the token that only this moment knows."""
        return cls(**KeyView.of(key).model_dump(), key=str(token))


class KeyPage(BaseModel):
    """Keys, newest first."""

    data: list[KeyView]
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last one")
