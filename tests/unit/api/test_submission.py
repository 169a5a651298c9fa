"""What counts as the same request, and what a silent broker costs."""

import time
from threading import Event
from typing import cast

import pytest
from pydantic import ValidationError

from api.schemas.fits import FitRequest
from api.schemas.signals import EXAMPLE_ID
from api.services.submission import MOST_WAITING, Publisher, request_sha256
from store.queue import FitQueue
from store.spec import FitSpec
from tests.integration.api.waiting import eventually


def test_spelled_out_defaults_are_the_same_request() -> None:
    short = FitRequest(signal_id=EXAMPLE_ID)
    long = FitRequest.model_validate({"seed": 0, "network": {}, "priority": 0, "signal_id": EXAMPLE_ID, "version": 1})
    assert request_sha256(short) == request_sha256(long)
    assert request_sha256(short) != request_sha256(FitRequest(signal_id=EXAMPLE_ID, seed=1))
    assert request_sha256(short) != request_sha256(FitRequest(signal_id=EXAMPLE_ID, priority=1))


def test_the_row_holds_a_plain_spec() -> None:
    request = FitRequest.model_validate({"signal_id": EXAMPLE_ID, "seed": 3, "network": {"hidden": [8]}, "priority": 2})
    assert request.spec() == FitSpec.model_validate({"seed": 3, "network": {"hidden": [8]}})
    assert type(request.spec()) is FitSpec


def test_what_version_1_said_is_what_version_2_says() -> None:
    old = FitSpec.model_validate({"version": 1, "effort": "fast", "target_psnr_db": 30.0, "max_steps": 5})
    new = FitSpec.model_validate({"preset": "fast", "target": {"psnr_db": 30.0}, "max_steps": 5})
    assert old == new
    assert old.version == 2
    assert FitSpec.model_validate({"version": 1, "effort": "best", "target_psnr_db": None}).target is None


@pytest.mark.parametrize(
    "change",
    [
        {"target": {}},
        {"network": {"kind": "wavelets", "hidden": [8]}},
        {"network": {"kind": "wavelets"}, "trainer": {"kind": "adam"}},
        {"network": {"kind": "wavelets"}, "target": {"max_error": 0.1}},
        {"network": {"kind": "siren"}},
        {"target": {"bytes": 5, "psnr_db": 5}},
        {"target": {"bytes": 0}},
        {"target": {"psnr_db": "nan"}},
        {"preset": "fast", "effort": "best"},
        {"version": 3},
        {"trainer": {"kind": "natural_gradient", "learning_rate": 0.1}},
        {"trainer": {"kind": "adam", "damping": 0.1}},
        {"regime": {"low_limit": 0.5, "band_limit": 0.2}},
        {"labels": {"Name": "x"}},
        {"labels": {"name": "a\x00"}},
        {"labels": {f"n{i}": "" for i in range(17)}},
    ],
    ids=str,
)
def test_asks_that_contradict_themselves_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FitRequest.model_validate({"signal_id": EXAMPLE_ID} | change)


@pytest.mark.parametrize("change", [{"sed": 1}, {"signal_id": "sig_1"}, {"priority": 101}, {"max_seconds": "nan"}])
def test_unknown_and_senseless_members_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FitRequest.model_validate({"signal_id": EXAMPLE_ID} | change)


class Broker:
    """Takes what is sent, or hangs, or is away."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_away = False
        self.answers = Event()
        self.answers.set()

    def publish(self, fit_id: str) -> bool:
        self.answers.wait(20)
        self.asked.append(fit_id)
        return not self.is_away

    publish_view = publish


def test_hints_are_sent_without_being_waited_for() -> None:
    broker = Broker()
    broker.answers.clear()
    publisher = Publisher(cast("FitQueue", broker))
    publisher.publish("fit_a")
    publisher.publish("fit_b")
    assert broker.asked == []
    broker.answers.set()
    publisher.close()
    assert broker.asked == ["fit_a", "fit_b"]


def test_a_broker_that_hangs_does_not_fill_the_memory() -> None:
    broker = Broker()
    broker.answers.clear()
    publisher = Publisher(cast("FitQueue", broker))
    for _ in range(2 * MOST_WAITING):
        publisher.publish("fit_a")
    broker.answers.set()
    publisher.close()
    assert len(broker.asked) <= MOST_WAITING + 1


def test_after_a_failure_the_broker_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker()
    broker.is_away = True
    publisher = Publisher(cast("FitQueue", broker))
    for fit_id in ("fit_a", "fit_b"):
        publisher.publish(fit_id)
    eventually(lambda: publisher._waiting.empty() and publisher._quiet_until > 0)
    publisher.publish("fit_c")
    assert broker.asked == ["fit_a"]
    broker.is_away = False
    later = time.monotonic() + 60
    monkeypatch.setattr(time, "monotonic", lambda: later)
    publisher.publish("fit_d")
    publisher.close()
    assert broker.asked[0] == "fit_a"
    assert broker.asked[-1] == "fit_d"
