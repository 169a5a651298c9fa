"""Time spans as PostgreSQL counts them: it alone holds the clock."""

from typing import Any

from sqlalchemy import ColumnElement, Double, Interval, cast, func


def as_interval(seconds: float | ColumnElement[float]) -> ColumnElement[Any]:
    """A span to add to, or to take from, the database's own time."""
    return func.make_interval(0, 0, 0, 0, 0, 0, cast(seconds, Double), type_=Interval)
