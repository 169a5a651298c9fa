"""One run: bring the service up, learn the right results, let clients and faults loose, settle, gather what is left."""

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import httpx
import psycopg
import redis
from sqlalchemy import text

from store.blobs import BlobStore, sha256_hex
from store.database import Database
from store.pulse import SET_ASIDE_COUNT
from store.queues import FITS_QUEUE
from store.repositories.keys import Keys
from tests.chaos.clients import FINAL, KINDS, SEEDS, TENANTS, Clients, History, Promise, draw_promises
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
from tests.chaos.stack import CHAOS, ORPHAN_SECONDS, Stack, Usage, running_stack
from tests.engines import s3_client, settings_of, throwaway_home
from tests.receiver import Receiver, receiver
from worker.settings import WorkerSettings

logger = logging.getLogger(__name__)

SETTLE_SECONDS = 60.0  # without a single fit that moves
VIEWS = 6  # results whose picture is looked at in the end


@dataclass(frozen=True, kw_only=True)
class World:
    """Everybody who uses the service: clients and webhooks, by tenant."""

    history: History
    clients: Mapping[str, Clients]
    hooks: Mapping[str, Receiver]
    told: dict[str, set[tuple[str, str]]] = field(default_factory=dict)

    def of(self, promise: Promise) -> Clients:
        """The client that sent a request."""
        return self.clients[promise.tenant]

    def follow(self, promises: Sequence[Promise]) -> dict[str, tuple[object, ...]]:
        """Look at these once, do what the service advises, and return what has not ended, as far as it is."""
        found = {promise.key: self.of(promise).follow(promise) for promise in promises if promise.fit_ids}
        return {
            key: (fit["id"], fit["status"], (fit["progress"] or {}).get("step"))
            for key, fit in found.items()
            if fit["status"] not in FINAL
        }

    def see_through(self, promises: Sequence[Promise], seconds: float) -> list[str]:
        """Wait until these have ended; returns those that are left when none has moved for so many seconds."""
        deadline = time.monotonic() + seconds
        before: dict[str, tuple[object, ...]] = {}
        while (waiting := self.follow(promises)) and time.monotonic() < deadline:
            if waiting != before:
                deadline, before = time.monotonic() + seconds, waiting
            time.sleep(0.5)
        return list(waiting)

    def hear(self) -> dict[str, set[tuple[str, str]]]:
        """What all webhooks were told so far: fit and status."""
        for tenant, hook in self.hooks.items():
            heard = self.told.setdefault(tenant, set())
            while not hook.received.empty():
                data = json.loads(hook.received.get().body)["data"]
                heard.add((data["fit_id"], data["status"]))
        return self.told


@contextmanager
def populated(stack: Stack) -> Iterator[World]:
    """Tenants with a key and a webhook each."""
    history = History()
    with ExitStack() as opened:
        database = opened.enter_context(closing(Database(settings_of(stack.environment))))
        clients, hooks = {}, {}
        for tenant in TENANTS:
            with database.unit_of_work() as session:
                _, token = Keys(session).create(tenant, name=tenant)
            clients[tenant] = opened.enter_context(closing(Clients(stack.api_url, history, key=str(token))))
            hooks[tenant] = opened.enter_context(receiver())
            clients[tenant].listen(hooks[tenant].url)
        yield World(history=history, clients=clients, hooks=hooks)


