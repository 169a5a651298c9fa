"""What the real stack spends on what: phases of one kind of work each, the processes' processor time over each of them.

A phase adds one kind of work to those before it (nothing, uploads, requests, rows, idle workers, fits), so that what is
paid per fit is told apart from what is paid per second. `costs` solves for both. Of a machine that has other work only
processor seconds are believed; the seconds on the wall are kept beside them, and how the one stretches into the other.
"""

import statistics
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx
import numpy as np
import redis
from scipy.optimize import nnls
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

from benchmarks.crops import small_pictures
from benchmarks.serve import worker_number
from benchmarks.served import (
    FINAL,
    moment,
    processor_seconds,
    seconds_between,
    seconds_by_phase,
    upload,
    wait_for,
)
from standalone.home import Home
from standalone.stack import stack
from standalone.supervise import Supervisor
from store.repositories.fits import Fits
from worker.settings import WorkerSettings

ENGINES = ("api", "postgres", "seaweedfs", "valkey", "upkeep", "worker")
LONG = {"max_steps": 1_000_000, "network": {"frequencies": 16, "hidden": [8]}}
OPEN = "2 workers, arrivals by chance"
WORK = (
    "seconds",
    "uploads",
    "posts",
    "polls",
    "fits",
    "worker_seconds",
    "reports",
    "running_row_seconds",
    "queued_row_seconds",
    "heard",
)


@dataclass
class Phase:
    """One stretch of time with a known amount of work.

    Attributes:
        name: what went on.
        work: amount of each kind of work, by the names in `WORK`.
        processor_seconds: processor time of each process of the stack.
        transactions: transactions that the database committed.
        commands: commands that the broker carried out, by name.
        broker_bytes_out: bytes that the broker sent.
        without: processes whose time says nothing about the work, and is left out.
    """

    name: str
    work: dict[str, float] = field(default_factory=dict)
    processor_seconds: dict[str, float] = field(default_factory=dict)
    transactions: int = 0
    commands: dict[str, int] = field(default_factory=dict)
    broker_bytes_out: int = 0
    without: tuple[str, ...] = ()


def costs(phases: Sequence[Phase], engines: Sequence[str] = ENGINES) -> dict[str, dict[str, float]]:
    """Processor seconds that each process pays for one of each kind of work; none of them is negative.

    Args:
        phases: phases between which every kind of work varies.
        engines: names of the processes to solve for.
    """
    found = {}
    for engine in engines:
        told = [phase for phase in phases if engine in phase.processor_seconds]
        work = np.array([[phase.work.get(kind, 0.0) for kind in WORK] for phase in told])
        scale = np.maximum(work.max(axis=0), 1e-12)
        spent = np.array([phase.processor_seconds[engine] for phase in told])
        solution, _ = nnls(work / scale, spent)
        found[engine] = {kind: float(value) for kind, value in zip(WORK, solution / scale, strict=True)}
    return found


def predicted(paid: Mapping[str, Mapping[str, float]], work: Mapping[str, float]) -> dict[str, float]:
    """Processor seconds of each process for an amount of work."""
    return {engine: sum(each[kind] * amount for kind, amount in work.items()) for engine, each in paid.items()}


