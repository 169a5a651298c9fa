"""Messages that stand for several fits: what one worker does with them, and two."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from store.blobs import BlobStore
from store.broker import complaint_about
from store.classes import WorkerClass
from store.database import Database
from store.hints import FITS_HEADER, Hint, hints_of
from store.models import Fit, FitAttempt
from store.queue import MESSAGE_LIFETIME_SECONDS, FitQueue
from store.queues import FITS_QUEUE, RUN_FIT
from store.repositories.batches import Batches, WantedFit
from store.repositories.fits import ClaimedFit
from store.settings import StoreSettings
from store.spec import FitSpec
from store.status import FitStatus
from tests.factories import add_fit, picture_png, upload_signal
from tests.integration.worker.celery_worker import running_worker
from worker import hinted, run
from worker.attempt import Attempt
from worker.drain import draining
from worker.hinted import run_hinted_fits
from worker.resources import Resources
from worker.settings import WorkerSettings
from worker.together import see_through

SMALL = FitSpec.model_validate({"target": {"psnr_db": 25}})
LARGE = FitSpec.model_validate({"max_steps": 3, "network": {"frequencies": 16, "hidden": [8]}})
FACTS = {"shape": [24, 40], "channels": 3}


class Corner:
    """One worker and what it works on, with an empty queue."""

    def __init__(self, database: Database, blobs: BlobStore, queue: FitQueue, broker: redis.Redis) -> None:
        self.database, self.queue, self.broker = database, queue, broker
        self.resources = Resources(settings=WorkerSettings(device="cpu"), database=database, blobs=blobs, queue=queue)
        self.signal_id = upload_signal(database, blobs, picture_png(), FACTS)

    def at_once(self, fits: int) -> Resources:
        """What a worker works on that takes up so many fits at once."""
        settings = self.resources.settings.model_copy(update={"fits_at_once": fits})
        return replace(self.resources, settings=settings)

    def add(self, count: int = 1, spec: FitSpec = SMALL, **options: Any) -> list[str]:
        return [add_fit(self.database, signal_id=self.signal_id, spec=spec, **options) for _ in range(count)]

    def succeeded(self) -> int:
        with self.database.unit_of_work() as session:
            return len(session.scalars(select(Fit).where(Fit.status == FitStatus.SUCCEEDED)).all())

    def sent(self) -> list[int]:
        """For how many fits each of the messages stands that wait, the oldest first."""
        raw = cast("list[bytes]", self.broker.lrange(FITS_QUEUE, 0, -1))
        return [json.loads(one)["headers"].get(FITS_HEADER, 1) for one in reversed(raw)]


@pytest.fixture
def broker(store_settings: StoreSettings) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(store_settings.broker_url.get_secret_value()) as client:
        yield client


@pytest.fixture
def corner(
    database: Database, blobs: BlobStore, store_settings: StoreSettings, broker: redis.Redis
) -> Iterator[Corner]:
    with closing(FitQueue(store_settings)) as queue:
        queue.clear(WorkerClass.ANY)
        yield Corner(database, blobs, queue, broker)


@pytest.fixture(autouse=True)
def _stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(hinted, "LONGEST_SECONDS", 600.0)
    yield
    draining.clear()


def after_each(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], object]) -> None:
    """Have something happen whenever one or more fits have ended, told how many have."""
    ended = 0

    def run_some(*given: Any, **named: Any) -> Sequence[ClaimedFit]:
        nonlocal ended
        claimed = run.run_next_fits(*given, **named)
        act(ended := ended + len(claimed))
        return claimed

    monkeypatch.setattr(hinted, "run_next_fits", run_some)


def test_a_message_for_three_leads_to_three(corner: Corner) -> None:
    fit_ids = corner.add(4)
    run_hinted_fits(corner.resources, Hint(fit_ids[0], fits=3))
    assert (corner.succeeded(), corner.sent()) == (3, [])


def test_it_ends_where_nothing_waits(corner: Corner) -> None:
    (fit_id,) = corner.add()
    run_hinted_fits(corner.resources, Hint(fit_id, fits=8))
    assert (corner.succeeded(), corner.sent()) == (1, [])


def test_nobody_waits_behind_a_large_fit(corner: Corner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are sent on before it begins."""
    large = corner.add(1, LARGE, priority=1)
    small = corner.add(4)
    sent: list[list[int]] = []

    def look(*given: Any) -> None:
        sent.append(corner.sent())
        see_through(*given)

    monkeypatch.setattr(run, "see_through", look)
    run_hinted_fits(corner.resources, Hint(small[0], fits=4))
    assert sent == [[3]]
    with corner.database.unit_of_work() as session:
        assert session.get_one(Fit, large[0]).status is FitStatus.SUCCEEDED
    assert (corner.succeeded(), corner.sent()) == (1, [3])


