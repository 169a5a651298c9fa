"""How a fit moves from one status to the next: what the client's, the worker's and upkeep's moves have in common.

A worker's claim carries a fencing number, `attempt`. Whatever the worker writes goes through `_held`, which locks the
row and compares that number: a worker whose lease has passed to another finds nothing to write to and stops. The lock
also orders the events of a fit, so that their sequence numbers have neither gap nor repeat. Every change of status is a
call of `_move`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

from sqlalchemy import CTE, BindParameter, ColumnElement, Select, bindparam, func, insert, select, update
from sqlalchemy.orm import Session, lazyload

from store.errors import FitNotFound, IllegalMove, LeaseLost
from store.intervals import as_interval
from store.models import Fit, FitAttempt, FitEvent, Representation
from store.repositories.outbox import messages, messages_of
from store.repositories.turns import note_served
from store.status import HELD, LEGAL_MOVES, FitStatus, Order

EVENTS_CHANNEL = "fit_events"  # PostgreSQL notifies listeners here, with the fit's id, when an event is committed

# Ends of which the worker itself says that nothing was wrong with it or the fit: it could not reach the database for a
# whole lease, or it stood still (frozen, or its machine asleep) while another took the fit.
Excuse = Literal["cut_off", "overtaken"]
# "lost": nothing more was heard of the worker, so it is counted as dead until it says otherwise. "hung": the worker
# lived and the computation made no step.
AttemptEnd = Literal["succeeded", "failed", "cancelled", "paused", "drained", "lost", "hung", Excuse]
BUDGET_HOURS = 1.0  # failures count against a fit for so long


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's hold on a fit; `attempt` is its fencing number."""

    fit_id: str
    attempt: int


# No value is named as a column of what is updated: SQLAlchemy would set that column.
_OF_ATTEMPT: dict[str, BindParameter[Any]] = {"fit_id": bindparam("of_fit"), "attempt": bindparam("of_attempt")}
_RESULT: dict[str, BindParameter[Any]] = {
    name: bindparam(name) for name in ("byte_count", "sha256", "object_key", "psnr_db", "facts")
}
_EVENT = (
    insert(FitEvent)
    .values(_OF_ATTEMPT | {name: bindparam(name) for name in ("seq", "kind", "data")})
    .returning(FitEvent.fit_id)
    .cte("event")
)

_END_ATTEMPT = (
    update(FitAttempt)
    .where(
        FitAttempt.fit_id == bindparam("of_fit"),
        FitAttempt.attempt == bindparam("of_attempt"),
        FitAttempt.ended_at.is_(None),
    )
    .values(ended_at=func.now(), ended_as=bindparam("end"))
    .execution_options(synchronize_session=False)
)

# What is written along with an event: that the tenant was served, that the attempt begins or how it ends, its result,
# messages to webhooks. Each round trip takes as long as all of these together. By name, with the values of each.
Companion = Literal["turn", "attempt", "end", "result", "messages"]
Along = Mapping[Companion, Mapping[str, Any]]
NOTHING: Along = MappingProxyType({})


def ended(end: AttemptEnd) -> Along:
    """How the attempt that writes an event ends with it."""
    return {"end": {"end": end}}


@cache
def event_with(companions: frozenset[Companion]) -> Select[None]:
    """Writes an event and all that goes along with it, and tells who listens."""
    made: dict[Companion, Callable[[], CTE]] = {
        "turn": lambda: note_served().cte("turn"),
        "attempt": lambda: insert(FitAttempt).values(_OF_ATTEMPT | {"worker": bindparam("by")}).cte("begun_attempt"),
        "end": lambda: _END_ATTEMPT.cte("ended_attempt"),
        "result": lambda: insert(Representation).values(_OF_ATTEMPT | _RESULT).cte("result"),
        "messages": lambda: messages().cte("written"),
    }
    told = select(func.pg_notify(EVENTS_CHANNEL, _EVENT.c.fit_id))
    return told.add_cte(*(made[name]() for name in sorted(companions)))


