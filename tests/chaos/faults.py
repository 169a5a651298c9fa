"""Everything that can happen to the service, by name, and a schedule of it drawn from a seed.

A fault takes the running stack and a source of chance, does its harm, and returns when the cause (not the damage) is
over. One that finds nothing to hit, because its victim is just being started again, hits nothing.
"""

import contextlib
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from math import inf
from pathlib import Path
from random import Random
from signal import SIGCONT, SIGINT, SIGKILL, SIGSTOP, SIGTERM

import psutil
import psycopg
import redis

from store.blobs import BlobStore
from store.errors import BlobMissing
from store.queue import FitQueue
from tests.chaos.proxy import Weather
from tests.chaos.stack import BEATING, WORKERS, Stack
from tests.damage import damage
from tests.engines import settings_of

Fault = Callable[[Stack, Random], None]

LONGEST_SECONDS = 4.0  # of a fault that lasts


def kill_pool_child(stack: Stack, chance: Random) -> None:
    """The process that trains, as the kernel does it when memory runs out."""
    children = [process for process in stack.tree(chance.choice(WORKERS))[1:] if _is_pool_child(process)]
    _kill(stack, children)


def kill_worker_parent(stack: Stack, chance: Random) -> None:
    """Celery's own process; the one that trains is left alone, for a while."""
    _kill(stack, stack.tree(chance.choice(WORKERS)), only=1)


def kill_worker_tree(stack: Stack, chance: Random) -> None:
    """The whole worker, as when its machine is lost."""
    _kill(stack, stack.tree(chance.choice(WORKERS)))


def terminate_worker(stack: Stack, chance: Random) -> None:
    """A worker is asked to leave, as in every deployment."""
    _signal(stack.tree(chance.choice(WORKERS))[:1], SIGTERM)


def freeze_worker(stack: Stack, chance: Random) -> None:
    """A worker stands still, sometimes for longer than its lease, and goes on as if nothing had happened."""
    _freeze(stack.tree(chance.choice(WORKERS)), chance.uniform(1.0, 9.0))


def kill_api(stack: Stack, chance: Random) -> None:
    """In the middle of whatever requests there are."""
    _signal(stack.tree("api"), SIGKILL)


def kill_upkeep(stack: Stack, chance: Random) -> None:
    """The repairer itself."""
    _signal(stack.tree("upkeep"), SIGKILL)


def freeze_upkeep(stack: Stack, chance: Random) -> None:
    """The repairer stands still, perhaps in the middle of a transaction."""
    _freeze(stack.tree("upkeep"), _moment(chance))


def restart_broker(stack: Stack, chance: Random) -> None:
    """It ends and comes back with what it had written down."""
    _signal(stack.tree("valkey"), SIGTERM)


def kill_broker(stack: Stack, chance: Random) -> None:
    """It loses what it had not yet written down."""
    _signal(stack.tree("valkey"), SIGKILL)


def freeze_broker(stack: Stack, chance: Random) -> None:
    """It accepts connections and does not answer."""
    _freeze(stack.tree("valkey"), _moment(chance))


def flush_broker(stack: Stack, chance: Random) -> None:
    """All messages are gone."""
    with _broker(stack) as broker:
        broker.flushall()


def kill_broker_clients(stack: Stack, chance: Random) -> None:
    """All its connections break."""
    with _broker(stack) as broker:
        broker.client_kill_filter(_type="normal")


def broker_away(stack: Stack, chance: Random) -> None:
    """Nobody can connect to it."""
    with stack.broker.under(Weather(refuses=True)):
        time.sleep(_moment(chance))


def duplicate_messages(stack: Stack, chance: Random) -> None:
    """The same id five times, of a fit in whatever status."""
    with _sql(stack) as connection:
        fit_ids = [row[0] for row in connection.execute("SELECT id FROM fits ORDER BY id").fetchall()]
    queue = FitQueue(settings_of(stack.environment))
    if fit_ids:
        fit_id = chance.choice(fit_ids)
        for _ in range(5):
            queue.publish(fit_id)
    queue.close()


def restart_postgres(stack: Stack, chance: Random) -> None:
    """A fast shutdown: every transaction is rolled back."""
    _signal(stack.tree("postgres")[:1], SIGINT)