class Meter:
    """The running stack, and what it has spent."""

    def __init__(self, running: Supervisor, home: Home, keep: Callable[[dict[str, Any]], None]) -> None:
        self.found: dict[str, Any] = {"phases": [], "claims": {}, "runs": {}}
        self._keep = keep
        environment = running.environment
        self.running, self.home, self.workers = running, home, 0
        self.broker = redis.Redis.from_url(environment["TUNER_BROKER_URL"])
        self.engine: Engine = create_engine(environment["TUNER_DATABASE_URL"])
        self._asked: dict[str, int] = defaultdict(int)
        self.http = httpx.Client(
            base_url=running.api_url,
            timeout=120,
            trust_env=False,
            event_hooks={"request": [self._count]},
            limits=httpx.Limits(max_keepalive_connections=0),  # one that is kept may be closed as it is used again
        )

    def close(self) -> None:
        """Close the connections."""
        self.http.close()
        self.broker.close()
        self.engine.dispose()

    @contextmanager
    def phase(self, name: str) -> Iterator[Phase]:
        """Count what is spent and asked for within a block; what the block knows beside, it adds to `work`."""
        phase = Phase(name)
        asked, before, began = dict(self._asked), self._standing(), time.monotonic()
        yield phase
        seconds, after = time.monotonic() - began, self._standing()
        phase.work |= {kind: float(self._asked[kind] - asked.get(kind, 0)) for kind in ("uploads", "posts", "polls")}
        phase.work |= {"seconds": seconds, "worker_seconds": seconds * self.workers}
        phase.processor_seconds = {
            name: round(after["processor"][name] - before["processor"].get(name, 0.0), 4)
            for name in after["processor"]
            if name not in phase.without
        }
        phase.transactions = after["transactions"] - before["transactions"]
        phase.broker_bytes_out = after["bytes"] - before["bytes"]
        phase.commands = {
            name: calls - before["commands"].get(name, 0)
            for name, calls in after["commands"].items()
            if calls > before["commands"].get(name, 0)
        }
        # What one publishes goes to all who listen, itself and the one that draws views included.
        phase.work["heard"] = float(phase.commands.get("publish", 0) * (self.workers + 1))
        self.found["phases"].append(asdict(phase))
        self._keep(self.found)
        print(f"{name}: {seconds:.0f} s", flush=True)  # noqa: T201  it takes minutes

    def add_workers(self, count: int) -> None:
        """Start workers until there are so many."""
        self.running.start(*(worker_number(self.running, self.home, n) for n in range(self.workers, count)))
        self.workers = count

    def post(self, signal_id: str, ask: Mapping[str, Any]) -> str:
        """Ask for one fit."""
        answer = self.http.post("/fits", json={"signal_id": signal_id, **ask})
        fit_id: str = answer.raise_for_status().json()["id"]
        return fit_id

    def _count(self, request: httpx.Request) -> None:
        path = request.url.path
        self._asked["polls" if request.method == "GET" else "uploads" if path == "/signals" else "posts"] += 1

    def _standing(self) -> dict[str, Any]:
        with self.engine.connect() as connection:
            committed = connection.scalar(text("SELECT sum(xact_commit) FROM pg_stat_database")) or 0
        spent = processor_seconds(self.running)
        # Both are Celery's, and both hear what is published.
        spent["worker"] = spent.get("worker", 0.0) + spent.pop("interactive", 0.0)
        stats: Any = self.broker.info("commandstats")
        general: Any = self.broker.info("stats")
        return {
            "processor": spent,
            "transactions": int(committed),
            "commands": {name.removeprefix("cmdstat_"): int(each["calls"]) for name, each in stats.items()},
            "bytes": int(general["total_net_output_bytes"]),
        }


def measure(
    home: Home,
    ask: Mapping[str, Any],
    *,
    fits: int,
    workers: Sequence[int],
    rows: int,
    keep: Callable[[dict[str, Any]], None] = lambda _: None,
) -> dict[str, Any]:
    """All phases on one stack.

    Args:
        home: folder of data for a stack that nobody else uses.
        ask: what every small fit asks for.
        fits: number of small fits for each number of workers.
        workers: numbers of workers, growing.
        rows: number of rows that stand for fits which run elsewhere, or wait.
        keep: told what has been found after each phase, since all of them take long.
    """
    with stack(home, with_worker=False) as running:
        meter = Meter(running, home, keep)
        try:
            _all_phases(meter, ask, fits, workers, rows)
        finally:
            meter.close()
    return meter.found


def _all_phases(meter: Meter, ask: Mapping[str, Any], fits: int, workers: Sequence[int], rows: int) -> None:
    pictures = small_pictures(fits, None, 0)
    upload(meter.http, small_pictures(1, None, 999)[0])
    time.sleep(5.0)  # what is done once, at the start
    with meter.phase("nothing"):
        time.sleep(15.0)
    with meter.phase("uploads"):
        signals = [upload(meter.http, picture) for picture in pictures]
    with meter.phase("requests"):
        waiting = [meter.post(signal_id, ask) for signal_id in signals]
    with meter.phase("polls"):
        for number in range(4 * fits):
            meter.http.get(f"/fits/{waiting[number % fits]}").raise_for_status()
    meter.found["claims"] = {"of no row": _claims(meter)}
    meter.found["claims"] |= _with_rows(meter, waiting[0], rows)
    runs = meter.found["runs"]
    for count in workers:
        meter.add_workers(count)
        wait_for(meter.http, waiting or [meter.post(each, ask) for each in signals[: 4 * count]])
        waiting = []
        with meter.phase(f"{count} idle workers"):
            time.sleep(15.0)
        runs[f"{count} workers"] = _burst(meter, signals, ask)
        print(f"{count} workers: {runs[f'{count} workers']}", flush=True)  # noqa: T201
        if count == 2:
            rate = 0.6 * runs["2 workers"]["fits_per_second"]
            runs[OPEN] = _open(meter, signals, ask, rate)
            _long(meter, signals[:2])
    meter.found["sign_of_life"] = _replay(meter)
    meter.found["connections"] = _connections(meter)


