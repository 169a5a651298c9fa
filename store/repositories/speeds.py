"""How fast the workers are, from what finished fits took."""

from sqlalchemy import Float, cast, func, select
from sqlalchemy.orm import Session

from store.models import Representation

RECENT = 50  # fits that are looked at


def measured_speed(session: Session) -> float | None:
    """Work per second of training, as the worker counts work, over recent fits; None if there is none yet."""
    facts = Representation.facts
    recent = (
        select(facts["work"].astext.label("work"), facts["fit_seconds"].astext.label("seconds"))
        .where(facts.has_key("work"), facts.has_key("fit_seconds"))
        .order_by(Representation.id.desc())
        .limit(RECENT)
        .subquery()
    )
    work, seconds = session.execute(
        select(func.sum(cast(recent.c.work, Float)), func.sum(cast(recent.c.seconds, Float)))
    ).one()
    return work / seconds if work and seconds else None