def run_chaos(*, fits: int, faults: int, seed: int, logs: Path | None = None) -> dict[str, Any]:
    """Returns the report; `violations` in it is empty if the service kept its promises."""
    chance = Random(seed)
    schedule, promises = draw_schedule(faults, chance), draw_promises(fits, chance)
    with throwaway_home() as home, running_stack(home, CHAOS) as stack:
        try:
            with populated(stack) as world:
                right = _right_results(world)
                fresh = stack.usage()
                began = time.monotonic()
                done = _let_loose(stack, world, promises, schedule, chance)
                settling = time.monotonic()
                stuck = _settle(stack, world)
                settled = time.monotonic()
                evidence, aside = _collect(stack, world, right, fresh)
            stack.supervisor.wait(0.0)  # that everything was given up is no calm end
        finally:
            if logs is not None:
                _keep_logs(stack.logs, logs)
    return {
        "seed": seed,
        "fits": fits,
        "faults_by_kind": dict(sorted(Counter(done).items())),
        "violations": violations(evidence),
        "stuck": stuck,
        "lost": len(lost(evidence)),
        "duplicated": len(duplicated(evidence)),
        "asked_again_as_advised": sum(len(promise.again) for promise in world.history.promises),
        "objects_damaged": len(stack.harm.keys),
        "storage_set_back": len(stack.harm.restored_at),
        "messages_set_aside": aside,
        "p50_and_max_recovery_seconds": p50_and_max(recoveries(evidence)),
        "ends": ends(evidence),
        "files_and_mebibytes_before_and_after": evidence.usage,
        "requests_tried_again": world.history.refusals,
        "chaos_seconds": round(settling - began, 1),
        "settle_seconds": round(settled - settling, 1),
    }


def _right_results(world: World) -> dict[tuple[int, int], str]:
    """The hash that the fit of each kind and seed ends with when nothing disturbs it."""
    calm = [
        Promise(
            key=f"calm-{kind}-{seed}", seed=seed, kind=kind, senders=1, cancel_after_seconds=None, tenant=TENANTS[seed]
        )
        for kind in range(len(KINDS))
        for seed in range(SEEDS)
    ]
    for promise in calm:
        world.of(promise).submit(promise, world.of(promise).upload())
    late = world.see_through(calm, 60)
    if late:
        raise RuntimeError(f"without any fault {late} did not end within a minute: the service does not run")
    world.history.promises += calm
    return {(promise.kind, promise.seed): sha256_hex(world.of(promise).download(promise.fit_id)) for promise in calm}


def _let_loose(
    stack: Stack, world: World, promises: list[Promise], schedule: list[tuple[float, str]], chance: Random
) -> list[str]:
    """Clients and faults side by side; returns the kinds of faults that were done."""
    world.history.promises += promises
    signals = {tenant: client.upload() for tenant, client in world.clients.items()}
    # Work arrives during the first two thirds of the faults, so that the last ones also find some.
    pause = 0.66 * sum(wait for wait, _ in schedule) / len(promises)
    done: list[str] = []
    over, curious = threading.Event(), Random(chance.random())
    with ThreadPoolExecutor(max(1, len(schedule)), "fault") as harm, ThreadPoolExecutor(18, "client") as senders:
        looking = senders.submit(_look_around, world, promises, curious, over)
        hits = threading.Thread(target=lambda: done.extend(_hit(stack, harm, schedule, chance)))
        hits.start()
        asked = []
        for promise in promises:
            asked.append(senders.submit(world.of(promise).submit, promise, signals[promise.tenant]))
            time.sleep(pause)
        hits.join()
        over.set()
        for answer in (*asked, looking):
            answer.result()
    return done


def _look_around(world: World, promises: list[Promise], chance: Random, over: threading.Event) -> None:
    """Look at results, pictures and what is another tenant's, and do what the service advises, all the time."""
    while not over.wait(0.5):
        sent = [promise for promise in promises if promise.fit_ids]
        if not sent:
            continue
        promise = chance.choice(sent)
        fit = world.of(promise).follow(promise)
        if fit["status"] == "succeeded":
            _picture(world, promise)
        next(client for tenant, client in world.clients.items() if tenant != promise.tenant).see_nothing_of(fit["id"])


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


