"""Everything that can happen to the service, by name, and a schedule of it drawn from a seed.

A fault takes the running stack and a source of chance, does its harm, and returns when the cause (not the damage) is
over. One that finds nothing to hit, because its victim is just being started again, hits nothing.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from random import Random
from signal import SIGCONT, SIGINT, SIGKILL, SIGSTOP, SIGTERM

import psutil
import psycopg
import redis

from store.queue import FitQueue
from tests.chaos.proxy import Weather
from tests.chaos.stack import WORKERS, Stack
from tests.engines import settings_of

Fault = Callable[[Stack, Random], None]

LONGEST_SECONDS = 4.0  # of a fault that lasts


def kill_pool_child(stack: Stack, chance: Random) -> None:
    """The process that trains, as the kernel does it when memory runs out."""
    children = [process for process in stack.tree(chance.choice(WORKERS))[1:] if _is_pool_child(process)]
    _signal(children, SIGKILL)


def kill_worker_parent(stack: Stack, chance: Random) -> None:
    """Celery's own process; the one that trains is left alone, for a while."""
    _signal(stack.tree(chance.choice(WORKERS))[:1], SIGKILL)


def kill_worker_tree(stack: Stack, chance: Random) -> None:
    """The whole worker, as when its machine is lost."""
    _signal(stack.tree(chance.choice(WORKERS)), SIGKILL)


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


FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
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
    _signal(processes, SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        _signal(processes, SIGCONT)


def _signal(processes: Sequence[psutil.Process], number: int) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


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