def kill_postgres_backend(stack: Stack, chance: Random) -> None:
    """One process of the server is killed, whereupon it restarts all of them and recovers."""
    _signal([one for one in stack.tree("postgres")[1:] if _is_backend(one)][:1], SIGKILL)


def terminate_backends(stack: Stack, chance: Random) -> None:
    """All connections to the database break."""
    with _sql(stack) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tuner'")


def exhaust_connections(stack: Stack, chance: Random) -> None:
    """The database has no connection left for anybody new."""
    with contextlib.ExitStack() as held:
        with suppress(psycopg.OperationalError):
            while True:
                held.enter_context(_sql(stack, patience_seconds=0.0))
        time.sleep(_moment(chance))


def storage_errors(stack: Stack, chance: Random) -> None:
    """It answers every request with an error of its own."""
    _storage(stack, chance, Weather(http_status=chance.choice([500, 503])))


def storage_full(stack: Stack, chance: Random) -> None:
    """No disk space left."""
    _storage(stack, chance, Weather(http_status=507))


def storage_slow(stack: Stack, chance: Random) -> None:
    """Each piece of a request arrives late, sometimes later than anybody waits."""
    _storage(stack, chance, Weather(delay_seconds=chance.choice([0.3, 4.0])))


def storage_resets(stack: Stack, chance: Random) -> None:
    """Connections break in the middle of a body."""
    _storage(stack, chance, Weather(resets=True))


def damage_object(stack: Stack, chance: Random) -> None:
    """An object of any kind loses its bytes, in any way; a client finds it out, or a comparison does."""
    table = chance.choice(["signals", "checkpoints", "checkpoints", "representations", "renders"])
    with _sql(stack) as connection:
        query = f"SELECT object_key FROM {table} WHERE object_key IS NOT NULL ORDER BY id"
        keys = [row[0] for row in connection.execute(query).fetchall()]
    if not keys:
        return
    key, how = chance.choice(keys), chance.choice(["deleted", "truncated", "longer", "swapped", "rotten"])
    if how == "rotten":
        # As SeaweedFS answers for what it cannot read, while it reads everything else.
        rot = Weather(http_status=500, verbs=(b"GET ",), names=(key.encode(),), s3_code="InternalError")
        stack.harm.keys[key] = inf
        _storage(stack, chance, rot)
    else:
        with suppress(BlobMissing):  # deleted meanwhile, by the service itself
            damage(BlobStore(settings_of(stack.environment)), key, how)
    stack.harm.keys[key] = time.time()


def restore_storage(stack: Stack, chance: Random) -> None:
    """Storage goes back to what it was some seconds ago, as after a power failure, or with a backup put in place."""
    folder = stack.logs.parent / "seaweedfs"
    earlier = folder.with_name(f"seaweedfs-{chance.random()}")
    with _frozen(stack.tree("seaweedfs")):
        shutil.copytree(folder, earlier, ignore=shutil.ignore_patterns("*.sock", "tmp"))
    time.sleep(_moment(chance))
    processes = stack.tree("seaweedfs")
    with _frozen(processes):
        folder.rename(folder.with_name(f"{earlier.name}-lost"))
        earlier.rename(folder)
        _signal(processes, SIGKILL)
    stack.harm.restored_at.append(time.time())


def bad_messages(stack: Stack, chance: Random) -> None:
    """What is no message, at the head of each queue."""
    other = json.dumps({"headers": {"task": "os.system", "id": "1"}, "properties": {"delivery_tag": "1"}})
    with _broker(stack) as broker:
        for queue in ("fits", "interactive"):
            for content in (b"", b"\xff\x00", b"{}", b"[" * 100_000, b"null", other.encode(), os.urandom(300)):
                broker.rpush(queue, content)


def row_of_a_newer_version(stack: Stack, chance: Random) -> None:
    """A fit that no process here can read, more urgent than all others of its tenant."""
    with _sql(stack) as connection:
        row = connection.execute(
            "INSERT INTO fits (tenant, signal_id, spec, priority, event_seq)"
            """ SELECT tenant, signal_id, spec || '{"version": 99, "colour": "new"}', 100, 1 FROM fits"""
            " ORDER BY random() LIMIT 1 RETURNING id"
        ).fetchone()
        if row is not None:
            connection.execute(
                "INSERT INTO fit_events (fit_id, seq, kind, attempt, data) VALUES (%s, 1, 'queued', 0, '{}')", row
            )
            stack.harm.newer.append(row[0])


