"""The threads that send messages to webhooks: one of them looks for all."""

from threading import Event, current_thread
from typing import Any

import pytest

from store.repositories.webhooks import ClaimedDelivery
from worker import webhooks

MESSAGE = ClaimedDelivery(id="whd_1", attempt=1, url="http://receiver", secrets=(), payload={})
LOOKS = 30


def test_one_sender_looks_while_another_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    senders: list[str] = []
    stop, seen = Event(), Event()

    def look(_resources: Any) -> ClaimedDelivery | None:
        looked.append(current_thread().name)
        if len(looked) == LOOKS:
            seen.set()
        return MESSAGE if len(looked) == 1 else None

    def send(_resources: Any, _sender: Any, claim: ClaimedDelivery) -> None:
        senders.append(current_thread().name)
        assert claim is MESSAGE
        stop.wait(30)  # as long as the others look

    monkeypatch.setattr(webhooks, "claim_next", look)
    monkeypatch.setattr(webhooks, "send", send)
    monkeypatch.setattr(webhooks, "IDLE_SECONDS", 0.001)
    nothing: Any = None
    threads = webhooks.start_senders(nothing, nothing, stop)
    assert seen.wait(30)
    stop.set()
    for thread in threads:
        thread.join(30)
    assert senders == looked[:1]
    assert len(set(looked[1:LOOKS])) == 1
    assert looked[1] not in senders


def test_a_look_that_fails_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, looks = Event(), []

    def look(_resources: Any) -> ClaimedDelivery | None:
        looks.append(1)
        if len(looks) == 2:
            stop.set()
        raise RuntimeError("of a kind that nobody knows")

    monkeypatch.setattr(webhooks, "claim_next", look)
    monkeypatch.setattr(webhooks, "IDLE_SECONDS", 0.001)
    nothing: Any = None
    for thread in webhooks.start_senders(nothing, nothing, stop):
        thread.join(30)
    assert len(looks) == 2
