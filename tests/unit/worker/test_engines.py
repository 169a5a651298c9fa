"""Storage and database are asked before a claim, and not again within a second unless one of them has failed."""

from typing import Any, cast

import pytest
from sqlalchemy.exc import OperationalError

import worker.run as run
from store.errors import BlobsUnavailable
from store.repositories.fits import Claim
from worker.ends import without_engines
from worker.resources import Resources
from worker.settings import WorkerSettings


class Asked:
    """An engine that counts how often it is asked whether it is there."""

    def __init__(self) -> None:
        self.times = 0

    def ping(self) -> None:
        self.times += 1

    def unit_of_work(self) -> Any:
        raise OperationalError("SELECT", {}, Exception("the line is cut"))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("worker.run.time.monotonic", lambda: now[0])
    return now


@pytest.fixture
def storage() -> Asked:
    return Asked()


@pytest.fixture
def resources(storage: Asked) -> Resources:
    settings = WorkerSettings(storage_retry_seconds=0.001)
    return Resources(settings=settings, database=cast("Any", Asked()), blobs=cast("Any", storage), queue=cast("Any", 0))


def test_engines_that_have_answered_are_asked_again_after_a_second(
    resources: Resources, storage: Asked, clock: list[float]
) -> None:
    for seconds, asked in ((0.0, 1), (0.9, 1), (0.2, 2), (0.9, 2)):
        clock[0] += seconds
        assert run._engines_answer(resources)
        assert storage.times == asked


def test_engines_of_which_one_failed_in_an_attempt_are_asked_at_once(
    resources: Resources, storage: Asked, clock: list[float]
) -> None:
    del clock
    assert run._engines_answer(resources)
    without_engines(resources, Claim("fit_1", 1), BlobsUnavailable("away"))
    assert run._engines_answer(resources)
    assert storage.times == 2


def test_engines_of_which_one_failed_in_a_claim_are_asked_at_once(
    resources: Resources, storage: Asked, clock: list[float]
) -> None:
    del clock
    for asked in (1, 2):
        with pytest.raises(OperationalError):
            run.run_next_fit(resources)
        assert storage.times == asked
