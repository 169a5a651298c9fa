"""Time spans as PostgreSQL counts them: it alone holds the clock."""

from typing import Any

from sqlalchemy import ColumnElement, Interval, func, text


def as_interval(seconds: float) -> ColumnElement[Any]:
    """A span to add to, or to take from, the database's own time."""
    return func.make_interval(text(f"secs => {float(seconds)!r}"), type_=Interval)