class Moves:
    """Locks, checks, moves and history, within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._writers: dict[str, int] = {}  # attempts that write here, by the fit
        self._locked_by: dict[Claim, Fit] = {}  # rows that are locked until the unit of work ends
        self._began: datetime | None = None  # when the unit of work did, by the database's clock

    @property
    def _now(self) -> datetime:
        """The database's own time, which is one for the whole unit of work.

        It is written as a value: an UPDATE with an expression is built anew for each row, which takes longer than all
        that the database has to do for it.
        """
        if self._began is None:
            self._began = self._session.scalars(_NOW).one()
        return self._began

    def _later(self, seconds: float) -> datetime:
        # In UTC: a sum in a zone with summer time is one of its clock on the wall, an hour off where that is changed.
        return self._now.astimezone(UTC) + timedelta(seconds=seconds)

    def lock(self, claims: Sequence[Claim]) -> None:
        """Lock the fits that these claims still hold, by one statement, until the unit of work ends.

        Whatever is written for one of them then finds its row at hand. A claim that holds its fit no longer is passed
        over here, and refused when something is written for it.

        Args:
            claims: attempts at different fits.
        """
        by_fit = {claim.fit_id: claim for claim in claims}
        # In an order that all have, so that no two wait for each other.
        wanted = _held_rows().where(Fit.id.in_(sorted(by_fit))).order_by(Fit.id)
        for fit, now in self._session.execute(wanted):
            self._began = now
            if fit.attempt == by_fit[fit.id].attempt:
                self._locked_by[by_fit[fit.id]] = fit

    def _locked(self, tenant: str, fit_id: str) -> Fit:
        fit = self._first(_lock_of_tenant(), {"tenant": tenant, "fit_id": fit_id})
        if fit is None:
            raise FitNotFound(f"no fit {fit_id!r}: GET /fits lists yours")
        return fit

    def _first(self, wanted: "Select[Fit, datetime]", values: dict[str, Any]) -> Fit | None:
        """The row that a statement finds, if any; the time comes with it."""
        row = self._session.execute(wanted, values).one_or_none()
        if row is None:
            return None
        fit, self._began = row
        return fit

    def _held(self, claim: Claim) -> Fit:
        fit = self._locked_by.get(claim)
        if fit is None:
            fit = self._first(_lock_held(), {"fit_id": claim.fit_id, "attempt": claim.attempt})
        # A row that is locked already is as it was, but for what was done here: its end may have been written.
        if fit is None or fit.status not in HELD:
            raise LeaseLost(f"attempt {claim.attempt} no longer holds {claim.fit_id}: stop and write nothing")
        self._locked_by[claim] = fit
        self._writers[claim.fit_id] = claim.attempt
        return fit

    def _move(
        self,
        fit: Fit,
        status: FitStatus,
        data: dict[str, Any] | None = None,
        *,
        lease_seconds: float | None = None,
        along: Along = NOTHING,
    ) -> None:
        if status not in LEGAL_MOVES[fit.status]:
            raise IllegalMove(f"fit {fit.id} is {fit.status}: it cannot become {status}")
        fit.status = status
        if status is FitStatus.RUNNING and lease_seconds is not None:
            fit.lease_until = self._later(lease_seconds)
        elif not status.is_held:
            fit.lease_until = None
            fit.pause_requested = False
        if status is FitStatus.CANCELLING:
            fit.cancel_requested_at = self._now
        if status.is_terminal:
            fit.finished_at = self._now
            if fit.kept_seconds is not None:
                fit.expires_at = self._later(fit.kept_seconds)
            along = {**along, "messages": messages_of(fit, f"fit.{status}", status)}
        self._record(fit, status, data, along)

    def _wish_pause(self, fit: Fit, wish: bool) -> None:
        if fit.pause_requested is not wish:
            fit.pause_requested = wish
            self._record(fit, "pause_requested" if wish else "pause_withdrawn")

    def _give_back(self, fit: Fit, reason: str) -> None:
        """The attempt is over, the fit is not, unless the client wishes otherwise."""
        if fit.status is FitStatus.CANCELLING:
            self._move(fit, FitStatus.CANCELLED, {"reason": reason})
            return
        fit.worker = None
        if fit.pause_requested:
            self._move(fit, FitStatus.PAUSED)
            return
        fit.published_at = None
        fit.queued_at = self._now
        self._move(fit, FitStatus.QUEUED, {"reason": reason})

    def _fail(self, fit: Fit, code: str, message: str, along: Along = NOTHING) -> None:
        fit.error_code, fit.error_message = code, message
        self._move(fit, FitStatus.FAILED, {"code": code, "message": message}, along=along)

    def _fail_overdue(self, claim: Claim, fit: Fit, allowed_seconds: float) -> None:
        """Give up on a fit that was worked on for longer than it may be."""
        self._fail(
            fit,
            "deadline_exceeded",
            f"it was worked on for {allowed_seconds:g} s without an end: allow more (max_run_seconds), or ask for "
            "fewer steps or a smaller network",
        )
        self._end_attempt(claim, "failed")

    def _record(self, fit: Fit, kind: str, data: dict[str, Any] | None = None, along: Along = NOTHING) -> None:
        fit.event_seq += 1
        fit.updated_at = self._now
        self._session.flush()
        self._append_event(fit, kind, data, along)

    def _append_event(self, fit: Fit, kind: str, data: dict[str, Any] | None = None, along: Along = NOTHING) -> None:
        """Write the event that `event_seq` counts with what goes along with it, and tell who listens; one statement.

        It names the attempt that writes, not the row's: should a past one ever get here, the history shows it.
        """
        attempt = self._writers.get(fit.id, fit.attempt)
        row = {"of_fit": fit.id, "of_attempt": attempt, "seq": fit.event_seq, "kind": str(kind), "data": data or {}}
        for values in along.values():
            row |= values
        self._session.execute(event_with(frozenset(along)), row)

    def _count_lately(self, fit: Fit, end: AttemptEnd) -> int:
        """How many attempts at a fit ended like this within the time that counts."""
        lately = FitAttempt.ended_at > func.now() - as_interval(3600 * BUDGET_HOURS)
        ends = select(func.count()).where(FitAttempt.fit_id == fit.id, FitAttempt.ended_as == end, lately)
        return self._session.scalar(ends) or 0

    def _end_attempt(self, claim: Claim, end: AttemptEnd) -> None:
        attempt = {"of_fit": claim.fit_id, "of_attempt": claim.attempt, "end": end}
        self._session.execute(_END_ATTEMPT, attempt)


# Statements are built once: to build one takes as long as PostgreSQL does to carry it out.


_NOW = select(func.now())


@cache
def _lock_of_tenant() -> "Select[Fit, datetime]":
    wanted = select(Fit, func.now()).where(Fit.tenant == bindparam("tenant"), Fit.id == bindparam("fit_id"))
    return wanted.with_for_update(of=Fit).execution_options(populate_existing=True)


@cache
def _lock_held() -> "Select[Fit, datetime]":
    return _held_rows().where(Fit.id == bindparam("fit_id"), Fit.attempt == bindparam("attempt"))


def _held_rows() -> "Select[Fit, datetime]":
    """Locks rows that workers hold; nothing that belongs to them is read along."""
    wanted = select(Fit, func.now()).options(lazyload("*")).where(Fit.status.in_(sorted(HELD)))
    return wanted.with_for_update(of=Fit).execution_options(populate_existing=True)


def order_of(fit: Fit) -> Order:
    """What the service wants of the worker that holds this fit."""
    if fit.status is FitStatus.CANCELLING:
        return Order.CANCEL
    return Order.PAUSE if fit.pause_requested else Order.CONTINUE


def is_due() -> ColumnElement[bool]:
    """Whether a queued fit need not wait any longer."""
    return Fit.not_before.is_(None) | (Fit.not_before <= func.now())
