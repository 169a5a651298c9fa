"""How long a fit may be worked on, all its attempts together, and how long it may wait: the service's limit or its own.

Upkeep ends what exceeds them; a claim does not begin again with a fit whose time is used up, or one that is paused and
resumed before each round of upkeep would run for ever.
"""

from datetime import datetime
from functools import cache

from sqlalchemy import ColumnElement, Float, Numeric, ScalarSelect, Select, bindparam, case, cast, func, literal, select

from store.intervals import as_interval
from store.models import Fit, FitAttempt


def allowed_seconds(limit: str, seconds: float | None) -> ColumnElement[float]:
    """The service's limit, or the fit's own where that is lower.

    Args:
        limit: name of the limit in the spec of a fit.
        seconds: limit of the service in seconds; None for none.
    """
    # A row may be another version's, or damaged: what is no number limits nothing. As a decimal until it is known to be
    # small, since 1e999 is a number in JSON and an error as a float.
    number = func.nullif(func.greatest(cast(Fit.spec[limit].astext, Numeric), 0), 0)
    own = case((func.jsonb_typeof(Fit.spec[limit]) == "number", number), else_=None)
    return cast(func.least(cast(literal(seconds), Numeric), own), Float)


def time_spent() -> ScalarSelect[datetime]:
    """The time for which workers have held a fit so far, as an interval."""
    return (
        select(func.sum(func.coalesce(FitAttempt.ended_at, func.now()) - FitAttempt.started_at))
        .where(FitAttempt.fit_id == Fit.id)
        .scalar_subquery()
    )


@cache
def used_up(max_run_seconds: float | None) -> Select[float]:
    """The seconds that the fit `:fit_id` was allowed, if it was worked on for longer; else no row."""
    allowed = allowed_seconds("max_run_seconds", max_run_seconds)
    return select(allowed).where(Fit.id == bindparam("fit_id"), time_spent() > as_interval(allowed))
