"""Any order of requests, claims, writes by live and stale workers, and repairs: the rows do what the model does."""

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select, text

from store.database import Database
from store.errors import IllegalMove, LeaseLost
from store.models import Fit, FitAttempt, FitEvent
from store.repositories.fits import Claim, Fits, StoredObject
from tests.factories import add_fit, add_signal, claim_next
from tests.reference import jobs

STORED = StoredObject(key="k", sha256="0" * 64, byte_count=1)
MAX_TRIES = 2
TENANTS = ("ada", "bob")


Move = tuple[Callable[[Fits], object], Callable[[], object]]  # on the rows, and on the model

CLIENT_ACTS = ["submit", "submit", "cancel", "pause", "resume"]
WORKER_ACTS = ["beat", "report", "keep", "succeed", "fail", "confirm_cancel", "release", "retry"]
REPAIRS = ["reap", "reap", "reap", "announce", "announce", "expire"]


class FitsMachine(RuleBasedStateMachine):
    """Every rule is one unit of work on the rows and one step of the model."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.model = jobs.Jobs()
        self.claims: list[Claim] = []  # those that hold and those that are long stale
        with self.database.unit_of_work() as session:
            session.execute(text("TRUNCATE signals, turns CASCADE"))
        self.signals = {tenant: add_signal(self.database, tenant) for tenant in TENANTS}

    @initialize()
    def begin(self) -> None:
        for tenant in (*TENANTS, *TENANTS):
            self.submit(tenant, priority=0)

    @rule(seed=st.integers(0, 2**32 - 1))
    def move(self, seed: int) -> None:
        """One rule that draws what it does: of several, Hypothesis switches some off in most runs."""
        draw = Random(seed)
        actor = draw.choice([self.client, self.claim, self.worker, self.worker, self.reaper])
        actor(draw)

    def client(self, draw: Random) -> None:
        act = draw.choice(CLIENT_ACTS)
        if act == "submit":
            self.submit(draw.choice(TENANTS), draw.choice([0, 0, 5]))
            return
        fit_id = draw.choice(list(self.model.jobs))
        owner = self.model.jobs[fit_id].tenant
        acts: dict[str, Move] = {
            "cancel": (lambda fits: fits.request_cancel(owner, fit_id), lambda: self.model.cancel(fit_id)),
            "pause": (lambda fits: fits.request_pause(owner, fit_id), lambda: self.model.pause(fit_id)),
            "resume": (lambda fits: fits.request_resume(owner, fit_id), lambda: self.model.resume(fit_id)),
        }
        self.both(*acts[act])

    def claim(self, draw: Random) -> None:
        lease_is_over = draw.random() < 0.5
        quota = draw.choice([None, 1, 2])
        expected = self.model.claim(lease_is_over=lease_is_over, max_running=quota)
        seconds = -1.0 if lease_is_over else 3600.0
        claimed = claim_next(self.database, lease_seconds=seconds, max_running_per_tenant=quota)
        assert (None if claimed is None else _key(claimed.claim)) == expected
        if claimed is not None:
            self.claims.append(claimed.claim)

    def worker(self, draw: Random) -> None:
        held = [claim for claim in self.claims if self.model.holds(_key(claim))]
        # Mostly a claim that holds its fit, now and then any that was ever made.
        if chosen := held if held and draw.random() < 0.7 else self.claims:
            self.both(*self.write(draw.choice(WORKER_ACTS), draw.choice(chosen)))

    def reaper(self, draw: Random) -> None:
        match draw.choice(REPAIRS):
            case "reap":
                self.both(
                    lambda fits: fits.reap_expired_leases(max_tries=MAX_TRIES), lambda: self.model.reap(MAX_TRIES)
                )
            case "expire":
                self.both(lambda fits: fits.expire_waiting(older_than_seconds=-1), self.model.expire)
            case _:
                with self.database.unit_of_work() as session:
                    found = Fits(session).take_unpublished(older_than_seconds=3600)
                assert set(found) == self.model.announce()

    def submit(self, tenant: str, priority: int) -> None:
        fit_id = add_fit(self.database, tenant, self.signals[tenant], priority)
        self.model.submit(fit_id, tenant, priority)

    def write(self, act: str, claim: Claim) -> Move:
        key, model = _key(claim), self.model
        step = sum(len(job.history) for job in model.jobs.values())
        moves: dict[str, Move] = {
            "beat": (lambda fits: fits.beat(claim, lease_seconds=3600), lambda: model.beat(key)),
            "report": (lambda fits: fits.report_progress(claim, {}), lambda: model.note(key, "progress")),
            "keep": (
                lambda fits: fits.add_checkpoint(claim, step=step, stored=STORED),
                lambda: model.note(key, "checkpoint"),
            ),
            "succeed": (
                lambda fits: fits.succeed(claim, stored=STORED, psnr_db=1.0, facts={}, outcome=""),
                lambda: model.succeed(key),
            ),
            "fail": (lambda fits: fits.fail(claim, code="x", message="y"), lambda: model.fail(key)),
            "confirm_cancel": (lambda fits: fits.confirm_cancel(claim), lambda: model.confirm_cancel(key)),
            "retry": (
                lambda fits: fits.retry(claim, code="x", message="y", max_failures=MAX_TRIES, wait_seconds=0),
                lambda: model.retry(key, MAX_TRIES),
            ),
            "release": (lambda fits: fits.release(claim), lambda: model.release(key)),
        }
        return moves[act]

    # Both sides.

    def both(self, real: Callable[[Fits], object], modelled: Callable[[], object]) -> None:
        """One move on either side; they agree on whether it is possible."""
        refusals = {jobs.Stale: LeaseLost, jobs.Illegal: IllegalMove}
        refusal: type[Exception] | None = None
        try:
            modelled()
        except (jobs.Stale, jobs.Illegal) as error:
            refusal = refusals[type(error)]
        if refusal is None:
            with self.database.unit_of_work() as session:
                real(Fits(session))
            return
        with suppress(refusal), self.database.unit_of_work() as session:
            real(Fits(session))
            raise AssertionError(f"the model refuses this with {refusal.__name__}, the store does it")

    @invariant()
    def rows_are_as_modelled(self) -> None:
        fits = select(Fit.id, Fit.status, Fit.attempt, Fit.tries, Fit.finished_at)
        history = select(FitEvent.fit_id, FitEvent.seq, FitEvent.kind, FitEvent.attempt)
        attempts = select(FitAttempt.fit_id, FitAttempt.ended_as)
        with self.database.unit_of_work() as session:
            found = {
                fit_id: (status.value, attempt, tries, finished_at is not None)
                for fit_id, status, attempt, tries, finished_at in session.execute(fits)
            }
            events: dict[str, list[list[Any]]] = {fit_id: [] for fit_id in found}
            for fit_id, *event in session.execute(history.order_by(FitEvent.fit_id, FitEvent.seq)):
                events[fit_id].append(event)
            ends: dict[str, list[str | None]] = {fit_id: [] for fit_id in found}
            for fit_id, end in session.execute(attempts.order_by(FitAttempt.fit_id, FitAttempt.attempt)):
                ends[fit_id].append(end)
        modelled = self.model.jobs
        assert found == {
            fit_id: (job.status, job.attempt, job.tries, job.status in jobs.FINAL) for fit_id, job in modelled.items()
        }
        assert events == {
            fit_id: [[seq, *event] for seq, event in enumerate(job.history, start=1)]
            for fit_id, job in modelled.items()
        }
        assert ends == {fit_id: job.attempt_ends for fit_id, job in modelled.items()}


def _key(claim: Claim) -> jobs.Claim:
    return claim.fit_id, claim.attempt


def test_rows_follow_the_model(database: Database) -> None:
    FitsMachine.database = database
    run_state_machine_as_test(
        FitsMachine,
        settings=settings(
            max_examples=15,
            stateful_step_count=50,
            phases=[Phase.generate],  # shrinking against a real engine takes minutes
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
