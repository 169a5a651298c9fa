"""Rows that this version cannot read, at the head of the queue: they hold up nobody but themselves."""

from typing import Any

import pytest
from sqlalchemy import text

from api.schemas.fleet import WorkerView
from store.database import Database
from store.errors import SpecInvalid, SpecNewer
from store.models import Fit
from store.models_renders import Render
from store.repositories.activity import Activity
from store.repositories.fits import Fits
from store.repositories.moves import NOTHING, Along, Moves
from store.repositories.renders import Renders
from store.repositories.repairs import Repairs
from store.repositories.workers import Workers
from store.spec import FitSpec, read_spec
from store.status import FitStatus
from tests.factories import add_fit, claim_next

NEWER: list[dict[str, Any]] = [
    {"version": 3},
    {"version": 2, "sparkle": True},
    {"version": 2, "network": {"kind": "ripples"}},
    {"version": 2, "target": {"loudness": 3}},
    {"version": 9, "preset": {"speed": 7}, "seed": None},
]
DAMAGED: list[Any] = [
    {"version": 2, "max_run_seconds": "soon"},
    {"version": 2, "max_queue_seconds": [1]},
    {"version": 2, "max_run_seconds": {"a": 1}, "max_queue_seconds": True},
    {"version": 2, "seed": -1, "sparkle": 1},
    [],
    "spec",
    7,
]


def rewrite(database: Database, fit_id: str, spec: Any) -> None:
    with database.unit_of_work() as session:
        fit = session.get(Fit, fit_id)
        assert fit is not None
        fit.spec = spec


def look(database: Database, fit_id: str) -> Fit:
    with database.unit_of_work() as session:
        return Fits(session).get("local", fit_id)


@pytest.mark.parametrize("row", NEWER)
def test_words_of_a_newer_version_are_told_from_damage(row: Any) -> None:
    with pytest.raises(SpecNewer):
        read_spec(row)


@pytest.mark.parametrize("row", DAMAGED)
def test_damage_is_told_from_words_of_a_newer_version(row: Any) -> None:
    with pytest.raises(SpecInvalid):
        read_spec(row)


@pytest.mark.parametrize("share", [None, 1])
def test_later_fits_run_past_rows_of_a_newer_version(database: Database, share: int | None) -> None:
    newer = [add_fit(database, priority=9) for _ in NEWER]
    for fit_id, spec in zip(newer, NEWER, strict=True):
        rewrite(database, fit_id, spec)
    own = add_fit(database)
    claimed = claim_next(database, max_running_per_tenant=share)
    assert claimed is not None
    assert claimed.claim.fit_id == own
    assert claim_next(database, max_running_per_tenant=share) is None
    for fit_id in newer:
        row = look(database, fit_id)
        assert (row.status, row.attempt, row.event_seq) == (FitStatus.QUEUED, 0, 1), "they wait, untouched"


def test_a_row_of_a_newer_version_costs_its_tenant_no_turn(database: Database) -> None:
    fit_id = add_fit(database, "ada")
    rewrite(database, fit_id, NEWER[0])
    assert claim_next(database) is None
    later = add_fit(database, "bob"), add_fit(database, "ada")
    turn_of_ada = claim_next(database)
    assert turn_of_ada is not None
    assert turn_of_ada.claim.fit_id == later[1]


def test_damaged_rows_fail_alone(database: Database) -> None:
    damaged = [add_fit(database, priority=9) for _ in DAMAGED]
    for fit_id, spec in zip(damaged, DAMAGED, strict=True):
        rewrite(database, fit_id, spec)
    own = add_fit(database)
    claimed = claim_next(database)
    assert claimed is not None
    assert claimed.claim.fit_id == own
    for fit_id in damaged:
        row = look(database, fit_id)
        assert (row.status, row.error_code) == (FitStatus.FAILED, "spec_invalid")