def _settle(stack: Stack, world: World) -> list[str]:
    """Wait for all fits, heal what was lost as the service advises, and cancel what nobody here can run."""
    promises = [promise for promise in world.history.promises if promise.fit_ids]
    stuck = world.see_through(promises, SETTLE_SECONDS)
    for _ in range(10):
        bytes_of = {
            promise.key: world.of(promise).download_or_heal(promise)
            for promise in promises
            if world.of(promise).look(promise.fit_id)["status"] == "succeeded"
        }
        if all(content is not None for content in bytes_of.values()):
            break
        time.sleep(1)
        stuck = world.see_through(promises, SETTLE_SECONDS)
    for fit_id in stack.harm.newer:
        _cancel_newer(world, fit_id)
    seen = [promise for promise in promises if bytes_of.get(promise.key)][-VIEWS:]
    for promise in seen:
        if _within(90, partial(_picture, world, promise)) is None:
            stuck.append(f"the view of {promise.fit_id}")
    return stuck


def _picture(world: World, promise: Promise) -> bytes | None:
    try:
        return world.of(promise).view(promise.fit_id)
    except httpx.TransportError:
        return None


def _cancel_newer(world: World, fit_id: str) -> None:
    for client in world.clients.values():
        if (said := client.look_if_mine(fit_id)) is not None:
            if not said.get("waits_because") and said["status"] == "queued":
                world.history.strange.append(f"{fit_id} is of a newer version, and nobody says why it waits")
            client.cancel(fit_id)


def _within(seconds: float, ask: Callable[[], Any]) -> Any:
    """The first answer that is one, or the last one that came in time."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return answer


def _collect(
    stack: Stack, world: World, right: dict[tuple[int, int], str], fresh: dict[str, Usage]
) -> tuple[Evidence, int]:
    """Wait for the last messages, and for upkeep to clear away all by itself; then read everything."""
    settings = settings_of(stack.environment)
    bucket, address = settings.s3_bucket, stack.environment["TUNER_DATABASE_URL"].replace("+psycopg", "")
    with (
        closing(Database(settings)) as database,
        closing(redis.Redis.from_url(stack.environment["TUNER_BROKER_URL"])) as broker,
        closing(s3_client(stack.environment)) as s3,
        psycopg.connect(address, autocommit=True) as connection,
    ):
        blobs = BlobStore(settings)

        def is_clear() -> bool:
            with database.unit_of_work() as session:
                pending = session.scalar(text("SELECT count(*) FROM webhook_deliveries WHERE status = 'pending'"))
            rows = read_rows(database, blobs)
            return not (pending or rows["checkpoints"] or rows["orphans"] or broker.llen(FITS_QUEUE))

        _within(2 * ORPHAN_SECONDS + 30, is_clear)
        rows = read_rows(database, blobs)
        del rows["orphans"]
        open_transactions = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tuner'"
            " AND state LIKE 'idle in transaction%' AND state_change < now() - interval '5 seconds'"
        ).fetchone()
        assert open_transactions is not None
        aside = sum(int(count) for count in broker.hvals(SET_ASIDE_COUNT))
        by_id = {promise.fit_id: world.of(promise) for promise in world.history.promises if promise.fit_ids}
        return Evidence(
            history=world.history,
            right=right,
            harm=stack.harm,
            told=world.hear(),
            max_tries=WorkerSettings.model_fields["max_tries"].default,
            downloads={
                fit_id: sha256_hex(by_id[fit_id].download(fit_id))
                for fit_id, content in rows["contents"].items()
                if content and fit_id in by_id
            },
            uploads=len(s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])),
            messages=int(str(broker.llen(FITS_QUEUE))),
            open_transactions=open_transactions[0],
            usage={name: (fresh[name], used) for name, used in stack.usage().items() if name in fresh},
            **rows,
        ), aside


def _keep_logs(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for log in source.glob("*.log"):
        (target / log.name).write_bytes(log.read_bytes())


def write_report(report: dict[str, Any], path: Path) -> None:
    """As JSON, for people and programs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n")