def _burst(meter: Meter, signals: Sequence[str], ask: Mapping[str, Any]) -> dict[str, Any]:
    """All fits asked for as quickly as one client can, and run."""
    with meter.phase(f"fits of {meter.workers} workers") as phase:
        began = time.monotonic()
        ids = [meter.post(signal_id, ask) for signal_id in signals]
        wait_for(meter.http, ids)
        wall = time.monotonic() - began
        phase.work["fits"] = len(ids)
    return {"fits_per_second_with_requests": round(len(ids) / wall, 3)} | _told(meter, ids)


def _open(meter: Meter, signals: Sequence[str], ask: Mapping[str, Any], rate: float) -> dict[str, Any]:
    """Fits asked for at random times, whether workers are free or not."""
    gaps = np.random.default_rng(4).exponential(1.0 / rate, len(signals))
    with meter.phase(OPEN) as phase:
        began, ids = time.monotonic(), []
        for signal_id, due in zip(signals, np.cumsum(gaps), strict=True):
            time.sleep(max(0.0, began + due - time.monotonic()))
            ids.append(meter.post(signal_id, ask))
        wait_for(meter.http, ids)
        phase.work["fits"] = len(ids)
    return {"asked_per_second": round(rate, 3)} | _told(meter, ids)


def _told(meter: Meter, ids: Sequence[str]) -> dict[str, Any]:
    """What rows and events say of the fits of the phase that has ended."""
    spent = meter.found["phases"][-1]["processor_seconds"]["worker"]
    fits = [meter.http.get(f"/fits/{fit_id}").raise_for_status().json() for fit_id in ids]
    events = [meter.http.get(f"/fits/{fit_id}/events").raise_for_status().json()["data"] for fit_id in ids]
    times = [{event["kind"]: moment(event["created_at"]) for event in each} for each in events]
    good = [index for index, fit in enumerate(fits) if fit["status"] == "succeeded"]
    began = min(each["queued"] for each in times)
    holds = [times[index]["succeeded"] - times[index]["running"] for index in good]
    waits = [times[index]["running"] - times[index]["queued"] for index in good]
    first = min(times[index]["running"] for index in good)
    wall = max(times[index]["succeeded"] for index in good) - first
    return {
        "fits": len(ids),
        "succeeded": len(good),
        "fits_per_second": round(len(good) / wall, 4),
        "worker_processor_seconds_per_fit": round(spent / len(ids), 4),
        "seconds_held": {"mean": round(statistics.mean(holds), 4), "all": [round(each, 4) for each in holds]},
        "seconds_waited": _spread(waits),
        "arrivals": [round(each["queued"] - began, 4) for each in times],
        "busy_share": round(sum(holds) / wall / meter.workers, 3),
        "seconds_between_two_fits": seconds_between(fits, events),
        "seconds_by_phase": seconds_by_phase(events),
        "events_per_fit": round(statistics.mean(len(each) for each in events), 2),
    }


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    mean, median, late = np.mean(seconds), *np.percentile(seconds, [50, 95])
    return {"mean": round(float(mean), 4), "median": round(float(median), 4), "p95": round(float(late), 4)}


def _long(meter: Meter, signals: Sequence[str]) -> None:
    """Fits that do not end, one for each worker: beats and reports, and nothing else."""
    ids = [meter.post(signal_id, LONG) for signal_id in signals]
    _wait_until(meter, ids, {"running"})
    time.sleep(5.0)
    with meter.phase("fits that go on") as phase, meter.engine.connect() as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        seq = text("SELECT sum(event_seq) FROM fits WHERE id = ANY(:ids)")
        before = connection.scalar(seq, {"ids": ids})
        time.sleep(30.0)
        phase.without = ("worker",)  # one that trains takes all it gets
        told = float(connection.scalar(seq, {"ids": ids}) - before)
        # What extends a lease is a transaction, too, and leaves no event.
        phase.work["reports"] = told + 30.0 * len(ids) / WorkerSettings().heartbeat_seconds
    for fit_id in ids:
        meter.http.post(f"/fits/{fit_id}/cancel").raise_for_status()
    _wait_until(meter, ids, FINAL)


