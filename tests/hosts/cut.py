"""One of two hosts with workers is cut off for a while, and comes back."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import redis
from sqlalchemy import select

from store.blobs import BlobStore, sha256_hex
from store.database import Database
from store.models import FitAttempt
from store.queues import FITS_QUEUE
from tests.chaos.clients import Clients, History, Promise
from tests.chaos.invariants import (
    Evidence,
    answers_make_sense,
    duplicated,
    every_accepted_fit_ends,
    histories_are_legal,
    nothing_is_left_over,
    one_attempt_at_a_time,
    only_deaths_count_as_deaths,
    read_rows,
    resumed_fits_lose_nothing,
    success_can_be_reproduced,
)
from tests.chaos.stack import Harm
from tests.engines import s3_client, settings_of, throwaway_home
from tests.hosts.network import Host, network
from tests.hosts.service import Spread, spread
from worker.settings import WorkerSettings

ENGINES, STRUCK, SPARED = "engines", "host-1", "host-2"
SETTLE_SECONDS = 120.0  # without a single fit that moves
BACK_SECONDS = 300.0  # until the host that was cut off has finished a fit again
_CLEAR_SECONDS = 120.0
_WAITING = 2  # fits in the queue, so that whoever is free has something to take
_FIT_SECONDS = 10.0  # of one among others on this machine: several of them fit into a minute
_PROBE_STEPS = 60
_NETWORK = {"frequencies": 48, "hidden": [32]}
_CHECKS: tuple[Callable[[Evidence], list[str]], ...] = (
    every_accepted_fit_ends,
    only_deaths_count_as_deaths,
    duplicated,
    one_attempt_at_a_time,
    histories_are_legal,
    success_can_be_reproduced,
    resumed_fits_lose_nothing,
    answers_make_sense,
    nothing_is_left_over,
)


@dataclass
class _Submitted:
    """Fits of one number of steps, which all have the same right result.

    Attributes:
        kind: number under which `Evidence.right` has that result.
    """

    clients: Clients
    history: History
    signal_id: str
    kind: int
    steps: int
    fit_ids: list[str] = field(default_factory=list)

    def another(self) -> str:
        fit_id = self.clients.ask(self.signal_id, max_steps=self.steps, network=_NETWORK)
        self.fit_ids.append(fit_id)
        key = f"fit-{len(self.history.promises)}"
        promise = Promise(key=key, seed=0, senders=1, cancel_after_seconds=None, kind=self.kind, fit_ids=[fit_id])
        self.history.promises.append(promise)
        return fit_id

    def keep_waiting(self) -> None:
        """See that some fits always wait."""
        waiting = [fit_id for fit_id in self.fit_ids if self.clients.look(fit_id)["status"] == "queued"]
        for _ in range(_WAITING - len(waiting)):
            self.another()


def run_cut(*, seconds: float, logs: Path | None = None) -> dict[str, Any]:
    """Submit fits, cut one of two hosts with workers off, give it back, wait for all; returns the report.

    Args:
        seconds: time for which the host is cut off, in seconds.
        logs: folder for the logs of all processes; None to throw them away.

    Raises:
        tests.hosts.network.NetworkRefused: if no network can be made here.
    """
    with (
        network((ENGINES, STRUCK, SPARED)) as (first, struck, spared),
        first.entered(),
        throwaway_home() as home,
        spread(home, first, [struck, spared]) as running,
        closing(Database(settings_of(running.environment))) as database,
    ):
        try:
            return _cut(running, database, first, struck, seconds)
        finally:
            if logs is not None:
                logs.mkdir(parents=True, exist_ok=True)
                for log in running.logs.glob("*.log"):
                    (logs / log.name).write_bytes(log.read_bytes())


def _cut(running: Spread, database: Database, first: Host, struck: Host, seconds: float) -> dict[str, Any]:
    history = History()
    with closing(Clients(running.api_url, history)) as clients:
        signal_id = clients.upload()
        asked = _Submitted(clients, history, signal_id, 0, _steps(clients, history, signal_id))
        began = time.monotonic()
        clients.wait_for(asked.another(), _has_succeeded, BACK_SECONDS)
        calm_seconds = time.monotonic() - began
        _until(lambda: _both_work(asked, database), "a fit on each host", BACK_SECONDS)

        struck.pull()
        cut_at = time.time()
        at_work = [one for one in _attempts(database) if one.ended_at is None]
        held = [one for one in at_work if _host(one) == STRUCK]
        busy = {one.fit_id for one in at_work if _host(one) == SPARED}
        while time.time() < cut_at + seconds:
            asked.keep_waiting()
            time.sleep(1)
        struck.plug_in()
        back_at = time.time()

        def is_back() -> bool:
            asked.keep_waiting()
            mine = (one for one in _attempts(database) if _host(one) == STRUCK and one.started_at.timestamp() > back_at)
            return any(one.ended_as == "succeeded" for one in mine)

        _until(is_back, f"a fit that {STRUCK} finishes", BACK_SECONDS)
        late = clients.wait_for_all(asked.fit_ids, SETTLE_SECONDS)
        evidence = _collect(running, database, clients, history)
    attempts = [one for rows in evidence.attempts.values() for one in rows]
    again = [one for one in attempts if _host(one) == STRUCK and one.started_at.timestamp() > back_at]
    log = (running.logs / f"{STRUCK}.log").read_text(errors="replace")
    return {
        "cut_seconds": seconds,
        "fits": len(asked.fit_ids),
        "a_calm_fit_seconds": round(calm_seconds, 1),
        "held_by_the_host_at_the_cut": len(held),
        "other_host_was_busy_seconds": max(
            (round(one.ended_at.timestamp() - cut_at, 1) for one in attempts if one.fit_id in busy and one.ended_at),
            default=0.0,
        ),
        "moved": [_moved(one, evidence, cut_at, back_at) for one in held],
        "fits_that_ran_elsewhere_meanwhile": sum(
            cut_at < one.started_at.timestamp() < back_at and _host(one) == SPARED for one in attempts
        ),
        "began_on_the_host_while_it_was_cut_off": sum(
            cut_at + 1 < one.started_at.timestamp() < back_at and _host(one) == STRUCK for one in attempts
        ),
        "heard_that_its_lease_is_gone": all(
            f"attempt {one.attempt} of {one.fit_id} no longer counts" in log for one in held
        ),
        "back_until_it_took_a_fit_seconds": round(min(one.started_at.timestamp() for one in again) - back_at, 1),
        "fits_that_it_took_after_that": len(again),
        "same_process_as_before": {one.worker for one in held} <= {one.worker for one in again},
        "attempts": {
            end: sum(one.ended_as == end for one in attempts) for end in sorted({str(one.ended_as) for one in attempts})
        },
        "violations": {check.__name__: found for check in _CHECKS if (found := check(evidence))},
        "late": late,
    }


def _steps(clients: Clients, history: History, signal_id: str) -> int:
    """How many steps take so long here and now that a fit can be cut off, and several can follow each other."""
    took = []
    for kind, steps in ((1, _PROBE_STEPS), (2, 2 * _PROBE_STEPS)):
        probe = _Submitted(clients, history, signal_id, kind, steps)
        began = time.monotonic()
        clients.wait_for(probe.another(), _has_succeeded, BACK_SECONDS)
        took.append(time.monotonic() - began)
    return max(4 * _PROBE_STEPS, round(_FIT_SECONDS * 2 * _PROBE_STEPS / took[-1]))


def _has_succeeded(fit: dict[str, Any]) -> bool:
    return bool(fit["status"] == "succeeded")


def _both_work(asked: _Submitted, database: Database) -> bool:
    asked.keep_waiting()
    running = [one for one in _attempts(database) if one.ended_at is None]
    steps = {_host(one): (asked.clients.look(one.fit_id)["progress"] or {}).get("step") or 0 for one in running}
    return steps.keys() == {STRUCK, SPARED} and steps[STRUCK] > 0


def _moved(held: FitAttempt, evidence: Evidence, cut_at: float, back_at: float) -> dict[str, Any]:
    """Where a fit went that the host held when it was cut off."""
    first, *later = [one for one in evidence.attempts[held.fit_id] if one.attempt >= held.attempt]
    ended = first.ended_at.timestamp() - cut_at if first.ended_at else None
    return {
        "lease_over_after_seconds": None if ended is None else round(ended, 1),
        "ran_elsewhere_after_seconds": round(later[0].started_at.timestamp() - cut_at, 1) if later else None,
        "before_the_line_was_back": bool(later) and later[0].started_at.timestamp() < back_at,
        "on": [_host(one) for one in later],
        "ended_as": [first.ended_as, *(one.ended_as for one in later)],
    }


def _collect(running: Spread, database: Database, clients: Clients, history: History) -> Evidence:
    settings = settings_of(running.environment)
    blobs = BlobStore(settings)
    with (
        closing(redis.Redis.from_url(running.environment["TUNER_BROKER_URL"])) as broker,
        closing(s3_client(running.environment)) as s3,
        psycopg.connect(running.environment["TUNER_DATABASE_URL"].replace("+psycopg", "")) as connection,
    ):

        def is_clear() -> bool:
            rows = read_rows(database, blobs)
            return not (rows["checkpoints"] or rows["orphans"] or broker.llen(FITS_QUEUE))

        deadline = time.monotonic() + _CLEAR_SECONDS
        while not is_clear() and time.monotonic() < deadline:
            time.sleep(1)
        rows = read_rows(database, blobs)
        del rows["orphans"]
        stuck = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tuner'"
            " AND state LIKE 'idle in transaction%' AND state_change < now() - interval '5 seconds'"
        ).fetchone()
        assert stuck is not None
        hashes = {
            fit_id: sha256_hex(clients.download(fit_id)) for fit_id, content in rows["contents"].items() if content
        }
        first = {promise.kind: promise.fit_id for promise in reversed(history.promises)}
        return Evidence(
            history=history,
            right={(kind, 0): hashes[fit_id] for kind, fit_id in first.items()},  # of each kind, the first was calm
            harm=Harm(),
            told={},
            max_tries=WorkerSettings.model_fields["max_tries"].default,
            downloads=hashes,
            uploads=len(s3.list_multipart_uploads(Bucket=settings.s3_bucket).get("Uploads", [])),
            messages=int(str(broker.llen(FITS_QUEUE))),
            open_transactions=stuck[0],
            usage={},
            **rows,
        )


def _attempts(database: Database) -> Sequence[FitAttempt]:
    with database.unit_of_work() as session:
        return session.scalars(select(FitAttempt).order_by(FitAttempt.started_at)).all()


def _host(attempt: FitAttempt) -> str:
    return attempt.worker.partition(":")[0]


def _until(true: Callable[[], bool], what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(0.5)
