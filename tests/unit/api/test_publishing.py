"""What a silent broker costs."""

import time
from collections.abc import Sequence
from threading import Event
from typing import cast

import pytest

from api.services.publishing import MOST_WAITING, Publisher
from store.classes import WorkerClass
from store.hints import Hint
from store.queue import FitQueue
from tests.integration.api.waiting import eventually


class Broker:
    """Takes what is sent, or hangs, or is away."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.classes: list[WorkerClass] = []
        self.is_away = False
        self.answers = Event()
        self.answers.set()

    def publish(self, fit_id: str, worker_class: WorkerClass = WorkerClass.ANY) -> bool:
        self.answers.wait(20)
        self.asked.append(fit_id)
        self.classes.append(worker_class)
        return not self.is_away

    publish_view = publish

    def publish_all(self, hints: Sequence[Hint]) -> bool:
        return all(self.publish(hint.fit_id, hint.worker_class) for hint in hints)


def test_hints_are_sent_without_being_waited_for() -> None:
    broker = Broker()
    broker.answers.clear()
    publisher = Publisher(cast("FitQueue", broker))
    publisher.publish("fit_a", "any")
    publisher.publish("fit_b", "any")
    assert broker.asked == []
    broker.answers.set()
    publisher.close()
    assert broker.asked == ["fit_a", "fit_b"]


def test_a_hint_goes_to_the_workers_of_its_class() -> None:
    broker = Broker()
    publisher = Publisher(cast("FitQueue", broker))
    for worker_class in ("gpu", "any", "a word of a newer release"):
        publisher.publish("fit_a", worker_class)
    publisher.close()
    assert broker.classes == [WorkerClass.GPU, WorkerClass.ANY, WorkerClass.ANY]


def test_the_hints_of_a_batch_are_sent_together() -> None:
    broker = Broker()
    broker.answers.clear()
    publisher = Publisher(cast("FitQueue", broker))
    for _ in range(MOST_WAITING // 2):
        publisher.publish_all([Hint("fit_a"), Hint("fit_b", WorkerClass.GPU), Hint("fit_c")])
    broker.answers.set()
    publisher.close()
    assert len(broker.asked) == 3 * (MOST_WAITING // 2), "a batch is one of those that wait"
    assert broker.classes[:3] == [WorkerClass.ANY, WorkerClass.GPU, WorkerClass.ANY]


def test_a_broker_that_hangs_does_not_fill_the_memory() -> None:
    broker = Broker()
    broker.answers.clear()
    publisher = Publisher(cast("FitQueue", broker))
    for _ in range(2 * MOST_WAITING):
        publisher.publish("fit_a", "any")
    broker.answers.set()
    publisher.close()
    assert len(broker.asked) <= MOST_WAITING + 1


def test_after_a_failure_the_broker_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker()
    broker.is_away = True
    publisher = Publisher(cast("FitQueue", broker))
    for fit_id in ("fit_a", "fit_b"):
        publisher.publish(fit_id, "any")
    eventually(lambda: publisher._waiting.empty() and publisher._quiet_until > 0)
    publisher.publish("fit_c", "any")
    assert broker.asked == ["fit_a"]
    broker.is_away = False
    later = time.monotonic() + 60
    monkeypatch.setattr(time, "monotonic", lambda: later)
    publisher.publish("fit_d", "any")
    publisher.close()
    assert broker.asked[0] == "fit_a"
    assert broker.asked[-1] == "fit_d"


def test_an_error_that_nobody_foresaw_costs_its_own_message_only() -> None:
    class Confused(Broker):
        def publish_all(self, hints: Sequence[Hint]) -> bool:
            raise RuntimeError("the channel has changed")

    broker = Confused()
    publisher = Publisher(cast("FitQueue", broker))
    publisher.publish_all([Hint("fit_a"), Hint("fit_b")])
    publisher.publish("fit_c", "any")
    publisher.close()
    assert broker.asked == ["fit_c"]
