"""Who is alive: workers, upkeep and views beat in the broker, one field of a hash each, with the broker's own clock.

Beating says more than being a process: a worker beats as long as its main loop turns, or a piece of work that is
allowed to take long is under way. Whoever falls silent is named by `/readyz` and `/metrics`, and replaced by the
supervisor (`standalone.supervise`). While the broker is away nobody can be heard, and nobody is called silent.
"""

import json
import logging
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from store.settings import StoreSettings

logger = logging.getLogger(__name__)

BEATS_KEY = "tuner:beats"
SET_ASIDE = "tuner:set-aside"  # messages that were no messages, the last ones
SET_ASIDE_COUNT = "tuner:set-aside-count"  # how many of each queue there ever were
BEAT_SECONDS = 5.0
SILENT_SECONDS = 30.0  # six beats missed
FORGOTTEN_SECONDS = 3600.0  # a silent one that is gone for good is not named for ever


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One process that beats.

    Attributes:
        role: what the process does: worker, views or upkeep.
        name: host and number of the process.
        age_seconds: time in seconds since its last beat.
    """

    role: str
    name: str
    age_seconds: float

    @property
    def is_silent(self) -> bool:
        """Whether it should have been heard long ago."""
        return self.age_seconds > SILENT_SECONDS


def process_name(pid: int) -> str:
    """Host and number of a process of this machine: its name in beats, leases, histories and the list of workers."""
    return f"{socket.gethostname()}:{pid}"


class Pulses:
    """The hash in the broker."""

    def __init__(self, settings: StoreSettings) -> None:
        seconds = settings.broker_timeout_seconds
        self._redis = redis.Redis.from_url(
            settings.broker_url.get_secret_value(),
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
        )

    def beat(self, role: str, name: str) -> None:
        """Say that a process works.

        Raises:
            redis.RedisError: if the broker does not answer.
        """
        self._redis.hset(BEATS_KEY, name, json.dumps({"role": role, "at": self._now()}))

    def leave(self, name: str) -> None:
        """A process ends in order: it is not missed.

        Raises:
            redis.RedisError: if the broker does not answer.
        """
        self._redis.hdel(BEATS_KEY, name)

    def members(self) -> list[Member]:
        """Everybody who was heard within the last hour, the longest silent first.

        Raises:
            redis.RedisError: if the broker does not answer.
        """
        now, found = self._now(), []
        for name, value in cast("dict[bytes, bytes]", self._redis.hgetall(BEATS_KEY)).items():
            said = json.loads(value)
            age = max(0.0, now - said["at"])
            if age > FORGOTTEN_SECONDS:
                self._redis.hdel(BEATS_KEY, name)
                continue
            found.append(Member(role=said["role"], name=name.decode(), age_seconds=round(age, 1)))
        return sorted(found, key=lambda member: -member.age_seconds)

    def set_aside(self) -> dict[str, int]:
        """How many messages of each queue were set aside so far.

        Raises:
            redis.RedisError: if the broker does not answer.
        """
        counts = cast("dict[bytes, bytes]", self._redis.hgetall(SET_ASIDE_COUNT))
        return {queue.decode(): int(count) for queue, count in counts.items()}

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _now(self) -> float:
        seconds, microseconds = cast("Sequence[Any]", self._redis.time())
        return float(seconds) + float(microseconds) / 1e6


class Pulse:
    """A process's own beat: a thread that beats as long as the loop that does the work has turned lately.

    Use `turn` in that loop, and `busy` around work that is allowed to take longer than a turn.
    """

    def __init__(self, pulses: Pulses, role: str, *, turn_seconds: float = SILENT_SECONDS) -> None:
        """Prepare; `start` begins.

        Args:
            pulses: hash in the broker in which the process beats.
            role: what the process does.
            turn_seconds: longest time in seconds from one turn of the loop to the next.
        """
        self._pulses, self._role, self._turn_seconds = pulses, role, turn_seconds
        self.name = process_name(os.getpid())
        self._lock = Lock()
        self._alive_until = time.monotonic() + turn_seconds
        self._done = Event()
        self._thread = Thread(target=self._keep, name="pulse", daemon=True)

    def start(self) -> "Pulse":
        """Beat from now on, if that is not so already."""
        if not self._thread.is_alive() and not self._done.is_set():
            self._thread.start()
        return self

    def turn(self) -> None:
        """The loop has turned."""
        with self._lock:
            self._alive_until = max(self._alive_until, time.monotonic() + self._turn_seconds)

    @contextmanager
    def busy(self, seconds: float) -> Iterator[None]:
        """Work is under way that takes so many seconds at most."""
        with self._lock:
            self._alive_until = time.monotonic() + seconds
        try:
            yield
        finally:
            with self._lock:
                self._alive_until = time.monotonic() + self._turn_seconds

    def stop(self) -> None:
        """The process ends in order."""
        self._done.set()
        try:
            self._pulses.leave(self.name)
        except redis.RedisError as error:
            logger.info("the broker was not told of the end: %s", error)

    def _keep(self) -> None:
        while not self._done.is_set():
            with self._lock:
                alive = time.monotonic() < self._alive_until
            if alive:
                try:
                    self._pulses.beat(self._role, self.name)
                except redis.RedisError as error:
                    logger.warning("no beat: %s", error)
            self._done.wait(BEAT_SECONDS)
