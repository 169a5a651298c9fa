"""Queries of the parts of large fits: offer them, take one, hold it, finish it.

The attempt that holds the fit offers its tiles in parts and takes parts itself; whoever is idle takes others. A part
that nobody holds any more is taken by the next one who asks: a lost worker costs its part and nothing else, and no
upkeep is needed for that. Writes name the attempt at the part, and find nothing to write to once it is another's.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, bindparam, delete, func, or_, select
from sqlalchemy.orm import Session

from store.classes import EVERY_CLASS, WorkerClass
from store.errors import LeaseLost
from store.intervals import as_interval
from store.models import Checkpoint, Fit, Signal
from store.models_parts import FitPart
from store.repositories.attempts import Attempts, StoredObject
from store.repositories.moves import Claim
from store.spec import FitSpec, read_spec
from store.status import ENDED, FitStatus, Order

# A fit in one of these may still want what somebody has under way for it.
_OPEN = frozenset({FitStatus.QUEUED, FitStatus.PAUSED, FitStatus.RUNNING})
# Of every round of upkeep, and so built once.
_FORGET_ENDED = (
    delete(FitPart)
    .where(select(Fit.id).where(Fit.id == FitPart.fit_id, Fit.status.in_(ENDED)).exists())
    .execution_options(synchronize_session=False)
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PartClaim:
    """One worker's hold on a part; it counts while the part's number of attempts is this one.

    Attributes:
        fit_id: id of the fit.
        number: number of the part.
        attempt: number of this attempt at the part.
        work: what is to be done, as it was offered.
    """

    fit_id: str
    number: int
    attempt: int
    work: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimedPart:
    """What a worker that helps needs to know.

    Attributes:
        claim: the hold on the part.
        spec: request of the fit.
        signal: row of the signal.
    """

    claim: PartClaim
    spec: FitSpec
    signal: Signal


class Parts:
    """The table of parts, within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def offer(self, claim: Claim, works: Sequence[Mapping[str, Any]]) -> list[str]:
        """Offer parts of a fit; those of an earlier attempt at the same work stay as they are, finished ones too.

        Args:
            claim: the attempt that holds the fit.
            works: what each part is.

        Returns:
            Ids of checkpoints that belong to other work, which the caller forgets.

        Raises:
            LeaseLost: if the claim no longer holds the fit.
        """
        Attempts(self._session).expect_held(claim)
        known = self._session.scalars(select(FitPart).filter_by(fit_id=claim.fit_id).order_by(FitPart.number)).all()
        if [dict(part.work) for part in known] == [dict(work) for work in works]:
            return []
        stale = select(Checkpoint.id).where(Checkpoint.fit_id == claim.fit_id, Checkpoint.part.is_not(None))
        ids = list(self._session.scalars(stale))
        # Attempts go on counting, so that whoever still works on an old part of this number is refused.
        last = max((part.attempt for part in known), default=0)
        self._session.execute(delete(FitPart).where(FitPart.fit_id == claim.fit_id))
        self._session.expunge_all()
        self._session.add_all(
            FitPart(fit_id=claim.fit_id, number=number, work=dict(work), attempt=last + 1 if known else 0)
            for number, work in enumerate(works)
        )
        self._session.flush()
        return ids

    def take(self, claim: Claim) -> PartClaim | None:
        """Take a part of a fit for the attempt that holds it; None if none is free.

        Raises:
            LeaseLost: if the claim no longer holds the fit.
        """
        Attempts(self._session).expect_held(claim)
        free = select(FitPart).join(Fit).where(FitPart.fit_id == claim.fit_id, _is_free())
        part = self._session.scalar(
            free.order_by(FitPart.number).limit(1).with_for_update(of=FitPart, skip_locked=True)
        )
        if part is None:
            return None
        part.attempt, part.lead, part.lease_until, part.worker = part.attempt + 1, claim.attempt, None, None
        self._session.flush()
        return _claim_of(part)

    def are_open(self) -> bool:
        """Whether any part is not done: mostly there is none, and then nobody has to look for a free one."""
        return self._session.scalar(_ANY_OPEN) is not None

    def claim_next(
        self, worker: str, *, lease_seconds: float, max_tries: int, classes: Collection[WorkerClass] = EVERY_CLASS
    ) -> ClaimedPart | None:
        """Take a part of whatever fit runs longest; None if none is free.

        Args:
            worker: name of the worker that helps.
            lease_seconds: seconds until the part is taken away from a worker that is silent.
            max_tries: times that a part may have been taken before it is left to the attempt that holds its fit, which
                fails with it if that kills its workers.
            classes: classes of fits that the worker serves.
        """
        found = self._session.execute(_next_free(), {"max_tries": max_tries, "classes": list(classes)}).first()
        if found is None:
            return None
        part, fit = found
        part.attempt, part.lead, part.worker = part.attempt + 1, None, worker
        part.lease_until = func.now() + as_interval(lease_seconds)
        self._session.flush()
        return ClaimedPart(claim=_claim_of(part), spec=read_spec(fit.spec), signal=fit.signal)

    def beat(self, claim: PartClaim, *, lease_seconds: float) -> Order:
        """Extend the lease on a part.

        Returns:
            What the worker is to do: to stop, once nobody wants the fit any more.

        Raises:
            LeaseLost: if the claim no longer holds the part.
        """
        part, fit = self._held(claim)
        part.lease_until = func.now() + as_interval(lease_seconds)
        return Order.CONTINUE if fit.status in _OPEN else Order.CANCEL

    def release(self, claim: PartClaim) -> None:
        """Hand a part back.

        Raises:
            LeaseLost: if the claim no longer holds the part.
        """
        part, _ = self._held(claim)
        part.lease_until = part.lead = part.worker = None

    def finish(self, claim: PartClaim, stored: StoredObject) -> None:
        """Note what came of a part, which is stored already.

        Raises:
            LeaseLost: if the claim no longer holds the part, or nobody wants the fit any more.
        """
        part, fit = self._held(claim)
        if fit.status not in _OPEN:
            raise LeaseLost(f"{claim.fit_id} is {fit.status}: nobody wants part {claim.number} of it")
        part.done_at, part.lease_until = func.now(), None
        self._session.add(
            Checkpoint(
                fit_id=claim.fit_id,
                attempt=claim.attempt,
                step=0,
                part=claim.number,
                byte_count=stored.byte_count,
                sha256=stored.sha256,
                object_key=stored.key,
            )
        )

    def finished(self, fit_id: str) -> list[Checkpoint]:
        """What came of the parts of a fit that are done."""
        query = select(Checkpoint).where(Checkpoint.fit_id == fit_id, Checkpoint.part.is_not(None))
        return list(self._session.scalars(query.order_by(Checkpoint.part)))

    def count(self, fit_id: str, which: Literal["free", "open"]) -> int:
        """How many parts of a fit nobody holds, or how many are not done."""
        wanted = _is_free() if which == "free" else FitPart.done_at.is_(None)
        query = select(func.count()).select_from(FitPart).join(Fit).where(FitPart.fit_id == fit_id, wanted)
        return self._session.scalar(query) or 0

    def forget_ended(self) -> None:
        """Drop the parts of fits that have ended."""
        self._session.execute(_FORGET_ENDED)

    def _held(self, claim: PartClaim) -> tuple[FitPart, Fit]:
        # The fit first, as by whoever holds it: two who lock in opposite orders would wait for each other.
        self._session.execute(select(Fit.id).where(Fit.id == claim.fit_id).with_for_update(key_share=True, read=True))
        wanted = (
            select(FitPart, Fit)
            .join(Fit)
            .where(
                FitPart.fit_id == claim.fit_id,
                FitPart.number == claim.number,
                FitPart.attempt == claim.attempt,
                FitPart.done_at.is_(None),
            )
        )
        found = self._session.execute(
            wanted.with_for_update(of=FitPart).execution_options(populate_existing=True)
        ).first()
        if found is None:
            raise LeaseLost(f"attempt {claim.attempt} no longer holds part {claim.number} of {claim.fit_id}")
        return found[0], found[1]


_ANY_OPEN = select(FitPart.number).where(FitPart.done_at.is_(None)).limit(1)


@cache
def _next_free() -> Select[FitPart, Fit]:
    """The part that an idle worker takes; each of them asks after every fit, and so it is built once."""
    free = select(FitPart, Fit).join(Fit).where(Fit.status == FitStatus.RUNNING, _is_free())
    free = free.where(Fit.worker_class.in_(bindparam("classes", expanding=True)))
    free = free.where(FitPart.attempt < bindparam("max_tries")).order_by(FitPart.fit_id, FitPart.number).limit(1)
    return free.with_for_update(of=FitPart, skip_locked=True)


def _is_free() -> ColumnElement[bool]:
    """Whether nobody holds a part: neither by a lease nor by the fit's own attempt."""
    expired = or_(FitPart.lease_until.is_(None), FitPart.lease_until < func.now())
    return FitPart.done_at.is_(None) & FitPart.lead.is_distinct_from(Fit.attempt) & expired


def _claim_of(part: FitPart) -> PartClaim:
    return PartClaim(fit_id=part.fit_id, number=part.number, attempt=part.attempt, work=dict(part.work))
