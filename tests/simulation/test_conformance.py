"""The simulated server against PostgreSQL: the same repositories, the same random moves, the same answers and rows.

What is simulated is proof of something only as far as this holds. Both are driven through the real repositories, one
unit of work after the other, and now and then with another transaction open that has locked a row.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest
from sqlalchemy import select

from store.classes import EVERY_CLASS, WorkerClass
from store.database import Database
from store.errors import StoreError
from store.keys import signal_key
from store.models import Base, Checkpoint, Fit, FitAttempt, FitEvent, IdempotencyKey, Representation
from store.models_deleted import DeletedObject
from store.models_turns import Turn
from store.repositories.deleted import DeletedObjects
from store.repositories.deletions import Deletions
from store.repositories.fits import Claim, Fits, StoredObject
from store.repositories.signals import Signals
from store.spec import FitSpec
from tests.simulation.engine import Server
from tests.simulation.scheduler import Process, Scheduler
from tests.simulation.session import Database as SimulatedDatabase

TENANTS = ("ada", "bob")
TABLES: tuple[type[Base], ...] = (
    Fit, FitAttempt, FitEvent, Checkpoint, Representation, IdempotencyKey, DeletedObject, Turn,
)  # fmt: skip
SPECS = (FitSpec(), FitSpec(max_run_seconds=0.001), FitSpec(max_queue_seconds=0.001))
MOVES = 60


class Side:
    """One of the two databases, and what it calls the fits."""

    def __init__(self, database: Any) -> None:
        self.database = database
        self.fits: list[str] = []
        self.signals: list[str] = []
        self.claims: list[Claim] = []

    def number(self, fit_id: str) -> int:
        """A fit by its number, which is the same on both sides."""
        return self.fits.index(fit_id)

    def do(self, act: Callable[[Any, "Side"], Any]) -> Any:
        """A unit of work: what it returns, or the code of its refusal."""
        try:
            with self.database.unit_of_work() as session:
                return act(session, self)
        except StoreError as error:
            return error.code


def _submit(draw: Random) -> Callable[[Any, Side], Any]:
    tenant, spec, priority = draw.randrange(2), draw.choice([*SPECS[:1] * 6, *SPECS[1:]]), draw.choice([0, 0, 5])
    key = draw.choice([None, None, ("k1", "a"), ("k1", "b"), ("k2", "a")])
    kept, worker_class = draw.choice([None, None, 0.0]), draw.choice([WorkerClass.ANY, *EVERY_CLASS])

    def act(session: Any, side: Side) -> Any:
        fit, is_new = Fits(session).submit(
            tenant=TENANTS[tenant],
            signal_id=side.signals[tenant],
            spec=spec,
            priority=priority,
            idempotency=key,
            kept_seconds=kept,
            worker_class=worker_class,
        )
        if is_new:
            side.fits.append(fit.id)
        return is_new, side.number(fit.id), fit.status

    return act


def _claim(draw: Random) -> Callable[[Any, Side], Any]:
    lease, most = draw.choice([-1.0, 3600.0]), draw.choice([None, None, 1, 2])
    classes = draw.choice([EVERY_CLASS, EVERY_CLASS, EVERY_CLASS[:2], EVERY_CLASS[2:]])

    def act(session: Any, side: Side) -> Any:
        claimed = Fits(session).claim_next("worker", lease_seconds=lease, classes=classes, max_running_per_tenant=most)
        if claimed is None:
            return None
        side.claims.append(claimed.claim)
        return side.number(claimed.claim.fit_id), claimed.claim.attempt, claimed.tenant, claimed.signal.tenant

    return act


def _client(draw: Random) -> Callable[[Any, Side], Any]:
    which, what, tenant = (
        draw.random(),
        draw.choice(["cancel", "pause", "pause", "resume", "delete", "again"]),
        draw.randrange(20),
    )

    def act(session: Any, side: Side) -> Any:
        if not side.fits:
            return None
        fit_id = side.fits[int(which * len(side.fits))]
        owner = TENANTS[tenant % 2]
        fits = Fits(session)
        match what:
            case "cancel":
                return fits.request_cancel(owner, fit_id).status
            case "pause":
                fit = fits.request_pause(owner, fit_id)
                return fit.status, fit.pause_requested
            case "resume":
                fit, is_queued = fits.request_resume(owner, fit_id)
                return fit.status, is_queued
            case "delete":
                return len(Deletions(session).delete_fit(owner, fit_id))
            case _:
                fit, is_new = fits.submit_again(owner, fit_id)
                if is_new:
                    side.fits.append(fit.id)
                return is_new, side.number(fit.id)

    return act


def _worker(draw: Random, step: int) -> Callable[[Any, Side], Any]:
    which = draw.random()
    what = draw.choice(["beat", "report", "keep", "keep", "succeed", "fail", "cancel", "release", "retry"])
    wait = draw.choice([-1.0, 3600.0])

    def act(session: Any, side: Side) -> Any:
        if not side.claims:
            return None
        # Mostly one of the latest, now and then one that is long stale.
        claim = side.claims[-1 - int(which**3 * len(side.claims))]
        fits = Fits(session)
        number = side.number(claim.fit_id) if claim.fit_id in side.fits else -1
        stored = StoredObject(key=f"{number}/{claim.attempt}/{step}", sha256="0" * 64, byte_count=step)
        match what:
            case "beat":
                return fits.beat(claim, lease_seconds=3600)
            case "report":
                return fits.report_progress(claim, {"step": step})
            case "keep":
                fits.add_checkpoint(claim, step=step, stored=stored)
                session.flush()
                return [one.step for one in fits.checkpoints(claim.fit_id)]
            case "succeed":
                return fits.succeed(claim, stored=stored, psnr_db=None, facts={"a": 1}, outcome="fine")
            case "fail":
                return fits.fail(claim, code="code", message="words")
            case "cancel":
                return fits.confirm_cancel(claim)
            case "release":
                return fits.release(claim)
            case _:
                return fits.retry(claim, code="away", message="words", max_failures=2, wait_seconds=wait)

    return act


def _upkeep(draw: Random) -> Callable[[Any, Side], Any]:
    what = draw.choice(["reap", "reap", "overdue", "expire", "stuck", "announce", "checkpoints", "deletions", "count"])
    which, worker_class = draw.random(), draw.choice(EVERY_CLASS)

    def act(session: Any, side: Side) -> Any:
        fits = Fits(session)
        match what:
            case "reap":
                return sorted(side.number(one) for one in fits.reap_expired_leases(max_tries=2))
            case "overdue":
                return sorted(side.number(one) for one in fits.fail_overdue(max_run_seconds=3600))
            case "expire":
                return fits.expire_waiting(older_than_seconds=3600)
            case "stuck":
                return sorted(side.number(one) for one in fits.end_stuck_cancels(older_than_seconds=-1))
            case "announce":
                return sorted(
                    side.number(one)
                    for one in fits.take_unpublished(older_than_seconds=3600, worker_class=worker_class)
                )
            case "checkpoints":
                gone = fits.finished_checkpoints()
                return sorted(fits.forget_checkpoints([one.id for one in gone]))
            case "deletions":
                keys = sorted(Deletions(session).delete_expired_fits())
                noted = sorted(DeletedObjects(session).oldest())
                if noted:
                    keys.append(str(DeletedObjects(session).take(noted[int(which * len(noted))])))
                return keys, [fits.knows_object(key) for key in noted]
            case _:
                return fits.count_claimable(), fits.count_held(TENANTS[0])

    return act


def _draw(draw: Random, step: int) -> Callable[[Any, Side], Any]:
    kind = draw.choice(["submit", "claim", "claim", "client", "worker", "worker", "worker", "upkeep", "upkeep"])
    match kind:
        case "submit":
            return _submit(draw)
        case "claim":
            return _claim(draw)
        case "client":
            return _client(draw)
        case "worker":
            return _worker(draw, step)
        case _:
            return _upkeep(draw)


def _rows(side: Side) -> dict[str, list[Any]]:
    """Every row of every table, with fits by their numbers and of times only whether there is one."""
    found: dict[str, list[Any]] = {}
    with side.database.unit_of_work() as session:
        for table in TABLES:
            rows = []
            for one in session.scalars(select(table)):
                cells = {column.name: getattr(one, column.name) for column in table.__table__.columns}
                rows.append(tuple(sorted((name, repr(_plain(side, name, cell))) for name, cell in cells.items())))
            found[table.__tablename__] = sorted(rows)
    return found


def _plain(side: Side, name: str, cell: Any) -> Any:
    if name in {"created_at", "updated_at"} or cell is None:
        return cell is not None
    if isinstance(cell, dict):
        return json.dumps(cell, sort_keys=True)
    if name.endswith(("_at", "_until")) or name == "not_before":
        return "a time"
    if isinstance(cell, str) and cell in side.fits:
        return side.number(cell)
    if name in {"id", "signal_id"}:
        return name
    if name == "error_message":
        return len(cell) > 0
    if name == "key":
        # The key of a retry has the id of the fit that came to nothing.
        return next((f"retry of {side.number(one)}" for one in side.fits if one in cell), cell)
    return cell


@contextmanager
def _simulated() -> Iterator[SimulatedDatabase]:
    """A simulated database that is asked from outside of simulated time, which moves on by itself."""
    scheduler = Scheduler(Random(0))

    def line(process: Process, what: str) -> None:
        scheduler.now += 0.001

    yield SimulatedDatabase(Server(scheduler), Process(name="test", role="test"), line)


def _add_signals(side: Side) -> None:
    for tenant in TENANTS:
        with side.database.unit_of_work() as session:
            signal, is_new = Signals(session).add(
                tenant=tenant,
                sha256="a" * 64,
                byte_count=3,
                media_type="image/png",
                filename=None,
                facts={},
                object_key=signal_key(tenant, "a" * 64),
            )
            assert is_new
            side.signals.append(signal.id)


@pytest.mark.parametrize("seed", range(4))
def test_the_simulated_server_answers_as_postgres_does(database: Database, seed: int) -> None:
    with _simulated() as simulated:
        sides = Side(database), Side(simulated)
        for side in sides:
            _add_signals(side)
        for step in range(1, MOVES + 1):
            real, imitated = (side.do(_draw(Random(1000 * seed + step), step)) for side in sides)
            assert real == imitated, f"move {step}"
            if step % 10 == 0:
                assert _rows(sides[0]) == _rows(sides[1]), f"after move {step}"


@pytest.mark.parametrize("seed", range(4))
def test_a_row_that_somebody_has_locked_is_passed_over_by_both(database: Database, seed: int) -> None:
    """One transaction has locked a fit and a claim's turn; whoever skips locked rows finds the same others."""
    with _simulated() as simulated:
        sides = Side(database), Side(simulated)
        answers = []
        for side in sides:
            _add_signals(side)
            draw = Random(seed)
            for _ in range(6):
                side.do(_submit(draw))
            for _ in range(3):
                side.do(_claim(Random(draw.randrange(100))))
            locked = draw.randrange(len(side.fits))
            found: list[Any] = []
            with side.database.unit_of_work() as holder:
                fit_id = side.fits[locked]
                holder.scalar(select(Fit).where(Fit.id == fit_id).with_for_update(of=Fit))
                for step in range(6):
                    found.append(side.do(_claim(Random(step))))
                    found.append(
                        side.do(
                            lambda session, side: sorted(
                                side.number(one) for one in Fits(session).reap_expired_leases(max_tries=2)
                            )
                        )
                    )
            found.append(_rows(side))
            answers.append(found)
        assert answers[0] == answers[1]