@pytest.mark.parametrize("limit", ['"soon"', "[1]", '{"a": 1}', "true", "null", "1e999", "-1e999", "-5"])
def test_a_limit_that_is_no_number_limits_nothing(database: Database, limit: str) -> None:
    bad, expiring, running, overdue = (add_fit(database, priority=n) for n in (0, 0, 8, 9))
    with database.unit_of_work() as session:
        for fit_id in (bad, running):
            limits = f'{{"max_run_seconds": {limit}, "max_queue_seconds": {limit}}}'
            session.execute(
                text("UPDATE fits SET spec = spec || CAST(:limits AS jsonb) WHERE id = :id"),
                {"limits": limits, "id": fit_id},
            )
        session.execute(text("UPDATE fits SET status = 'running', lease_until = now() WHERE priority > 0"))
        session.execute(
            text(
                "INSERT INTO fit_attempts (fit_id, attempt, worker, started_at) "
                "SELECT id, 1, 'w', now() - interval '1 hour' FROM fits WHERE priority > 0"
            )
        )
    rewrite(database, expiring, FitSpec(max_queue_seconds=0.000001).model_dump(mode="json"))
    rewrite(database, overdue, FitSpec(max_run_seconds=0.001).model_dump(mode="json"))
    with database.unit_of_work() as session:
        assert Fits(session).fail_overdue(max_run_seconds=7200) == [overdue]
        assert Fits(session).expire_waiting(older_than_seconds=3600) == 1
    assert [look(database, one).status for one in (bad, expiring, running, overdue)] == [
        FitStatus.QUEUED,
        FitStatus.EXPIRED,
        FitStatus.RUNNING,
        FitStatus.FAILED,
    ]


@pytest.mark.parametrize("repair", ["reap_expired_leases", "fail_overdue", "end_stuck_cancels", "expire_waiting"])
def test_upkeep_sees_to_each_row_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, repair: str
) -> None:
    """One of three rows cannot be moved: PostgreSQL itself refuses its event."""
    ids = [add_fit(database) for _ in range(3)]
    status = {"expire_waiting": "queued", "end_stuck_cancels": "cancelling"}.get(repair, "running")
    with database.unit_of_work() as session:
        lease = "NULL" if status == "queued" else "now() - interval '1 hour'"
        session.execute(
            text(
                f"UPDATE fits SET status = '{status}', lease_until = {lease}, queued_at = now() - interval '1 hour', "
                "updated_at = now() - interval '1 hour', attempt = 1"
            )
        )
        session.execute(
            text(
                "INSERT INTO fit_attempts (fit_id, attempt, worker, started_at) "
                "SELECT id, 1, 'w', now() - interval '1 hour' FROM fits"
            )
        )
    append = Moves._append_event

    def poisoned(self: Moves, fit: Fit, kind: str, data: dict[str, Any] | None = None, along: Along = NOTHING) -> None:
        if fit.id == ids[0]:
            self._session.execute(text("SELECT 1 / 0"))
        append(self, fit, kind, data, along)

    monkeypatch.setattr(Moves, "_append_event", poisoned)
    limits = {
        "reap_expired_leases": {"max_tries": 3},
        "fail_overdue": {"max_run_seconds": 1},
        "end_stuck_cancels": {"older_than_seconds": 1},
        "expire_waiting": {"older_than_seconds": 1},
    }
    with database.unit_of_work() as session:
        getattr(Repairs(session), repair)(**limits[repair])
    rows = [look(database, fit_id) for fit_id in ids]
    assert rows[0].status == status
    assert rows[0].event_seq == 1
    assert status not in {rows[1].status, rows[2].status}
    assert f"{ids[0]} is passed over" in caplog.text


def test_a_view_that_cannot_be_read_fails_alone(database: Database) -> None:
    fit_id = add_fit(database)
    with database.unit_of_work() as session:
        for number, recipe in enumerate(({"view": "hologram"}, [], {"view": "spectrum", "zoom": 2})):
            session.add(Render(tenant="local", fit_id=fit_id, recipe=recipe, recipe_sha256=str(number)))
    with database.unit_of_work() as session:
        assert Renders(session).claim_next(lease_seconds=60) is None
        assert {row.status for row in session.query(Render)} == {"failed"}


@pytest.mark.parametrize(
    "facts", [{}, {"device": None}, {"device": "npu:0", "cores": [{"kind": "tensor"}], "threads": None}]
)
def test_a_worker_of_another_release_is_listed_with_what_it_says(database: Database, facts: dict[str, Any]) -> None:
    with database.unit_of_work() as session:
        Workers(session).describe("host:1", process="host:2", facts=facts)
        (seen,) = Workers(session).page("local", limit=10, before=None)
    view = WorkerView.of(seen)
    assert (view.name, view.device, view.threads, view.silent) == ("host:1", facts.get("device"), None, False)


def test_a_worker_of_an_older_release_writes_no_row_and_works(database: Database) -> None:
    add_fit(database)
    assert claim_next(database, worker="old:1") is not None
    with database.unit_of_work() as session:
        assert Workers(session).page("local", limit=10, before=None) == []
        assert (Workers(session).count().heard, Activity(session).fits().running) == (0, 1)
