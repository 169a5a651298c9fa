"""Lists come in pages, newest first; a cursor names the place where the next one begins."""

from typing import Annotated

from fastapi import Query

Limit = Annotated[int, Query(ge=1, le=100, description="largest number of entries on a page")]
DEFAULT_LIMIT = 20


def next_cursor(ids: list[str], limit: int) -> str | None:
    """The cursor of the page after this one, from one row more than was asked for; None at the end."""
    return ids[limit - 1] if len(ids) > limit else None
