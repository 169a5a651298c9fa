"""Messages that are none, and processes that say nothing any more: one Celery process, both queues, real engines."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from threading import Event
from types import SimpleNamespace
from typing import cast

import pytest
import redis
from sqlalchemy.exc import SQLAlchemyError

from store.broker import complaint_about
from store.database import Database
from store.pulse import SET_ASIDE, Pulses
from store.queue import FitQueue
from store.queues import FITS_QUEUE, FITS_QUEUES, INTERACTIVE_QUEUE
from store.settings import StoreSettings
from worker import upkeep
from worker.resources import Resources
from worker.settings import WorkerSettings


@pytest.fixture
def broker(store_settings: StoreSettings) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(store_settings.broker_url.get_secret_value()) as client:
        client.flushdb()
        yield client


def eventually(condition: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


def taken(settings: StoreSettings, broker: redis.Redis, queue: str) -> bytes:
    """A message as it lies in the broker, and no longer does."""
    sender = FitQueue(settings)
    assert sender.publish_view("ren_1") if queue == INTERACTIVE_QUEUE else sender.publish("fit_1", FITS_QUEUES[queue])
    sender.close()
    message = broker.rpop(queue)
    assert isinstance(message, bytes)
    return message


def spoiled(good: bytes) -> list[bytes]:
    """One message of every kind that is none."""

    def with_body(body: object) -> dict[str, object]:
        return {"body": base64.b64encode(json.dumps(body).encode()).decode()}

    message = json.loads(good)
    changes: list[dict[str, object]] = [
        {"body": "%%%"},
        {"body": base64.b64encode(b"\xff{").decode()},
        with_body([[1], {}, {}]),
        with_body([["a", "b"], {}, {}]),
        with_body([["a"], {"b": 1}, {}]),
        with_body({}),
        {"headers": {}},
        {"headers": None},
        {"headers": message["headers"] | {"task": "os.system"}},
        {"headers": message["headers"] | {"id": 7}},
        {"properties": {}},
        {"properties": message["properties"] | {"body_encoding": "utf-16"}},
        {"content-type": "application/x-python-serialize"},
    ]
    return [b"\x00\xff", b"{", b"null", b"[]", b"[" * 100_000] + [
        json.dumps(message | change).encode() for change in changes
    ]


@pytest.mark.parametrize("queue", [*FITS_QUEUES, INTERACTIVE_QUEUE])
def test_what_is_no_message_is_known_and_what_is_one_passes(
    store_settings: StoreSettings, broker: redis.Redis, queue: str
) -> None:
    good = taken(store_settings, broker, queue)
    assert complaint_about(good, queue) is None
    for bad in spoiled(good):
        assert complaint_about(bad, queue), bad[:200]


def test_bad_messages_are_set_aside_and_a_frozen_process_falls_silent(
    database: Database, store_environment: dict[str, str], store_settings: StoreSettings, broker: redis.Redis
) -> None:
    bad = {queue: spoiled(taken(store_settings, broker, queue)) for queue in (FITS_QUEUE, INTERACTIVE_QUEUE)}
    for queue, messages in bad.items():
        broker.lpush(queue, *messages)
    sender = FitQueue(store_settings)
    assert sender.publish_view("ren_1")  # behind all of them
    sender.close()
    pulses = Pulses(store_settings)
    command = [sys.executable, "-m", "celery", "-A", "worker.interactive", "worker", "--pool", "solo"]
    command += ["--queues", f"{INTERACTIVE_QUEUE},{FITS_QUEUE}", "--loglevel", "INFO"]
    with subprocess.Popen(command, env=os.environ | store_environment) as process:
        try:
            eventually(lambda: pulses.set_aside() == {queue: len(messages) for queue, messages in bad.items()})
            eventually(lambda: broker.llen(INTERACTIVE_QUEUE) == broker.llen(FITS_QUEUE) == 0)
            assert process.poll() is None
            assert broker.llen(SET_ASIDE) == sum(map(len, bad.values()))
            eventually(pulses.members)
            (member,) = pulses.members()
            assert (member.role, member.name.rpartition(":")[2]) == ("views", str(process.pid))
            process.send_signal(signal.SIGSTOP)
            first = member.age_seconds
            eventually(lambda: pulses.members()[0].age_seconds > max(first, 6.0))
            process.send_signal(signal.SIGCONT)
            eventually(lambda: pulses.members()[0].age_seconds < 5.0)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            assert pulses.members() == [], "it left in order"
        finally:
            process.kill()
    pulses.close()


def test_every_step_of_upkeep_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a step raises, all others are taken, in every round, and the loop goes on."""
    taken: list[str] = []

    def step(name: str, error: type[Exception]) -> tuple[str, Callable[[Resources], object]]:
        def take(_: Resources) -> None:
            taken.append(name)
            raise error(name)

        return name, take

    errors = (ValueError, SQLAlchemyError, RecursionError, OSError)
    monkeypatch.setattr(upkeep, "STEPS", tuple(step(f"step {error.__name__}", error) for error in errors))
    monkeypatch.setattr(upkeep, "SELDOM", (step("sweep", KeyError),))
    stop, rounds = Event(), iter(range(3 * len(errors) + 3))
    settings = WorkerSettings(upkeep_every_seconds=0.001)

    def turn() -> None:
        if next(rounds, None) == 3 * len(errors) + 2:
            stop.set()

    upkeep.run_upkeep(cast("Resources", SimpleNamespace(settings=settings)), stop, turn)
    assert taken == 3 * ([f"step {error.__name__}" for error in errors] + ["sweep"])
