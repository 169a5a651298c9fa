"""Parts of large fits: who has one, who may write, and what becomes of them."""

import time
from collections.abc import Callable

import pytest

from store.database import Database
from store.errors import LeaseLost
from store.keys import part_key
from store.repositories.fits import Claim, Fits, StoredObject
from store.repositories.parts import ClaimedPart, PartClaim, Parts
from store.repositories.quotas import Quotas
from store.status import Order
from tests.factories import add_fit, claim_next

WORKS = [{"search": "abc", "latent_step": 0.1 + number, "tiles": [number, number + 1]} for number in range(3)]
TRIES = 3


def offered(database: Database) -> Claim:
    """A running fit with three parts."""
    add_fit(database)
    claimed = claim_next(database)
    assert claimed is not None
    with database.unit_of_work() as session:
        assert Parts(session).offer(claimed.claim, WORKS) == []
    return claimed.claim


def taken(database: Database, lease_seconds: float = 30.0) -> ClaimedPart | None:
    with database.unit_of_work() as session:
        return Parts(session).claim_next("helper", lease_seconds=lease_seconds, max_tries=TRIES)


def part(database: Database, lease_seconds: float = 30.0) -> PartClaim:
    found = taken(database, lease_seconds)
    assert found is not None
    return found.claim


def finish(database: Database, claim: PartClaim) -> None:
    stored = StoredObject(key=part_key(claim.fit_id, claim.number, claim.attempt), sha256="0" * 64, byte_count=7)
    with database.unit_of_work() as session:
        Parts(session).finish(claim, stored)


def test_each_part_is_taken_once_by_whoever_asks(database: Database) -> None:
    lead = offered(database)
    first, second = part(database), part(database)
    with database.unit_of_work() as session:
        own = Parts(session).take(lead)
    assert own is not None
    assert [first.work, second.work, own.work] == WORKS
    assert taken(database) is None
    with database.unit_of_work() as session:
        assert Parts(session).take(lead) is None
        assert (Parts(session).count(lead.fit_id, "free"), Parts(session).count(lead.fit_id, "open")) == (0, 3)
    for claim in (first, own):
        finish(database, claim)
    with database.unit_of_work() as session:
        assert Parts(session).count(lead.fit_id, "open") == 1
        assert [each.part for each in Parts(session).finished(lead.fit_id)] == [0, 2]
        assert Fits(session).checkpoints(lead.fit_id) == []
        assert Quotas(session).usage("local").checkpoints == 14
        parts = Parts(session).finished(lead.fit_id)
        assert all(Fits(session).knows_object(each.object_key) for each in parts)


def test_a_part_of_a_lost_worker_is_another_s_and_the_lost_one_is_refused(database: Database) -> None:
    offered(database)
    late = part(database, lease_seconds=0.05)
    time.sleep(0.1)
    again = part(database)
    assert (late.number, late.attempt, again.number, again.attempt) == (0, 1, 0, 2)
    moves: list[Callable[[Parts], object]] = [
        lambda parts: parts.beat(late, lease_seconds=9.0),
        lambda parts: parts.release(late),
        lambda parts: parts.finish(late, StoredObject(key="k", sha256="0", byte_count=1)),
    ]
    for move in moves:
        with pytest.raises(LeaseLost), database.unit_of_work() as session:
            move(Parts(session))
    finish(database, again)
    with pytest.raises(LeaseLost):
        finish(database, again)


def test_a_part_that_workers_die_of_is_left_to_whoever_holds_the_fit(database: Database) -> None:
    lead = offered(database)
    for _ in range(TRIES):
        assert part(database, lease_seconds=0.0).number == 0
        time.sleep(0.01)
    assert part(database).number == 1
    with database.unit_of_work() as session:
        own = Parts(session).take(lead)
    assert own is not None
    assert own.number == 0


def test_a_part_that_was_handed_back_is_free(database: Database) -> None:
    offered(database)
    claim = part(database)
    with database.unit_of_work() as session:
        Parts(session).release(claim)
    assert part(database).number == claim.number


def test_the_next_attempt_at_the_fit_has_the_parts_that_are_there(database: Database) -> None:
    """What its own predecessor had taken is free, what others hold stays theirs, what is done stays done."""
    lead = offered(database)
    with database.unit_of_work() as session:
        lost = Parts(session).take(lead)
    assert lost is not None
    held, done = part(database), part(database)
    finish(database, done)
    with database.unit_of_work() as session:
        Fits(session).release(lead)
    assert taken(database) is None  # nobody holds the fit
    following = claim_next(database)
    assert following is not None
    with database.unit_of_work() as session:
        assert Parts(session).offer(following.claim, WORKS) == []
        again = Parts(session).take(following.claim)
        assert again is not None
        assert (again.number, again.attempt) == (lost.number, 2)
        assert Parts(session).take(following.claim) is None
        assert Parts(session).beat(held, lease_seconds=9.0) is Order.CONTINUE
    finish(database, held)
    with pytest.raises(LeaseLost), database.unit_of_work() as session:
        Parts(session).take(lead)
    with pytest.raises(LeaseLost), database.unit_of_work() as session:
        Parts(session).offer(lead, WORKS)


def test_other_work_takes_the_place_of_what_was_offered(database: Database) -> None:
    lead = offered(database)
    old, done = part(database), part(database)
    finish(database, done)
    other = [work | {"latent_step": 9.5} for work in WORKS]
    with database.unit_of_work() as session:
        stale = Parts(session).offer(lead, other)
        keys = Fits(session).forget_checkpoints(stale)
    assert keys == [part_key(lead.fit_id, done.number, done.attempt)]
    with pytest.raises(LeaseLost):
        finish(database, old)
    assert part(database).work == other[0]
    with database.unit_of_work() as session:
        assert Parts(session).finished(lead.fit_id) == []


def test_a_cancel_of_the_fit_ends_all_of_it(database: Database) -> None:
    lead = offered(database)
    claim = part(database)
    with database.unit_of_work() as session:
        Fits(session).request_cancel("local", lead.fit_id)
    assert taken(database) is None
    with database.unit_of_work() as session:
        assert Parts(session).beat(claim, lease_seconds=9.0) is Order.CANCEL
    with pytest.raises(LeaseLost, match="nobody wants"):
        finish(database, claim)
    with database.unit_of_work() as session:
        Parts(session).forget_ended()
        assert Parts(session).count(lead.fit_id, "open") == 3
        Fits(session).confirm_cancel(lead)
    with database.unit_of_work() as session:
        Parts(session).forget_ended()
        assert Parts(session).count(lead.fit_id, "open") == 0
