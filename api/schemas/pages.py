"""Lists come in pages, newest first; a cursor names the place where the next one begins."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query

Limit = Annotated[int, Query(ge=1, le=100, description="largest number of entries on a page")]
DEFAULT_LIMIT = 20


PageT = TypeVar("PageT")


def page_of(page: Callable[..., PageT], view: Callable[[Any], object], rows: Sequence[Any], limit: int) -> PageT:
    """A page of rows, of which one more was read than a page may have, so that it is known whether there is another.

    Args:
        page: class of the page, with the members `data` and `next_cursor`.
        view: how a client sees a row.
        rows: rows with an id, newest first, at most `limit` + 1.
        limit: largest number of entries on the page.
    """
    cursor = rows[limit - 1].id if len(rows) > limit else None
    return page(data=[view(row) for row in rows[:limit]], next_cursor=cursor)
