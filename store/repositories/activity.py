"""What waits for the workers of all tenants, and what came of their work lately."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from store.intervals import as_interval
from store.models import Fit, FitAttempt
from store.models_renders import Render
from store.repositories.fits import Fits
from store.status import HELD, FitStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """Work of one kind, of all tenants.

    Attributes:
        waiting: number of pieces that a worker could take now.
        oldest_waiting_seconds: time in seconds for which the first of them has waited; None if there is none.
        running: number of pieces that workers hold.
    """

    waiting: int
    oldest_waiting_seconds: float | None
    running: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """Attempts at fits that ended within some time.

    Attributes:
        attempts: number of attempts, by how they ended (`store.repositories.moves.AttemptEnd`).
        worker_seconds: time in seconds for which workers had fits in them.
    """

    attempts: dict[str, int]
    worker_seconds: float


class Activity:
    """Counts, within one unit of work. But for failures, of which a tenant is told its own, they are sums over all."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def fits(self) -> Line:
        """Fits that wait and run."""
        waiting = Fits(self._session).waiting()
        running = self._session.scalar(select(func.count()).where(Fit.status.in_(sorted(HELD)))) or 0
        return Line(waiting=waiting.fits, oldest_waiting_seconds=waiting.oldest_seconds, running=running)

    def views(self) -> Line:
        """Views that wait and are drawn."""
        waiting, oldest = self._session.execute(_VIEWS_WAITING).one()
        running = self._session.scalar(_VIEWS_RUNNING) or 0
        age = None if oldest is None else round(max(0.0, float(oldest)), 1)
        return Line(waiting=waiting, oldest_waiting_seconds=age, running=running)

    def ended(self, *, seconds: float) -> Ended:
        """What became of the attempts that ended lately, of fits that have not been deleted.

        Args:
            seconds: time in seconds since they ended, at most.
        """
        spent = func.extract("epoch", FitAttempt.ended_at - FitAttempt.started_at)
        lately = FitAttempt.ended_at > func.now() - as_interval(seconds)
        query = select(FitAttempt.ended_as, func.count(), func.sum(spent)).where(lately).group_by(FitAttempt.ended_as)
        found = [(end, count, float(spent)) for end, count, spent in self._session.execute(query) if end is not None]
        return Ended(
            attempts={end: count for end, count, _ in sorted(found)},
            worker_seconds=round(sum(spent for _, _, spent in found), 3),
        )

    def failures(self, tenant: str, *, seconds: float) -> dict[str, int]:
        """How many of a tenant's fits failed lately, by the code of their error, the most frequent first.

        Args:
            tenant: name of the tenant.
            seconds: time in seconds since they failed, at most.
        """
        since = func.now() - as_interval(seconds)
        # A row was changed when it ended, or later: the index is by changes.
        lately = (Fit.updated_at > since, Fit.finished_at > since)
        query = (
            select(Fit.error_code, func.count())
            .where(Fit.tenant == tenant, Fit.status == FitStatus.FAILED, *lately)
            .group_by(Fit.error_code)
            .order_by(func.count().desc(), Fit.error_code)
        )
        return {code: count for code, count in self._session.execute(query) if code is not None}


_VIEWS_WAITING: Final = select(func.count(), func.extract("epoch", func.now() - func.min(Render.created_at))).where(
    Render.status == "queued"
)
_VIEWS_RUNNING: Final = select(func.count()).where(Render.status == "running")
