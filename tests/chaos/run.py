"""One run: bring the service up, learn the right results, let clients and faults loose, settle, gather what is left."""

import json
import logging
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import redis

from store.blobs import BlobStore, sha256_hex
from store.database import Database
from store.queue import FITS_QUEUE, FitQueue
from tests.chaos.clients import SEEDS, Clients, History, Promise, draw_promises
from tests.chaos.faults import FAULTS, draw_schedule
from tests.chaos.invariants import (
    Evidence,
    duplicated,
    ends,
    lost,
    p50_and_max,
    read_rows,
    recoveries,
    violations,
)
from tests.chaos.stack import Stack, Usage, running_stack
from tests.engines import s3_client, settings_of, throwaway_home
from worker.resources import Resources
from worker.settings import WorkerSettings
from worker.sweep import sweep

logger = logging.getLogger(__name__)

SETTLE_SECONDS = 60.0  # without a single fit that ends


def run_chaos(*, fits: int, faults: int, seed: int, logs: Path | None = None) -> dict[str, Any]:
    """Returns the report; `violations` in it is empty if the service kept its promises."""
    chance = Random(seed)
    schedule, promises = draw_schedule(faults, chance), draw_promises(fits, chance)
    with throwaway_home() as home, running_stack(home) as stack:
        try:
            history = History()
            with closing(Clients(stack.api_url, history)) as clients:
                right = _right_results(clients, history)
                fresh = stack.usage()
                began = time.monotonic()
                done = _let_loose(stack, clients, promises, schedule, chance)
                settling = time.monotonic()
                waiting = [promise.fit_ids[0] for promise in promises if promise.fit_ids]
                clients.wait_for_all(waiting, SETTLE_SECONDS)
                settled = time.monotonic()
                evidence = _collect(stack, clients, history, right, fresh)
        finally:
            if logs is not None:
                _keep_logs(stack.logs, logs)
    return {
        "seed": seed,
        "fits": fits,
        "faults_by_kind": dict(sorted(Counter(done).items())),
        "violations": violations(evidence),
        "lost": len(lost(evidence)),
        "duplicated": len(duplicated(evidence)),
        "p50_and_max_recovery_seconds": p50_and_max(recoveries(evidence)),
        "ends": ends(evidence),
        "files_and_mebibytes_before_and_after": evidence.usage,
        "requests_tried_again": history.refusals,
        "chaos_seconds": round(settling - began, 1),
        "settle_seconds": round(settled - settling, 1),
    }


def _right_results(clients: Clients, history: History) -> dict[int, str]:
    """The hash that each seed's fit ends with when nothing disturbs it."""
    signal_id = clients.upload()
    calm = [Promise(key=f"calm-{seed}", seed=seed, senders=1, cancel_after_seconds=None) for seed in range(SEEDS)]
    for promise in calm:
        clients.submit(promise, signal_id)
    late = clients.wait_for_all([promise.fit_ids[0] for promise in calm], 60)
    if late:
        raise RuntimeError(f"without any fault {late} did not end within a minute: the service does not run")
    history.promises += calm
    return {promise.seed: sha256_hex(clients.download(promise.fit_ids[0])) for promise in calm}


def _let_loose(
    stack: Stack, clients: Clients, promises: list[Promise], schedule: list[tuple[float, str]], chance: Random
) -> list[str]:
    """Clients and faults side by side; returns the kinds of faults that were done."""
    clients.history.promises += promises
    signal_id = clients.upload()
    # Work arrives during the first two thirds of the faults, so that the last ones also find some.
    pause = 0.66 * sum(wait for wait, _ in schedule) / len(promises)
    done: list[str] = []
    with ThreadPoolExecutor(max(1, len(schedule)), "fault") as harm, ThreadPoolExecutor(16, "client") as senders:
        hits = threading.Thread(target=lambda: done.extend(_hit(stack, harm, schedule, chance)))
        hits.start()
        asked = []
        for promise in promises:
            asked.append(senders.submit(clients.submit, promise, signal_id))
            time.sleep(pause)
        hits.join()
        for answer in asked:
            answer.result()
    return done


def _hit(stack: Stack, harm: ThreadPoolExecutor, schedule: list[tuple[float, str]], chance: Random) -> list[str]:
    began, running = time.monotonic(), []
    for wait, kind in schedule:
        time.sleep(wait)
        logger.info("%6.1f s  %s", time.monotonic() - began, kind)
        running.append((kind, harm.submit(FAULTS[kind], stack, Random(chance.random()))))
    done = []
    for kind, outcome in running:
        if (error := outcome.exception()) is None:
            done.append(kind)
        else:
            # The harness itself found no way through what another fault was doing.
            logger.warning("%s hit nothing: %r", kind, error)
    return done


def _collect(
    stack: Stack, clients: Clients, history: History, right: dict[int, str], fresh: dict[str, Usage]
) -> Evidence:
    settings = settings_of(stack.environment)
    bucket, address = settings.s3_bucket, stack.environment["TUNER_DATABASE_URL"].replace("+psycopg", "")
    with (
        closing(Database(settings)) as database,
        closing(FitQueue(settings)) as queue,
        closing(redis.Redis.from_url(stack.environment["TUNER_BROKER_URL"])) as broker,
        closing(s3_client(stack.environment)) as s3,
        psycopg.connect(address, autocommit=True) as connection,
    ):
        blobs = BlobStore(settings)
        deadline = time.monotonic() + 20  # for the last messages, and for upkeep to clear away
        while (rows := read_rows(database, blobs))["checkpoints"] or broker.llen(FITS_QUEUE):
            if time.monotonic() > deadline:
                break
            time.sleep(0.5)
        # What upkeep does every hour, to objects that have been there for one.
        at_once = WorkerSettings(orphan_seconds=0)
        sweep(Resources(settings=at_once, database=database, blobs=blobs, queue=queue))
        rows = read_rows(database, blobs)
        open_transactions = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tuner'"
            " AND state LIKE 'idle in transaction%' AND state_change < now() - interval '5 seconds'"
        ).fetchone()
        assert open_transactions is not None
        return Evidence(
            history=history,
            right=right,
            downloads={fit_id: sha256_hex(clients.download(fit_id)) for fit_id in rows["contents"]},
            uploads=len(s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])),
            messages=int(str(broker.llen(FITS_QUEUE))),
            open_transactions=open_transactions[0],
            usage={name: (fresh[name], used) for name, used in stack.usage().items() if name in fresh},
            **rows,
        )


def _keep_logs(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for log in source.glob("*.log"):
        (target / log.name).write_bytes(log.read_bytes())


def write_report(report: dict[str, Any], path: Path) -> None:
    """As JSON, for people and programs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n")
