"""Moves, claims, fencing and history of fits, on a real PostgreSQL."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, func, insert, select, text
from sqlalchemy.orm import Session

from store.database import Database
from store.errors import FitNotFound, IdempotencyConflict, IllegalMove, LeaseLost
from store.models import Fit, FitAttempt
from store.repositories.fits import MAX_POSITION, Claim, Excuse, Fits, StoredObject
from store.spec import FitSpec
from store.status import FitStatus, Order
from tests.factories import add_fit, add_signal, claim, claim_next

RESULT = StoredObject(key="fits/x/representation.tnr", sha256="0" * 64, byte_count=10)


def status_of(database: Database, fit_id: str) -> FitStatus:
    with database.unit_of_work() as session:
        return Fits(session).get("local", fit_id).status


def history_of(database: Database, fit_id: str) -> list[str]:
    with database.unit_of_work() as session:
        events = Fits(session).events(fit_id)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    return [event.kind for event in events]


def succeed(database: Database, held: Claim) -> None:
    with database.unit_of_work() as session:
        Fits(session).succeed(held, stored=RESULT, psnr_db=30.0, facts={}, outcome="done")


def claim_of(database: Database, fit_id: str) -> Claim:
    held = claim(database).claim
    assert held.fit_id == fit_id
    return held


def reap(database: Database, max_tries: int = 3) -> list[str]:
    with database.unit_of_work() as session:
        return Fits(session).reap_expired_leases(max_tries=max_tries)


def add_checkpoints(database: Database, held: Claim, *steps: int) -> None:
    with database.unit_of_work() as session:
        for step in steps:
            stored = StoredObject(key=f"k{held.attempt} {step}", sha256="0" * 64, byte_count=1)
            Fits(session).add_checkpoint(held, step=step, stored=stored)


def test_a_fit_goes_from_queued_to_succeeded(database: Database) -> None:
    fit_id = add_fit(database)
    held = claim(database).claim
    assert (held.fit_id, held.attempt) == (fit_id, 1)
    with database.unit_of_work() as session:
        assert Fits(session).report_progress(held, {"step": 1}) is Order.CONTINUE
    succeed(database, held)
    with database.unit_of_work() as session:
        fit = Fits(session).get("local", fit_id)
        attempt = session.get_one(FitAttempt, (fit_id, 1))
    assert fit.status is FitStatus.SUCCEEDED
    assert fit.lease_until is None
    assert fit.finished_at is not None
    assert fit.representation is not None
    assert fit.representation.byte_count == 10
    assert attempt.ended_as == "succeeded"
    assert history_of(database, fit_id) == ["queued", "running", "progress", "succeeded"]


def test_an_attempt_is_eight_statements(database: Database) -> None:
    """Of a claim five (order of turns, turn, row, move, history), of an end three; each is a round trip."""
    add_fit(database)
    said: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        held = claim(database).claim
        assert len(said) == 5, said
        said.clear()
        with database.unit_of_work() as session:
            fits = Fits(session)
            fits.note_resolved(held, {"kind": "wavelets"})
            fits.succeed(held, stored=RESULT, psnr_db=30.0, facts={}, outcome="done")
        assert len(said) == 3, said
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def test_no_fit_is_claimed_twice(database: Database) -> None:
    fits = {add_fit(database) for _ in range(20)}
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda number: claim_next(database, f"worker-{number}"), range(40)))
    claimed = [one.claim.fit_id for one in claims if one is not None]
    assert len(claimed) == len(set(claimed)) == 20
    assert set(claimed) == fits


def test_no_tenant_gets_more_than_its_share_however_many_claim_at_once(database: Database) -> None:
    for tenant in ("busy", "quiet"):
        for _ in range(10):
            add_fit(database, tenant)
    with ThreadPoolExecutor(8) as pool:
        claims = list(
            pool.map(lambda number: claim_next(database, f"worker-{number}", max_running_per_tenant=3), range(24))
        )
    held = [one for one in claims if one is not None]
    assert sorted(one.tenant for one in held) == ["busy"] * 3 + ["quiet"] * 3
    succeed(database, held[0].claim)
    following = claim_next(database, max_running_per_tenant=3)
    assert following is not None
    assert following.tenant == held[0].tenant
    with database.unit_of_work() as session:
        assert Fits(session).count_held(following.tenant) == 3


def test_queue_position_counts_those_ahead(database: Database) -> None:
    add_fit(database)
    last = add_fit(database)
    add_fit(database, priority=1)
    with database.unit_of_work() as session:
        fits = Fits(session)
        assert fits.queue_position(fits.get("local", last)) == 2
        assert fits.queue_position(fits.get("local", claim(database).claim.fit_id)) is None


def test_a_long_queue_is_not_counted_to_its_end(database: Database) -> None:
    signal_id = add_signal(database)
    with database.unit_of_work() as session:
        waiting = {"tenant": "local", "signal_id": signal_id, "spec": {}}
        session.execute(insert(Fit), [waiting] * (MAX_POSITION + 1))
    last = add_fit(database)
    with database.unit_of_work() as session:
        fits = Fits(session)
        assert fits.queue_position(fits.get("local", last)) == MAX_POSITION


def test_a_stale_attempt_changes_nothing(database: Database) -> None:
    fit_id = add_fit(database)
    stale = claim(database, lease_seconds=-1).claim
    assert reap(database) == [fit_id]
    fresh = claim(database, "worker-2").claim
    assert fresh.attempt == 2
    writes: list[Callable[[Fits], object]] = [
        lambda fits: fits.beat(stale, lease_seconds=30),
        lambda fits: fits.report_progress(stale, {}),
        lambda fits: fits.add_checkpoint(stale, step=1, stored=RESULT),
        lambda fits: fits.succeed(stale, stored=RESULT, psnr_db=1.0, facts={}, outcome=""),
        lambda fits: fits.fail(stale, code="x", message="y"),
        lambda fits: fits.confirm_cancel(stale),
        lambda fits: fits.release(stale),
        lambda fits: fits.retry(stale, code="x", message="y", max_failures=3, wait_seconds=0),
    ]
    for write in writes:
        with pytest.raises(LeaseLost), database.unit_of_work() as session:
            write(Fits(session))
    assert status_of(database, fit_id) is FitStatus.RUNNING
    assert history_of(database, fit_id) == ["queued", "running", "queued", "running"]


def test_what_one_unit_of_work_has_ended_it_writes_nothing_more_to(database: Database) -> None:
    fit_id = add_fit(database)
    held = claim(database).claim
    with database.unit_of_work() as session:
        fits = Fits(session)
        fits.note_resolved(held, {"steps": 3})
        fits.fail(held, code="x", message="y")
        with pytest.raises(LeaseLost):
            fits.report_progress(held, {"step": 1})
    with database.reading() as session:
        fit = Fits(session).get("local", fit_id)
        assert (fit.status, fit.resolved, fit.progress) == (FitStatus.FAILED, {"steps": 3}, None)


def test_several_that_are_locked_at_once_are_fenced_each_by_itself(database: Database) -> None:
    held, lost, over = (claim_of(database, add_fit(database)) for _ in range(3))
    with database.unit_of_work() as session:
        Fits(session).release(lost)
    again = claim_of(database, lost.fit_id)
    with database.unit_of_work() as session:
        Fits(session).fail(over, code="x", message="y")
    with database.unit_of_work() as session:
        fits = Fits(session)
        fits.lock([over, lost, held])
        for gone in (lost, over):
            with pytest.raises(LeaseLost):
                fits.fail(gone, code="late", message="late")
        fits.fail(held, code="x", message="y")
    assert history_of(database, held.fit_id)[-1] == "failed"
    assert status_of(database, lost.fit_id) is FitStatus.RUNNING
    with database.unit_of_work() as session:
        assert Fits(session).beat(again, lease_seconds=30.0) is Order.CONTINUE


def test_several_are_locked_until_the_unit_of_work_ends(database: Database) -> None:
    some = [claim_of(database, add_fit(database)) for _ in range(2)]
    free = text("SELECT id FROM fits WHERE status = 'running' FOR UPDATE SKIP LOCKED")
    with database.unit_of_work() as session:
        Fits(session).lock(some[:1])
        with database.unit_of_work() as other:
            assert other.scalars(free).all() == [some[1].fit_id]


def test_times_are_those_of_the_database(database: Database) -> None:
    """Not of the process that writes, whose clock may be wrong; and one unit of work has one time."""
    fit_id = add_fit(database)
    with database.unit_of_work() as session:
        began = session.scalars(select(func.now())).one()
        held = Fits(session).claim_next("w", lease_seconds=30.0)
        assert held is not None
        fit = Fits(session).get("local", fit_id)
        assert (fit.started_at, fit.updated_at) == (began, began)
        assert fit.lease_until == began + timedelta(seconds=30)
    with database.unit_of_work() as session:
        then = session.scalars(select(func.now())).one()
        assert then > began
        Fits(session).beat(held.claim, lease_seconds=60.0)
        assert Fits(session).get("local", fit_id).lease_until == then + timedelta(seconds=60)
        Fits(session).retry(held.claim, code="x", message="y", max_failures=9, wait_seconds=8.0)
        fit = Fits(session).get("local", fit_id)
        assert (fit.queued_at, fit.not_before) == (then, then + timedelta(seconds=8))
    with database.unit_of_work() as session:
        last = session.scalars(select(func.now())).one()
        fit = Fits(session).request_cancel("local", fit_id)
        assert (fit.finished_at, fit.updated_at) == (last, last)


@pytest.mark.parametrize("month", [3, 10])
def test_a_span_is_as_long_where_clocks_on_the_wall_are_changed(month: int) -> None:
    """A server may tell times in the zone of its machine, whose clock is changed on a Sunday at 01:00 UTC."""
    sunday = {3: 29, 10: 25}[month]
    for minutes in range(-90, 90, 10):
        now = datetime(2026, month, sunday, 1, tzinfo=UTC) + timedelta(minutes=minutes)
        fits = Fits(Session())
        fits._began = now.astimezone(ZoneInfo("Europe/Berlin"))
        assert fits._later(30.0) == now + timedelta(seconds=30)


def test_a_fit_that_keeps_killing_its_worker_fails(database: Database) -> None:
    fit_id = add_fit(database)
    for _ in range(3):
        assert status_of(database, fit_id) is FitStatus.QUEUED
        claim(database, lease_seconds=-1)
        reap(database, max_tries=3)
    with database.unit_of_work() as session:
        fit = Fits(session).get("local", fit_id)
    assert fit.status is FitStatus.FAILED
    assert fit.error_code == "worker_lost"


def test_deaths_of_long_ago_do_not_count(database: Database) -> None:
    fit_id = add_fit(database)
    for _ in range(5):
        claim(database, lease_seconds=-1)
        assert reap(database, max_tries=4) == [fit_id]  # the last 25 minutes apart: three of them are within an hour
        with database.unit_of_work() as session:
            session.execute(text("UPDATE fit_attempts SET ended_at = ended_at - interval '25 minutes'"))
    claim(database, lease_seconds=-1)
    assert reap(database, max_tries=3) == []
    assert status_of(database, fit_id) is FitStatus.FAILED


@pytest.mark.parametrize("end", ["cut_off", "overtaken"])
def test_a_worker_that_lives_after_all_does_not_count_as_dead(database: Database, end: Excuse) -> None:
    """Three outages, each longer than a lease; the worker comes back after upkeep has missed it."""
    fit_id = add_fit(database)
    for _ in range(3):
        held = claim(database, lease_seconds=-1).claim
        assert reap(database, max_tries=2) == [fit_id]
        with database.unit_of_work() as session:
            Fits(session).excuse(held, end)
    with database.unit_of_work() as session:
        fit = Fits(session).get("local", fit_id)
        ends = session.scalars(select(FitAttempt.ended_as).where(FitAttempt.fit_id == fit_id)).all()
    assert (fit.status, fit.tries, ends) == (FitStatus.QUEUED, 0, [end] * 3)


def test_a_worker_that_comes_back_before_it_is_missed_hands_its_fit_back(database: Database) -> None:
    fit_id = add_fit(database)
    held = claim(database, lease_seconds=-1).claim
    with database.unit_of_work() as session:
        Fits(session).excuse(held, "cut_off")
    assert status_of(database, fit_id) is FitStatus.QUEUED
    assert reap(database) == []
    following = claim(database).claim
    before = history_of(database, fit_id)
    with database.unit_of_work() as session:
        Fits(session).excuse(held, "cut_off")  # again, and late: another has it
        assert Fits(session).get("local", fit_id).tries == 1
    assert (status_of(database, fit_id), history_of(database, fit_id)) == (FitStatus.RUNNING, before)
    with database.unit_of_work() as session:
        Fits(session).beat(following, lease_seconds=30)


def test_hangs_are_counted_apart_and_named(database: Database) -> None:
    fit_id = add_fit(database)
    for _ in range(2):
        claim(database, lease_seconds=-1)
        reap(database)
    for hangs in (1, 2):
        held = claim(database).claim
        with database.unit_of_work() as session:
            Fits(session).give_up_hung(held, max_hangs=2, stall_seconds=900)
        assert status_of(database, fit_id) is (FitStatus.QUEUED if hangs == 1 else FitStatus.FAILED)
    with database.unit_of_work() as session:
        fit = Fits(session).get("local", fit_id)
    assert fit.error_code == "worker_hung"
    assert "no step for 900 s, 2 times" in (fit.error_message or "")


def test_a_drained_attempt_does_not_count(database: Database) -> None:
    fit_id = add_fit(database)
    for _ in range(5):
        held = claim(database).claim
        with database.unit_of_work() as session:
            Fits(session).release(held)
    with database.unit_of_work() as session:
        fit = Fits(session).get("local", fit_id)
    assert (fit.status, fit.attempt, fit.tries) == (FitStatus.QUEUED, 5, 0)


def test_cancel_of_a_queued_fit_is_immediate_and_idempotent(database: Database) -> None:
    fit_id = add_fit(database)
    for _ in range(2):
        with database.unit_of_work() as session:
            assert Fits(session).request_cancel("local", fit_id).status is FitStatus.CANCELLED
    assert claim_next(database) is None
    assert history_of(database, fit_id) == ["queued", "cancelled"]


def test_after_a_cancel_there_is_no_success(database: Database) -> None:
    fit_id = add_fit(database)
    held = claim(database).claim
    with database.unit_of_work() as session:
        assert Fits(session).request_cancel("local", fit_id).status is FitStatus.CANCELLING
    with database.unit_of_work() as session:
        assert Fits(session).beat(held, lease_seconds=30) is Order.CANCEL
    with pytest.raises(IllegalMove):
        succeed(database, held)
    with database.unit_of_work() as session:
        assert Fits(session).get("local", fit_id).representation is None
        Fits(session).confirm_cancel(held)
    assert status_of(database, fit_id) is FitStatus.CANCELLED


def test_a_finished_fit_cannot_be_cancelled(database: Database) -> None:
    fit_id = add_fit(database)
    succeed(database, claim(database).claim)
    with pytest.raises(IllegalMove, match="succeeded"), database.unit_of_work() as session:
        Fits(session).request_cancel("local", fit_id)


def test_a_lost_worker_of_a_cancelling_fit_ends_it(database: Database) -> None:
    fit_id = add_fit(database)
    claim(database, lease_seconds=-1)
    with database.unit_of_work() as session:
        Fits(session).request_cancel("local", fit_id)
    reap(database)
    assert status_of(database, fit_id) is FitStatus.CANCELLED


def test_a_cancelled_fit_whose_last_worker_dies_is_cancelled_and_has_not_failed(database: Database) -> None:
    fit_id = add_fit(database)
    for number in (1, 2, 3):
        claim(database, lease_seconds=-1)
        if number == 3:
            with database.unit_of_work() as session:
                Fits(session).request_cancel("local", fit_id)
        reap(database, max_tries=3)
    assert status_of(database, fit_id) is FitStatus.CANCELLED


def test_concurrent_submissions_with_one_key_make_one_fit(database: Database) -> None:
    signal_id = add_signal(database)

    def submit(_: int) -> tuple[str, bool]:
        with database.unit_of_work() as session:
            fit, created = Fits(session).submit(
                tenant="local", signal_id=signal_id, spec=FitSpec(), idempotency=("key", "hash")
            )
            return fit.id, created

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(submit, range(20)))
    assert len({fit_id for fit_id, _ in answers}) == 1
    assert sum(created for _, created in answers) == 1


def test_a_key_of_another_request_is_refused(database: Database) -> None:
    signal_id = add_signal(database)
    with database.unit_of_work() as session:
        Fits(session).submit(tenant="local", signal_id=signal_id, spec=FitSpec(), idempotency=("key", "hash"))
    with pytest.raises(IdempotencyConflict), database.unit_of_work() as session:
        Fits(session).submit(tenant="local", signal_id=signal_id, spec=FitSpec(), idempotency=("key", "other"))


def test_one_key_of_two_tenants_is_two_keys(database: Database) -> None:
    signals = {tenant: add_signal(database, tenant) for tenant in ("a", "b")}
    for tenant, signal_id in signals.items():
        with database.unit_of_work() as session:
            _, created = Fits(session).submit(
                tenant=tenant, signal_id=signal_id, spec=FitSpec(), idempotency=("key", tenant)
            )
        assert created


def test_another_tenants_fit_is_as_absent_as_none(database: Database) -> None:
    fit_id = add_fit(database, "theirs")
    for act in (Fits.get, Fits.request_cancel):
        with pytest.raises(FitNotFound), database.unit_of_work() as session:
            act(Fits(session), "mine", fit_id)


def take_unpublished(database: Database, older_than_seconds: float = 60) -> list[str]:
    with database.unit_of_work() as session:
        return Fits(session).take_unpublished(older_than_seconds=older_than_seconds)


def test_a_fit_is_announced_again_when_nobody_came(database: Database) -> None:
    fit_id = add_fit(database)
    assert take_unpublished(database) == []
    assert take_unpublished(database, older_than_seconds=-1) == [fit_id]
    assert take_unpublished(database) == []


def test_a_fit_that_is_queued_again_is_announced_at_once(database: Database) -> None:
    held = claim_of(database, add_fit(database))
    with database.unit_of_work() as session:
        Fits(session).release(held)
    assert take_unpublished(database) == [held.fit_id]
    assert take_unpublished(database) == []


def test_a_claim_finds_the_fit_whose_submission_has_just_committed(database: Database) -> None:
    """The announcement writes nothing to the row: a claim passes over rows that are being written to."""
    fit_id = add_fit(database)
    with database.unit_of_work() as session:
        assert Fits(session).get("local", fit_id).published_at is not None
    assert claim(database).claim.fit_id == fit_id


def test_a_fit_that_waits_too_long_expires(database: Database) -> None:
    fit_id = add_fit(database)
    with database.unit_of_work() as session:
        assert Fits(session).expire_waiting(older_than_seconds=60) == 0
        assert Fits(session).expire_waiting(older_than_seconds=-1) == 1
    assert status_of(database, fit_id) is FitStatus.EXPIRED


def test_a_fit_that_may_wait_less_than_others_expires_before_them(database: Database) -> None:
    patient, hasty = add_fit(database), add_fit(database, spec=FitSpec(max_queue_seconds=1e-6))
    with database.unit_of_work() as session:
        assert Fits(session).expire_waiting(older_than_seconds=60) == 1
    assert (status_of(database, patient), status_of(database, hasty)) == (FitStatus.QUEUED, FitStatus.EXPIRED)
    with database.unit_of_work() as session:
        assert Fits(session).get("local", hasty).error_code == "queue_timeout"


def test_a_fit_that_may_run_shorter_than_others_fails_before_them(database: Database) -> None:
    hasty = add_fit(database, spec=FitSpec(max_run_seconds=1e-6))
    patient = add_fit(database, spec=FitSpec(max_run_seconds=600))
    for fit_id in (hasty, patient):
        claim_of(database, fit_id)
    with database.unit_of_work() as session:
        assert Fits(session).fail_overdue(max_run_seconds=3600) == [hasty]
        assert Fits(session).get("local", hasty).error_code == "deadline_exceeded"
    assert status_of(database, patient) is FitStatus.RUNNING


def test_a_fit_whose_time_was_used_up_when_it_was_paused_does_not_begin_again(database: Database) -> None:
    """Paused before each round of upkeep, and resumed after it, it would run for ever."""
    hasty = add_fit(database, spec=FitSpec(max_run_seconds=1e-6))
    held = claim_of(database, hasty)
    with database.unit_of_work() as session:
        Fits(session).request_pause("local", hasty)
    with database.unit_of_work() as session:
        Fits(session).release(held)
    with database.unit_of_work() as session:
        Fits(session).request_resume("local", hasty)
    patient = add_fit(database)
    assert claim(database).claim.fit_id == patient
    with database.unit_of_work() as session:
        fit = Fits(session).get("local", hasty)
        assert (fit.status, fit.error_code, fit.attempt) == (FitStatus.FAILED, "deadline_exceeded", 2)
        ends = select(FitAttempt.ended_as).where(FitAttempt.fit_id == hasty).order_by(FitAttempt.attempt)
        assert list(session.scalars(ends)) == ["paused", "failed"]


def test_checkpoints_of_the_latest_attempt_come_first(database: Database) -> None:
    """An attempt that found those of the one before damaged begins anew: its own are worth more at any step."""
    first = claim_of(database, add_fit(database))
    add_checkpoints(database, first, 30, 40)
    with database.unit_of_work() as session:
        Fits(session).beat(first, lease_seconds=0.001)
    time.sleep(0.01)
    assert reap(database) == [first.fit_id]
    second = claim_of(database, first.fit_id)
    add_checkpoints(database, second, 10, 20)
    with database.unit_of_work() as session:
        assert [checkpoint.step for checkpoint in Fits(session).checkpoints(first.fit_id)] == [20, 10, 40, 30]


def test_checkpoints_come_back_furthest_first(database: Database) -> None:
    held = claim_of(database, add_fit(database))
    add_checkpoints(database, held, 10, 30, 20)
    with database.unit_of_work() as session:
        checkpoints = Fits(session).checkpoints(held.fit_id)
        assert [checkpoint.step for checkpoint in checkpoints] == [30, 20, 10]
        assert Fits(session).finished_checkpoints() == []
    succeed(database, held)
    with database.unit_of_work() as session:
        assert len(Fits(session).finished_checkpoints()) == 3


def test_neither_labels_nor_progress_put_off_the_end_of_a_stuck_cancel(database: Database) -> None:
    add_fit(database)
    held = claim(database)
    fit_id = held.claim.fit_id
    with database.unit_of_work() as session:
        Fits(session).request_cancel("local", fit_id)
    with database.unit_of_work() as session:
        session.execute(text("UPDATE fits SET cancel_requested_at = now() - interval '10 s'"))
    with database.unit_of_work() as session:
        before = Fits(session).get("local", fit_id).updated_at
        Fits(session).change_labels("local", fit_id, {"album": "sea"})
        Fits(session).report_progress(held.claim, {"step": 1})
    with database.unit_of_work() as session:
        assert Fits(session).get("local", fit_id).updated_at > before, "lists of what changed have to show both"
        assert Fits(session).end_stuck_cancels(older_than_seconds=60) == []
        assert Fits(session).end_stuck_cancels(older_than_seconds=5) == [fit_id]
