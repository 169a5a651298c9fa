"""Queries of the workers that are there: each describes itself now and then, and is listed with what it does.

This is for people who look at the service. Who may hold a fit is a matter of its lease, whatever stands here, and who
is replaced for its silence one of its beats in the broker (`store.pulse`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from store.intervals import as_interval
from store.models import Fit
from store.models_parts import FitPart
from store.models_workers import Worker
from store.status import HELD

DESCRIBED_EVERY_SECONDS: Final = 15.0
SILENT_SECONDS: Final = 45.0  # three descriptions missed
FORGOTTEN_SECONDS: Final = 3600.0  # a silent one that is gone for good is not listed for ever

_AGE: Final = func.extract("epoch", func.now() - Worker.seen_at)
_IS_HEARD: Final = Worker.seen_at > func.now() - as_interval(SILENT_SECONDS)
_IS_LISTED: Final = Worker.seen_at > func.now() - as_interval(FORGOTTEN_SECONDS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A worker as a tenant sees it.

    Attributes:
        id: id of the worker.
        name: host and number of its main process.
        facts: how it described itself; what a release does not write is absent.
        age_seconds: time in seconds since it did.
        is_busy: whether it holds a fit, or a part of one, be it anybody's.
        fit_id: id of that fit if it is the tenant's own; otherwise None.
    """

    id: str
    name: str
    facts: dict[str, Any]
    age_seconds: float
    is_busy: bool
    fit_id: str | None

    @property
    def is_silent(self) -> bool:
        """Whether it should have been heard of long ago."""
        return self.age_seconds > SILENT_SECONDS


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerCounts:
    """How many workers there are.

    Attributes:
        heard: workers that were heard of lately.
        busy: those among them that hold a fit, or a part of one.
        silent: workers that should have been heard of long ago.
    """

    heard: int
    busy: int
    silent: int


class Workers:
    """The table of workers, within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def describe(self, name: str, *, process: str, facts: dict[str, Any]) -> None:
        """Say that a worker is there, and what it is.

        Args:
            name: name of the worker, of which there is one at a time.
            process: the process of the worker that holds fits, as it names itself when it claims one.
            facts: description of the worker, as JSON.
        """
        said = {"process": process, "facts": facts, "seen_at": func.now()}
        row = insert(Worker).values(name=name, **said)
        self._session.execute(row.on_conflict_do_update(index_elements=["name"], set_=said))

    def leave(self, name: str) -> None:
        """A worker ends in order: it is not missed."""
        self._session.execute(delete(Worker).where(Worker.name == name))

    def forget_gone(self) -> int:
        """Drop workers that have been silent for too long to be listed; returns how many."""
        gone = delete(Worker).where(~_IS_LISTED).returning(Worker.id)
        return len(self._session.scalars(gone).all())

    def page(self, tenant: str, *, limit: int, before: str | None) -> list[Seen]:
        """Workers that were heard of within the last hour, the newest first, as a tenant sees them.

        Args:
            tenant: name of the tenant who asks: of the fits of others only that they keep a worker busy is told.
            limit: largest number of workers.
            before: id of the worker behind which to begin; None for the first page.
        """
        listed = select(Worker, _AGE).where(_IS_LISTED).order_by(Worker.id.desc()).limit(limit)
        if before is not None:
            listed = listed.where(Worker.id < before)
        found = self._session.execute(listed).all()
        held = self._held_by([worker.process for worker, _ in found])
        seen = []
        for worker, age in found:
            fit_id, owner = held.get(worker.process, (None, None))
            seen.append(
                Seen(
                    id=worker.id,
                    name=worker.name,
                    facts=worker.facts,
                    age_seconds=round(max(0.0, float(age)), 1),
                    is_busy=fit_id is not None,
                    fit_id=fit_id if owner == tenant else None,
                )
            )
        return seen

    def count(self) -> WorkerCounts:
        """How many there are, how many of them work, and how many are missed."""
        row = self._session.execute(
            select(
                func.count().filter(_IS_HEARD),
                func.count().filter(_IS_HEARD, _is_busy()),
                func.count().filter(~_IS_HEARD),
            )
            .select_from(Worker)
            .where(_IS_LISTED)
        ).one()
        return WorkerCounts(heard=row[0], busy=row[1], silent=row[2])

    def serves(self, worker_class: str) -> bool:
        """Whether a worker was heard of lately that takes fits of a class; one that names no classes takes all."""
        classes = Worker.facts["classes"]
        takes = classes.is_(None) | classes.contains([worker_class])
        return self._session.scalar(select(select(Worker.id).where(_IS_HEARD, takes).exists())) or False

    def _held_by(self, processes: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Id and owner of the fit that each of these processes works on, if any."""
        helped = select(FitPart.worker, Fit.id, Fit.tenant).join(Fit).where(FitPart.worker.in_(processes), _IS_HELPED)
        led = select(Fit.worker, Fit.id, Fit.tenant).where(Fit.worker.in_(processes), Fit.status.in_(sorted(HELD)))
        return {
            process: (fit_id, tenant)
            for query in (helped, led)
            for process, fit_id, tenant in self._session.execute(query)
            if process is not None
        }


_IS_HELPED: Final = FitPart.done_at.is_(None) & (FitPart.lease_until > func.now())


def _is_busy() -> ColumnElement[bool]:
    leads = select(Fit.id).where(Fit.worker == Worker.process, Fit.status.in_(sorted(HELD)))
    helps = select(FitPart.number).where(FitPart.worker == Worker.process, _IS_HELPED)
    return leads.exists() | helps.exists()
