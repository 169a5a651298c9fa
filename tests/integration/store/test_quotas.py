"""Quotas hold when two ask at the same moment: the second waits until the first has committed, and counts it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from store.database import Database
from store.errors import StorageFull, StoreError, TooManyFits
from store.repositories.fits import Fits
from store.repositories.listing import FitFilter, list_fits
from store.repositories.quotas import Quotas
from store.repositories.signals import Signals
from store.spec import FitSpec
from tests.factories import add_signal


def add_a_fit(session: Session, signal_id: str) -> None:
    Fits(session).submit(tenant="local", signal_id=signal_id, spec=FitSpec())
    Quotas(session).check_waiting_fits("local", 1)


def add_bytes(session: Session, name: str) -> None:
    Signals(session).add(
        tenant="local", sha256=name, byte_count=60, media_type="x", filename=None, facts={}, object_key=name
    )
    Quotas(session).check_stored_bytes("local", 100)


@pytest.mark.parametrize(("add", "error"), [(add_a_fit, TooManyFits), (add_bytes, StorageFull)])
def test_the_second_counts_the_first(
    database: Database, add: Callable[[Session, str], None], error: type[StoreError]
) -> None:
    names = [add_signal(database)] * 2 if add is add_a_fit else ["a", "b"]
    entered = Event()

    def second() -> None:
        entered.set()
        with database.unit_of_work() as session:
            add(session, names[1])

    with ThreadPoolExecutor(1) as pool:
        with database.unit_of_work() as session:
            add(session, names[0])
            waiting = pool.submit(second)
            entered.wait()
            with pytest.raises(TimeoutError):  # it waits for us, or it would have ended
                waiting.result(timeout=0.5)
        with pytest.raises(error):
            waiting.result()
    with database.unit_of_work() as session:
        assert len(list_fits(session, "local", FitFilter(), limit=10)) == (1 if add is add_a_fit else 0)


def test_other_tenants_and_finished_fits_do_not_count(database: Database) -> None:
    with database.unit_of_work() as session:
        add_a_fit(session, add_signal(database))
    stranger = add_signal(database, tenant="stranger")
    with database.unit_of_work() as session:
        fits = Fits(session)
        fits.submit(tenant="stranger", signal_id=stranger, spec=FitSpec())
        Quotas(session).check_waiting_fits("stranger", 1)
        fits.request_cancel("local", list_fits(session, "local", FitFilter(), limit=1)[0].id)
    with database.unit_of_work() as session:
        add_a_fit(session, add_signal(database))


def test_without_a_limit_nobody_waits(database: Database) -> None:
    with database.unit_of_work() as session:
        Quotas(session).check_waiting_fits("local", None)
        Quotas(session).check_stored_bytes("local", None)


def test_a_status_is_counted_as_far_as_is_said_and_no_further(database: Database) -> None:
    """With a million fits it takes as long as with ten thousand, since it looks at no more of them."""
    signal_id, others = add_signal(database), add_signal(database, tenant="stranger")
    with database.unit_of_work() as session:
        for tenant, signal, status, count in [
            ("local", signal_id, "succeeded", 40),
            ("local", signal_id, "queued", 9),
            ("local", signal_id, "paused", 2),
            ("stranger", others, "failed", 5),
        ]:
            session.execute(
                text(
                    "INSERT INTO fits (tenant, signal_id, spec, status) SELECT :tenant, :signal, '{}', :status "
                    "FROM generate_series(1, :count)"
                ),
                {"tenant": tenant, "signal": signal, "status": status, "count": count},
            )
    with database.reading() as session:
        quotas = Quotas(session)
        counted = {status.value: count for status, count in quotas.fits_by_status("local", most=9).items() if count}
        assert counted == {"succeeded": 10, "queued": 9, "paused": 2}
        assert quotas.waiting_fits("local", 5) == quotas.waiting_fits("local", None) == 11