def test_a_large_fit_is_claimed_by_itself_and_the_rest_is_sent_on_before_it(
    corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = corner.add(2, priority=2)
    large = corner.add(1, LARGE, priority=1)
    corner.add(3)
    seen: list[tuple[list[str], list[int], int]] = []

    def look(resources: Resources, attempts: Sequence[Attempt]) -> None:
        seen.append(([one.claim.fit_id for one in attempts], corner.sent(), corner.succeeded()))
        see_through(resources, attempts)

    monkeypatch.setattr(run, "see_through", look)
    run_hinted_fits(corner.resources, Hint(first[0], fits=6))
    assert seen == [(first, [], 0), (large, [3], 2)]
    assert (corner.succeeded(), corner.sent()) == (3, [3])


def test_a_large_fit_of_another_class_sends_the_whole_message_on(corner: Corner) -> None:
    corner.add(1, LARGE, priority=1, worker_class=WorkerClass.CPU)
    small = corner.add(4)
    run_hinted_fits(corner.resources, Hint(small[0], fits=4))
    assert (corner.succeeded(), corner.sent()) == (1, [4])


@pytest.mark.parametrize("fits_at_once", [1, 4])
def test_a_small_fit_of_another_class_sends_one_on(corner: Corner, fits_at_once: int) -> None:
    corner.add(1, priority=1, worker_class=WorkerClass.CPU)
    small = corner.add(2)
    run_hinted_fits(corner.at_once(fits_at_once), Hint(small[0], fits=2))
    assert (corner.succeeded(), corner.sent()) == (2, [1])


@pytest.mark.parametrize(("fits_at_once", "before", "left"), [(1, 0, 5), (4, 0, 5), (1, 2, 3), (2, 2, 3), (4, 4, 1)])
def test_who_is_to_leave_gives_the_rest_back(
    corner: Corner, monkeypatch: pytest.MonkeyPatch, fits_at_once: int, before: int, left: int
) -> None:
    fit_ids = corner.add(6)
    after_each(monkeypatch, lambda ended: draining.set() if ended == before else None)
    if not before:
        draining.set()
    run_hinted_fits(corner.at_once(fits_at_once), Hint(fit_ids[0], fits=5))
    assert (corner.succeeded(), corner.sent()) == (before, [left])


def test_who_is_to_leave_while_engines_are_away_gives_all_of_it_back(
    corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit_ids = corner.add(3)

    def away(_: Resources) -> bool:
        draining.set()
        return False

    monkeypatch.setattr(run, "_engines_answer", away)
    run_hinted_fits(corner.resources, Hint(fit_ids[0], fits=3))
    assert (corner.succeeded(), corner.sent()) == (0, [3])


@pytest.mark.parametrize("fits_at_once", [1, 3])
def test_fits_that_take_longer_than_foreseen_are_shared_again(
    corner: Corner, monkeypatch: pytest.MonkeyPatch, fits_at_once: int
) -> None:
    monkeypatch.setattr(hinted, "LONGEST_SECONDS", 0.0)
    fit_ids = corner.add(5)
    run_hinted_fits(corner.at_once(fits_at_once), Hint(fit_ids[0], fits=5))
    assert (corner.succeeded(), corner.sent()) == (fits_at_once, [5 - fits_at_once])


def test_a_claim_that_fails_uses_up_its_part_of_the_message(corner: Corner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a failure that does not pass would have the same message sent for ever."""
    fit_ids = corner.add(3)

    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("…", {}, Exception("the database is away"))

    monkeypatch.setattr(hinted, "run_next_fits", fail)
    for fits, sent in ((3, [2]), (2, [1]), (1, [])):
        with pytest.raises(OperationalError):
            run_hinted_fits(corner.resources, Hint(fit_ids[0], fits=fits))
        assert corner.sent() == sent
        corner.queue.clear(WorkerClass.ANY)


def test_a_message_for_several_is_one_that_every_release_reads(corner: Corner) -> None:
    """The number is in a header, beside what workers have always read."""
    assert corner.queue.publish_all([Hint("fit_1"), Hint("fit_2", fits=3)])
    one, several = (json.loads(raw) for raw in cast("list[bytes]", corner.broker.lrange(FITS_QUEUE, 0, -1))[::-1])
    assert several["headers"].pop(FITS_HEADER) == 3
    assert one["headers"].keys() == several["headers"].keys()
    assert one["properties"].keys() == several["properties"].keys()
    assert complaint_about(json.dumps(several), FITS_QUEUE) is None


@pytest.mark.long
def test_two_workers_share_a_batch_of_few_messages(
    corner: Corner, store_environment: dict[str, str], tmp_path: Path
) -> None:
    """Among the messages are some that say nothing sensible."""
    logs = [tmp_path / "one.log", tmp_path / "two.log"]
    settings = {"TUNER_WORKER_DEVICE": "cpu", "TUNER_WORKER_THREADS": "1"}
    with (
        running_worker(store_environment, logs[0], "--hostname", "one@%h", **settings),
        running_worker(store_environment, logs[1], "--hostname", "two@%h", **settings),
    ):
        for header in ("all", -1, 10**9, {"fits": 2}):
            corner.queue._app.send_task(
                RUN_FIT,
                args=["fit_x"],
                queue=FITS_QUEUE,
                headers={FITS_HEADER: header},
                expires=MESSAGE_LIFETIME_SECONDS,
                ignore_result=True,
            )
        deadline = time.monotonic() + 150
        while not all(log.exists() and " ready" in log.read_text() for log in logs) or corner.sent():
            assert time.monotonic() < deadline, "\n".join(log.read_text() for log in logs)
            time.sleep(0.1)
        large = corner.add(1, LARGE, priority=1)
        wanted = [WantedFit(signal_id=corner.signal_id, spec=SMALL) for _ in range(40)]
        with corner.database.unit_of_work() as session:
            fits = Batches(session).submit(tenant="local", wanted=wanted)
            hints = hints_of((fit, SMALL) for fit in fits)
        assert sorted({hint.fits for hint in hints}) == [2, 3]
        assert corner.queue.publish_all([*hints, Hint(large[0])])
        while corner.succeeded() < 41:
            assert time.monotonic() < deadline, "\n".join(log.read_text() for log in logs)
            time.sleep(0.1)
    woken = sum(log.read_text().count("woken for") for log in logs)
    # Four said nothing; one message of small fits may have led to the large one and been sent on, or its time was up.
    assert woken < 4 + 41
    with corner.database.unit_of_work() as session:
        attempts = session.scalars(select(FitAttempt)).all()
    assert {(attempt.attempt, attempt.ended_as) for attempt in attempts} == {(1, "succeeded")}
    assert len({attempt.worker for attempt in attempts}) == 2