def silence_line_to_postgres(stack: Stack, chance: Random) -> None:
    """All connections of one process to the database say nothing more and do not break; new ones are fine."""
    stack.lines[chance.choice(BEATING)].silence()


def deafen_main_process(stack: Stack, chance: Random) -> None:
    """A main process stops for good, its children do not, and whoever looks finds it there."""
    _signal(stack.tree(chance.choice(BEATING))[:1], SIGSTOP)


def fill_disk(stack: Stack, chance: Random) -> None:
    """The file system that the service looks at has no room; the engines have theirs, which is what a floor is for."""
    _point(stack.disk, Path("/proc"))  # a file system without a single free block
    try:
        time.sleep(_moment(chance))
    finally:
        _point(stack.disk, stack.logs.parent)


FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        damage_object,
        restore_storage,
        bad_messages,
        row_of_a_newer_version,
        silence_line_to_postgres,
        deafen_main_process,
        fill_disk,
        kill_pool_child,
        kill_worker_parent,
        kill_worker_tree,
        terminate_worker,
        freeze_worker,
        kill_api,
        kill_upkeep,
        freeze_upkeep,
        restart_broker,
        kill_broker,
        freeze_broker,
        flush_broker,
        kill_broker_clients,
        broker_away,
        duplicate_messages,
        restart_postgres,
        kill_postgres_backend,
        terminate_backends,
        exhaust_connections,
        storage_errors,
        storage_full,
        storage_slow,
        storage_resets,
    )
}


def draw_schedule(count: int, chance: Random) -> list[tuple[float, str]]:
    """Names of faults and the pause before each, in seconds; every kind once before any comes twice."""
    schedule: list[tuple[float, str]] = []
    while len(schedule) < count:
        kinds = chance.sample(list(FAULTS), len(FAULTS))
        schedule += [(chance.uniform(0.2, 3.0), kind) for kind in kinds]
    return schedule[:count]


def _storage(stack: Stack, chance: Random, weather: Weather) -> None:
    with stack.storage.under(weather):
        time.sleep(_moment(chance))


def _moment(chance: Random) -> float:
    return chance.uniform(0.5, LONGEST_SECONDS)


def _freeze(processes: Sequence[psutil.Process], seconds: float) -> None:
    with _frozen(processes):
        time.sleep(seconds)


@contextmanager
def _frozen(processes: Sequence[psutil.Process]) -> Iterator[None]:
    _signal(processes, SIGSTOP)
    try:
        yield
    finally:
        _signal(processes, SIGCONT)


def _point(link: Path, folder: Path) -> None:
    beside = link.with_name("disk.new")
    beside.symlink_to(folder, target_is_directory=True)
    beside.replace(link)


def _signal(processes: Sequence[psutil.Process], number: int) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _kill(stack: Stack, tree: Sequence[psutil.Process], only: int | None = None) -> None:
    """Kill some of a worker's processes, and note all: the children of a parent that is gone do not work on."""
    now, host = time.time(), socket.gethostname()
    stack.harm.killed += [(f"{host}:{process.pid}", now) for process in tree]
    _signal(tree[:only], SIGKILL)


def _is_pool_child(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return "spawn_main" in " ".join(process.cmdline())
    return False


def _is_backend(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return "tuner tuner" in " ".join(process.cmdline())
    return False


@contextmanager
def _broker(stack: Stack) -> Iterator[redis.Redis]:
    with suppress(redis.RedisError), redis.Redis.from_url(stack.environment["TUNER_BROKER_URL"]) as broker:
        yield broker


@contextmanager
def _sql(stack: Stack, patience_seconds: float = 15.0) -> Iterator[psycopg.Connection]:
    """A connection of the harness's own; another fault may keep it waiting for a while."""
    address = stack.environment["TUNER_DATABASE_URL"].replace("+psycopg", "")
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            connection = psycopg.connect(address, autocommit=True, application_name="chaos", connect_timeout=5)
            break
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
    with connection:
        yield connection
