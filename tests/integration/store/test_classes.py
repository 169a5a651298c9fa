"""Classes of workers: a fit is claimed by those alone that serve its class, and its place counts its rivals alone."""

from random import Random

import pytest
from sqlalchemy import text

from store.classes import EVERY_CLASS, WorkerClass
from store.database import Database
from store.repositories.fits import Fits
from store.repositories.parts import Parts
from store.repositories.workers import SILENT_SECONDS, Workers
from tests.factories import add_fit, add_signal, claim_next

ANY, CPU, GPU, GPU_LARGE = WorkerClass.ANY, WorkerClass.CPU, WorkerClass.GPU, WorkerClass.GPU_LARGE


def claimed(database: Database, *classes: WorkerClass) -> str | None:
    found = claim_next(database, classes=classes)
    return None if found is None else found.claim.fit_id


@pytest.mark.parametrize("of_fit", EVERY_CLASS)
@pytest.mark.parametrize("served", EVERY_CLASS)
def test_a_worker_takes_fits_of_the_classes_that_it_serves(
    database: Database, of_fit: WorkerClass, served: WorkerClass
) -> None:
    fit_id = add_fit(database, worker_class=of_fit)
    assert claimed(database, served) == (fit_id if served is of_fit else None)


def test_of_several_classes_the_most_urgent_fit_goes_first_and_the_oldest_of_equals(database: Database) -> None:
    """Against the order in which all that may be taken are sorted."""
    random, served = Random(3), (ANY, GPU)
    rows = [(random.randrange(3), random.choice(EVERY_CLASS)) for _ in range(24)]
    ids = [add_fit(database, priority=priority, worker_class=of_fit) for priority, of_fit in rows]
    mine = [(-priority, number) for number, (priority, of_fit) in enumerate(rows) if of_fit in served]
    assert [claimed(database, *served) for _ in mine] == [ids[number] for _, number in sorted(mine)]
    assert claimed(database, *served) is None


def test_a_claim_knows_the_class_of_its_fit(database: Database) -> None:
    add_fit(database, worker_class=GPU)
    found = claim_next(database, classes=(ANY, GPU))
    assert found is not None
    assert found.worker_class is GPU


def test_a_tenant_that_was_passed_over_was_not_served(database: Database) -> None:
    add_fit(database, "ada", worker_class=GPU)
    first, second = add_fit(database, "bob"), add_fit(database, "bob")
    assert [claimed(database, ANY), claimed(database, ANY)] == [first, second]
    with database.unit_of_work() as session:
        assert list(session.scalars(text("SELECT tenant FROM turns"))) == ["bob"]


def test_a_place_in_the_queue_counts_those_that_a_worker_may_take_instead(database: Database) -> None:
    waiting = [add_fit(database, worker_class=of_fit) for of_fit in (GPU, GPU, CPU, ANY, GPU, ANY)]
    waiting += [add_fit(database, "other", worker_class=CPU)]
    with database.unit_of_work() as session:
        fits = Fits(session)
        places = [fits.queue_position(fits.get("local", fit_id)) for fit_id in waiting[:-1]]
        # Before the second of GPU is one of its class, before the CPU's none but the other tenant's (its turn is
        # later), before ANY all of them.
        assert places == [0, 1, 0, 4, 3, 6]


def test_a_word_of_a_newer_release_is_left_to_it(database: Database) -> None:
    fit_id = add_fit(database)
    with database.unit_of_work() as session:
        session.execute(text("UPDATE fits SET worker_class = 'tpu'"))
    assert claimed(database, *EVERY_CLASS) is None
    with database.unit_of_work() as session:
        assert Fits(session).count_claimable() == {}
        assert Fits(session).queue_position(Fits(session).get("local", fit_id)) == 0


def test_messages_are_counted_and_sent_again_by_class(database: Database) -> None:
    ids = {of_fit: add_fit(database, worker_class=of_fit) for of_fit in (ANY, GPU)}
    add_fit(database, worker_class=GPU)
    with database.unit_of_work() as session:
        assert Fits(session).count_claimable() == {ANY: 1, GPU: 2}
        assert Fits(session).waiting().fits == 3
        assert Fits(session).take_unpublished(older_than_seconds=-1, worker_class=ANY) == [ids[ANY]]
        assert Fits(session).take_unpublished(older_than_seconds=-1, worker_class=CPU) == []
        assert len(Fits(session).take_unpublished(older_than_seconds=-1, worker_class=GPU)) == 2


def test_a_fit_that_is_retried_keeps_its_class(database: Database) -> None:
    # A row without facts of a signal that could be read again: only the queue is asked here.
    fit_id = add_fit(database, worker_class=GPU_LARGE)
    with database.unit_of_work() as session:
        Fits(session).request_cancel("local", fit_id)
        again, _ = Fits(session).submit_again("local", fit_id)
        assert again.worker_class == "gpu-large"


def test_only_workers_of_its_class_help_with_a_large_fit(database: Database) -> None:
    add_fit(database, worker_class=GPU)
    lead = claim_next(database)
    assert lead is not None
    with database.unit_of_work() as session:
        Parts(session).offer(lead.claim, [{"search": "a", "latent_step": 0.1, "tiles": [0]}])
    for classes, is_taken in (((ANY, CPU), False), ((ANY, GPU), True)):
        with database.unit_of_work() as session:
            found = Parts(session).claim_next("helper", lease_seconds=30.0, max_tries=3, classes=classes)
        assert (found is not None) is is_taken


def test_a_class_is_served_by_a_worker_that_was_heard_of_lately_and_says_so(database: Database) -> None:
    def serves() -> set[WorkerClass]:
        with database.unit_of_work() as session:
            return {each for each in EVERY_CLASS if Workers(session).serves(each)}

    assert serves() == set()
    with database.unit_of_work() as session:
        Workers(session).describe("one", process="one", facts={"classes": ["any", "gpu"]})
    assert serves() == {ANY, GPU}
    with database.unit_of_work() as session:
        Workers(session).describe("old", process="old", facts={"device": "cpu"})
    assert serves() == set(EVERY_CLASS), "a worker of an earlier release takes whatever there is"
    with database.unit_of_work() as session:
        session.execute(text(f"UPDATE workers SET seen_at = now() - interval '{SILENT_SECONDS + 1} seconds'"))
    assert serves() == set()


def test_rows_of_before_are_for_any_worker(database: Database) -> None:
    signal_id = add_signal(database)
    with database.unit_of_work() as session:
        session.execute(
            text("INSERT INTO fits (tenant, signal_id, spec) VALUES ('local', :signal_id, '{}')"),
            {"signal_id": signal_id},
        )
    assert claimed(database, CPU) is None
    assert claimed(database, ANY) is not None