def _wait_until(meter: Meter, ids: Sequence[str], wanted: set[str], seconds: float = 600.0) -> None:
    deadline = time.monotonic() + seconds
    while (found := {meter.http.get(f"/fits/{fit_id}").json()["status"] for fit_id in ids}) - wanted:
        if time.monotonic() > deadline or found & FINAL - wanted:
            raise TimeoutError(f"fits are {found} after {seconds:g} s at most, expected {wanted}")
        time.sleep(0.5)


_CLONE = text("""
    INSERT INTO fits SELECT (jsonb_populate_record(fit, jsonb_build_object(
        'id', 'fit_' || md5(number || :word), 'status', CAST(:status AS text), 'published_at', now(),
        'attempt', 1, 'lease_until', CASE WHEN :status = 'running' THEN now() + interval '1 hour' END,
        'started_at', now()
    ))).* FROM fits AS fit, generate_series(1, :count) AS number WHERE fit.id = :like
""")


def _with_rows(meter: Meter, like: str, count: int) -> dict[str, Any]:
    """What rows cost that stand for fits which run elsewhere, or wait: upkeep looks at them, and so does a claim."""
    claims = {}
    for status, kind in (("running", "running_row_seconds"), ("queued", "queued_row_seconds")):
        word = uuid.uuid4().hex
        with meter.engine.begin() as connection:
            connection.execute(_CLONE, {"status": status, "count": count, "like": like, "word": word})
        with meter.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE fits"))
        with meter.phase(f"{count} rows {status}") as phase:
            time.sleep(15.0)
            phase.work[kind] = 15.0 * count
        claims[f"of {count} {status}"] = _claims(meter)
        with meter.engine.begin() as connection:
            gone = text("DELETE FROM fits WHERE id IN (SELECT 'fit_' || md5(n || :word) FROM generate_series(1, :n) n)")
            connection.execute(gone, {"word": word, "n": count})
    with meter.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE fits"))
    return claims


def _claims(meter: Meter, count: int = 40) -> dict[str, float]:
    """Milliseconds of the database's processor and on the wall for a claim that is undone each time."""
    seconds = []
    with Session(meter.engine) as session:
        Fits(session).claim_next("nobody", lease_seconds=20.0)
        session.rollback()
        before = processor_seconds(meter.running)["postgres"]
        for _ in range(count):
            began = time.monotonic()
            Fits(session).claim_next("nobody", lease_seconds=20.0)
            session.rollback()
            seconds.append(time.monotonic() - began)
        spent = processor_seconds(meter.running)["postgres"] - before
    least, median = np.percentile(seconds, [10, 50])
    return {
        "processor_ms": round(1000 * spent / count, 3),
        "wall_ms": round(1000 * float(median), 3),
        "least_wall_ms": round(1000 * float(least), 3),
    }


def _replay(meter: Meter, seconds: float = 15.0, rate: float = 200.0) -> dict[str, Any]:
    """What hearing costs: what workers publish while they wait, published again as if by many more of them."""
    listener = meter.broker.pubsub()
    listener.psubscribe("*")
    heard, began = [], time.monotonic()
    while time.monotonic() - began < 10.0:
        message = listener.get_message(ignore_subscribe_messages=True, timeout=1.0)
        if message is not None:
            heard.append(message)
    listener.close()
    found: dict[str, Any] = {
        "published_per_second_and_worker": round(len(heard) / 10.0 / max(1, meter.workers), 3),
        "channels": sorted({str(each["channel"]) for each in heard}),
        "bytes": round(statistics.mean(len(each["data"]) for each in heard)) if heard else 0,
    }
    if heard:
        with meter.phase("signs of life of others"):
            began = time.monotonic()
            for number in range(round(seconds * rate)):
                time.sleep(max(0.0, began + number / rate - time.monotonic()))
                message = heard[number % len(heard)]
                meter.broker.publish(message["channel"], message["data"])
    return found


def _connections(meter: Meter) -> dict[str, Any]:
    """Connections that the database holds, by user's program, and how many it takes."""
    with meter.engine.connect() as connection:
        query = text("SELECT application_name, count(*) FROM pg_stat_activity WHERE datname IS NOT NULL GROUP BY 1")
        names = {name or "(unnamed)": int(count) for name, count in connection.execute(query)}
        most = connection.scalar(text("SHOW max_connections"))
    return {"workers": meter.workers, "held": names, "most": int(most or 0)}
